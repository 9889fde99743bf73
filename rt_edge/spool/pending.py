"""What goes into a spool in one transaction besides what it was asked to remember about origins."""

from __future__ import annotations

import msgspec

from rt_edge.data.record import Gap, RecordKind

MAIN = "main"
"""Name of the lane for what has no priority of its own."""

DETAIL = 4096
"""Characters of a dead letter that are kept."""


class Pending(msgspec.Struct, frozen=True, gc=False):
    """A record that has no number so far.

    Attributes:
        payload: encoded; at most MAX_RECORD bytes.
        count: readings in it.
        kind: DATA or GAP.
        lane: name of the lane.
    """

    payload: bytes
    count: int
    kind: RecordKind = RecordKind.DATA
    lane: str = MAIN

    @classmethod
    def gap(cls, gap: Gap, lane: str = MAIN) -> Pending:
        """A gap record."""
        return cls(msgspec.msgpack.encode(gap), 0, RecordKind.GAP, lane)


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """An element that can never be stored as a record.

    Attributes:
        reason: short word, a metric label.
        detail: the beginning of the element, for a person.
        lane: where it should have gone.
    """

    reason: str
    detail: str
    lane: str = MAIN


class Depth(msgspec.Struct, frozen=True):
    """How much waits.

    Attributes:
        records: unconfirmed records, gap records and tombstones.
        readings: unconfirmed readings.
        bytes: charged bytes on disk, confirmed ones that are not deleted yet included.
        oldest: when the oldest unconfirmed record was stored, wall ns; None: nothing waits.
        full: whether `append` refuses now.
    """

    records: int
    readings: int
    bytes: int
    oldest: int | None
    full: bool
