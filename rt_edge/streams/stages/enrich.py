"""enrich: fields or tags of a reading from a table."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, is_gap
from rt_edge.data.units import Duration
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._keys import ByKey, KeyedPassLogic
from rt_edge.streams.tables import Table, check_path, read_table

log = logging.getLogger(__name__)

UNKNOWN = "not_in_table"
"""The reason of what the table does not have."""


class Enrich(ByKey, frozen=True, kw_only=True):
    """Adds to each reading what a table has for its key, as tags or as fields. Gap records pass unchanged.

    The table is written in the settings, or read from a file when the graph begins: CSV, JSON or YAML, at most 4 MB. With
    `reload` it is read again when it has changed; if that fails, the old one stays (counter `reload_failed`, and the log).

    Emits when: a reading arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    On restart: the table stays.

    Attributes:
        table: key -> column -> value.
        file: the whole path of a file, in the place of `table`.
        column: the column of the file that holds the key; none: the first one of a CSV, the keys of a mapping.
        columns: those that are added; none: all.
        into: tags, or fields.
        missing: what happens to a reading whose key the table does not have (counter `not_in_table`): pass, or drop.
        reload: how often to look whether the file has changed; 0: never.
    """

    kind: ClassVar[str] = "enrich"

    table: dict[str, dict[str, str | int | float | bool]] | None = None
    file: str = ""
    column: str = ""
    columns: list[str] | None = None
    into: Literal["tags", "fields"] = "tags"
    missing: Literal["pass", "drop"] = "pass"
    reload: Duration | float = 0.0

    def __post_init__(self) -> None:
        """Refuse no table, and two."""
        super().__post_init__()
        at_least(0, reload=self.reload)
        if bool(self.table) == bool(self.file):
            raise ConfigError("either table or file has to be given", "like: {table: {plc/pump-1: {line: north}}}")
        if self.file:
            check_path(self.file)

    def create_logic(self) -> StageLogic:
        """A logic with the table. Raises ConfigError if its file cannot be read."""
        return _Logic(self)


class _Logic(KeyedPassLogic):
    def __init__(self, stage: Enrich) -> None:
        super().__init__(stage)
        self._stage = stage
        self._changed = _changed(stage.file)
        self._rows = self._prepared(read_table(stage.file, stage.column) if stage.file else stage.table or {})

    def on_start(self) -> None:
        if self._stage.file and self._stage.reload:
            self.ctx.every(float(self._stage.reload), "reload")

    def note_lap(self, chunk: Chunk) -> None:
        """Nothing is remembered."""

    def _prepared(self, table: Table) -> Table:
        wanted = frozenset(self._stage.columns or ())
        rows = {key: {name: x for name, x in row.items() if not wanted or name in wanted} for key, row in table.items()}
        if self._stage.into == "tags":
            rows = {key: {name: _text(x) for name, x in row.items()} for key, row in rows.items()}
        return rows

    def handle(self, chunk: Chunk, keys: list[Any]) -> Chunk | None:
        found = [self._rows.get(str(key)) for key in keys]
        mask = []
        items = []
        for item, row in zip(chunk.items, found, strict=True):
            passes = not isinstance(item, Reading) or is_gap(item)
            if row is None and not passes:
                self.ctx.count(UNKNOWN)
            items.append(item if passes or row is None else self._enriched(item, row))
            mask.append(passes or row is not None or self._stage.missing == "pass")
        dropped = mask.count(False)
        if dropped:
            self.ctx.count(f"dropped_{UNKNOWN}", dropped)
        return chunk.replace(items).select(mask, UNKNOWN)

    def _enriched(self, reading: Reading, row: dict[str, Any]) -> Reading:
        if self._stage.into == "tags":
            return msgspec.structs.replace(reading, tags={**reading.tags, **row})
        return msgspec.structs.replace(reading, fields={**reading.fields, **row})

    def on_timer(self, key: object) -> None:
        changed = _changed(self._stage.file)
        if changed == self._changed:
            return
        try:
            self._rows = self._prepared(read_table(self._stage.file, self._stage.column))
        except ConfigError as error:
            self.ctx.count("reload_failed")
            log.warning("%s: the table stays as it was: %s", self.ctx.name, error)
        else:
            self.ctx.count("reloaded")
        self._changed = changed


def _changed(file: str) -> tuple[int, int]:
    """When a file was changed and how long it is; zeros if there is none."""
    if not file:
        return (0, 0)
    try:
        stat = Path(file).stat()
    except OSError:
        return (0, 0)
    return (stat.st_mtime_ns, stat.st_size)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
