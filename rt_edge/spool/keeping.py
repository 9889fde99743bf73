"""From elements to records: what the sink does in the spool's thread.

Elements that the intake knows are left out. Readings of several chunks share a record. An element that can never be a record (not
a Reading, too large, not encodable) goes to the dead letters in the same transaction: to fail it would make its origin emit it
for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from rt_edge.data.chunk import CHUNK_BYTES, CHUNK_ELEMENTS
from rt_edge.data.codec import decode_readings, encode_readings, pack
from rt_edge.data.errors import CodecError, RtEdgeError
from rt_edge.data.reading import GAP_REASON, GAP_UNTIL, Reading, is_gap
from rt_edge.data.record import MAX_RECORD, Gap, LaneId
from rt_edge.spool.errors import SpoolRecovered
from rt_edge.spool.origin_state import Arrived
from rt_edge.spool.pending import DETAIL, DeadLetter, Pending
from rt_edge.spool.spool import Spool

NOT_A_READING = "not_a_reading"
TOO_LARGE = "too_large"
NOT_ENCODABLE = "not_encodable"

GROUP_BYTES = 1_000_000
"""Encoded bytes of one transaction, about; what is larger is cut."""

_UNENCODABLE = (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError, CodecError)


class Work(msgspec.Struct):
    """One chunk for the spool.

    Attributes:
        items: its elements.
        arrival: origin and marks; None where elements have no identity.
    """

    items: Sequence[Any]
    arrival: Arrived | None

    def cut(self, n: int) -> tuple[Work, Work]:
        """The first `n` elements and the rest."""
        one = self.arrival
        if one is None:
            return Work(self.items[:n], None), Work(self.items[n:], None)
        head = msgspec.structs.replace(one, marks=one.marks[:n], keys=one.keys[:n], again=one.again[:n])
        rest = msgspec.structs.replace(one, marks=one.marks[n:], keys=one.keys[n:], again=one.again[n:])
        return Work(self.items[:n], head), Work(self.items[n:], rest)


class Kept(msgspec.Struct):
    """What became of a list of works.

    Attributes:
        elements: how many elements, counted from the front over all works, need not come again.
        dead: place (counted likewise) -> reason, for those that went to the dead letters.
        readings: Readings stored.
        bytes: payload bytes stored.
        lane: where.
        last: number of the last record, 0: none was written.
        error: why it stopped before the end.
    """

    elements: int = 0
    dead: dict[int, str] = {}
    readings: int = 0
    bytes: int = 0
    lane: LaneId | None = None
    last: int = 0
    error: RtEdgeError | None = None


def keep(spool: Spool, works: list[Work], lane: str) -> Kept:
    """Store `works` in order, in as few transactions as their size allows; never raises what the caller can act on."""
    kept = Kept()
    try:
        _keep(spool, works, lane, kept)
    except RtEdgeError as error:
        kept.error = error
    return kept


def _keep(spool: Spool, works: list[Work], lane: str, kept: Kept) -> None:
    total = sum(len(work.items) for work in works)
    try:
        batch, letters, dead = _prepare(spool, works, lane)
        size = sum(len(pending.payload) for pending in batch)
        if size > GROUP_BYTES and total > 1:
            spool.intake.rollback()
            left, right = _halve(works, total // 2)
            _keep(spool, left, lane, kept)
            _keep(spool, right, lane, kept)
            return
        numbers = spool.append(batch, letters)
    except SpoolRecovered:
        # The file is a new one, and so is what it knows: once more from the admission. Damage twice in a row goes up.
        batch, letters, dead = _prepare(spool, works, lane)
        numbers = spool.append(batch, letters)
        size = sum(len(pending.payload) for pending in batch)
    for place, reason in dead.items():
        kept.dead[kept.elements + place] = reason
    kept.elements += total
    kept.bytes += size
    kept.readings += sum(pending.count for pending in batch)
    if numbers:
        kept.lane, kept.last = spool.lane(lane), numbers[-1]


def _halve(works: list[Work], n: int) -> tuple[list[Work], list[Work]]:
    left: list[Work] = []
    right: list[Work] = []
    for work in works:
        if n >= len(work.items):
            left.append(work)
        elif n <= 0:
            right.append(work)
        else:
            head, rest = work.cut(n)
            left.append(head)
            right.append(rest)
        n -= len(work.items)
    return left, right


def _prepare(spool: Spool, works: list[Work], lane: str) -> tuple[list[Pending], list[DeadLetter], dict[int, str]]:
    """Admit, sort out, encode. Returns records, dead letters, and place -> reason of the dead."""
    fresh: list[tuple[int, Any]] = []
    start = 0
    try:
        for work in works:
            mask = [True] * len(work.items) if work.arrival is None else spool.intake.admit(work.arrival)
            fresh += [(start + i, item) for i, item in enumerate(work.items) if mask[i]]
            start += len(work.items)
        return _encode(fresh, lane)
    except BaseException:
        spool.intake.rollback()
        raise


def _encode(fresh: list[tuple[int, Any]], lane: str) -> tuple[list[Pending], list[DeadLetter], dict[int, str]]:
    batch: list[Pending] = []
    letters: list[DeadLetter] = []
    dead: dict[int, str] = {}
    run: list[tuple[int, Reading]] = []

    def bury(place: int, item: Any, reason: str) -> None:
        dead[place] = reason
        letters.append(DeadLetter(reason, repr(item)[:DETAIL], lane))

    def flush() -> None:
        if run:
            batch.extend(_records(run, lane, bury))
            run.clear()

    for place, item in fresh:
        if type(item) is Reading:
            if item.fields or not is_gap(item):
                run.append((place, item))
                continue
            flush()
            batch.append(_gap(item, lane))
        elif isinstance(item, Gap):
            flush()
            batch.append(Pending.gap(item, lane))
        else:
            bury(place, item, NOT_A_READING)
    flush()
    return batch, letters, dead


def _gap(reading: Reading, lane: str) -> Pending:
    until = reading.tags.get(GAP_UNTIL, "")
    end = int(until) if until.isdigit() else reading.received
    return Pending.gap(Gap(reading.source, reading.tags[GAP_REASON], reading.ts, end), lane)


def _records(run: list[tuple[int, Reading]], lane: str, bury: Any) -> list[Pending]:
    """Readings as records; what cannot be read again after encoding is buried, and so is what is too large."""
    try:
        packed = list(pack([reading for _, reading in run], CHUNK_ELEMENTS, CHUNK_BYTES))
        for _, payload in packed:
            decode_readings(payload)  # a Reading with a wrong type inside would make the whole record unreadable upstream
    except _UNENCODABLE:
        good = []
        for place, reading in run:
            try:
                decode_readings(encode_readings([reading]))
            except _UNENCODABLE:
                bury(place, reading, NOT_ENCODABLE)
            else:
                good.append((place, reading))
        if len(good) == len(run):
            raise  # the parts are fine and the whole is not: a bug, not bad input
        return _records(good, lane, bury) if good else []
    records = []
    start = 0
    for n, payload in packed:
        if len(payload) > MAX_RECORD:
            bury(*run[start], TOO_LARGE)
        else:
            records.append(Pending(payload, n, lane=lane))
        start += n
    return records
