"""TopicPublisher: what an actor publishes with receipts: kept until subscribers have settled it, emitted again if it failed."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

from rt_edge.actors.routers.stream_desk import StreamDesk
from rt_edge.actors.routers.topic_codec import MESSAGES, check_payload
from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.errors import StreamError
from rt_edge.data.receipt import Failed, Marks, Origin, Outcome, Receipt
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.boundary.outgoing import WireOut
from rt_edge.streams.ledger import Ledger
from rt_edge.streams.pubsub.message import Message
from rt_edge.streams.pubsub.topics import check_topic
from rt_edge.streams.stage import OUT, Outlet, StageLogic
from rt_edge.streams.stages._source import SourceStage

log = logging.getLogger(__name__)

Told = Callable[[Outcome], object]

WINDOW = 1024
"""Messages that one publisher may have offered and not heard of."""

ATTEMPTS = 5
"""Times that a message may fail at a subscriber that lives, before its outcome is that."""

AGAIN_S = 0.1
"""What failed is emitted again after this, and nothing new before it."""


def _say_failed(what: str, error: Exception) -> None:
    log.error("%s: %s", what, error, exc_info=error)


class Book(Ledger):
    """A ledger that tells each message its outcome.

    Attributes:
        told: number of a message -> who is told.
    """

    told: dict[int, Told]
    _news: tuple[int, ...] = ()

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        """Tell those that have it, when the book is in order again."""
        super().on_outcome(receipt, marks, outcome)
        news, self._news = self._news, ()
        for number in news:
            told = self.told.pop(number, None)
            if told is not None:
                told(outcome)

    def _settle(self, first: int, numbers: Sequence[int]) -> None:
        super()._settle(first, numbers)
        self._news += tuple(numbers)


class TopicPublisher:
    """One stream of messages to a topic actor.

    Args:
        desk: of the actor that publishes.
        at: address of the topic actor.
        name: what its messages are known by at a durable end; one that is started again should have the same.
        window: messages that may be offered and have no outcome.
        attempts: times that a message may fail before its outcome is that.
        failed: is told when whoever is told an outcome raises.

    Attributes:
        wire: name of its stream.
        name: as above.
        ended: its stream has.
    """

    def __init__(
        self,
        desk: StreamDesk,
        at: Any,
        name: str,
        window: int = WINDOW,
        attempts: int = ATTEMPTS,
        failed: Callable[[str, Exception], object] = _say_failed,
    ) -> None:
        self.wire = f"{name}>{uuid4().hex}"
        self.name = name
        self.ended = False
        self._failed = failed
        self._window = window
        self._attempts = attempts
        self._offered = 0
        self._told: dict[int, Told] = {}
        self._waiting: deque[Message] = deque(maxlen=window)
        self._logic: _Logic | None = None
        self._closed = False
        blueprint = Blueprint()
        source = blueprint.add(_Publications(publisher=self))
        sink = blueprint.add(WireOut(wire=self.wire, post=desk.wire(self.wire, at, producing=True), codec=MESSAGES))
        blueprint.connect(source, sink)
        desk.run(self.wire, blueprint, self._ended)

    @property
    def unsettled(self) -> int:
        """Messages that were offered and have no outcome."""
        return len(self._waiting) + (0 if self._logic is None else self._logic.book.outstanding)

    @property
    def room(self) -> int:
        """Messages that can be offered now."""
        return 0 if self._closed else self._window - self.unsettled

    def offer(self, message: Message, told: Told | None = None) -> bool:
        """Take one, if there is room; they are published in order.

        Args:
            message: what.
            told: called with its outcome: stored or dropped as the subscribers say, or failed when nobody tries any more.

        Raises:
            ConfigError: no topic, or a payload that cannot travel.
        """
        check_topic(message.topic)
        check_payload(message.payload)
        if self.room <= 0:
            return False
        if told is not None:
            self._told[self._offered] = partial(self._tell, told)
        self._offered += 1
        self._waiting.append(message)
        if self._logic is not None:
            self._logic.look_soon()
        return True

    def close(self) -> None:
        """Take nothing more; the stream ends when all has its outcome."""
        self._closed = True
        if self._logic is not None:
            self._logic.look_soon()

    # -- for its stage -------------------------------------------------------------------------------------------------

    def attach(self, logic: _Logic) -> Book:
        """The stage has started; its ledger."""
        self._logic = logic
        book = Book(Origin(self.name, uuid4().hex), self._attempts, logic.settled, logic.again, _dead)
        book.told = self._told
        return book

    def take(self, n: int) -> list[Message]:
        """Up to so many that wait."""
        return [self._waiting.popleft() for _ in range(min(n, len(self._waiting)))]

    def _tell(self, told: Told, outcome: Outcome) -> None:
        try:
            told(outcome)
        except Exception as error:  # noqa: BLE001 - it is no mistake of the stream, which others are in
            self._failed("an outcome of a message", error)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self._closed and not self.unsettled

    def _ended(self, error: BaseException | None) -> None:
        self._closed = self.ended = True
        self._waiting.clear()
        told = list(self._told.values())
        self._told.clear()
        for each in told:
            each(Failed(error or StreamError("the stream of the publisher has ended")))


class _Publications(SourceStage, frozen=True, kw_only=True):
    """What a `TopicPublisher` has.

    Emits when: a message waits, or has to be emitted again.
    Backpressures when: downstream does; then the publisher has no room.
    Completes when: the publisher was closed and all has its outcome.
    Cancels when: downstream cancels.
    """

    publisher: TopicPublisher

    def create_logic(self) -> StageLogic:
        """One run."""
        return _Logic(self.publisher)


class _Logic(StageLogic):
    book: Book

    def __init__(self, publisher: TopicPublisher) -> None:
        self._publisher = publisher
        self._resting = False
        self._looking = False

    def on_start(self) -> None:
        self.book = self._publisher.attach(self)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        self._look()

    def on_timer(self, key: object) -> None:
        self._resting = False
        self._look()

    def again(self) -> None:
        """Something failed: a moment of rest, or a subscriber that fails all keeps everybody busy."""
        self.ctx.count("retried")
        if not self._resting and not self.seat.stopped:
            self._resting = True
            self.ctx.after(AGAIN_S, "again")

    def settled(self, prefix: int) -> None:
        """Each message hears for itself; it may have been the last."""
        if self._publisher.is_over:
            self.look_soon()

    def look_soon(self) -> None:
        """There is something new."""
        if not self._looking:
            self._looking = True
            self.ctx.soon(self._look_now)

    def _look_now(self) -> None:
        self._looking = False
        self._look()

    def _look(self) -> None:
        if self._publisher.is_over:
            self.complete_stage()
            return
        n = 0 if self._resting else min(self.demand(OUT), CHUNK_ELEMENTS)
        if n <= 0:
            return
        chunk = self.book.retry(n)
        if chunk is None and (messages := self._publisher.take(n)):
            chunk = self.book.emit(messages)
        if chunk is not None:
            self.push(OUT, chunk)
            self.pull_again(OUT)


def _dead(message: Any, error: BaseException) -> None:
    """Whoever offered it is told."""
