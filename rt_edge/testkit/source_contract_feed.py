"""Feed: the outside of a source under test: what it may draw, in the forms in which sources draw, and what it did with it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from random import Random
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.data.receipt import Origin, Receipt
from rt_edge.streams.stage import OUT, Inlet, Outlet, ReceiptUse, Stage, StageLogic
from rt_edge.testkit.probes import Outcomes
from rt_edge.testkit.virtual_clock import Sleep

CHANGES = 1_000_000
"""Elements that a feed hands over, at most."""


class Feed:
    """Elements from outside, as an iterable, an asynchronous iterable, a resource, a stage with receipts, or pushed by hand.

    A feed may be drawn from several times, as a list may: each time from its first element.

    Args:
        items: what it gives.
        error: raised behind the last element; None: it ends there.
        random: draws how long the asynchronous forms make others wait.
        tracked: whether what `part` emits has receipts.

    Attributes:
        drawn: elements that were given, in the order in which they were.
        opened: how often somebody began to draw.
        closed: how often somebody ended, at the end or before.
        outcomes: what became of what `part` emitted.
    """

    def __init__(
        self, items: Sequence[Any], error: Exception | None = None, random: Random | None = None, tracked: bool = True
    ) -> None:
        self.items = list(items)
        self.error = error
        self.tracked = tracked
        self.drawn: deque[Any] = deque(maxlen=CHANGES)
        self.opened = 0
        self.closed = 0
        self.outcomes = Outcomes()
        self._random = random or Random(0)  # noqa: S311 - a schedule, not a secret
        self._pushed = 0
        self._marks = 0
        self._ended = False

    @property
    def released(self) -> bool:
        """Whether everything that was opened was closed, once."""
        return self.opened == self.closed

    # -- drawn by the source -------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Any]:
        self.opened += 1
        return _Closing(self, self._generate())

    def _generate(self) -> Iterator[Any]:
        for item in self.items:
            self.drawn.append(item)
            yield item
        if self.error is not None:
            raise self.error

    async def __aiter__(self) -> AsyncIterator[Any]:
        self.opened += 1
        try:
            for item in self.items:
                if self._random.random() < 0.3:
                    await Sleep(self._random.choice([0.0, 0.01]))
                self.drawn.append(item)
                yield item
            if self.error is not None:
                raise self.error
        finally:
            self.closed += 1

    def open(self) -> Iterator[Any]:
        """A resource: give it to `read` until that says None, and to `close` in the end."""
        self.opened += 1
        return self._generate()

    @staticmethod
    def read(resource: Iterator[Any]) -> Any:
        """The next element, or None."""
        return next(resource, None)

    def close(self, resource: Iterator[Any]) -> None:
        """No more is read."""
        self.closed += 1

    def part(self) -> Stage:
        """The feed as a source stage, whose elements have receipts if it is `tracked`."""
        return _Part(feed=self)

    # -- pushed by the outside -----------------------------------------------------------------------------------------

    def push(
        self, put: Callable[[Any], bool], complete: Callable[[], Any], fail: Callable[[Exception], Any], most: int = 5
    ) -> None:
        """Hand over up to `most` elements, as long as `put` takes them; behind the last one, the end."""
        for _ in range(most):
            if self._pushed == len(self.items):
                break
            if not put(self.items[self._pushed]):
                return
            self.drawn.append(self.items[self._pushed])
            self._pushed += 1
        if self._pushed == len(self.items) and not self._ended:
            self._ended = True
            complete() if self.error is None else fail(self.error)

    def receipt(self, n: int) -> Receipt | None:
        """Of the next `n` elements."""
        if not self.tracked:
            return None
        self._marks += n
        return Receipt(range(self._marks - n, self._marks), self.outcomes, Origin("feed", "1"))

    @property
    def unsettled(self) -> list[int]:
        """Marks without an outcome."""
        return [mark for mark in range(self._marks) if mark not in self.outcomes.by_mark]


class _Closing:
    """A generator as far as a source can see, whose `close` is counted once, also if it never began."""

    def __init__(self, feed: Feed, inner: Iterator[Any]) -> None:
        self._feed = feed
        self._inner = inner
        self._closed = False

    def __iter__(self) -> _Closing:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._inner)
        except BaseException:
            self.close()
            raise

    def send(self, value: Any) -> Any:
        """As of a generator."""
        return next(self)

    def throw(self, *error: Any) -> Any:
        """As of a generator."""
        self.close()
        raise error[0]

    def close(self) -> None:
        """As of a generator."""
        if not self._closed:
            self._closed = True
            self._feed.closed += 1


class _Part(Stage, frozen=True, kw_only=True):
    receipts = ReceiptUse.ORIGIN

    feed: Any

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        return ()

    def create_logic(self) -> StageLogic:
        return _PartLogic(self.feed)


class _PartLogic(StageLogic):
    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._iterator: Iterator[Any]

    def on_start(self) -> None:
        self._iterator = iter(self._feed)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        items: list[Any] = []
        error: Exception | None = None
        over = False
        try:
            while len(items) < self.demand(OUT):
                items.append(next(self._iterator))
        except StopIteration:
            over = True
        except Exception as raised:  # noqa: BLE001 - the feed's error is the stream's
            error = raised
        if items:
            self.push(OUT, Chunk(items, self._feed.receipt(len(items))))
        if error is not None:
            self.fail_behind(OUT, error)
            self.fail_stage(error)
        elif over:
            self.complete_stage()

    def on_stop(self, error: BaseException | None) -> None:
        close: Any = getattr(self._iterator, "close", None)
        close()
