"""conflate: what arrives while nobody asks becomes one element, or one a source."""

from __future__ import annotations

from itertools import count
from typing import Any, ClassVar, Literal

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, is_gap
from rt_edge.data.weave import emitted_again
from rt_edge.streams.stage import Hold, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import UserCode, at_least, discard, settle_rest
from rt_edge.streams.stages._conflating import AggregatingLogic, ConflateLogic

CONFLATED = "conflated"
"""The reason of what a later element replaced."""


class Conflate(UserCode, frozen=True, kw_only=True):
    """Never makes upstream wait: keeps the latest element of each source, or of the stream, until downstream asks.

    What is replaced is settled as dropped, `conflated`. With `aggregate` nothing is replaced: the elements become one, which
    stands for all of them (their receipts are joined). Sources keep the order in which they first waited. A gap record of a
    source is replaced by nothing and replaces nothing: it says what no later reading says. A reading that is emitted again
    replaces none of a later time.

    Emits when: downstream asks and an element has arrived since.
    Backpressures when: never, but for the sources above `max_sources`, of which the oldest waiting is dropped (`conflated`).
    Completes when: upstream completes and what waits has gone out.
    Cancels when: downstream cancels.
    On restart: what was aggregated so far fails.

    Attributes:
        per: source: one waiting element for each `Reading.source`. stream: one in all.
        max_sources: waiting elements at most.
        aggregate: (waiting element, new element) -> waiting element; for the stream as a whole.
    """

    kind: ClassVar[str] = "conflate"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    shorthand: ClassVar[str] = "per"

    per: Literal["source", "stream"] = "source"
    max_sources: int = 10_000
    aggregate: Any = None

    def __post_init__(self) -> None:
        """Refuse no room and an aggregate by name."""
        at_least(1, max_sources=self.max_sources)
        if self.aggregate is not None and not callable(self.aggregate):
            raise ConfigError("aggregate has to be a function", "leave it out in a configuration")

    def holds(self) -> Hold:
        """One element a source, or all that became the one that waits; it does not wait for further elements."""
        if self.aggregate is not None:
            return Hold(None, 0.0)
        return Hold(self.max_sources if self.per == "source" else 1, 0.0)

    @property
    def combines(self) -> bool:  # type: ignore[override]  # a constant of most stages
        """With an `aggregate` it makes one element of several."""
        return self.aggregate is not None

    def create_logic(self) -> StageLogic:
        """A logic with what waits."""
        return AggregatingLogic(self, self.aggregate) if self.aggregate is not None else _Latest(self)


def is_older(item: Any, than: Any) -> bool:
    """Whether a reading that came later is of an earlier time: what is emitted again does not take the place of what is newer."""
    return isinstance(item, Reading) and isinstance(than, Reading) and item.ts < than.ts


class _Latest(ConflateLogic):
    def __init__(self, stage: Conflate) -> None:
        super().__init__(stage.max_sources)
        self._stage = stage
        self._waiting: dict[Any, Chunk] = {}
        self._gaps = count()
        self._gapped: set[str] = set()
        """Sources with a gap among what waits."""

    def _absorb(self, chunk: Chunk) -> None:
        latest: dict[Any, int] = {}
        per_source = self._stage.per == "source"
        again = emitted_again(chunk)
        for place, item in enumerate(chunk.items):
            if not (per_source and isinstance(item, Reading)):
                latest[None] = place
            elif is_gap(item):  # says what no other reading says
                self._gapped.add(item.source)
                latest[item.source, next(self._gaps)] = place
            else:
                if item.source in self._gapped:
                    latest.pop(item.source, None)  # so that it goes out behind the gap
                latest[item.source] = place
        if len(latest) < len(chunk):
            kept = set(latest.values())
            discard(self, chunk.take([place for place in range(len(chunk)) if place not in kept]), CONFLATED)
        waiting = self._waiting
        for key, place in latest.items():
            piece = chunk.take([place])
            if key in waiting and again is not None and again[place] and is_older(chunk.items[place], waiting[key].items[0]):
                discard(self, piece, CONFLATED)
                continue
            if key in waiting:
                discard(self, waiting.pop(key) if key in self._gapped else waiting[key], CONFLATED)
            elif len(waiting) >= self._stage.max_sources:
                discard(self, waiting.pop(next(iter(waiting))), CONFLATED)
            waiting[key] = piece

    def _is_waiting(self) -> bool:
        return bool(self._waiting)

    def _take_waiting(self) -> list[Chunk]:
        waiting, self._waiting = list(self._waiting.values()), {}
        self._gapped.clear()
        if waiting and all(piece.receipt is None for piece in waiting):
            return [Chunk([piece.items[0] for piece in waiting])]
        return waiting

    def on_stop(self, error: BaseException | None) -> None:
        super().on_stop(error)
        settle_rest(self, list(self._waiting.values()), error)
        self._waiting = {}
