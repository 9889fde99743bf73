"""What the transport carries: links between two actor systems, local messages, and the wake-up from the second thread.

    python benchmarks/bench_link.py [--frames N] [--size BYTES]

Both systems run on this host and share its cores. Prints one table; every figure is of this run.
"""

# ruff: noqa: N802 - handlers are named for their messages

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from thespian.actors import ActorAddress

from rt_edge.actors.base import BaseActor
from rt_edge.actors.system import NodeSystem, start_node
from rt_edge.actors.transport.identity import Admission, Identity
from rt_edge.actors.transport.messages import Frame, LinkDown, LinkUp
from rt_edge.actors.transport.serializer import register_message
from rt_edge.actors.transport.tls import NodePki, Plain
from rt_edge.testkit.pki import ThrowAwayCa

_TIMEOUT = 120.0


@register_message
class Listen(msgspec.Struct):
    """Listen, or dial `port`; the answer carries the port."""

    files: list[str] | None = None
    port: int = 0


@register_message
class Run(msgspec.Struct):
    """Do `count` exchanges of `size` bytes with `window` under way."""

    count: int
    size: int = 0
    window: int = 1
    peer: Any = None


@register_message
class Took(msgspec.Struct):
    """Seconds for all of it, or microseconds for each; CPU seconds of the process that ran it."""

    seconds: float = 0.0
    micros: list[int] = []
    cpu: float = 0.0


@register_message
class Item(msgspec.Struct):
    """A local message."""

    body: bytes = b""


def security(files: list[str] | None, identity: Identity) -> NodePki | Plain:
    """Certificates from their file names, or plain."""
    return Plain(identity) if files is None else NodePki(*map(Path, files))


class Ingress(BaseActor):
    """Confirms each frame with a small one."""

    def on_LinkUp(self, _message: LinkUp, _sender: ActorAddress) -> None:
        """Frames come next."""

    def on_LinkDown(self, _message: LinkDown, _sender: ActorAddress) -> None:
        """The run is over."""

    def on_Listen(self, message: Listen, sender: ActorAddress) -> None:
        keys = security(message.files, Identity("upstream", "up-a"))
        self.send(sender, Listen(port=self.links.listen("127.0.0.1", 0, keys, Admission({"edge": None}))))

    def on_Frame(self, frame: Frame, sender: ActorAddress) -> None:
        self.send(sender, Frame("confirm", frame.number, b"r" * 40))


class Uplink(BaseActor):
    """Keeps `window` frames unconfirmed."""

    def on_LinkDown(self, message: LinkDown, _sender: ActorAddress) -> None:
        """The run is over, or will not end."""

    def on_Listen(self, message: Listen, sender: ActorAddress) -> None:
        self.asker = sender
        keys = security(message.files, Identity("edge", "hall-3"))
        self.links.dial("127.0.0.1", message.port, keys, Admission({"upstream": None}))

    def on_LinkUp(self, _message: LinkUp, sender: ActorAddress) -> None:
        self.session = sender
        self.send(self.asker, Took())

    def on_Run(self, message: Run, sender: ActorAddress) -> None:
        self.asker, self.run, self.body = sender, message, os.urandom(message.size)
        self.sent = self.confirmed = 0
        self.start, self.cpu = time.perf_counter(), time.process_time()
        for _ in range(message.window):
            self.step()

    def step(self) -> None:
        if self.sent < self.run.count:
            if not self.send(self.session, Frame("batch", self.sent, self.body)):
                raise RuntimeError("the link is gone")
            self.sent += 1

    def on_Frame(self, _frame: Frame, _sender: ActorAddress) -> None:
        self.confirmed += 1
        self.step()
        if self.confirmed == self.run.count:
            self.send(self.asker, Took(time.perf_counter() - self.start, cpu=time.process_time() - self.cpu))


class Echo(BaseActor):
    """Sends back a small answer."""

    def on_Item(self, _message: Item, sender: ActorAddress) -> None:
        self.send(sender, Item())


