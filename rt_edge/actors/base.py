"""The base actor: the only class that derives from `thespian.Actor`."""

from __future__ import annotations

import logging
import signal
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

from thespian.actors import Actor, ActorAddress, ActorExitRequest, ThespianWatch, WakeupMessage, WatchMessage
from thespian.system.transport import SendStatus, TransmitIntent

from rt_edge.actors.lifecycle import StateOf
from rt_edge.actors.loop_thread import LoopThread
from rt_edge.actors.messages import HandlerFailed, Ping, Pong
from rt_edge.actors.outbox import DEFAULT_LIMIT, LocalOutbox
from rt_edge.actors.transport.addresses import Key, address_key, link_details
from rt_edge.actors.transport.hub import Hub
from rt_edge.actors.transport.messages import Frame, SendFailed, describe
from rt_edge.actors.transport.node_transport import NodeTransport
from rt_edge.data.errors import InternalError

_log = logging.getLogger("rt_edge.actors.base")
_FAULTS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT)
_MAX_TRACE = 8000
_MAX_DISTINCT = 256
_STOP_S = 5.0

Handler = Callable[[Any, ActorAddress], None]


class Timer:
    """A call that is planned; `cancel` makes it nothing (Thespian cannot take a wake-up back)."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], object]) -> None:
        self._call: Callable[[], object] | None = call

    def cancel(self) -> None:
        """Do not call."""
        self._call = None

    def fire(self) -> None:
        """Call, once."""
        call, self._call = self._call, None
        if call is not None:
            call()


class BaseActor(Actor):  # type: ignore[misc]
    """Dispatches each message to `on_<ClassName>(message, sender)` of the subclass, and never raises.

    Thespian calls a handler that raises a second time, with a copy of the message; here every exception is caught, logged
    once for each kind, counted, and reported to `guardian`. Thespian forgets what it watches after each message that does not
    return the watch; here every message returns it.

    What a subclass may use: `send`, `after`, `start_loop`/`loop`, `watch`, `transport`, `guardian`, `counters`; it may define
    `on_stop()`, `on_SendFailed`, and whatever it wants to hear of. All of it is called on the main thread.

    Attributes:
        name: for logs and the roll; a subclass may set it, in its class or when it learns it.
        state: `running`, `leaving` while it ends, `stopped`.
        guardian: who hears of failed handlers; None: nobody.
        counters: `handled`, `failed`, `unhandled`, `sent`, `send_failed`, `dropped`.
        outbox_limit: messages that may wait for one local target.
    """

    name: str = ""
    state = StateOf()
    outbox_limit: ClassVar[int] = DEFAULT_LIMIT

    def __init__(self) -> None:
        super().__init__()
        for fault in _FAULTS:  # Thespian catches these in Python, where a real fault would be raised again for ever
            signal.signal(fault, signal.SIG_DFL)
        for polite in (signal.SIGTERM, signal.SIGINT):
            signal.signal(polite, signal.SIG_IGN)  # obeyed by the main process alone, which stops the node in order
        self.name = type(self).name or type(self).__name__
        self.guardian: ActorAddress | None = None
        self.counters: Counter[str] = Counter()
        self._failures: Counter[tuple[str, str]] = Counter()
        self._unheard: set[str] = set()
        self._loop: LoopThread | None = None
        self._watches: dict[int, Callable[[], None]] = {}
        self._outbox = LocalOutbox(self._transmit, self.outbox_limit)
        self.state = "running"
        if NodeTransport.lifeline is not None:
            NodeTransport.lifeline.announce("actor", self.name)

    # -- receiving -----------------------------------------------------------------------------------------------------

    def receiveMessage(self, message: Any, sender: ActorAddress) -> ThespianWatch | None:
        """Thespian's entry; not to be overridden."""
        try:
            self._dispatch(message, sender)
        except Exception as error:  # noqa: BLE001 - the whole point: nothing may reach Thespian
            self._failed(describe(message), error)
        return ThespianWatch(list(self._watches)) if self._watches else None

    def _dispatch(self, message: Any, sender: ActorAddress) -> None:
        if isinstance(message, WatchMessage):
            for fd in message.ready:
                self._guarded("watch", self._watches.get(fd, _nothing))
            return
        if isinstance(message, WakeupMessage) and isinstance(message.payload, Timer):
            message.payload.fire()
            return
        if isinstance(message, Ping):
            self._ping(message, sender)
            return
        if isinstance(message, ActorExitRequest):
            self._stop()
            return
        handler = self._handler(message)
        if handler is None:
            self._unhandled(message)
            return
        self.counters["handled"] += 1
        handler(message, sender)

    def _handler(self, message: Any) -> Handler | None:
        for cls in type(message).__mro__[:-1]:
            found: Handler | None = getattr(self, f"on_{cls.__name__}", None)
            if found is not None:
                return found
        return None

    def _unhandled(self, message: Any) -> None:
        self.counters["unhandled"] += 1
        kind = describe(message)
        if kind not in self._unheard and len(self._unheard) < _MAX_DISTINCT:
            self._unheard.add(kind)
            _log.warning("%s does not handle %s", self.name, kind)

    def _guarded(self, what: str, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - as in receiveMessage: one failed call must not take the others along
            self._failed(what, error)

    def _failed(self, kind: str, error: Exception) -> None:
        self.counters["failed"] += 1
        key = (kind, f"{type(error).__name__}: {error}"[:300])
        if key not in self._failures and len(self._failures) >= _MAX_DISTINCT:
            key = (kind, "(others)")
        self._failures[key] += 1
        count = self._failures[key]
        if count == 1:
            _log.error("%s failed at %s: %s", self.name, kind, key[1], exc_info=error)
        if self.guardian is None or count & (count - 1):  # told at 1, 2, 4, 8, ...
            return
        trace = "".join(traceback.format_exception(error))[-_MAX_TRACE:]
        try:
            self.send(self.guardian, HandlerFailed(self.name, kind, key[1], trace, count))
        except Exception:  # noqa: BLE001 - there is nobody left to tell
            _log.exception("%s cannot tell its guardian of a failure", self.name)

    # -- sending -------------------------------------------------------------------------------------------------------

    @property
    def transport(self) -> NodeTransport:
        """The transport of this process.

        Raises:
            InternalError: the actor system was not started with a `NodeSystemBase`.
        """
        if NodeTransport.current is None:
            raise InternalError("this actor runs without a NodeTransport")
        return NodeTransport.current

    @property
    def links(self) -> Hub:
        """The links of this process: `listen`, `dial`, `close_link`, `stop_listening`."""
        return self.transport.hub

    def send(self, target: ActorAddress, message: Any) -> bool:
        """Send to an actor of this node, or over a link.

        Delivery to an actor is at least once and not in order across restarts of a transmit; what fails is told by
        `SendFailed`. To a link only a `Frame` can be sent.

        Returns:
            False: the link is gone, or was full and has been closed; nothing was sent. Always True for a local actor.

        Raises:
            BufferOverflow: too many messages wait for this local actor already.
        """
        link = link_details(target)
        if link is None:
            self.send_local(target, message)
            return True
        if not isinstance(message, Frame):
            raise TypeError(f"only a Frame goes over a link, not {describe(message)}")
        return self.transport.send_frame(link, message)

    def send_local(self, target: ActorAddress, message: Any) -> None:
        """Send to an actor of this node: at most one transmit is under way for each, the others wait, in order.

        Raises:
            BufferOverflow: too many wait for this target already.
        """
        self._on_main_thread()
        self._outbox.put(address_key(target), (target, message))
        self.counters["sent"] += 1

    def _transmit(self, key: Key, item: tuple[ActorAddress, Any]) -> None:
        target, message = item
        intent = TransmitIntent(target, message, onSuccess=partial(self._sent, key), onError=partial(self._not_sent, key))
        self._myRef._send_intent(intent)  # noqa: SLF001 - a seam: `send` has no way to learn of the end of a transmit

    def _sent(self, key: Key, _result: Any, _intent: TransmitIntent) -> None:
        self._guarded("sent", partial(self._outbox.completed, key))

    def _not_sent(self, key: Key, result: Any, intent: TransmitIntent) -> None:
        """Called by the transport: the target is dead, did not read for 20 s, or refused the message."""
        dead = result is SendStatus.DeadTarget
        lost = 1 + (self._outbox.abandon(key) if dead else 0)
        self.counters["send_failed"] += 1
        self.counters["dropped"] += lost
        notice = SendFailed(str(result), dead, lost, describe(intent.message))
        self._guarded("send failed", partial(self.transport.deliver, intent.targetAddr, notice))
        self._guarded("send failed", partial(self._outbox.completed, key))

    # -- time, threads, descriptors ------------------------------------------------------------------------------------

    def after(self, seconds: float, function: Callable[..., object], *args: object) -> Timer:
        """Call `function(*args)` on this thread after `seconds`; two that are due together come in no certain order."""
        self._on_main_thread()
        timer = Timer(partial(function, *args))
        self.wakeupAfter(timedelta(seconds=seconds), timer)
        return timer

    def watch(self, fd: int, ready: Callable[[], None]) -> None:
        """Call `ready` on this thread whenever `fd` is readable."""
        self._watches[fd] = ready

    def unwatch(self, fd: int) -> None:
        """Watch no more."""
        self._watches.pop(fd, None)

    def start_loop(self, **options: Any) -> LoopThread:
        """Start the asyncio loop on the second thread. What it hands over with `to_actor` is handled here: a callable is
        called, anything else is dispatched like a message of this actor's own.

        Args:
            options: for `LoopThread`.
        """
        if self._loop is not None:
            raise InternalError(f"{self.name} has a loop already")
        loop = self._loop = LoopThread(self.name, **options)
        self.watch(loop.fileno(), self._from_loop)
        loop.start()
        return loop

    @property
    def loop(self) -> LoopThread:
        """The second thread.

        Raises:
            InternalError: not started.
        """
        if self._loop is None:
            raise InternalError(f"{self.name} has no loop")
        return self._loop

    def _from_loop(self) -> None:
        for item in self.loop.take():
            if callable(item):
                self._guarded("a call from the loop", item)
            else:
                self._guarded(describe(item), partial(self._dispatch, item, self.myAddress))

    def createActor(self, actorClass: Any, *args: Any, **kw: Any) -> ActorAddress:  # noqa: N803 - Thespian's name
        """Create a child; not after `start_loop`, since a process with threads must not fork."""
        if self._loop is not None:
            raise InternalError(f"{self.name} has a second thread and must not create actors")
        self._on_main_thread()
        return super().createActor(actorClass, *args, **kw)

    def _ping(self, ping: Ping, sender: ActorAddress) -> None:
        loop = self._loop
        if loop is None:
            self.send(sender, Pong(ping.number, loop=False))
            return
        answer = partial(self.send, sender, Pong(ping.number, loop=True))
        loop.to_loop(loop.to_actor, answer)

    def _stop(self) -> None:
        self.state = "leaving"
        on_stop: Callable[[], None] | None = getattr(self, "on_stop", None)
        if on_stop is not None:
            self._guarded("on_stop", on_stop)
        loop = self._loop
        if loop is None:
            self.state = "stopped"
            return
        self._guarded("the last items of the loop", self._from_loop)
        self._loop = None
        self.unwatch(loop.fileno())
        if not loop.stop(_STOP_S):
            _log.error("the loop of %s did not stop within %g s", self.name, _STOP_S)
        self.state = "stopped"

    def _on_main_thread(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise InternalError(f"{self.name}: actor operations belong to the main thread", "use loop.to_actor")


def _nothing() -> None:
    """For a descriptor that was unwatched in the same turn."""
