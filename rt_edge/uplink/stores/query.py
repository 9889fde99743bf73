"""Reading a SQLite store back: every stored reading with its identity, and the gaps and tombstones between them.

Streaming: rows are fetched a few at a time, each in a read transaction of its own, so that a long query neither needs memory nor
keeps a live writer from truncating its log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from rt_edge.data.codec import decode_readings
from rt_edge.data.errors import CodecError
from rt_edge.data.reading import GAP_REASON, GAP_UNTIL, Reading, is_gap
from rt_edge.data.record import Gap, LaneId, RecordKind, Tombstone
from rt_edge.uplink.stores.errors import StoreIoError
from rt_edge.uplink.stores.tables import key, made, open_for_reading

ROWS_AT_ONCE = 16
Kind = Literal["reading", "gap", "tombstone", "unreadable"]


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What to show; None: no restriction.

    Attributes:
        node: only of this node.
        route: only of this route.
        source: only of this source, or of all below it (`plc` names `plc/pump-1`, too).
        since: only readings at or after this time (wall ns).
        until: only readings before this time (wall ns).
        fields: only these fields; readings with none of them are left out.
        kinds: only these kinds of rows.
        limit: at most so many rows.
    """

    node: str | None = None
    route: str | None = None
    source: str | None = None
    since: int | None = None
    until: int | None = None
    fields: frozenset[str] | None = None
    kinds: frozenset[Kind] | None = None
    limit: int | None = None

    def of_source(self, source: str) -> bool:
        """Whether a source is wanted."""
        return self.source is None or source == self.source or source.startswith(self.source + "/")

    def in_time(self, first: int, last: int) -> bool:
        """Whether first..last touches the wanted time."""
        return (self.since is None or last >= self.since) and (self.until is None or first < self.until)


class StoredRow(msgspec.Struct, frozen=True):
    """One line of what a store holds.

    Attributes:
        lane: node, route, lane, epoch.
        number: of the record; with `index`, and `lane`, the identity of a reading.
        last: last number of a tombstone, else equal to `number`.
        index: place of the reading in the record.
        kind: which of the next three is there; `unreadable`: none.
        received_at: when the store had it, wall ns.
        reading: what a device said.
        gap: what could not be read.
        tombstone: what was dropped.
    """

    lane: LaneId
    number: int
    last: int
    index: int
    kind: Kind
    received_at: int
    reading: Reading | None = None
    gap: Gap | None = None
    tombstone: Tombstone | None = None


class LaneSummary(msgspec.Struct, frozen=True):
    """What a store holds of one lane."""

    lane: LaneId
    position: int
    records: int
    readings: int
    dropped: int
    gaps: int


