"""Actors for the tests; imported by name in their own processes."""

# ruff: noqa: N802 - handlers are named for messages

from __future__ import annotations

import logging
import os
import pathlib
import random
import time
from functools import partial

import msgspec

from rt_edge.actors.base import BaseActor
from rt_edge.actors.logs import restore_logging
from rt_edge.actors.transport.identity import Admission, Identity
from rt_edge.actors.transport.messages import Frame
from rt_edge.actors.transport.serializer import register_message
from rt_edge.actors.transport.tls import NodePki, Plain
from rt_edge.data.errors import BufferOverflow, InternalError
from rt_edge.sdk.backoff import Backoff

register_message(NodePki)
register_message(pathlib.PosixPath)


@register_message
class Say(msgspec.Struct):
    text: str
    payload: bytes = b""


@register_message
class Where(msgspec.Struct):
    pid: int = 0


class Echo(BaseActor):
    def on_Say(self, message, sender):
        self.send(sender, message)

    def on_Where(self, _message, sender):
        self.send(sender, Where(os.getpid()))


@register_message
class Fail(msgspec.Struct):
    times: int = 1


@register_message
class Counts(msgspec.Struct):
    counters: dict = {}
    calls: int = 0
    reports: int = 0
    last: str = ""


class Fragile(BaseActor):
    """Raises when told to; counts how often it was called; is its own guardian."""

    def __init__(self):
        super().__init__()
        self.calls = self.reports = 0
        self.last = ""

    def on_Fail(self, _message, _sender):
        self.guardian = self.myAddress
        self.calls += 1
        raise RuntimeError("as told")

    def on_HandlerFailed(self, message, _sender):
        self.reports += 1
        self.last = f"{message.actor} {message.message} {message.error} {message.count} {'as told' in message.trace}"

    def on_Counts(self, _message, sender):
        self.send(sender, Counts(dict(self.counters), self.calls, self.reports, self.last))


@register_message
class Bounce(msgspec.Struct):
    """Ask for `count` items through the loop and back."""

    count: int = 1
    got: list = []


class Looper(BaseActor):
    """Has a second thread, a timer and a watched pipe."""

    def __init__(self):
        super().__init__()
        self.asker = None
        self.got = []

    def on_Bounce(self, message, sender):
        if not self._loop:
            self.start_loop()
        self.asker, self.got, self.want = sender, [], message.count
        for number in range(message.count):
            self.loop.to_loop(self.loop.to_actor, Say(str(number)))

    def on_Say(self, message, sender):
        self.got.append(message.text)
        if len(self.got) == self.want:
            self.send(self.asker, Bounce(self.want, self.got))

    def on_Fail(self, _message, sender):
        self.loop.to_loop(self.loop.to_actor, lambda: 1 / 0)
        self.loop.to_loop(self.loop.to_actor, lambda: self.send(sender, Counts(dict(self.counters))))

    def on_Where(self, _message, sender):
        try:
            self.createActor(Echo)
        except InternalError as error:
            self.send(sender, Say(str(error)))

    def on_Counts(self, _message, sender):
        """Timers: one that is cancelled, two that fire; the answer comes by the later one."""
        fired = []
        self.after(0.01, fired.append, "early")
        self.after(0.02, fired.append, "never").cancel()
        self.after(0.05, lambda: self.send(sender, Counts(last=",".join(fired))))


@register_message
class Rtt(msgspec.Struct):
    """Time `count` round trips to each of `peers`, one after the other; answered with microseconds."""

    peers: list
    count: int = 1
    micros: list = []
    flood: list = []
    failed: int = 0


