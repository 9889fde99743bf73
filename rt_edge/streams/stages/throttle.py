"""throttle: so many elements in so much time."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.units import Duration
from rt_edge.streams.stage import Hold, ReceiptUse, StageLogic, Supervision
from rt_edge.streams.stages._common import ReadingCode, at_least
from rt_edge.streams.stages._judging import check_by, weights_of
from rt_edge.streams.stages._throttling import GRAIN, BucketLogic, CostLogic, RateExceeded

__all__ = ["RateExceeded", "Throttle"]


class Throttle(ReadingCode, frozen=True):
    """Lets pass at most `elements` in `per`, by a token bucket that holds `burst`; with `cost`, elements of so much cost.

    Emits when: an element is there and a token is.
    Backpressures when: downstream does, or there is no token (`shaping`).
    Completes when: upstream completes and what waits has gone out.
    Cancels when: downstream cancels, or the rate is exceeded (`enforcing`).
    On restart: what waits stays, the tokens too.

    Attributes:
        elements: how many, or how much they may cost.
        per: in how long.
        burst: tokens the bucket holds; it is full at the start. 0: one for each 10 ms of the rate, at least 1.
        mode: shaping: wait for tokens. enforcing: fail when an element finds none.
        cost: expression on a reading, or function of an element, that gives the tokens it takes: a number of at least 0, like the
            length of a payload. One that costs more than the bucket holds passes when it is full, and those behind it wait
            the longer (under `enforcing` it fails the stage). None: one token each.
        on_error: resume (the default): an element that has no cost fails alone. stop, restart: as of `UserCode`.
    """

    kind: ClassVar[str] = "throttle"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    elements: int
    per: Duration | float = 1.0
    burst: int = 0
    mode: Literal["shaping", "enforcing"] = "shaping"
    cost: Any = None

    def __post_init__(self) -> None:
        """Refuse a rate of nothing."""
        at_least(1, elements=self.elements)
        at_least(0.001, per=self.per)
        at_least(0, burst=self.burst)
        if self.cost is not None:
            check_by("cost", self.cost)

    @property
    def supervision(self) -> Supervision:
        """By `on_error`, where there is user code."""
        return Supervision.STOP if self.cost is None else Supervision(self.on_error)

    @property
    def capacity(self) -> int:
        """Tokens the bucket holds."""
        return self.burst or max(1, int(self.elements / float(self.per) * GRAIN))

    def holds(self) -> Hold:
        """What has no token so far; it does not wait for further elements."""
        if self.cost is not None:
            return Hold(CHUNK_ELEMENTS, 0.0)
        return Hold(self.capacity, self.capacity * float(self.per) / self.elements)

    def create_logic(self) -> StageLogic:
        """A logic with the bucket."""
        if self.cost is None:
            return BucketLogic(self)
        weigh = weights_of(self.cost, self.supervision)
        rate = self.elements / float(self.per)
        return CostLogic(self, weigh, rate, self.capacity, enforcing=self.mode == "enforcing")
