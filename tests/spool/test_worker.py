"""The spool's thread, and what others may know of the spool meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rt_edge.data.clock import SystemClock
from rt_edge.spool.errors import SpoolFull
from rt_edge.spool.pending import Pending
from rt_edge.spool.spool import Spool
from rt_edge.spool.worker import SpoolWorker


def test_facts_are_those_after_the_last_call_when_it_worked_or_failed(tmp_path: Path) -> None:
    """What the loop looks at without touching the spool says how much waits, that it is full, and that it has room again."""

    async def main() -> None:
        worker = SpoolWorker(Spool.open(tmp_path / "hq.db", "n", "hq", SystemClock(), 3_000_000, reserve=0, free_floor=0))
        try:
            assert not worker.facts.full
            assert [lane.records for lane in worker.facts.lanes] == [0]
            for appended in range(1, 6):
                await worker.run(worker.spool.append, [Pending(b"x" * 500_000, 10)])
                assert worker.facts.lanes[0].records == appended
            assert not worker.facts.full
            with pytest.raises(SpoolFull):
                await worker.run(worker.spool.append, [Pending(b"x" * 600_000, 10)])
            assert worker.facts.full
            assert worker.facts.lanes[0].readings == 10 * appended
            await worker.run(worker.spool.confirm, worker.facts.lanes[0].id, appended)
            assert not worker.facts.full
            assert worker.facts.lanes[0].records == 0
        finally:
            worker.close()

    asyncio.run(main())
