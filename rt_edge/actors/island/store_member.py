"""A member that is a store on this node: graphs end in a spool, and what is spooled is moved into the store."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

from rt_edge.actors.island.member import Member
from rt_edge.actors.island.post_office import PostOffice
from rt_edge.actors.island.store_driver import StoreDriver
from rt_edge.actors.island.wiring import fan_in
from rt_edge.actors.layout import Layout
from rt_edge.data.clock import Clock
from rt_edge.settings.plan import NodePlan
from rt_edge.spool.sink import SpoolSink
from rt_edge.spool.spool import Spool
from rt_edge.spool.worker import SpoolWorker
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.catalogue import Catalogue
from rt_edge.telemetry.status import IngressStatus, MemberStatus

SPOOL_BYTES = 64_000_000
"""Quota of the spool in front of a local store; it is nearly empty as long as the store takes what comes."""

CLOSE_S = 2.0


class StoreMember(Member):
    """One store that graphs of this node write to.

    Args:
        window: elements, the smallest window of the sources that end here.
    """

    def __init__(
        self,
        name: str,
        plan: NodePlan,
        layout: Layout,
        office: PostOffice,
        catalogue: Catalogue,
        clock: Clock,
        random: Random,
        window: int,
    ) -> None:
        super().__init__(f"store/{name}", clock, random)
        self._short = name
        self._node = plan.node
        self._path = Path(plan.stores[name].path)
        self._layout = layout
        self._office = office
        self._catalogue = catalogue
        self._random = random
        self._window = window
        self._worker: SpoolWorker | None = None
        self._driver: StoreDriver | None = None

    @property
    def prepared(self) -> bool:
        """Whether the spool is open."""
        return self._worker is not None

    async def prepare(self) -> None:
        """Open the spool, which may have to be mended first; then begin to move what is in it."""
        worker = self._worker = await asyncio.get_running_loop().run_in_executor(None, self._open)
        self._driver = StoreDriver(self._short, self._path, worker, self.clock, self._random)
        if self.state == "starting":
            self._driver.start()

    def _open(self) -> SpoolWorker:
        path = Path(self._node.data) / "spool" / f"_store-{self._short}.db"  # no uplink can be called like that
        return SpoolWorker(Spool.open(path, self._node.id, f"store-{self._short}", self.clock, SPOOL_BYTES))

    def build(self) -> Blueprint:
        """Every graph that ends here, merged, into the spool."""
        blueprint = Blueprint()
        sink = blueprint.add(SpoolSink(worker=self._worker, commit_at=max(1, self._window // 2)))
        fan_in(blueprint, sink, self._layout.into(self.name), self._office, self._catalogue)
        return blueprint

    async def close(self) -> None:
        """Move the rest, close store and spool."""
        await self.prepared_or_not()
        worker, driver = self._worker, self._driver
        if worker is None or driver is None:
            return
        await driver.close(CLOSE_S)
        await asyncio.get_running_loop().run_in_executor(None, worker.close)

    def describe(self, status: MemberStatus) -> None:
        """What was stored in this life."""
        driver = self._driver
        if driver is None:
            return
        status.error = status.error or driver.error or (self._worker.facts.disk if self._worker is not None else "")
        counters = dict(driver.counters)
        status.ingress = IngressStatus(str(self._path), [], driver.stored_records, driver.stored_readings, counters)
