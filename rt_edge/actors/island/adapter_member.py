"""A member that is an adapter: its source, its sink, or both, on one AdapterRunner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from rt_edge.actors.island.member import Member
from rt_edge.actors.island.post_office import PostOffice
from rt_edge.actors.island.wiring import fan_in, fan_out
from rt_edge.actors.layout import Layout
from rt_edge.data.clock import Clock
from rt_edge.sdk.adapter import DeviceAdapter
from rt_edge.sdk.registry import Registry
from rt_edge.sdk.runner import AdapterRunner
from rt_edge.sdk.sink import AdapterSink
from rt_edge.sdk.source import AdapterSource, SourceLogic
from rt_edge.settings.plan import AdapterPlan
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.catalogue import Catalogue
from rt_edge.telemetry.status import AdapterStatus, MemberStatus, SilentStatus

if TYPE_CHECKING:
    from rt_edge.actors.island.adapter_commands import AdapterCommands


class AdapterMember(Member):
    """One adapter.

    Args:
        data: the adapter's own directory.
        again: its island has lived before in this node's life: the policy for the start no longer applies.

    Attributes:
        refused: told why it could not be opened, if its policy is that the node shall not start then.
    """

    refused: Callable[[str], None] | None = None

    def __init__(
        self,
        name: str,
        plan: AdapterPlan,
        layout: Layout,
        office: PostOffice,
        catalogue: Catalogue,
        registry: Registry,
        data: Path,
        clock: Clock,
        random: Random,
        again: bool = False,
    ) -> None:
        super().__init__(f"adapter/{name}", clock, random)
        self._short = name
        self._plan = plan
        self._layout = layout
        self._office = office
        self._catalogue = catalogue
        self._random = random
        self._data = data
        self._adapter: type[DeviceAdapter] = registry.load(plan.kind)
        self._settings = plan.frozen()
        self._capability = self._adapter.capability(self._settings)
        self._runner: AdapterRunner | None = None
        self._source = ""
        self._first = not again
        self._points: AdapterCommands | None = None
        self._releasing: asyncio.Task[None] | None = None

    def build(self) -> Blueprint:
        """AdapterSource to every graph that reads from it; every graph that writes to it, to AdapterSink."""
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        runner = self._runner = AdapterRunner(
            self._short,
            lambda context: self._adapter(self._settings, context),
            self.clock,
            self._random,
            self._data,
            startup=self._plan.startup if self._first else "retry",
        )
        runner.on_refused = self._refuse
        self._first = False
        if self._points is not None:
            self._points.attach(runner)
        elif self._capability.writable or (self._commands_folder / f"{self._short}.db").exists():
            _ = self.points  # attaches itself
        blueprint = Blueprint()
        out = self._layout.out_of(self.name)
        if out:
            self._source = blueprint.add(AdapterSource(runner=runner, capability=self._capability))
            fan_out(blueprint, self._source, out, self._office, self._catalogue)
        into = [wire for wire in self._layout.into(self.name) if wire.command is None]
        for wire in self._layout.into(self.name):
            if wire.command is not None:
                fan_in(blueprint, blueprint.add(self.points.sink(wire.command)), [wire], self._office, self._catalogue)
        if into:
            fan_in(blueprint, blueprint.add(AdapterSink(runner=runner)), into, self._office, self._catalogue)
        return blueprint

    @property
    def _commands_folder(self) -> Path:
        return self._data.parent.parent / "commands"

    @property
    def points(self) -> AdapterCommands:
        """Reads and commands of single points; what they need is imported where there are some."""
        if self._points is None:
            from rt_edge.actors.island.adapter_commands import AdapterCommands

            self._points = AdapterCommands(
                self._short, self._adapter, self._settings, self._capability, self._commands_folder, self.clock
            )
            if self._runner is not None:
                self._points.attach(self._runner)
        return self._points

    def _ended(self, error: BaseException | None) -> None:
        if self._points is not None and self.state != "stopped":  # the next life has a runner of its own; `close` ends the last
            self._releasing = asyncio.get_running_loop().create_task(self._points.release())
        super()._ended(error)

    def _refuse(self, why: str) -> None:
        if self.refused is not None:
            self.refused(f"{self.name}: {why}")

    def _source_logic(self) -> SourceLogic | None:
        seat = self.engine.seats.get(self._source) if self.engine is not None else None
        if seat is None or seat.stopped:  # what a dead source had emitted will be sent again by its device, or is gone
            return None
        logic = getattr(seat, "logic", None)
        return logic if isinstance(logic, SourceLogic) else None

    @property
    def unsettled(self) -> int:
        """Readings emitted and not settled."""
        logic = self._source_logic()
        return logic.unsettled if logic is not None else 0

    @property
    def serves(self) -> bool:
        """A sink is needed until the graphs have ended."""
        return bool(self._layout.into(self.name))

    def quiet(self) -> None:
        """Ask the adapter for nothing more."""
        logic = self._source_logic()
        if logic is not None:
            logic.quiet()

    async def close(self) -> None:
        """End what commands are under way, and close the adapter's connection."""
        if self._points is not None:
            await self._points.close()
        if self._runner is not None:
            await self._runner.closed()

    def describe(self, status: MemberStatus) -> None:
        """State and counters of the adapter."""
        runner = self._runner
        if runner is None:
            return
        now = runner.clock.monotonic()
        status.adapter = AdapterStatus(
            self._plan.kind,
            runner.state,
            runner.error,
            self._capability.delivery,
            self._capability.backpressure,
            self._capability.window,
            {**runner.counters, **(self._points.counters() if self._points is not None else {})},
            {**runner.gauges, "unsettled": float(self.unsettled)},
            {source: SilentStatus(reason, max(0.0, now - since)) for source, (reason, since) in runner.silences.items()},
        )
