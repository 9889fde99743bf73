"""StreamRouterActor: a router as a Reactive Streams processor: streams feed it, and its answers are streams.

Each stream is a fused engine inside the router, on its main thread:

    wire from an island -> ask (demand: the room of the routees) -> wire to the island

so demand, receipts, order, repetition and the ends of a stream are those of wires between islands, and the rules hold at either
end (`tests/tck/test_router_boundary.py`).
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Hashable
from typing import Any

from thespian.actors import ActorAddress
from thespian.system.transport import TransmitIntent

from rt_edge.actors.island.post_office import PostOffice
from rt_edge.actors.island.wiring import wire_in, wire_out
from rt_edge.actors.layout import WirePlan
from rt_edge.actors.node_messages import Signals
from rt_edge.actors.routers.actor import RouterActor
from rt_edge.actors.routers.core import RouterCore
from rt_edge.actors.routers.messages import RouteAnswer
from rt_edge.actors.routers.stream_host import ActorHost
from rt_edge.actors.routers.stream_messages import CloseStream, OpenStream, StreamOpened
from rt_edge.data.errors import ConfigError, IslandDied, RtEdgeError, StreamError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.boundary.incoming import WireIn
from rt_edge.streams.engine import Engine
from rt_edge.streams.routing.asked import Told
from rt_edge.streams.stages.ask import Ask
from rt_edge.streams.stages.ignore import Ignore

log = logging.getLogger(__name__)

STREAMS_MOST = 64
"""Streams of one router at a time."""

PARALLELISM = 256
"""Elements of one stream inside the router, at most; the room of the routees is usually less."""


class Asker:
    """In the place of the address of who asked: a stream of this actor itself."""

    __slots__ = ("number", "told")

    def __init__(self, number: int, told: Told) -> None:
        self.number = number
        self.told: Told | None = told

    def give_up(self) -> None:
        """Nobody waits any more; the routee finishes it all the same."""
        self.told = None


class CoreAsked:
    """A router's core as `rt_edge.streams.routing.asked.Asked`, for the streams in its actor.

    Args:
        core: the router.
        within: seconds for an answer.
        key: element -> key, for consistent hashing.
    """

    def __init__(self, core: RouterCore, within: float, key: Callable[[Any], str]) -> None:
        self._core = core
        self._within = within
        self._key = key
        self._numbers = itertools.count()
        self._listeners: dict[int, Callable[[], None]] = {}
        core.freed = self._freed

    def credit(self) -> int:
        """What the routees have room for."""
        return self._core.credit()

    def ask(self, question: Any, told: Told) -> Callable[[], None]:
        """As a question of the router."""
        asker = Asker(next(self._numbers), told)
        self._core.ask(question, asker, str(asker.number), self._within, self._key(question))
        return asker.give_up

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """When a routee is done, comes, or comes back."""
        number = next(self._numbers)
        self._listeners[number] = changed
        return lambda: self._listeners.pop(number, None) and None

    def _freed(self) -> None:
        for changed in list(self._listeners.values()):
            changed()


class StreamRouterActor(RouterActor):
    """Subclass it like `RouterActor`; besides messages it takes streams, by `OpenStream`. Elements are Readings.

    Attributes:
        within: seconds a routee has for an element of a stream; then the element fails, and its origin emits it again.
    """

    within: float = 60.0

    def __init__(self) -> None:
        super().__init__()
        self._asked = CoreAsked(self.core, self.within, self.key_of)
        self._homes: dict[str, ActorAddress] = {}
        self._under_way: dict[str, ActorAddress] = {}
        self._engines: dict[str, Engine] = {}
        self._office = PostOffice("", (), lambda call: self.after(0.0, call) and None, self._dispatch_batch)

    def key_of(self, element: Any) -> str:
        """The key of an element, for consistent hashing; override it. Default: the device a Reading is from."""
        return str(element.source)

    # -- streams -------------------------------------------------------------------------------------------------------

    def on_OpenStream(self, message: OpenStream, sender: ActorAddress) -> None:
        """Begin to work on a stream."""
        try:
            if message.feed not in self._engines:  # delivery is at least once
                self.open_stream(message)
            self.send(sender, StreamOpened(message.feed))
        except RtEdgeError as error:
            self.send(sender, StreamOpened(message.feed, str(error)))

    def open_stream(self, message: OpenStream) -> None:
        """Build and start the engine of a stream.

        Raises:
            ConfigError: there are too many.
        """
        if len(self._engines) >= STREAMS_MOST:
            raise ConfigError(f"this router has {STREAMS_MOST} streams already", "end one by CloseStream")
        self._ready()
        self._homes[message.island] = message.address
        feed = WirePlan(message.feed, "", "", message.island, message.router, "")
        answers = WirePlan(message.answers, "", "", message.router, message.island, "")
        wires = (feed, answers) if message.answers else (feed,)
        self._office.join(*wires)
        blueprint = Blueprint()
        source = blueprint.add(WireIn(wire=feed.name, post=wire_in(feed, self._office).post))
        asked = blueprint.add(Ask(asked=self._asked, within=self.within, parallelism=PARALLELISM))
        sink = blueprint.add(wire_out(answers, self._office) if message.answers else Ignore())
        blueprint.connect(source, asked)
        blueprint.connect(asked, sink)

        def ended(error: BaseException | None) -> None:
            self._engines.pop(message.feed, None)
            self._office.leave(*(wire.name for wire in wires))
            if error is not None:
                log.info("%s: the stream %s has ended: %s", self.name, message.feed, error)

        host = ActorHost(self._clock, self.after)
        engine = self._engines[message.feed] = Engine(blueprint, host, ended)
        host.attach(engine)
        engine.start()

    def on_CloseStream(self, message: CloseStream, sender: ActorAddress) -> None:
        """End one."""
        self.close_stream(message.feed)

    def close_stream(self, feed: str) -> None:
        """End a stream; nothing happens if it is not there."""
        engine = self._engines.get(feed)
        if engine is not None:
            engine.stop(IslandDied(f"the router has ended the stream {feed}"))

    def on_stop(self) -> None:
        """Streams end with their router."""
        for feed in list(self._engines):
            self.close_stream(feed)
        super().on_stop()

    # -- for the core --------------------------------------------------------------------------------------------------

    def send(self, target: Any, message: Any) -> bool:
        """Also to a stream of this actor."""
        if not isinstance(target, Asker):
            return super().send(target, message)
        told = target.told
        if told is not None and isinstance(message, RouteAnswer):
            target.told = None
            told(message.payload, StreamError(message.error) if message.error else None)
        return True

    def key(self, address: Any) -> Hashable:
        """The same for the same asker."""
        return address.number if isinstance(address, Asker) else super().key(address)

    # -- signals -------------------------------------------------------------------------------------------------------

    def on_Signals(self, message: Signals, sender: ActorAddress) -> None:
        """A batch from an island."""
        self._office.receive(message.data)

    def _dispatch_batch(self, island: str, data: bytes) -> bool:
        home = self._homes[island]
        self._under_way[island] = home
        self.send(home, Signals(data))
        return False

    def _sent(self, key: Any, result: Any, intent: TransmitIntent) -> None:
        super()._sent(key, result, intent)
        self._guarded("sent", lambda: self._batch_done(intent))

    def _not_sent(self, key: Any, result: Any, intent: TransmitIntent) -> None:
        super()._not_sent(key, result, intent)
        self._guarded("not sent", lambda: self._batch_done(intent))

    def _batch_done(self, intent: TransmitIntent) -> None:
        if isinstance(intent.message, Signals):
            for island in [name for name, home in self._under_way.items() if home == intent.targetAddr]:
                del self._under_way[island]
                self._office.sent(island)
