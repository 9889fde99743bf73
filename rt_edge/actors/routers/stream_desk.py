"""StreamDesk: the streams of an actor on its main thread, and the wires that join them to other actors.

Wires are those of islands (`rt_edge.streams.boundary`): demand, order, repetition, the lives of either end, and outcomes. What
the ends say to each other goes in batches, as `Signals`, at most one under way to each actor.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, Protocol

from rt_edge.actors.island.post_office import PostOffice, WireEnd
from rt_edge.actors.layout import WirePlan
from rt_edge.actors.node_messages import Signals
from rt_edge.actors.routers.stream_host import ActorHost
from rt_edge.data.clock import Clock
from rt_edge.data.errors import ConfigError
from rt_edge.protocol.signals import AnySignal, Cancel, OnComplete, encode_signals
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.engine import Engine

log = logging.getLogger(__name__)

CALLS = 512
"""Calls in a row, at most; then the actor gets to its messages."""

STREAMS_MOST = 8192
"""Streams of one actor at a time."""

IDLE_NAMES = 256
"""Other actors that are remembered though no wire leads to them any more."""

HERE = ""
"""What an actor is called in the plans of its wires."""


class Around(Protocol):
    """What a desk asks of its actor; see `rt_edge.actors.routers.members.Surroundings`."""

    def send(self, target: Any, message: Any) -> Any:
        """Send; at least once, in any order, or never if the target is dead."""
        ...

    def now(self) -> float:
        """Monotonic time."""
        ...

    def after(self, seconds: float, function: Callable[..., object], *args: object) -> Callable[[], None]:
        """Call later; returns what cancels it."""
        ...

    def key(self, address: Any) -> Hashable:
        """The same for the same actor."""
        ...


class StreamDesk:
    """Engines by wire, and their post.

    Args:
        around: the actor: `send`, `after`, `now`, `key` of it are used.
        clock: time.

    Attributes:
        office: the post of its wires.
        elsewhere: hands a call of another thread to the actor's; None: there is none.
    """

    def __init__(self, around: Around, clock: Clock) -> None:
        self._around = around
        self._clock = clock
        self.office = PostOffice(HERE, (), self.soon, self._dispatch)
        self._engines: dict[str, Engine] = {}
        self._names: dict[Hashable, str] = {}  # key of an address -> what it is called here
        self._homes: dict[str, Any] = {}  # what it is called -> its address; None: it is gone
        self._wires: dict[str, dict[str, bool]] = {}  # what it is called -> wires to it: whether this end produces
        self._heard: dict[str, float] = {}
        self._named = 0
        self.elsewhere: Callable[[Callable[[], None]], object] | None = None
        self._calls: list[Callable[[], object]] = []  # a few for each stream that has something to do
        self._planned = False

    def __len__(self) -> int:
        return len(self._engines)

    # -- streams -------------------------------------------------------------------------------------------------------

    def wire(self, name: str, address: Any, producing: bool) -> WireEnd:
        """This actor's end of a wire to `address`."""
        there = self._name(address)
        here = (HERE, there) if producing else (there, HERE)
        self.office.join(WirePlan(name, "", "", *here, ""))
        self._wires[there][name] = producing
        return self.office.end(name, producing)

    def run(self, name: str, blueprint: Blueprint, ended: Callable[[BaseException | None], None]) -> Engine:
        """Start the stream that has an end of the wire `name`; `ended` is called when it has stopped.

        Raises:
            ConfigError: there are too many.
        """
        if len(self._engines) >= STREAMS_MOST:
            self._left(name)
            raise ConfigError(f"this actor has {STREAMS_MOST:,} streams already")

        def done(error: BaseException | None) -> None:
            if self._engines.get(name) is engine:
                del self._engines[name]
                self._left(name)
            ended(error)

        host = ActorHost(self._clock, self._after, self.elsewhere)
        engine = self._engines[name] = Engine(blueprint, host, done)
        host.attach(engine)
        engine.start()
        return engine

    def stop(self, name: str, error: BaseException | None = None) -> None:
        """End a stream; nothing happens if there is none."""
        engine = self._engines.get(name)
        if engine is not None:
            engine.stop(error)

    def runs(self, name: str) -> bool:
        """Whether there is a stream of this name."""
        return name in self._engines

    # -- other actors --------------------------------------------------------------------------------------------------

    def gone(self, address: Any, error: BaseException | None = None) -> tuple[str, ...]:
        """It is dead: nothing is sent to it any more; with `error`, its streams fail. Returns their wires, once."""
        name = self._names.get(self._around.key(address))
        if name is None or self._homes.get(name) is None:
            return ()
        wires = tuple(self._wires.get(name, ()))
        self._homes[name] = None
        if error is not None:
            for wire in wires:
                self.stop(wire, error)
            self._forget(name)
        return wires

    def is_gone(self, address: Any) -> bool:
        """Whether it is known to be dead."""
        name = self._names.get(self._around.key(address))
        return name is not None and self._homes.get(name) is None

    def moved(self, old: Any, new: Any) -> None:
        """The wires to `old` lead to `new` from now on; their ends there have another life."""
        name = self._names.pop(self._around.key(old), None)
        if name is None:
            return
        there = self._names.get(self._around.key(new))
        if there is None:
            there = self._names[self._around.key(new)] = name
            self._homes[name] = new
        else:  # wires lead there already: one queue for all
            for wire, producing in self._wires[name].items():
                self.office.join(WirePlan(wire, "", "", *((HERE, there) if producing else (there, HERE)), ""))
                self._wires[there][wire] = producing
            self._forget(name)
        self.office.sent(there)
        self.office.reachable(there, self._wires[there])

    def nudge(self, address: Any, after: float) -> None:
        """Say again what there is to say to `address`, if nothing was heard from it, or it was nudged, for so long: sending tells
        if it is dead."""
        name, now = self._names.get(self._around.key(address)), self._around.now()
        if name is not None and now - self._heard.get(name, 0.0) >= after:
            self._heard[name] = now
            self.office.reachable(name, self._wires[name])

    def receive(self, sender: Any, message: Signals) -> None:
        """A batch from another actor."""
        name = self._names.get(self._around.key(sender))
        if name is not None:
            self._heard[name] = self._around.now()
        self.office.receive(message.data, partial(self._nobodys, sender))
        self._turn()

    def sent(self, address: Any) -> None:
        """A batch has arrived at `address`, or is lost."""
        name = self._names.get(self._around.key(address))
        if name is not None:
            self.office.sent(name)

    def _nobodys(self, sender: Any, signal: AnySignal) -> None:
        """The end of a wire that has left: its last words were lost, and the other end waits for them."""
        if isinstance(signal, OnComplete):
            self._around.send(sender, Signals(encode_signals([Cancel(signal.wire, signal.producer, signal.consumer)])))

    def _left(self, wire: str) -> None:
        self.office.leave(wire)
        for wires in self._wires.values():
            wires.pop(wire, None)

    def _name(self, address: Any) -> str:
        key = self._around.key(address)
        name = self._names.get(key)
        if name is None:
            if len(self._names) > IDLE_NAMES + 2 * len(self._engines):
                self._sweep()
            self._named += 1
            name = self._names[key] = f"actor-{self._named}"
            self._wires[name] = {}
        self._homes[name] = address
        return name

    def _sweep(self) -> None:
        """Forget those to whom no wire leads; not at once, since the last words of one may still be on their way."""
        for name in [name for name, wires in self._wires.items() if not wires]:
            self._forget(name)

    def _forget(self, name: str) -> None:
        self.office.forget(name)
        self._names = {key: each for key, each in self._names.items() if each != name}
        for table in (self._homes, self._wires, self._heard):
            table.pop(name, None)

    def _dispatch(self, name: str, data: bytes) -> bool:
        address = self._homes.get(name)
        if address is None:  # to nobody
            if name not in self._homes:  # last words to one that is forgotten
                self.office.forget(name)
            return True
        self._around.send(address, Signals(data))
        return False

    # -- turns ---------------------------------------------------------------------------------------------------------

    def soon(self, call: Callable[[], object]) -> None:
        """Call it on the actor's thread, after what is done now."""
        self._calls.append(call)
        self._plan()

    def _after(self, seconds: float, call: Callable[[], object]) -> Callable[[], None]:
        if seconds > 0.0:
            return self._around.after(seconds, call)
        self.soon(call)
        return _nothing

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            self._around.after(0.0, self._planned_turn)

    def _planned_turn(self) -> None:
        self._planned = False
        self._turn()

    def _turn(self) -> None:
        done = 0
        while self._calls and done < CALLS:
            calls, self._calls = self._calls, []
            done += len(calls)
            for call in calls:
                try:
                    call()
                except Exception:
                    log.exception("a stream of an actor failed in its turn")
        if self._calls:
            self._plan()


def _nothing() -> None:
    """It is not taken back: what it calls looks for itself whether there is something to do."""
