"""set: fields of a reading from expressions."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.expression import compile_assignments
from rt_edge.streams.stage import IN, OUT, Inlet, StageLogic
from rt_edge.streams.stages._common import ReadingCode
from rt_edge.streams.stages._user_code import ElementLogic


class SetFields(ReadingCode, frozen=True):
    """Sets fields of each reading to the values of expressions; the rest of the reading stays as it was.

    The expressions are evaluated in order, each sees what was set before it. Where one misses a field, its own field is left as
    it was, and `missing_field` counts it. Gap records pass unchanged.

    Emits when: a reading arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.

    Attributes:
        fields: name of a field -> expression, like `pressure * 14.5038`; see `rt_edge.streams.expression`.
    """

    kind: ClassVar[str] = "set"
    shorthand: ClassVar[str] = "fields"

    fields: dict[str, str | int | float | bool]

    def __post_init__(self) -> None:
        """Refuse expressions that do not compile, when the settings are read."""
        compile_assignments(self.fields)

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return _Logic(self)


class _Logic(ElementLogic):
    def __init__(self, stage: SetFields) -> None:
        super().__init__(stage)
        self._run = compile_assignments(stage.fields).run

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        results, missing, failures = self._run(chunk.items)
        if missing:
            self.ctx.count("missing_field", missing)
        if not failures:
            self.push(OUT, chunk.replace(results))
            self.note_success()
            return
        rest, results = self.survivors(chunk, results, failures)
        if rest is not None:
            self.push(OUT, rest.replace(results))
        if not self.stop_after(failures):
            self.request(IN, len(failures))
