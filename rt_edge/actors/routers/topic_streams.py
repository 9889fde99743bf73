"""Streams at the ends of topics between actors: a broker's publishers and subscribers as wires, and what a subscriber does."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import msgspec

from rt_edge.actors.routers.topic_codec import MESSAGES
from rt_edge.data.chunk import Chunk
from rt_edge.data.receipt import Marks, Outcome, Receipt
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.boundary.incoming import WireIn
from rt_edge.streams.boundary.outgoing import WireOut
from rt_edge.streams.boundary.post import Post
from rt_edge.streams.hubs._sides import FromHubLogic
from rt_edge.streams.hubs.ports import Port
from rt_edge.streams.pubsub.broker import Broker
from rt_edge.streams.pubsub.from_topic import FromTopic
from rt_edge.streams.pubsub.message import Message
from rt_edge.streams.pubsub.to_topic import ToTopic
from rt_edge.streams.stage import IN, Inlet, Outlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages.map import Map

Take = Callable[[Chunk], object]


def into_broker(broker: Broker, wire: str, post: Post, name: str, relayed: bool = False) -> Blueprint:
    """Wire -> broker: its demand is the room of the subscribers, its outcomes are theirs."""
    blueprint = Blueprint()
    last = blueprint.add(WireIn(wire=wire, post=post, codec=MESSAGES, outlives=True))
    if relayed:
        mark = blueprint.add(Map(_relayed))
        blueprint.connect(last, mark)
        last = mark
    blueprint.connect(last, blueprint.add(ToTopic(broker=broker, on_error="resume"), name))
    return blueprint


def out_of_broker(stage: Subscribed, wire: str, post: Post, name: str) -> Blueprint:
    """Broker -> wire: a subscriber has what it asked for, and what it says of it is the outcome."""
    blueprint = Blueprint()
    source = blueprint.add(stage, name)
    blueprint.connect(source, blueprint.add(WireOut(wire=wire, post=post, codec=MESSAGES)))
    return blueprint


def into_subscriber(wire: str, post: Post, take: Take, window: int) -> Blueprint:
    """Wire -> `take`, which settles what it is given."""
    blueprint = Blueprint()
    source = blueprint.add(WireIn(wire=wire, post=post, codec=MESSAGES, outlives=True))
    blueprint.connect(source, blueprint.add(Handed(take=take, window=window)))
    return blueprint


def _relayed(message: Message) -> Message:
    return msgspec.structs.replace(message, relayed=True, retained=False)


class Subscribed(FromTopic, frozen=True, kw_only=True):
    """`FromTopic` of a subscriber in another process.

    Emits when: a message is there for this subscriber: what is retained first.
    Backpressures when: downstream does; what that means for publishers is said by `slow`.
    Completes when: the broker does, after what waits for this subscriber.
    Cancels when: downstream cancels: the subscription ends.

    Attributes:
        relay: it is the topic actor of another node.
        joined: is given the logic.
    """

    relay: bool = False
    joined: Callable[[SubscribedLogic], object]

    def create_logic(self) -> StageLogic:
        """A subscriber."""
        logic = SubscribedLogic(self)
        self.joined(logic)
        return logic


class SubscribedLogic(FromHubLogic):
    """A subscriber in another process."""

    def __init__(self, stage: Subscribed) -> None:
        super().__init__(stage.broker, self._subscribe)
        self._stage = stage

    def _subscribe(self, wake: Callable[[], None], name: str) -> Port:
        stage = self._stage
        port: Port = stage.broker.subscribe(stage.topics, wake, stage.group, stage.slow, name, stage.relay)
        return port

    @property
    def port(self) -> Port | None:
        """What the broker knows it as; None: it has refused it."""
        return self._port

    def leave(self) -> None:
        """It gets nothing more. The wire ends when what it has got has its outcome: an end that is gone hears of none."""
        if self._port is not None:
            self._stage.broker.leave(self._port)
        self.end()

    def end(self) -> None:
        """To be called from time to time after `leave`, until the stream has ended."""
        self.seat.engine.enter(self.seat, self._look)

    def _look(self) -> None:
        port = self._port
        if port is None or not port.ended or port.error is not None or not port.out:
            super()._look()


class Handed(Stage, frozen=True, kw_only=True):
    """Gives chunks to a function, which settles them, now or later.

    Emits when: -
    Backpressures when: `window` elements were given and not settled.
    Completes when: upstream completes.
    Cancels when: -

    Attributes:
        take: is given each chunk; must not raise.
        window: elements that may be without an outcome.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.END

    take: Take
    window: int

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """None."""
        return ()

    def create_logic(self) -> StageLogic:
        """One run."""
        return _HandedLogic(self)


class _HandedLogic(StageLogic):
    def __init__(self, stage: Handed) -> None:
        self._take = stage.take
        self._window = stage.window
        self._given = 0

    def on_start(self) -> None:
        self.request(IN, self._window)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self._given += len(chunk)
        marks = range(len(chunk)) if chunk.marks is None else chunk.marks
        origin = None if chunk.receipt is None else chunk.receipt.origin
        self._take(Chunk(chunk.items, Receipt(marks, _Heard(self, chunk), origin, self.ctx.name)))

    def heard(self, n: int) -> None:
        """So many have their outcome: there is room for others."""
        self._given -= n
        self.seat.engine.enter(self.seat, self._ask)

    def _ask(self) -> None:
        n = self._window - self._given - self.requested(IN)
        if n > 0 and not self.is_closed(IN):
            self.request(IN, n)


class _Heard:
    """Listener of what was given: tells the wire, and makes room."""

    __slots__ = ("_chunk", "_logic")

    def __init__(self, logic: _HandedLogic, chunk: Chunk) -> None:
        self._logic = logic
        self._chunk = chunk

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        """Pass it on."""
        parent = self._chunk.receipt
        if parent is not None:
            parent.outcome(outcome, marks)
        self._logic.heard(len(marks))
