"""conflate_with_seed: all that arrives while nobody asks becomes one element of another kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rt_edge.streams.stage import Hold, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import UserCode
from rt_edge.streams.stages._conflating import AggregatingLogic


class ConflateWithSeed(UserCode, frozen=True):
    """Never makes upstream wait: makes one element of all that arrive until downstream asks.

    It stands for all of them (their receipts are joined). What it grows to is the functions' business; `batch` has a bound.

    Emits when: downstream asks and an element has arrived since.
    Backpressures when: never.
    Completes when: upstream completes and what waits has gone out.
    Cancels when: downstream cancels.
    On restart: what was aggregated so far fails.

    Attributes:
        seed: element -> what waits; not None.
        aggregate: (what waits, element) -> what waits; not None.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    combines: ClassVar[bool] = True

    seed: Callable[[Any], Any]
    aggregate: Callable[[Any, Any], Any]

    def holds(self) -> Hold:
        """All that became the one that waits; it does not wait for further elements."""
        return Hold(None, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with what waits."""
        return AggregatingLogic(self, self.aggregate, self.seed)
