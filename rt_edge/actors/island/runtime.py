"""IslandRuntime: the members of one island on one asyncio loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from random import SystemRandom

from rt_edge.actors.island import preload
from rt_edge.actors.island.adapter_member import AdapterMember
from rt_edge.actors.island.ask_log import AskLog
from rt_edge.actors.island.graph_member import GraphMember
from rt_edge.actors.island.links import Links
from rt_edge.actors.island.member import Member
from rt_edge.actors.island.post_office import PostOffice
from rt_edge.actors.island.questions import Questions
from rt_edge.actors.island.taps import Taps
from rt_edge.actors.layout import INGRESS, lay_out
from rt_edge.data.clock import Clock, SystemClock
from rt_edge.sdk.registry import Registry
from rt_edge.settings.plan import NodePlan
from rt_edge.spool.sink import WINDOW
from rt_edge.streams.model import FROM
from rt_edge.telemetry.status import MemberStatus

log = logging.getLogger(__name__)

SETTLE_CHECK_S = 0.05
"""While a stop waits for the last receipts, they are counted at this interval."""

START_ORDER = (("uplink", "store", INGRESS), ("graph",), ("adapter",))
"""Kinds of members, in the order in which they are started: the ends first, so that demand finds them."""


class IslandRuntime:
    """Builds, runs and ends the members of one island. All calls on the island's loop.

    Args:
        plan: of the whole node.
        island: which part of it this is.
        dispatch: hands on a batch of signals for another island; see `PostOffice`.
        links: opens and uses links to other nodes, through the actor.
        again: an earlier life of this island has ended.
        refused: told why the node shall not start.
    """

    def __init__(
        self,
        plan: NodePlan,
        island: str,
        dispatch: Callable[[str, bytes], bool],
        links: Links,
        clock: Clock | None = None,
        again: bool = False,
        refused: Callable[[str], None] | None = None,
    ) -> None:
        self.plan = plan
        self.island = island
        self.clock = clock or SystemClock()
        layout = lay_out(plan)
        loop = asyncio.get_running_loop()

        def soon(call: Callable[[], None]) -> None:
            loop.call_soon(call)

        self.office = PostOffice(island, layout.of_island(island), soon, dispatch)
        self.links = links
        random = SystemRandom()
        data = Path(plan.node.data)
        catalogue, registry = preload.catalogue(), preload.registry()
        self.questions = Questions()
        self.asks = AskLog(data, self.clock)
        self.members: dict[str, Member] = {}
        for name in layout.islands[island]:
            kind, _, short = name.partition("/")
            member: Member
            if kind == "adapter":
                folder = data / "adapters" / short
                adapter = plan.adapters[short]
                member = AdapterMember(
                    short, adapter, layout, self.office, catalogue, registry, folder, self.clock, random, again
                )
                member.refused = refused
            elif kind == "graph":
                member = GraphMember(short, plan.graphs[short], layout, self.office, catalogue, self.clock, random)
            elif kind == "uplink":
                from rt_edge.actors.island.uplink_member import UplinkMember

                window = smallest_window(plan, registry)
                member = UplinkMember(
                    short, plan, layout, self.office, catalogue, links, self.clock, random, window, self.questions, self.asks
                )
            elif kind == "store":
                from rt_edge.actors.island.store_member import StoreMember

                window = smallest_window(plan, registry)
                member = StoreMember(short, plan, layout, self.office, catalogue, self.clock, random, window)
            else:
                from rt_edge.actors.island.ingress_member import IngressMember

                member = IngressMember(plan, links, self.clock, random, self.asks)
            self.members[name] = member
        self.taps = Taps(self.members, self.clock, loop.call_later)

    def start(self) -> None:
        """Start every member; the ends first, so that demand finds them."""
        for kinds in START_ORDER:
            for member in self._of(*kinds):
                member.start()

    def _of(self, *kinds: str) -> list[Member]:
        return [member for name, member in self.members.items() if name.partition("/")[0] in kinds]

    async def stop_phase(self, phase: str, seconds: float) -> int:
        """Do what a phase of the node's shutdown (`rt_edge.actors.stopping`) is for this island, in `seconds` at most.

        Returns:
            Elements of sources that were not settled in time.
        """
        until = self.clock.monotonic() + seconds
        adapters = self._of("adapter")
        left = 0
        ending: list[Member] = []
        if phase == "sources":
            left = await self._settled(adapters, until)
            ending = [member for member in adapters if not member.serves]
        elif phase == "graphs":
            ending = self._of("graph")
        elif phase == "spools":
            for member in self._of("uplink"):
                member.stop()  # nothing more goes to its disk; what is there is delivered in the next phase
            ending = self._of("store") + [member for member in adapters if member.serves]
        elif phase == "uplinks":
            ending = self._of("uplink", INGRESS)
        await asyncio.gather(*(self._end(member, max(1.0, until - self.clock.monotonic())) for member in ending))
        await self.asks.close()
        return left

    async def _settled(self, members: list[Member], until: float) -> int:
        """Ask for nothing more, and wait until what was emitted is settled."""
        for member in members:
            member.quiet()
        while any(member.unsettled for member in members) and self.clock.monotonic() < until:  # noqa: ASYNC110  # receipts have no common event; only while a node stops
            await asyncio.sleep(SETTLE_CHECK_S)
        return sum(member.unsettled for member in members)

    async def _end(self, member: Member, seconds: float) -> None:
        """Stop a member; one that does not close, or raises, must not keep the others."""
        try:
            member.stop()
            async with asyncio.timeout(seconds):
                await member.close()
        except TimeoutError:
            log.error("%s did not close in time", member.name)  # there is no traceback worth showing
        except Exception:  # as said; logged with its traceback
            log.exception("%s failed while it was stopped", member.name)

    def status(self) -> list[MemberStatus]:
        """A snapshot of every member."""
        return [member.status() for member in self.members.values()]


def smallest_window(plan: NodePlan, registry: Registry) -> int:
    """Elements: the smallest window of the adapters that graphs read from."""
    windows = [WINDOW]
    for graph in plan.graphs.values():
        for name in graph.ends(FROM):
            adapter = plan.adapters.get(name)
            if adapter is not None:
                capability = registry.load(adapter.kind).capability(adapter.frozen())
                windows.append(capability.window or WINDOW)
    return min(windows)
