"""SpoolWorker: the one thread in which a spool is used, so that an island's loop never waits for a disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import msgspec

from rt_edge.data.record import LaneId
from rt_edge.spool.lanes import LaneState
from rt_edge.spool.spool import Spool

P = ParamSpec("P")
T = TypeVar("T")


class SpoolFacts(msgspec.Struct, frozen=True):
    """A spool as it was after its last call: lanes, whether it refuses more; `disk`: what is wrong with it, if that is why."""

    lanes: list[LaneState]
    full: bool
    disk: str


def _facts(spool: Spool) -> SpoolFacts:
    return SpoolFacts(spool.lanes(), spool.full, spool.disk_trouble)


class SpoolWorker:
    """A spool with its thread.

    Each sink and each uplink has at most one call under way, so what waits here is bounded by how many there are.

    Args:
        spool: used by nobody else from now on.

    Attributes:
        spool: for calls made through `run`.
        facts: for any thread to look at; the spool itself is its own thread's alone.
        on_appended: called as `(lane, last number)` in the island's thread after records became durable.
    """

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.facts = _facts(spool)
        self.on_appended: list[Callable[[LaneId, int], None]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function` in the spool's thread, after what was given before."""

        def call() -> T:
            try:
                return function(*args, **kwargs)
            finally:
                self.facts = _facts(self.spool)

        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def appended(self, lane: LaneId, last: int) -> None:
        """Tell the observers; called by the sink."""
        for call in list(self.on_appended):
            call(lane, last)

    def close(self) -> None:
        """Finish what is under way, close the spool, end the thread; blocks until then."""
        self._thread.submit(self.spool.close).result()
        self._thread.shutdown()