class Prober(BaseActor):
    """Floods some actors and measures the round trip to another."""

    outbox_limit = 8

    def on_Rtt(self, message, sender):
        self.asker, self.message, self.micros, self.failed = sender, message, [], 0
        for peer in message.flood:
            for number in range(self.outbox_limit + 1):  # one under way, the rest waits
                self.send(peer, Say(str(number), bytes(60_000)))
        self.step()

    def step(self):
        self.start = time.perf_counter_ns()
        self.send(self.message.peers[0], Say("probe"))

    def on_Say(self, message, sender):
        if message.text != "probe":
            return
        self.micros.append((time.perf_counter_ns() - self.start) // 1000)
        if len(self.micros) < self.message.count:
            self.step()
        else:
            self.send(self.asker, Rtt([], micros=self.micros, failed=self.failed))

    def on_SendFailed(self, message, sender):
        self.failed += message.lost

    def on_Fail(self, message, sender):
        """Overflow: how many are taken for a peer that does not read."""
        taken = 0
        try:
            while True:
                self.send(self.message.flood[0], Say("more"))
                taken += 1
        except BufferOverflow as error:
            self.send(sender, Say(f"{taken} {error}"))

    def on_Counts(self, _message, sender):
        self.send(sender, Counts(dict(self.counters), self.failed))


@register_message
class Tell(msgspec.Struct):
    """Send `text` to an actor and remember what comes back."""

    target: object
    text: str = ""


class Parent(BaseActor):
    """Makes children, loses them, and hears of failed sends."""

    def __init__(self):
        super().__init__()
        self.heard = []
        self.child = None

    def on_Where(self, _message, sender):
        self.child = self.createActor(Echo)
        self.asker = sender
        self.send(self.child, Where())
        self.on_Where = lambda message, _sender: self.send(self.asker, message)

    def on_Say(self, message, sender):
        for number in range(3):
            self.send(self.child, Say(str(number)))
        self.after(0.3, lambda: self.send(sender, Say(";".join(self.heard))))

    def on_SendFailed(self, message, _sender):
        self.heard.append(f"failed {message.kind} lost={message.lost} dead={message.dead}")

    def on_ChildActorExited(self, _message, _sender):
        self.heard.append("child exited")


class Logging(BaseActor):
    """Logs as Thespian left it, and after it was restored."""

    def on_Say(self, message, sender):
        restore_logging(logging.FileHandler(message.text), logging.INFO)
        logging.getLogger("in.an.actor").info("new logger")
        BORN_IN_CHILD.info("module logger")
        self.send(sender, message)


BORN_IN_CHILD = logging.getLogger("cast.module")


@register_message
class Listen(msgspec.Struct):
    """Listen (or dial, when there is a port) with these certificates; answered with the port."""

    pki: NodePki | None = None
    port: int = 0
    host: str = "127.0.0.1"
    late: float = 0.0


class Ingress(BaseActor):
    """Answers each frame with one of its number, at once or late, to whoever sent it."""

    late = 0.0

    def on_Listen(self, message, sender):
        self.late = message.late
        security = message.pki or Plain(Identity("upstream", "up-a"))
        port = self.links.listen(message.host, message.port, security, Admission({"edge": None}))
        self.send(sender, Listen(port=port))

    def on_Where(self, _message, sender):
        """Fork a child while links are open, then close them; the child lives on."""
        self.createActor(Echo)
        self.after(0.1, self.close_all)
        self.send(sender, Where(os.getpid()))

    def close_all(self):
        for link in list(self.links.links):
            self.links.close_link(link, "told to")

    def on_Frame(self, frame, sender):
        answer = Frame("confirm", frame.number, frame.body[:8])
        if self.late:
            self.after(self.late, self.send, sender, answer)
        else:
            self.send(sender, answer)


class Uplink(BaseActor):
    """Dials, sends frames with a window, and answers when all are confirmed; redials with backoff."""

    def __init__(self):
        super().__init__()
        self.session = self.asker = None
        self.log = []
        self.backoff = Backoff(random.Random(1), first_s=0.05, last_s=0.2)

    def on_Listen(self, message, sender):
        self.asker, self.security, self.port = sender, message.pki or Plain(Identity("edge", "hall-3")), message.port
        self.dial()

    def dial(self):
        self.links.dial("127.0.0.1", self.port, self.security, Admission({"upstream": None}))

    def on_LinkUp(self, message, sender):
        self.session = sender
        self.log.append(f"up {message.peer}")
        if self.asker:
            self.send(self.asker, Say(message.peer))
            self.asker = None

    def on_LinkDown(self, message, _sender):
        self.log.append(f"down {message.reason}")
        self.session = None
        self.after(self.backoff.failed(), self.dial)

    def on_Rtt(self, message, sender):
        """`count` frames of `failed` bytes with `micros[0]` in flight."""
        self.asker, self.count, self.size = sender, message.count, message.failed
        self.sent = self.confirmed = 0
        self.body = bytes(self.size)
        self.start = time.perf_counter()
        for _ in range(message.micros[0]):
            self.step()

    def step(self):
        if self.sent < self.count:
            assert self.send(self.session, Frame("batch", self.sent, self.body))
            self.sent += 1

    def on_Frame(self, frame, _sender):
        assert frame.number == self.confirmed
        self.confirmed += 1
        self.step()
        if self.confirmed == self.count:
            self.send(self.asker, Rtt([], micros=[int((time.perf_counter() - self.start) * 1e6)]))

    def on_Say(self, message, sender):
        self.send(sender, Say(";".join(self.log)))


@register_message
class Numbered(msgspec.Struct):
    number: int
    last: bool = False


class Collector(BaseActor):
    """Keeps the order in which numbers come; answers a `Bounce` with it."""

    def __init__(self):
        super().__init__()
        self.numbers = []

    def on_Numbered(self, message, _sender):
        self.numbers.append(str(message.number))

    def on_Bounce(self, message, sender):
        if len(set(self.numbers)) < message.count:
            self.after(0.02, self.on_Bounce, message, sender)
        else:
            self.send(sender, Bounce(message.count, self.numbers))


class Source(BaseActor):
    """Sends `count` numbers to an actor."""

    def on_Rtt(self, message, sender):
        for number in range(message.count):
            self.send(message.peers[0], Numbered(number))
        self.send(sender, Say("sent"))


class Waker(BaseActor):
    """Measures the wake-up: from `to_actor` on the loop's thread to the handler on the main thread."""

    def on_Rtt(self, message, sender):
        if self._loop is None:
            self.start_loop()
        self.asker, self.left, self.micros = sender, message.count, []
        self.loop.to_loop(self.later)

    def later(self):
        """On the loop's thread; waits until the main thread is back in its select."""
        self.loop.loop.call_later(0.002, self.hand_over)

    def hand_over(self):
        self.loop.to_actor(partial(self.woken, time.perf_counter_ns()))

    def woken(self, start):
        self.micros.append((time.perf_counter_ns() - start) // 1000)
        self.left -= 1
        if self.left:
            self.loop.to_loop(self.later)
        else:
            self.send(self.asker, Rtt([], micros=self.micros))
