"""Models of a spool and a store that survive their process: what the delivery simulation checks the protocol against."""

from __future__ import annotations

import copy
from bisect import bisect_left
from collections.abc import Callable
from itertools import pairwise

import msgspec

from rt_edge.data.record import LaneId, PositionConflict, Record, RecordKind, Tombstone
from rt_edge.uplink.checksum import EMPTY, chain_all
from rt_edge.uplink.effects import LaneState, NewEpoch
from rt_edge.uplink.frames import size_of
from rt_edge.uplink.reconcile import note


class LaneModel:
    """One lane of a spool: `records` are durable and not confirmed."""

    def __init__(self, lane: LaneId) -> None:
        self.lane = lane
        self.records: list[Record] = []
        self.last = 0
        self.confirmed = 0
        self.checksum: int | None = EMPTY
        self.pinned = 0
        """What may have been sent: nothing up to here is droppable. Forgotten by a crash."""

    def append(self, kind: RecordKind, count: int, payload: bytes, width: int = 1) -> None:
        """One more record."""
        self.records.append(Record(self.last + 1, self.last + width, kind, count, payload))
        self.last += width


class SpoolModel:
    """Store-and-forward as the protocol's effects demand it.

    Args:
        node: id of the node.
        names: names of its lanes.
        epochs: makes 128 random bits.
    """

    def __init__(self, node: str, names: list[str], epochs: Callable[[], bytes]) -> None:
        self.node = node
        self.store = ""
        self.lanes = {name: LaneModel(LaneId(node, "up", name, epochs())) for name in names}
        self.waiting: list[tuple[str, bytes]] = []
        """Appended and not committed: a crash takes it."""
        self.dropped: set[bytes] = set()

    def states(self) -> list[LaneState]:
        """As the sender wants to know it."""
        return [LaneState(lane.lane, lane.last, lane.confirmed, lane.checksum) for lane in self.lanes.values()]

    def commit(self) -> list[bytes]:
        """Make durable what waits; returns it."""
        for name, payload in self.waiting:
            self.lanes[name].append(RecordKind.DATA, 1, payload)
        done = [payload for _, payload in self.waiting]
        self.waiting = []
        return done

    def read(self, lane: LaneId, after: int, max_bytes: int, max_records: int) -> list[Record]:
        """As `WantRead` says; pins what it hands out."""
        model = self._find(lane)
        found: list[Record] = []
        size = 0
        for record in model.records:
            if record.first > after and size < max_bytes and len(found) < max_records:
                found.append(record)
                size += size_of(record)
        if found:
            model.pinned = max(model.pinned, found[-1].last)
        return found

    def confirm(self, lane: LaneId, number: int, checksum: int | None) -> list[Record]:
        """As `Confirm` says; returns what was let go."""
        model = self._find(lane)
        gone = [record for record in model.records if record.last <= number]
        model.records = model.records[len(gone) :]
        model.confirmed, model.checksum = number, checksum
        model.pinned = max(model.pinned, number)
        return gone

    def sent_through(self, lane: LaneId, number: int) -> None:
        """As `SentThrough` says."""
        self._find(lane).pinned = number

    def drop_oldest(self, name: str, records: int) -> None:
        """Replace the oldest droppable data records by one tombstone."""
        model = self.lanes[name]
        start = next((i for i, record in enumerate(model.records) if record.first > model.pinned), len(model.records))
        victims = model.records[start : start + records]
        if not victims:
            return
        self.dropped |= {record.payload for record in victims if record.kind is RecordKind.DATA}
        payload = msgspec.msgpack.encode(Tombstone("drop_oldest", len(victims), len(victims), 0))
        tombstone = Record(victims[0].first, victims[-1].last, RecordKind.TOMBSTONE, len(victims), payload)
        model.records[start : start + len(victims)] = [tombstone]

    def renumber(self, effect: NewEpoch, at: int) -> LaneState:
        """As `NewEpoch` says; returns the new lane."""
        old = self._find(effect.lane)
        new = LaneModel(LaneId(old.lane.node, old.lane.route, old.lane.lane, effect.epoch))
        new.append(RecordKind.GAP, 0, msgspec.msgpack.encode(note(str(old.lane), effect.reason, at)))
        for record in old.records:
            if not any(low <= record.first and record.last <= high for low, high in effect.stored):
                new.append(record.kind, record.count, record.payload, record.last - record.first + 1)
        self.lanes[old.lane.lane] = new
        return LaneState(new.lane, new.last, new.confirmed, new.checksum)

    def crash(self) -> None:
        """The process dies: what was not committed is gone, and so is the memory of what was sent."""
        self.waiting = []
        for lane in self.lanes.values():
            lane.pinned = lane.confirmed

    def image(self) -> SpoolModel:
        """A copy of the card."""
        return copy.deepcopy(self)

    def _find(self, lane: LaneId) -> LaneModel:
        model = self.lanes[lane.lane]
        if model.lane != lane:
            raise KeyError(f"{lane} is not the lane of this name any more")
        return model


