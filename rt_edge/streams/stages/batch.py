"""batch: what piles up while nobody asks becomes one element."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._batching import Batching, BatchLogic


class Batch(Batching, frozen=True, kw_only=True):
    """Makes one element, a batch, of up to `count` elements that arrive while downstream asks for none; one of each that is
    wanted at once.

    Emits when: downstream asks and there is a batch, or an element arrives.
    Backpressures when: the batch is full.
    Completes when: upstream completes and the last batch has gone out.
    Cancels when: downstream cancels.
    On restart: the elements of the batch fail.
    """

    kind: ClassVar[str] = "batch"
    shorthand: ClassVar[str] = "count"
    comes_again: ClassVar[str] = "may be in another batch than before"

    def create_logic(self) -> StageLogic:
        """A logic with the batch."""
        return BatchLogic(self)
