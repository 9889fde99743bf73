"""A member that is an uplink: its spool, the stage that fills it, and the delivery that empties it."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from random import Random

from rt_edge.actors.island.ask_log import AskLog
from rt_edge.actors.island.links import Links
from rt_edge.actors.island.member import Member
from rt_edge.actors.island.post_office import PostOffice
from rt_edge.actors.island.questions import Questions
from rt_edge.actors.island.uplink_commands import UplinkCommands
from rt_edge.actors.island.uplink_driver import UplinkDriver
from rt_edge.actors.island.wiring import fan_in
from rt_edge.actors.layout import Layout
from rt_edge.data.clock import Clock
from rt_edge.data.errors import RtEdgeError
from rt_edge.data.ids import boot_id
from rt_edge.settings.plan import NodePlan
from rt_edge.spool.sink import SpoolSink
from rt_edge.spool.spool import Spool
from rt_edge.spool.worker import SpoolWorker
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.catalogue import Catalogue
from rt_edge.telemetry.status import MemberStatus, UplinkStatus

log = logging.getLogger(__name__)

DRAIN_S = 2.0
"""While a node stops, what is spooled may still be delivered for so long."""


class UplinkMember(Member):
    """One uplink; the spool stays open over restarts of the engine.

    Args:
        window: elements, the smallest window of the sources that end here.
        questions: about points of other members, for upstream.
        asks: audit log of commands that come to no adapter.
    """

    def __init__(
        self,
        name: str,
        plan: NodePlan,
        layout: Layout,
        office: PostOffice,
        catalogue: Catalogue,
        links: Links,
        clock: Clock,
        random: Random,
        window: int,
        questions: Questions | None = None,
        asks: AskLog | None = None,
    ) -> None:
        super().__init__(f"uplink/{name}", clock, random)
        self._window = window
        self._questions = questions or Questions()
        self._asks = asks or AskLog(Path(plan.node.data), clock)
        self._short = name
        self._node = plan.node
        self._plan = plan.uplinks[name]
        self._layout = layout
        self._office = office
        self._catalogue = catalogue
        self._links = links
        self._random = random
        self._worker: SpoolWorker | None = None
        self._driver: UplinkDriver | None = None
        self._oldest: int | None = None
        self._looking: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def prepared(self) -> bool:
        """Whether the spool is open."""
        return self._worker is not None

    async def prepare(self) -> None:
        """Open the spool, which may have to be mended first; then begin to deliver."""
        worker = self._worker = await asyncio.get_running_loop().run_in_executor(None, self._open)
        folder = (Path(self._node.data) / "spool").stat()
        host = f"{boot_id()}:{folder.st_dev}:{folder.st_ino}:{self._short}"
        plan = self._plan
        driver = UplinkDriver(self._short, self._node.id, host, plan, worker, self._links, self.clock, self._random)
        commands = UplinkCommands(self._short, plan.commands, self._questions, self._asks, driver.put, driver.counters)
        driver.on_ask = commands.asked
        self._driver = driver
        if self.state == "starting":
            self._driver.start()

    def _open(self) -> SpoolWorker:
        path = Path(self._node.data) / "spool" / f"{self._short}.db"
        plan = self._plan.spool
        return SpoolWorker(Spool.open(path, self._node.id, self._short, self.clock, plan.max, plan.when_full))

    def build(self) -> Blueprint:
        """Every graph that ends here, merged, into the spool."""
        blueprint = Blueprint()
        # Half of the smallest window that waits for this commit: the rest of it is on its way meanwhile (design 7).
        commit_at = max(1, self._window // 2)
        sink = blueprint.add(SpoolSink(worker=self._worker, max_wait=self._plan.spool.max_wait, commit_at=commit_at))
        fan_in(blueprint, sink, self._layout.into(self.name), self._office, self._catalogue)
        return blueprint

    def control(self, action: str) -> None:
        """`cut-link`, `restore-link`."""
        if self._driver is not None:
            self._driver.cut() if action == "cut-link" else self._driver.restore()

    async def close(self) -> None:
        """Deliver for a moment, close the link, close the spool."""
        await self.prepared_or_not()
        worker, driver = self._worker, self._driver
        if worker is None or driver is None:
            return
        self._closing = True
        await driver.close(lambda: not any(lane.records for lane in worker.facts.lanes), DRAIN_S)
        await asyncio.get_running_loop().run_in_executor(None, worker.close)

    def describe(self, status: MemberStatus) -> None:
        """Link, spool, and what is confirmed."""
        worker, driver = self._worker, self._driver
        if worker is None or driver is None:
            return
        lanes = worker.facts.lanes
        self._look_for_oldest(worker)
        link = "session open" if driver.session_open else driver.link
        status.uplink = UplinkStatus(
            link=link,
            peer=str(driver.peer),
            records=sum(lane.records for lane in lanes),
            readings=sum(lane.readings for lane in lanes),
            bytes=sum(lane.bytes for lane in lanes),
            oldest=self._oldest if any(lane.records for lane in lanes) else None,
            full=worker.facts.full,
            confirmed=sum(lane.confirmed for lane in lanes),
            last=sum(lane.last for lane in lanes),
            counters={**driver.counters, **driver.delivery()},
            disk=worker.facts.disk,
        )
        if not driver.session_open and driver.reason:
            status.error = status.error or driver.reason

    def _look_for_oldest(self, worker: SpoolWorker) -> None:
        """Ask the spool's thread how old its oldest record is; whoever asks for the status next is told."""

        async def look() -> None:
            try:
                self._oldest = (await worker.run(worker.spool.depth)).oldest
            except RtEdgeError as error:
                log.debug("%s: the age of the oldest record cannot be read: %s", self.name, error)

        if not self._closing and (self._looking is None or self._looking.done()):
            self._looking = asyncio.get_running_loop().create_task(look())
