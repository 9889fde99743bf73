"""limit_weighted: an error when elements of too much weight come."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import StreamError
from rt_edge.streams.stage import IN, OUT, Inlet, StageLogic
from rt_edge.streams.stages._common import ReadingCode, at_least, fail_behind, named
from rt_edge.streams.stages._judging import check_by, weights_of
from rt_edge.streams.stages._user_code import ElementLogic


class LimitWeighted(ReadingCode, frozen=True):
    """Lets elements pass whose weights add up to `weight` at most, and fails when one comes that is too much.

    Emits when: an element arrives and all weights so far, its own too, add up to `weight` at most.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: an element is too much, or downstream cancels.
    On restart: what was added up stays.

    Attributes:
        weight: most weight of all elements.
        cost: expression on a reading, or function of an element, that gives its weight: a number of at least 0.
    """

    kind: ClassVar[str] = "limit_weighted"
    comes_again: ClassVar[str] = "counts once more"

    weight: float
    cost: Any

    def __post_init__(self) -> None:
        """Refuse a negative weight, and a cost that is neither an expression nor a function."""
        at_least(0, weight=self.weight)
        check_by("cost", self.cost)

    def create_logic(self) -> StageLogic:
        """A logic that adds up."""
        return _Logic(self)


class _Logic(ElementLogic):
    def __init__(self, stage: LimitWeighted) -> None:
        super().__init__(stage)
        self._most = stage.weight
        self._sum = 0.0
        self._weigh = weights_of(stage.cost, stage.supervision)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        costs, missing, failures = self._weigh(chunk.items)
        if missing:
            self.ctx.count("missing_field", missing)
        rest: Chunk | None = chunk
        if failures:
            rest, costs = self.survivors(chunk, costs, failures)
        else:
            self.note_success()
        if rest is not None and not self._pass(rest, costs):
            return
        if failures and not self.stop_after(failures):
            self.request(IN, len(failures))

    def _pass(self, chunk: Chunk, costs: list[Any]) -> bool:
        """Push what the limit lets pass; whether that was all."""
        for place, cost in enumerate(costs):
            self._sum += cost
            if self._sum > self._most:
                error = StreamError(f"{self.ctx.name}: elements of a weight above {self._most:g} came")
                first, rest = chunk.cut(place) if place else (None, chunk)
                if first is not None:
                    self.push(OUT, first)
                rest.fail(named(self, error))
                fail_behind(self, error)
                return False
        self.push(OUT, chunk)
        return True
