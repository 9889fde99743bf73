"""StoreDriver: moves what is spooled for a store on this node into it; delivery without a link.

The store's position decides: what it has is confirmed to the spool, what follows is committed with compare-and-set, so a crash
between the two commits doubles nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from rt_edge.data.clock import Clock
from rt_edge.data.errors import RtEdgeError
from rt_edge.data.ids import new_incarnation
from rt_edge.data.record import LaneId
from rt_edge.sdk.backoff import Backoff
from rt_edge.spool.worker import SpoolWorker
from rt_edge.uplink.stores.sqlite import SqliteStore

log = logging.getLogger(__name__)

BATCH_BYTES = 1_000_000


class StoreDriver:
    """One local store's delivery, on the island's loop; spool and store are used in threads of their own.

    Args:
        name: of the store.
        path: of its file.
        worker: the spool and its thread.
        clock: time.
        random: jitter of the retries.

    Attributes:
        error: why nothing is moved now; empty when it is.
        stored_readings: moved in this life.
        counters: `errors`, `retries`.
    """

    def __init__(self, name: str, path: Path, worker: SpoolWorker, clock: Clock, random: Random) -> None:
        self._name = name
        self._path = path
        self._worker = worker
        self._clock = clock
        self._backoff = Backoff(random, first_s=0.5, last_s=30.0)
        self._session = new_incarnation()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"store-{name}")
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._store: SqliteStore | None = None
        self._positions: dict[LaneId, int] = {}
        self.error = ""
        self.stored_records = 0
        self.stored_readings = 0
        self.counters: Counter[str] = Counter()
        worker.on_appended.append(self._appended)

    def start(self) -> None:
        """Begin to move."""
        self._wake.set()
        self._task = asyncio.get_running_loop().create_task(self._live(), name=f"store {self._name}")

    def _appended(self, _lane: LaneId, _last: int) -> None:
        self._wake.set()

    async def _live(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._move_all()
                self.error = ""
                self._backoff.failures = 0
            except RtEdgeError as error:
                delay = self._backoff.failed()
                self.counters["errors"] += 1
                if str(error) != self.error:
                    log.warning("store %s: nothing is stored, next try in %.1f s: %s", self._name, delay, error)
                self.error = str(error)
                self._positions.clear()
                await asyncio.sleep(delay)
                self.counters["retries"] += 1
                self._wake.set()

    async def _move_all(self) -> None:
        for state in await self._worker.run(self._worker.spool.lanes):
            while await self._move(state.id):
                pass

    async def _move(self, lane: LaneId) -> bool:
        """One batch of one lane; returns whether there may be more."""
        loop = asyncio.get_running_loop()
        position = self._positions.get(lane)
        if position is None:
            position = await loop.run_in_executor(self._thread, self._open_session, lane)
            if position:
                await self._worker.run(self._worker.spool.confirm, lane, position)
        records = await self._worker.run(self._worker.spool.read, lane, position, BATCH_BYTES)
        if not records:
            self._positions[lane] = position
            return False
        store = self._opened()
        position = await loop.run_in_executor(self._thread, store.commit, lane, self._session, records[0].first, records)
        self._positions[lane] = position
        self.stored_records += len(records)
        self.stored_readings += sum(record.count for record in records)
        await self._worker.run(self._worker.spool.confirm, lane, position)
        return True

    def _open_session(self, lane: LaneId) -> int:
        return self._opened().open_session(lane, self._session)

    def _opened(self) -> SqliteStore:
        if self._store is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._store = SqliteStore(self._path, self._clock)
        return self._store

    async def close(self, seconds: float) -> None:
        """Move what is there, for `seconds` at most; then close the store."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
            try:
                async with asyncio.timeout(seconds):
                    await self._move_all()
            except TimeoutError:
                log.warning("store %s: what is spooled is stored after the next start", self._name)
            except RtEdgeError as error:
                log.warning("store %s: what is spooled is stored after the next start: %s", self._name, error)
        if self._store is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._store.close)
            self._store = None
        self._thread.shutdown()