class StoreModel:
    """What every store promises: a compare-and-set on (lane, position, session).

    Args:
        store_id: its id.
        keeps_checksums: whether it keeps running checksums.
        readable: whether it can say which records it has.
    """

    def __init__(self, store_id: str, keeps_checksums: bool = True, readable: bool = True) -> None:
        self.store_id = store_id
        self.rows: dict[LaneId, list[Record]] = {}
        self.checksums: dict[LaneId, int | None] = {}
        self.sessions: dict[LaneId, str] = {}
        self._keeps, self._readable = keeps_checksums, readable

    def position(self, lane: LaneId) -> int:
        """The last number committed."""
        rows = self.rows.get(lane)
        return rows[-1].last if rows else 0

    def open_session(self, lane: LaneId, session: str) -> tuple[int, int | None]:
        """Position and checksum; from now on only `session` may commit."""
        self.sessions[lane] = session
        position = self.position(lane)
        known = EMPTY if position == 0 else self.checksums.get(lane)
        return position, known if self._keeps else None

    def commit(self, lane: LaneId, session: str, first: int, batch: list[Record], checksum: int | None) -> int:
        """Keep the batch, or raise PositionConflict."""
        if self.sessions.get(lane) != session:
            raise PositionConflict(f"session {session} is not the lane's")
        position = self.position(lane)
        if first != position + 1 or batch[0].first != first:
            raise PositionConflict(f"commit at {first}, the position is {position}")
        for before, after in pairwise(batch):
            if after.first != before.last + 1:
                raise PositionConflict(f"{after.first} follows {before.last}")
        self.rows.setdefault(lane, []).extend(batch)
        self.checksums[lane] = checksum
        return self.position(lane)

    def read(self, lane: LaneId, first: int, last: int, max_bytes: int) -> list[Record] | None:
        """As `ReadStored` says."""
        if not self._readable:
            return None
        found: list[Record] = []
        size = 0
        for record in self.rows.get(lane, []):
            if first <= record.first and record.last <= last and size < max_bytes:
                found.append(record)
                size += size_of(record)
        return found

    def check(self) -> None:
        """Every lane is 1..n without gap or double, and its running checksum is that of its records."""
        for lane, rows in self.rows.items():
            expected = 1
            for record in rows:
                assert record.first == expected, f"{lane}: {record.first} is stored where {expected} should be"
                expected = record.last + 1
            kept = self.checksums[lane]
            assert kept is None or kept == chain_all(EMPTY, rows), f"{lane}: the checksum is not that of the records"

    def backup(self) -> StoreModel:
        """A copy, to be restored."""
        return copy.deepcopy(self)


def verify_confirmed(store: StoreModel, lane: LaneId, number: int, gone: list[Record]) -> None:
    """What the spool was allowed to forget is in the store, record for record."""
    assert store.position(lane) >= number, f"{lane}: {number} was confirmed, the store is at {store.position(lane)}"
    rows = store.rows.get(lane, [])
    start = bisect_left(rows, gone[0].first, key=lambda record: record.first) if gone else 0
    assert rows[start : start + len(gone)] == gone, f"{lane}: up to {number} was confirmed, and the store has other records there"