class Local(BaseActor):
    """Local exchanges, and wake-ups from its second thread."""

    def on_Run(self, message: Run, sender: ActorAddress) -> None:
        self.asker, self.run, self.body = sender, message, os.urandom(message.size)
        self.sent = self.got = 0
        self.start, self.cpu = time.perf_counter(), time.process_time()
        if message.peer is None:
            self.micros: list[int] = []
            self.start_loop()
            self.loop.to_loop(self.later)
            return
        for _ in range(message.window):
            self.step()

    def step(self) -> None:
        if self.sent < self.run.count:
            self.sent += 1
            self.send(self.run.peer, Item(self.body))

    def on_Item(self, _message: Item, _sender: ActorAddress) -> None:
        self.got += 1
        self.step()
        if self.got == self.run.count:
            self.send(self.asker, Took(time.perf_counter() - self.start, cpu=time.process_time() - self.cpu))

    def later(self) -> None:
        """On the loop's thread: hand over when the main thread is back in its select."""
        self.loop.loop.call_later(0.002, self.hand_over)

    def hand_over(self) -> None:
        self.loop.to_actor(partial(self.woken, time.perf_counter_ns()))

    def woken(self, start: int) -> None:
        self.micros.append((time.perf_counter_ns() - start) // 1000)
        if len(self.micros) < self.run.count:
            self.loop.to_loop(self.later)
        else:
            self.send(self.asker, Took(micros=self.micros))


def links(edge: NodeSystem, upstream: NodeSystem, folder: Path, frames: int, size: int) -> None:
    """Frames up and small confirmations down."""
    ca = ThrowAwayCa(folder)
    pki = {
        role: [str(path) for path in msgspec.structs.astuple(ca.issue(role, node))]
        for role, node in (("edge", "hall-3"), ("upstream", "up-a"))
    }
    for label, secure in (("mutual TLS 1.3", True), ("plain, loopback", False)):
        ingress, uplink = upstream.create(Ingress), edge.create(Uplink)
        port = upstream.ask(ingress, Listen(pki["upstream"] if secure else None), 5, Listen).port
        edge.ask(uplink, Listen(pki["edge"] if secure else None, port), 5, Took)
        edge.ask(uplink, Run(200, size, 2), _TIMEOUT, Took)  # warm
        for window in (1, 2, 8):
            took = edge.ask(uplink, Run(frames, size, window), _TIMEOUT, Took)
            rate = frames / took.seconds
            print(
                f"link, {label:16} {size:7,} B  {window} in flight  {rate:8,.0f} frames/s  {rate * size / 1e6:6.0f} MB/s"
                f"  {took.cpu / frames * 1e6:5.0f} us CPU a frame at the edge"
            )


def local(node: NodeSystem, count: int) -> None:
    """Between two actors of one node."""
    for size in (100, 10_000, 100_000):
        for window in (1, 2):
            echo, one = node.create(Echo), node.create(Local)
            took = node.ask(one, Run(count, size, window, echo), _TIMEOUT, Took)
            print(
                f"local send and small answer  {size:7,} B  {window} in flight  {count / took.seconds:8,.0f} exchanges/s"
                f"  {took.seconds / count * 1e6:6.0f} us each  {took.cpu / count * 1e6:5.0f} us CPU at the sender"
            )
    micros = sorted(node.ask(node.create(Local), Run(1000), _TIMEOUT, Took).micros)
    print(f"wake-up from the second thread: median {micros[500]} us, p99 {micros[990]} us, worst {micros[-1]} us")


def main() -> int:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--size", type=int, default=60_000)
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    with start_node() as edge, start_node() as upstream, tempfile.TemporaryDirectory() as folder:
        links(edge, upstream, Path(folder), options.frames, options.size)
        local(edge, 1000)
    return 0


if __name__ == "__main__":
    sys.exit(main())
