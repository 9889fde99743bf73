"""select_fields: fields renamed, dropped, kept."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from rt_edge.data.chunk import FILTERED, Chunk
from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, is_gap
from rt_edge.streams.stage import IN, OUT, Inlet, Stage, StageLogic
from rt_edge.streams.stages._user_code import PassLogic


class SelectFields(Stage, frozen=True, kw_only=True):
    """Renames, drops or keeps fields of each reading; first `rename`, then `drop`, then `keep`, by the new names.

    A reading of which no field is left is settled as dropped, `filtered`. Gap records pass.

    Emits when: a reading arrives of which a field is left.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.

    Attributes:
        rename: old name -> new name; a field that has the new name already is replaced.
        drop: fields that go.
        keep: fields that stay, all others go; none: all stay.
    """

    kind: ClassVar[str] = "select_fields"
    shorthand: ClassVar[str] = "keep"

    rename: dict[str, str] | None = None
    drop: list[str] | None = None
    keep: list[str] | None = None

    def __post_init__(self) -> None:
        """Refuse nothing to do, and two fields of one name."""
        if not (self.rename or self.drop or self.keep):
            raise ConfigError("neither rename, drop nor keep is given", "like: {keep: [pressure, flow]}")
        if self.rename and len(set(self.rename.values())) < len(self.rename):
            raise ConfigError("two fields get one name", "rename each to a name of its own")

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return _Logic(self)


class _Logic(PassLogic):
    def __init__(self, stage: SelectFields) -> None:
        self._rename = stage.rename or {}
        self._drop = frozenset(stage.drop or ())
        self._keep = frozenset(stage.keep or ())

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        results = [self._selected(item) for item in chunk.items]
        kept = chunk.replace(results).select([result is not None for result in results], FILTERED)
        if kept is not None:
            self.push(OUT, kept)
        dropped = len(chunk) - (len(kept) if kept is not None else 0)
        if dropped:
            self.ctx.count(f"dropped_{FILTERED}", dropped)
            self.request(IN, dropped)

    def _selected(self, reading: Any) -> Any:
        if not isinstance(reading, Reading) or is_gap(reading):
            return reading
        fields = reading.fields
        if self._rename:
            renamed = {self._rename[name]: value for name, value in fields.items() if name in self._rename}
            fields = {name: value for name, value in fields.items() if name not in self._rename} | renamed
        if self._drop or self._keep:
            keep, drop = self._keep, self._drop
            fields = {name: x for name, x in fields.items() if name not in drop and (not keep or name in keep)}
        return msgspec.structs.replace(reading, fields=fields) if fields else None
