"""Records and lanes: what a spool numbers, the delivery protocol sends and a store keeps (design 2 and 7)."""

from __future__ import annotations

import enum
from typing import Protocol

import msgspec

from rt_edge.data.errors import RefusedError


class LaneId(msgspec.Struct, frozen=True, order=True, array_like=True):
    """A numbered sequence of records.

    Attributes:
        node: id of the node that wrote it (as its certificate says).
        route: name of the uplink or route within the node.
        lane: name of the lane within the route; every priority is a lane.
        epoch: 128 random bits; a new one when a spool is created, set aside or restored.
    """

    node: str
    route: str
    lane: str
    epoch: bytes

    def __str__(self) -> str:
        return f"{self.node}/{self.route}/{self.lane}@{self.epoch.hex()[:8]}"


class RecordKind(enum.IntEnum):
    """What a record holds."""

    DATA = 0
    """`payload` is an encoded chunk of Readings (`rt_edge.data.codec`)."""
    TOMBSTONE = 1
    """The numbers first..last were dropped; `payload` is an encoded `Tombstone`."""
    GAP = 2
    """A device could not be read for a while; `payload` is an encoded `Gap`."""


class Record(msgspec.Struct, frozen=True, array_like=True):
    """The unit that is numbered, sent and confirmed.

    Attributes:
        first: first number it covers; equals `last` but for tombstones.
        last: last number it covers. Numbers of a lane start at 1 and have no gaps.
        kind: what `payload` is.
        count: readings in it, or readings dropped.
        payload: bytes, at most `MAX_RECORD` of them.
    """

    first: int
    last: int
    kind: RecordKind
    count: int
    payload: bytes


MAX_RECORD = 1_000_000
"""Bytes of one record's payload, `max_element` of design 4."""


class Tombstone(msgspec.Struct, frozen=True, array_like=True):
    """What stands in a lane for records that were dropped."""

    reason: str
    records: int
    readings: int
    at: int
    """Wall time of the drop, nanoseconds since 1970 UTC."""


class Gap(msgspec.Struct, frozen=True, array_like=True):
    """A device said nothing that could be kept, from when to when (nanoseconds since 1970 UTC)."""

    source: str
    reason: str
    start: int
    end: int


class PositionConflict(RefusedError):
    """A commit did not start at the lane's position, or its session is no longer the lane's."""

    code = "RTE510"


class Store(Protocol):
    """Where an upstream node keeps records; every implementation passes the contract in `rt_edge.testkit`."""

    @property
    def store_id(self) -> str:
        """Random id made with the store; peers of one uplink must name the same (design 7)."""
        ...

    def position(self, lane: LaneId) -> int:
        """The last number committed, 0 for a lane never seen."""
        ...

    def open_session(self, lane: LaneId, session: str) -> int:
        """From now on only `session` may commit to `lane`; returns the position."""
        ...

    def checksum(self, lane: LaneId) -> int | None:
        """The checksum given with the commit that reached the position; 0 for a lane never seen, None if none was given."""
        ...

    def commit(self, lane: LaneId, session: str, first: int, batch: list[Record], checksum: int | None = None) -> int:
        """Keep `batch`, `checksum` and the new position, in one transaction; returns the new position.

        Raises:
            PositionConflict: `first` is not position + 1, the batch has a gap, or `session` is not the lane's.
        """
        ...

    def read(self, lane: LaneId, first: int, last: int, max_bytes: int) -> list[Record]:
        """The stored records that lie within first..last, in order, until there are `max_bytes` of payload (at least one)."""
        ...

    def close(self) -> None:
        """Release it; idempotent."""
        ...
