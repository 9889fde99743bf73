"""Whether a batch fits into a spool, and what has to go so that it does."""

from __future__ import annotations

from rt_edge.data.units import show_size
from rt_edge.spool.disk import Disk
from rt_edge.spool.errors import MAKE_ROOM, SpoolFull
from rt_edge.spool.quota import Quota, WhenFull
from rt_edge.spool.rows import Drop, plan_drop
from rt_edge.spool.spoolfile import SpoolFile


class Room:
    """The quota applied to an open file.

    Args:
        file: what is measured, and trimmed when that helps.
        quota: the decision.
        when_full: what to do when nothing else helps.
        disk: free space.
    """

    def __init__(self, file: SpoolFile, quota: Quota, when_full: WhenFull, disk: Disk) -> None:
        self.quota = quota
        self._file = file
        self._when_full = when_full
        self._disk = disk
        self._folder = file.opener.files.db.parent

    def make(self, need: int, lane: str) -> list[Drop]:
        """What has to be dropped so that `need` bytes fit; mostly nothing.

        Raises:
            SpoolFull: there is no room, and nothing may be dropped.
        """
        file, quota = self._file, self.quota
        if quota.wanted and not self.again():
            raise self._full(need)
        if self._fits(need):
            return []
        if file.lanes.freed:
            file.trim()
            if self._fits(need):
                return []
        if self._when_full == "drop_oldest":
            drops = self._plan_drops(need, lane)
            gain = sum(drop.bytes for drop in drops)
            if quota.over(file.lanes.used - gain, need) <= 0 and not self._below_floor(max(0, need - gain)):
                return drops
        raise self._full(need)

    def again(self) -> bool:
        """After a refusal: whether to take records again, after a trim if that is what it needs."""
        quota, lanes = self.quota, self._file.lanes
        if self._when_full == "drop_oldest" and not self._below_floor(quota.wanted):
            quota.wanted = 0
            return True
        free = self._free()
        if not quota.room_again(lanes.used - lanes.freed, free, self._reusable() + lanes.freed):
            return False
        self._file.trim()
        quota.wanted = 0
        return True

    def _plan_drops(self, need: int, lane: str) -> list[Drop]:
        """From sealed lanes first, then from the lane that is written, then from the others."""
        missing = need if self._below_floor(need) else self.quota.over(self._file.lanes.used, need)
        order = sorted(self._file.lanes.all, key=lambda one: (not one.sealed, one.name != lane, one.id))
        drops: list[Drop] = []
        for one in order:
            if missing > 0:
                found = plan_drop(self._file.conn, one, missing)
                missing -= sum(drop.bytes for drop in found)
                drops += found
        return drops

    def _fits(self, need: int) -> bool:
        return self.quota.over(self._file.lanes.used, need) <= 0 and not self._below_floor(need)

    def _below_floor(self, need: int) -> bool:
        return self.quota.below_floor(self._free(), self._reusable(), need)

    def _free(self) -> int:
        return self._disk.free_bytes(self._folder) - self._file.reserve.missing

    def _reusable(self) -> int:
        return int(self._file.conn.execute("PRAGMA freelist_count").fetchone()[0]) * self._file.page_size

    def _full(self, need: int) -> SpoolFull:
        quota, free = self.quota, self._free()
        if not quota.below_floor(free, self._reusable(), max(need, quota.wanted)):
            quota.refuse(need)
            return SpoolFull(f"the spool {self._file.name} is full", "it has room again when the upstream cluster confirms")
        quota.refuse(need, f"the disk has {show_size(max(0, free))} free, and {show_size(quota.floor)} are left to others")
        return SpoolFull(f"the spool {self._file.name}: {quota.disk}", MAKE_ROOM)
