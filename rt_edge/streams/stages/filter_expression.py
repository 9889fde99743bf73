"""filter in a configuration: readings for which an expression is true."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.expression import compile_predicate
from rt_edge.streams.stage import Inlet, StageLogic
from rt_edge.streams.stages._common import ReadingCode
from rt_edge.streams.stages.filter import MaskLogic


class FilterExpression(ReadingCode, frozen=True):
    """Lets pass the readings for which an expression on their fields is true, and gap records.

    A reading in which a field of the expression is missing does not pass; the counter `missing_field` counts them.

    Emits when: a reading arrives for which the expression is true.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.

    Attributes:
        where: the expression, like `temperature > -40 and quality == 'good'`; see `rt_edge.streams.expression`.
    """

    kind: ClassVar[str] = "filter"
    shorthand: ClassVar[str] = "where"

    where: str

    def __post_init__(self) -> None:
        """Refuse an expression that does not compile, when the settings are read."""
        compile_predicate(self.where)

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return _Logic(self)


class _Logic(MaskLogic):
    def __init__(self, stage: FilterExpression) -> None:
        super().__init__(stage)
        self._run = compile_predicate(stage.where).run

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        mask, missing, failures = self._run(chunk.items)
        if missing:
            self.ctx.count("missing_field", missing)
        self.push_masked(chunk, mask, failures)
