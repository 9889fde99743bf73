"""set_tags: tags of a reading, fixed or from expressions."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, is_gap
from rt_edge.streams.expression import compile_value
from rt_edge.streams.stage import IN, OUT, Inlet, StageLogic
from rt_edge.streams.stages._common import ReadingCode
from rt_edge.streams.stages._user_code import ElementLogic


class SetTags(ReadingCode, frozen=True, kw_only=True):
    """Sets tags of each reading; the rest of the reading stays as it was. Gap records pass unchanged.

    Where an expression misses a field, its tag is left as it was (counter `missing_field`).

    Emits when: a reading arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.

    Attributes:
        tags: name of a tag -> text.
        from_fields: name of a tag -> expression, whose value becomes text: true and false in small letters, numbers as written.
        drop: tags that go.
    """

    kind: ClassVar[str] = "set_tags"
    shorthand: ClassVar[str] = "tags"

    tags: dict[str, str] | None = None
    from_fields: dict[str, str] | None = None
    drop: list[str] | None = None

    def __post_init__(self) -> None:
        """Refuse nothing to do, and expressions that do not compile."""
        if not (self.tags or self.from_fields or self.drop):
            raise ConfigError("no tag is given", "like: {line: north}")
        for source in (self.from_fields or {}).values():
            compile_value(source)

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return _Logic(self)


class _Logic(ElementLogic):
    def __init__(self, stage: SetTags) -> None:
        super().__init__(stage)
        self._tags = stage.tags or {}
        self._drop = frozenset(stage.drop or ())
        self._runs = [(name, compile_value(source)) for name, source in (stage.from_fields or {}).items()]

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        made: list[dict[str, str]] = [dict(self._tags) for _ in chunk.items]
        failures: dict[int, Exception] = {}
        for name, program in self._runs:
            values, missing, failed = program.run(chunk.items)
            failures.update(failed)
            if missing:
                self.ctx.count("missing_field", missing)
            for place, value in enumerate(values):
                if value is False and missing and program.run([chunk.items[place]])[1]:
                    continue  # false stands for a missing field, too
                made[place][name] = str(value).lower() if isinstance(value, bool) else str(value)
        results = [self._tagged(item, tags) for item, tags in zip(chunk.items, made, strict=True)]
        if not failures:
            self.push(OUT, chunk.replace(results))
            self.note_success()
            return
        found = sorted(failures.items())
        rest, results = self.survivors(chunk, results, found)
        if rest is not None:
            self.push(OUT, rest.replace(results))
        if not self.stop_after(found):
            self.request(IN, len(found))

    def _tagged(self, reading: Any, tags: dict[str, str]) -> Any:
        if not isinstance(reading, Reading) or is_gap(reading):
            return reading
        kept = {name: text for name, text in reading.tags.items() if name not in self._drop}
        return msgspec.structs.replace(reading, tags={**kept, **tags})