class StoreReader:
    """A read-only view of a store, beside a live writer. One whose tables are still being made has nothing stored yet.

    Args:
        path: the store's file.

    Raises:
        StoreUnusable: there is no store, or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._conn = open_for_reading(path)
        self._is_made = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release it; idempotent."""
        self._conn.close()

    @property
    def store_id(self) -> str:
        """Id of the store; empty as long as it is being made."""
        rows = self._all("SELECT value FROM meta WHERE key = 'store_id'", ())
        return str(rows[0][0]) if rows else ""

    def lanes(self) -> list[LaneSummary]:
        """Every lane, by node, route, name and age."""
        return [LaneSummary(lane, position, *self._count(id_)) for id_, lane, position in self._lanes(Filter())]

    def positions(self) -> dict[LaneId, int]:
        """The last number stored of every lane; costs little however much is stored."""
        return {lane: position for _, lane, position in self._lanes(Filter())}

    def _count(self, lane: int) -> tuple[int, int, int, int]:
        query = (
            "SELECT count(*), coalesce(sum(CASE kind WHEN 0 THEN count END), 0),"
            " coalesce(sum(CASE kind WHEN 1 THEN count END), 0), coalesce(sum(kind = 2), 0) FROM record WHERE at > ? AND at < ?"
        )
        records, readings, dropped, gaps = self._all(query, (key(lane, 0), key(lane + 1, 0)))[0]
        return records, readings, dropped, gaps

    def rows(self, wanted: Filter | None = None, after: Mapping[LaneId, int] | None = None) -> Iterator[StoredRow]:
        """What is stored, by lane, then by number, then by index.

        Args:
            wanted: what to show.
            after: only records beyond these numbers, for the lanes named here: what has come since an earlier look.

        Raises:
            StoreIoError: the file could not be read on.
        """
        wanted = wanted or Filter()
        left = wanted.limit
        for id_, lane, _ in self._lanes(wanted):
            for row in self._of_lane(id_, lane, wanted, after.get(lane, 0) if after else 0):
                if left is not None:
                    if left <= 0:
                        return
                    left -= 1
                yield row

    def _lanes(self, wanted: Filter) -> list[tuple[int, LaneId, int]]:
        query = (
            "SELECT id, node, route, lane, epoch, position FROM lane"
            " WHERE (?1 IS NULL OR node = ?1) AND (?2 IS NULL OR route = ?2) ORDER BY node, route, lane, id"
        )
        rows = self._all(query, (wanted.node, wanted.route))
        return [(row[0], LaneId(row[1], row[2], row[3], bytes(row[4])), row[5]) for row in rows]

    def _of_lane(self, id_: int, lane: LaneId, wanted: Filter, beyond: int) -> Iterator[StoredRow]:
        after = key(id_, beyond)
        query = (
            "SELECT at, first, kind, received_at, payload FROM record WHERE at > ?1 AND at < ?2"
            " AND (?3 IS NULL OR last_ts IS NULL OR last_ts >= ?3) AND (?4 IS NULL OR first_ts IS NULL OR first_ts < ?4)"
            " ORDER BY at LIMIT ?5"
        )
        while rows := self._all(query, (after, key(id_ + 1, 0), wanted.since, wanted.until, ROWS_AT_ONCE)):
            for at, first, kind, received_at, payload in rows:
                yield from _expand(lane, first, at - key(id_, 0), kind, received_at, payload, wanted)
                after = at

    def _all(self, query: str, values: Sequence[object]) -> list[Any]:
        try:
            if not self._is_made:
                self._is_made = made(self._conn)
                if not self._is_made:
                    return []
            return self._conn.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StoreIoError(f"{self._path} cannot be read: {error}") from error


def _expand(
    lane: LaneId, first: int, last: int, kind: int, received_at: int, payload: bytes, wanted: Filter
) -> Iterator[StoredRow]:
    for index, what, value in _decoded(kind, payload):
        if wanted.kinds is not None and what not in wanted.kinds:
            continue
        if isinstance(value, Reading):
            if not wanted.of_source(value.source) or not wanted.in_time(value.ts, value.ts):
                continue
            if wanted.fields is not None:
                kept = {name: field for name, field in value.fields.items() if name in wanted.fields}
                if kept:
                    cut = msgspec.structs.replace(value, fields=kept)
                    yield StoredRow(lane, first, last, index, what, received_at, reading=cut)
                continue
            yield StoredRow(lane, first, last, index, what, received_at, reading=value)
        elif isinstance(value, Gap):
            if wanted.of_source(value.source) and wanted.in_time(value.start, value.end):
                yield StoredRow(lane, first, last, index, what, received_at, gap=value)
        else:
            yield StoredRow(lane, first, last, index, what, received_at, tombstone=value)


def _decoded(kind: int, payload: bytes) -> Iterator[tuple[int, Kind, Reading | Gap | Tombstone | None]]:
    """Index, kind and value of everything in a record."""
    try:
        if kind == RecordKind.GAP:
            yield 0, "gap", msgspec.msgpack.decode(payload, type=Gap)
        elif kind == RecordKind.TOMBSTONE:
            yield 0, "tombstone", msgspec.msgpack.decode(payload, type=Tombstone)
        else:
            for index, reading in enumerate(decode_readings(payload)):
                if is_gap(reading):
                    until = reading.tags.get(GAP_UNTIL, "")
                    end = int(until) if until.isdigit() else reading.received
                    yield index, "gap", Gap(reading.source, reading.tags[GAP_REASON], reading.ts, end)
                else:
                    yield index, "reading", reading
    except (CodecError, msgspec.MsgspecError):
        yield 0, "unreadable", None
