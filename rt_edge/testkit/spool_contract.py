"""SpoolContract: what a spool promises, as tests. Derive a class, say how one is opened, and pytest runs the rest.

class TestSqliteSpool(SpoolContract):
    def open(self, when_full="block"):
        return open_spool(self.folder / "hq.db", when_full=when_full)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rt_edge.data.errors import RefusedError, TransientError
from rt_edge.data.ids import new_epoch
from rt_edge.data.receipt import Origin
from rt_edge.data.record import Gap, RecordKind, Tombstone
from rt_edge.spool.errors import SpoolFull, SpoolInUse
from rt_edge.spool.spool import Spool
from rt_edge.testkit.spool_bench import counted, drain, make_pending


class SpoolContract(ABC):
    """Every spool passes these tests; its quota is 2 MB.

    Attributes:
        folder: a fresh folder for each test.
    """

    folder: Path

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    @abstractmethod
    def open(self, when_full: Any = "block") -> Spool:
        """The spool of this test, opened (again)."""

    def fill(self, spool: Spool, start: int = 0, most: int = 1000) -> int:
        """Append records of 10 readings and about 50 kB until it is full; returns the first number that was not kept."""
        for n in range(start, start + most * 10, 10):
            try:
                spool.append([make_pending(n, 10, 5000)])
            except SpoolFull:
                return n
        return start + most * 10

    def test_numbers_have_no_gaps_when_appended_in_batches(self) -> None:
        """The records of a lane are 1, 2, 3 ..., however they are batched and however often the spool is opened."""
        spool = self.open()
        assert spool.append([make_pending(0), make_pending(1)]) == [1, 2]
        assert spool.append([make_pending(2)]) == [3]
        spool.close()
        spool = self.open()
        assert spool.append([make_pending(3)]) == [4]
        assert counted(drain(spool)) == [0, 1, 2, 3]
        spool.close()

    def test_numbers_go_on_when_all_was_confirmed_before_it_was_closed(self) -> None:
        """A number is never used twice in an epoch, even when no record is left to remember it."""
        spool = self.open()
        spool.append([make_pending(n) for n in range(5)])
        lane = spool.lane()
        spool.confirm(lane, 5, 77)
        spool.close()
        spool = self.open()
        assert spool.lane() == lane
        assert (spool.lanes()[0].confirmed, spool.lanes()[0].last, spool.lanes()[0].checksum) == (5, 5, 77)
        assert spool.append([make_pending(5)]) == [6]
        spool.close()

    def test_lanes_are_numbered_apart_when_a_batch_has_several(self) -> None:
        """Each lane counts for itself, and is made by the first record for it."""
        spool = self.open()
        assert spool.append([make_pending(0), make_pending(1, lane="alarm"), make_pending(2)]) == [1, 1, 2]
        assert [(s.id.lane, s.last) for s in spool.lanes()] == [("main", 2), ("alarm", 1)]
        assert counted(spool.read(spool.lane("alarm"), 0, 10_000)) == [1]
        spool.close()

    def test_read_keeps_its_bounds_when_more_is_there(self) -> None:
        """A read ends with the record that reaches its bytes, or at its number of records."""
        spool = self.open()
        spool.append([make_pending(n, 1, 1000) for n in range(10)])
        lane = spool.lane()
        assert [r.first for r in spool.read(lane, 0, 1)] == [1]
        assert [r.first for r in spool.read(lane, 3, 2500)] == [4, 5, 6]
        assert [r.first for r in spool.read(lane, 3, 10**9, 2)] == [4, 5]
        assert spool.read(lane, 10, 10**9) == []
        spool.close()

    def test_depth_is_right_when_records_come_and_go(self) -> None:
        """Records, readings and age of what waits, before and after a confirmation and a new start."""
        spool = self.open()
        assert spool.depth().oldest is None
        spool.append([make_pending(n * 10, 10) for n in range(4)])
        spool.confirm(spool.lane(), 1)
        before = spool.depth()
        assert (before.records, before.readings, before.full) == (3, 30, False)
        assert before.oldest is not None
        spool.close()
        spool = self.open()
        after = spool.depth()
        assert (after.records, after.readings, after.oldest) == (3, 30, before.oldest)
        spool.close()

    def test_confirm_is_cumulative_when_it_comes_late_or_twice(self) -> None:
        """An old confirmation changes nothing; a confirmation of what was never written is refused."""
        spool = self.open()
        spool.append([make_pending(n) for n in range(5)])
        lane = spool.lane()
        spool.confirm(lane, 3)
        spool.confirm(lane, 2)
        assert spool.lanes()[0].confirmed == 3
        with pytest.raises(RefusedError, match="6 is confirmed, but 5 is the last written"):
            spool.confirm(lane, 6)
        spool.close()

    def test_append_refuses_and_keeps_nothing_when_it_is_full_and_blocks(self) -> None:
        """With `block`, what was acknowledged stays, what was refused is not there in part."""
        spool = self.open()
        n = self.fill(spool)
        assert spool.depth().full
        assert spool.depth().bytes <= 2_000_000
        with pytest.raises(TransientError):
            spool.append([make_pending(n)])
        assert counted(spool.read(spool.lane(), 0, 10**9)) == list(range(n))
        spool.close()

    def test_room_is_signalled_once_when_enough_was_confirmed(self) -> None:
        """Room comes back after an eighth of the quota is free, not with the first confirmation."""
        spool = self.open()
        rung: list[int] = []
        spool.on_room.append(lambda: rung.append(spool.lanes()[0].confirmed))
        last = self.fill(spool) // 10
        for number in range(1, last + 1):
            spool.confirm(spool.lane(), number)
        assert len(rung) == 1
        assert 4 <= rung[0] <= 8, "an eighth of 2 MB is five records of 50 kB"
        assert spool.append([make_pending(0)]) == [last + 1]
        spool.close()

    def test_tombstone_takes_the_place_when_it_is_full_and_drops(self) -> None:
        """With `drop_oldest`, every number is still there: as a record, or in one tombstone with the count of its readings."""
        spool = self.open("drop_oldest")
        n = self.fill(spool, most=80)
        assert n == 800, "nothing is refused"
        records = drain(spool)
        kinds = [record.kind for record in records]
        assert kinds.count(RecordKind.TOMBSTONE) == 1
        assert kinds[0] is RecordKind.TOMBSTONE
        stone = msgspec.msgpack.decode(records[0].payload, type=Tombstone)
        assert (stone.reason, stone.records, stone.readings) == ("drop_oldest", records[0].last, records[0].last * 10)
        assert counted(records) == list(range(stone.readings, 800))
        spool.close()

    def test_read_records_stay_when_it_is_full_and_drops(self) -> None:
        """What may have reached the peer is not replaced; with `sent_through` taken back it may be."""
        spool = self.open("drop_oldest")
        spool.append([make_pending(n * 10, 10, 5000) for n in range(10)])
        lane = spool.lane()
        assert len(spool.read(lane, 0, 150_000)) == 3
        self.fill(spool, 100, 80)
        assert [(r.first, r.kind) for r in spool.read(lane, 0, 10**9, 4)] == [(1, 0), (2, 0), (3, 0), (4, 1)]
        spool.sent_through(lane, 2)
        self.fill(spool, 900, 80)
        after = spool.read(lane, 0, 10**9, 4)
        assert [(r.first, r.kind) for r in after[:3]] == [(1, 0), (2, 0), (3, 1)]
        assert sum(r.count for r in spool.read(lane, 0, 10**9)) == 1700
        spool.close()

    def test_append_refuses_when_everything_may_have_been_sent(self) -> None:
        """With `drop_oldest` and nothing droppable, there is no room either."""
        spool = self.open("drop_oldest")
        for n in range(39):
            spool.append([make_pending(n * 10, 10, 5000)])
        spool.read(spool.lane(), 0, 10**9)
        with pytest.raises(SpoolFull):
            spool.append([make_pending(390, 10, 5000)])
        spool.sent_through(spool.lane(), 38)
        assert spool.append([make_pending(390, 10, 5000)]) == [40]
        spool.close()

    def test_tombstone_is_cut_when_a_part_of_it_was_confirmed(self) -> None:
        """A read beyond a number inside a tombstone gives the rest of it, so that the peer's position follows."""
        spool = self.open("drop_oldest")
        self.fill(spool, most=80)
        lane = spool.lane()
        stone = spool.read(lane, 0, 1)[0]
        spool.confirm(lane, 5)
        rest = spool.read(lane, 5, 1)[0]
        assert (rest.first, rest.last, rest.count) == (6, stone.last, (stone.last - 5) * 10)
        spool.close()

    def test_gap_is_a_record_when_one_is_said(self) -> None:
        """A gap has a number of its own, and counts no readings."""
        spool = self.open()
        assert spool.gap("plc/pump", "timeout", 5, 9) == 1
        record = spool.read(spool.lane(), 0, 1000)[0]
        assert (record.kind, record.count) == (RecordKind.GAP, 0)
        assert msgspec.msgpack.decode(record.payload, type=Gap) == Gap("plc/pump", "timeout", 5, 9)
        spool.close()

    def test_second_opener_is_refused_when_the_first_has_it(self) -> None:
        """Who opens a spool that is in use learns which process has it."""
        spool = self.open()
        with pytest.raises(SpoolInUse, match=r"in use by process \d+"):
            self.open()
        spool.close()
        self.open().close()

    def test_marks_are_known_when_they_were_stored_before_a_restart(self) -> None:
        """What an origin emits again is recognised, also after the spool was closed and opened."""
        spool = self.open()
        origin = Origin("plc", "life-1")
        assert spool.intake.admit(origin, [0, 1, (2, 0)]) == [True, True, True]
        spool.append([make_pending(0)])
        spool.close()
        spool = self.open()
        assert spool.intake.admit(origin, [1, (2, 0), (2, 1), 3]) == [False, False, True, True]
        spool.append([make_pending(1)])
        spool.close()

    def test_marks_are_not_known_when_the_append_failed(self) -> None:
        """What was not stored is not taken for stored."""
        spool = self.open()
        n = self.fill(spool)
        origin = Origin("plc", "life-1")
        assert spool.intake.admit(origin, [7]) == [True]
        with pytest.raises(SpoolFull):
            spool.append([make_pending(n, 10, 5000)])
        assert spool.intake.admit(origin, [7]) == [True]
        spool.intake.rollback()
        spool.close()

    def test_records_are_renumbered_when_the_peer_contradicts(self) -> None:
        """A new epoch begins at 1 with what the peer has not, in order, and ends with the record that says why."""
        spool = self.open()
        spool.append([make_pending(n) for n in range(8)])
        old, epoch = spool.lane(), new_epoch()
        spool.confirm(old, 2)
        state = spool.renumber(old, epoch, Gap(str(old), "cloned", 1, 1), [(3, 4), (6, 6)])
        assert (state.id.epoch, state.confirmed, state.last) == (epoch, 0, 5)
        with pytest.raises(RefusedError, match="no lane"):
            spool.read(old, 0, 1000)
        spool.close()
        spool = self.open()
        records = drain(spool)
        assert [(r.first, r.kind, r.count) for r in records] == [(1, 0, 1), (2, 1, 0), (3, 0, 1), (4, 0, 1), (5, 2, 0)]
        assert counted(records) == [4, 6, 7]
        assert spool.append([make_pending(9)]) == [6]
        spool.close()

    def test_store_is_remembered_when_it_was_named(self) -> None:
        """Which store has the confirmed records survives a restart."""
        spool = self.open()
        assert spool.store_id == ""
        spool.remember_store("s-1")
        spool.close()
        spool = self.open()
        assert spool.store_id == "s-1"
        spool.close()

    def test_nothing_works_when_it_is_closed(self) -> None:
        """A closed spool refuses, and closing it again does nothing."""
        spool = self.open()
        lane = spool.lane()
        spool.close()
        spool.close()
        with pytest.raises(RefusedError, match="closed"):
            spool.append([make_pending(0)])
        with pytest.raises(RefusedError, match="closed"):
            spool.read(lane, 0, 1000)
