"""aggregate_with_boundary: one element of many, as long as a function says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.units import Duration
from rt_edge.streams.stage import Hold, ReceiptUse, StageLogic, Supervision
from rt_edge.streams.stages._boundary import BoundaryLogic
from rt_edge.streams.stages._common import Combining, OnError, at_least

GRAIN = 0.001
"""Shortest period, seconds."""


class AggregateWithBoundary(Combining, frozen=True, kw_only=True):
    """Adds elements to an aggregate until a function says that it is whole, then emits what `harvest` makes of it.

    Emits when: the aggregate is whole, has `most` elements, or is due when it is looked at.
    Backpressures when: downstream does.
    Completes when: upstream completes and the last aggregate has gone out.
    Cancels when: downstream cancels.
    On restart: all elements of the aggregate fail.

    Attributes:
        allocate: () -> empty aggregate.
        aggregate: (aggregate, element) -> (aggregate, whether it is whole with that element).
        harvest: aggregate -> element; not None.
        most: elements of an aggregate, at most.
        is_due: aggregate -> whether to emit it although it is not whole; asked every `every` from its first element on.
        every: how often; 0: never.
        on_error: stop, resume or restart; see `UserCode`. What cannot be harvested fails as a whole.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    comes_again: ClassVar[str] = "may be in another aggregate than before"

    allocate: Callable[[], Any]
    aggregate: Callable[[Any, Any], tuple[Any, bool]]
    harvest: Callable[[Any], Any]
    most: int = CHUNK_ELEMENTS
    is_due: Callable[[Any], bool] | None = None
    every: Duration | float = 0.0
    on_error: OnError = "stop"

    def __post_init__(self) -> None:
        """Refuse empty aggregates, and a period that is too short."""
        at_least(1, most=self.most)
        if self.every or self.is_due is not None:
            at_least(GRAIN, every=self.every)

    @property
    def supervision(self) -> Supervision:
        """By `on_error`."""
        return Supervision(self.on_error)

    def holds(self) -> Hold:
        """One aggregate."""
        return Hold(0 if self.settle == "early" else self.most)

    def create_logic(self) -> StageLogic:
        """A logic with the aggregate."""
        return BoundaryLogic(self)
