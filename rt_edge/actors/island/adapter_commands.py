"""Reads and commands of one adapter member: made when they are first needed, kept over the lives of the adapter's runner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from rt_edge.commands.command import Command, Outcome
from rt_edge.commands.desk import DeskLimits
from rt_edge.commands.names import resolve
from rt_edge.commands.office import CommandOffice, Listener
from rt_edge.commands.sink import CommandSink, CommandTarget
from rt_edge.data.clock import Clock
from rt_edge.sdk.adapter import Capability, DeviceAdapter
from rt_edge.sdk.runner import AdapterRunner, State


class AdapterCommands:
    """The door to one adapter's points. All calls on the island's loop.

    Args:
        name: of the adapter.
        adapter: its class. settings: as it gets them. capability: what it promises.
        folder: of journals and audit logs, one of each for an adapter that was ever asked to write.
        clock: time.
    """

    def __init__(
        self, name: str, adapter: type[DeviceAdapter], settings: Any, capability: Capability, folder: Path, clock: Clock
    ) -> None:
        self._name, self._adapter, self._settings = name, adapter, settings
        self._capability = capability
        self._folder, self._clock = folder, clock
        self._office: CommandOffice | None = None
        self._runner: AdapterRunner | None = None
        self._holds = False

    def attach(self, runner: AdapterRunner) -> None:
        """A new life of the adapter. Where a point is writable it is kept open, whether or not a graph uses it."""
        self._runner = runner
        runner.on_state.append(self._state)
        self._state(runner.state)
        self._holds = self._capability.writable
        if self._holds:
            runner.start()
        if (self._folder / f"{self._name}.db").exists():
            self._made().start()

    def _state(self, state: State) -> None:
        if self._office is not None and self._runner is not None:
            self._office.connected(self._runner.adapter if state == "open" else None, self._runner.error)

    def _made(self) -> CommandOffice:
        if self._office is None:
            points = self._adapter.points(self._settings)
            limits = DeskLimits(at_once=max(1, self._capability.commands))
            self._office = CommandOffice(self._name, points, self._folder, self._clock, limits)
            if self._runner is not None:
                self._state(self._runner.state)
        return self._office

    def write(self, point: str, command: Command, tell: Listener) -> None:
        """A command to `point`; `tell` hears of every state."""
        office = self._made()
        office.submit(_to(command, resolve(point, office.points)), tell)

    def read(self, point: str, key: str, tell: Listener) -> None:
        """Read `point`; `tell` hears once."""
        office = self._made()

        def told(outcome: Outcome) -> None:
            runner = self._runner
            if outcome.state == "failed" and runner is not None and runner.state != "open" and runner.error:
                outcome = _because(outcome, runner.error)
            tell(outcome)

        office.read(resolve(point, office.points), key, told)

    def sink(self, command: dict[str, Any]) -> CommandSink:
        """The end of a graph whose Readings are commands.

        Args:
            command: properties of its graph node, and the name of the `graph`.
        """
        target = CommandTarget(command["command"], command["field"], command["expires_s"], command["priority"], command["graph"])
        return CommandSink(door=self, target=target)

    def counters(self) -> dict[str, int]:
        """Commands by what became of them, for the status."""
        if self._office is None:
            return {}
        return {f"commands_{name}": count for name, count in self._office.desk.counters.items()}

    async def release(self) -> None:
        """The adapter's life is over."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        if self._office is not None:
            self._office.connected(None)
        if self._state in runner.on_state:
            runner.on_state.remove(self._state)
        if self._holds:
            self._holds = False
            await runner.stop()

    async def close(self) -> None:
        """End what is under way, then let go of the adapter."""
        if self._office is not None:
            await self._office.close()
        await self.release()


def _to(command: Command, point: str) -> Command:
    return msgspec.structs.replace(command, point=point)


def _because(outcome: Outcome, error: str) -> Outcome:
    return msgspec.structs.replace(outcome, message=f"{outcome.message}: {error}")
