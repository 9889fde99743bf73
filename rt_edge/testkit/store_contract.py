"""StoreContract: what every store promises, as tests. Derive a class, say how one is opened, and pytest runs the rest.

class TestSqliteStore(StoreContract):
    def open(self):
        return SqliteStore(self.folder / "store.db", SystemClock())
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Protocol

import pytest

from rt_edge.data.codec import encode_readings
from rt_edge.data.record import LaneId, PositionConflict, Record, RecordKind, Store
from rt_edge.testkit.spool_bench import make_readings


class ContractStore(Store, Protocol):
    """A store that also keeps checksums and can be read by the delivery protocol."""

    def commit(self, lane: LaneId, session: str, first: int, batch: list[Record], checksum: int | None = None) -> int:
        """With a checksum."""
        ...

    def checksum(self, lane: LaneId) -> int | None:
        """The checksum at the position."""
        ...

    def read(self, lane: LaneId, first: int, last: int, max_bytes: int) -> list[Record]:
        """Stored records."""
        ...


LANE = LaneId("edge-1", "hq", "main", bytes(range(16)))
OTHER = LaneId("edge-1", "hq", "main", bytes(range(1, 17)))


def make_records(first: int, n: int, readings: int = 1) -> list[Record]:
    """`n` records from number `first` on; reading `k` of record `m` counts `m * readings + k` in field `n`."""
    numbers = range(first, first + n)
    return [Record(i, i, RecordKind.DATA, readings, encode_readings(make_readings(i * readings, readings))) for i in numbers]


class StoreContract(ABC):
    """Every store passes these tests.

    Attributes:
        folder: a fresh folder for each test.
    """

    folder: Path

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    @abstractmethod
    def open(self) -> ContractStore:
        """The store of this test, opened (again, or by a second process)."""

    def test_position_is_zero_when_a_lane_was_never_seen(self) -> None:
        """An unknown lane has position 0 and the checksum of nothing, and asking does not make it known."""
        store = self.open()
        assert (store.position(LANE), store.checksum(LANE), store.read(LANE, 1, 10, 10**6)) == (0, 0, [])
        store.close()

    def test_position_follows_when_batches_are_committed(self) -> None:
        """Records come back as they were, and the position and checksum survive a restart."""
        store = self.open()
        assert store.open_session(LANE, "s1") == 0
        assert store.commit(LANE, "s1", 1, make_records(1, 3), 11) == 3
        assert store.commit(LANE, "s1", 4, make_records(4, 2), 22) == 5
        store.close()
        store = self.open()
        assert (store.position(LANE), store.checksum(LANE)) == (5, 22)
        assert store.open_session(LANE, "s2") == 5
        assert store.read(LANE, 1, 9, 10**6) == make_records(1, 5)
        store.close()

    def test_commit_is_refused_when_it_does_not_start_at_the_position(self) -> None:
        """A batch that came before, or comes too early, changes nothing."""
        store = self.open()
        store.open_session(LANE, "s1")
        store.commit(LANE, "s1", 1, make_records(1, 3))
        for first in (1, 3, 5):
            with pytest.raises(PositionConflict):
                store.commit(LANE, "s1", first, make_records(first, 2))
        assert store.read(LANE, 1, 100, 10**6) == make_records(1, 3)
        store.close()

    def test_commit_is_refused_when_the_batch_has_a_gap(self) -> None:
        """A batch is kept whole or not at all."""
        store = self.open()
        store.open_session(LANE, "s1")
        with pytest.raises(PositionConflict):
            store.commit(LANE, "s1", 1, [*make_records(1, 2), *make_records(4, 1)])
        with pytest.raises(PositionConflict):
            store.commit(LANE, "s1", 2, make_records(1, 1))
        assert store.position(LANE) == 0
        store.close()

    def test_commit_is_refused_when_another_session_took_over(self) -> None:
        """A paused node cannot commit after another has opened the lane, also through another connection to the same store."""
        store, second = self.open(), self.open()
        store.open_session(LANE, "old")
        store.commit(LANE, "old", 1, make_records(1, 1))
        assert second.open_session(LANE, "new") == 1
        with pytest.raises(PositionConflict, match="session"):
            store.commit(LANE, "old", 2, make_records(2, 1))
        assert second.commit(LANE, "new", 2, make_records(2, 1)) == 2
        assert store.position(LANE) == 2
        store.close()
        second.close()

    def test_commit_is_refused_when_no_session_was_opened(self) -> None:
        """Nobody commits without a handshake."""
        store = self.open()
        with pytest.raises(PositionConflict):
            store.commit(LANE, "s1", 1, make_records(1, 1))
        store.close()

    def test_lanes_do_not_meet_when_only_their_epoch_differs(self) -> None:
        """A new epoch is a new lane."""
        store = self.open()
        store.open_session(LANE, "s1")
        store.open_session(OTHER, "s1")
        store.commit(LANE, "s1", 1, make_records(1, 3))
        assert store.commit(OTHER, "s1", 1, make_records(1, 1)) == 1
        assert (store.position(LANE), store.position(OTHER)) == (3, 1)
        store.close()

    def test_a_tombstone_moves_the_position_over_its_range_when_it_is_committed(self) -> None:
        """What was dropped counts as numbered."""
        store = self.open()
        store.open_session(LANE, "s1")
        stone = Record(2, 9, RecordKind.TOMBSTONE, 80, b"\x94\xabdrop_oldest\x08\x50\x00")
        assert store.commit(LANE, "s1", 1, [*make_records(1, 1), stone, *make_records(10, 1)]) == 10
        assert store.read(LANE, 2, 9, 1) == [stone]
        store.close()

    def test_read_keeps_its_bounds_when_more_is_stored(self) -> None:
        """A read ends at its last number, or with the record that reaches its bytes."""
        store = self.open()
        store.open_session(LANE, "s1")
        store.commit(LANE, "s1", 1, make_records(1, 9))
        assert store.read(LANE, 4, 5, 10**6) == make_records(4, 2)
        assert store.read(LANE, 4, 9, 1) == make_records(4, 1)
        store.close()

    def test_a_record_is_kept_when_its_payload_cannot_be_read(self) -> None:
        """A record that means nothing here does not stop the lane: it is stored as it came."""
        store = self.open()
        store.open_session(LANE, "s1")
        odd = Record(1, 1, RecordKind.DATA, 7, b"\xff\xff\xff")
        assert store.commit(LANE, "s1", 1, [odd]) == 1
        assert store.read(LANE, 1, 1, 100) == [odd]
        store.close()

    def test_store_id_stays_when_it_is_opened_again(self) -> None:
        """A store is the same store after a restart, for everyone who opens it."""
        store, second = self.open(), self.open()
        assert len(store.store_id) >= 16
        assert store.store_id == second.store_id
        store.close()
        store.close()
        second.close()
        store = self.open()
        assert store.store_id
        store.close()
