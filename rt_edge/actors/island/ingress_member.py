"""A member that is the ingress: links of other nodes, and the store their records go to."""

from __future__ import annotations

from pathlib import Path
from random import Random

from rt_edge.actors.command_messages import ReadPoint, WritePoint, answer
from rt_edge.actors.island.ask_log import AskLog
from rt_edge.actors.island.asking_words import Reply
from rt_edge.actors.island.ingress_driver import IngressDriver
from rt_edge.actors.island.links import Links
from rt_edge.actors.island.member import Member
from rt_edge.actors.layout import INGRESS
from rt_edge.commands.command import Outcome
from rt_edge.data.clock import Clock
from rt_edge.data.errors import ConfigError
from rt_edge.settings.plan import NodePlan
from rt_edge.streams.blueprint import Blueprint
from rt_edge.telemetry.status import IngressStatus, MemberStatus
from rt_edge.uplink.stores.sqlite import SqliteStore


class IngressMember(Member):
    """The ingress of a node; it has no graph of its own in this version: what comes in goes to the store."""

    def __init__(self, plan: NodePlan, links: Links, clock: Clock, random: Random, asks: AskLog | None = None) -> None:
        super().__init__(INGRESS, clock, random)
        assert plan.ingress is not None, "the layout has an ingress only if the plan has one"
        self._plan = plan.ingress
        self._node = plan.node.id
        store = plan.stores.get(plan.ingress.store)
        if store is None:
            raise ConfigError(f"the ingress writes to the store {plan.ingress.store!r}, which is not configured")
        self._path = Path(store.path)
        self._links = links
        self._random = random
        self._asks = asks or AskLog(Path(plan.node.data), clock)
        self._driver: IngressDriver | None = None

    def build(self) -> Blueprint:
        """No stages; opens the store and listens."""
        if self._driver is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            store = SqliteStore(self._path, self.clock)
            self._driver = IngressDriver(self._node, self._plan, store, self._links, self.clock, self._random, self._asks)
            self._driver.start()
        return Blueprint()

    def forward(self, ask: ReadPoint | WritePoint, reply: Reply) -> None:
        """Ask an edge."""
        if self._driver is None:
            reply(answer(ask.number, Outcome("", "failed", True, "not sent: the ingress is starting")))
        else:
            self._driver.commands.forward(ask, reply)

    async def close(self) -> None:
        """End links, close the store."""
        if self._driver is not None:
            await self._driver.close()

    def describe(self, status: MemberStatus) -> None:
        """Port, sessions, and what was stored in this life."""
        driver = self._driver
        if driver is None:
            return
        if driver.error is not None:
            status.state, status.error = "failed", str(driver.error)
        status.ingress = IngressStatus(
            listen=f"{self._plan.listen.host}:{driver.port}",
            sessions=driver.sessions(),
            stored_records=driver.stored_records,
            stored_readings=driver.stored_readings,
            counters={**driver.counters, **driver.delivery(), **driver.commands.counters()},
        )
