"""The logic of `schema_check`: which readings are not as they should be, and where they go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from rt_edge.data.chunk import Chunk
from rt_edge.data.reading import Quality, Reading, is_gap
from rt_edge.streams.stage import Outlet
from rt_edge.streams.stages._side import SideLogic

if TYPE_CHECKING:
    from rt_edge.streams.stages.schema_check import FieldRule, SchemaCheck

SCHEMA = "schema"
"""The reason of what is not as it should be."""

BAD = Outlet("bad", 1)


class SchemaCheckLogic(SideLogic):
    """Looks at each reading; counts what is wrong."""

    def __init__(self, stage: SchemaCheck) -> None:
        super().__init__(BAD)
        self._rules: Mapping[str, FieldRule] = stage.fields
        self._closed = stage.extra == "violation"
        self._policy = stage.on_violation

    def divide(self, chunk: Chunk) -> tuple[Chunk | None, Chunk | None]:
        """What goes on, and what goes aside."""
        wrong = [self._violation(item) for item in chunk.items]
        if not any(wrong):
            return chunk, None
        for violation in filter(None, wrong):
            self.ctx.count(f"violation_{violation}")
        if self._policy == "uncertain":
            rows = zip(chunk.items, wrong, strict=True)
            return chunk.replace([_doubted(item) if violation else item for item, violation in rows]), None
        if self._policy == "drop":
            self.ctx.count(f"dropped_{SCHEMA}", sum(map(bool, wrong)))
            return chunk.select([not violation for violation in wrong], SCHEMA), None
        good = [place for place, violation in enumerate(wrong) if not violation]
        bad = chunk.take([place for place, violation in enumerate(wrong) if violation])
        return (chunk.take(good) if good else None), bad

    def _violation(self, reading: Any) -> str:
        if not isinstance(reading, Reading):
            return "type"
        fields = reading.fields
        if not fields and is_gap(reading):
            return ""
        for name, rule in self._rules.items():
            if name not in fields:
                if rule.required:
                    return "missing"
                continue
            violation = rule.violation(fields[name])
            if violation:
                return violation
        return "extra" if self._closed and not fields.keys() <= self._rules.keys() else ""


def _doubted(reading: Any) -> Any:
    """With the quality uncertain, unless it is worse; what is no reading has none."""
    if isinstance(reading, Reading) and reading.quality == "good":
        quality: Quality = "uncertain"
        return msgspec.structs.replace(reading, quality=quality)
    return reading
