"""batch_weighted: what piles up while nobody asks becomes one element, up to a weight."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.streams.stage import StageLogic, Supervision
from rt_edge.streams.stages._batching import Batching, BatchLogic
from rt_edge.streams.stages._common import OnError, at_least
from rt_edge.streams.stages._judging import check_by, weights_of


class BatchWeighted(Batching, frozen=True, kw_only=True):
    """Makes one element, a batch, of the elements that arrive while downstream asks for none, as long as their weights add up to
    `weight` at most and they are no more than `count`; one of each that is wanted at once, and of one that is too heavy.

    Emits when: downstream asks and there is a batch, or an element arrives.
    Backpressures when: the batch is full, or an element waits that does not fit.
    Completes when: upstream completes and the last batch has gone out.
    Cancels when: downstream cancels.
    On restart: the elements of the batch fail.

    Attributes:
        weight: of a batch, at most.
        cost: expression on a reading, or function of an element, that gives its weight: a number of at least 0.
        on_error: resume (the default): an element for which a function raised, or that has no weight, fails alone. stop, restart:
            as of `batch`.
    """

    kind: ClassVar[str] = "batch_weighted"
    comes_again: ClassVar[str] = "may be in another batch than before"

    weight: float
    cost: Any
    on_error: OnError = "resume"

    def __post_init__(self) -> None:
        """Refuse a weight that is none, and a cost that is neither an expression nor a function."""
        super().__post_init__()
        at_least(0, weight=self.weight)
        check_by("cost", self.cost)

    def create_logic(self) -> StageLogic:
        """A logic with the batch and its weight."""
        return _Logic(self)


class _Logic(BatchLogic):
    def __init__(self, stage: BatchWeighted) -> None:
        super().__init__(stage)
        self.weight = stage.weight
        self._weigh = weights_of(stage.cost, Supervision.RESUME)

    def cost(self, item: Any) -> float:
        costs, missing, failures = self._weigh([item])
        if missing:
            self.ctx.count("missing_field", missing)
        if failures:
            raise failures[0][1]
        cost: float = costs[0]
        return cost
