"""The adapter of a harness under the runtime's own `AdapterRunner`: for claims about startup, loss, return and demand."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Self

from rt_edge.data.reading import Reading, Value
from rt_edge.sdk.adapter import AdapterContext, Capability, DeviceAdapter, ProbeResult, WriteResult
from rt_edge.sdk.points import PointInfo
from rt_edge.sdk.runner import AdapterRunner, Startup, State
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.waiting import Bell

RETRY_S = 0.02
"""Longest wait before a next attempt to open: real ones grow to a minute."""


class Soon(Random):
    """Jitter that makes every wait short."""

    def uniform(self, a: float, b: float) -> float:
        """At most RETRY_S."""
        return min(super().uniform(a, b), RETRY_S)


class Played(DeviceAdapter):
    """Passes on to the harness's adapter what a runner asks, and lets the harness write it down.

    Args:
        harness: has the adapter; what that says goes to the harness and to `context`.
        context: the runner.
    """

    def __init__(self, harness: AdapterHarness, context: AdapterContext) -> None:
        super().__init__(harness.settings, context)
        self.kind = harness.adapter.kind  # type: ignore[misc]  # one instance stands for one kind
        self._harness = harness
        self._adapter = harness.adapter
        harness.context.forward = context

    @classmethod
    def settings_model(cls) -> type[Any]:
        """Not asked of a running adapter."""
        raise NotImplementedError

    @classmethod
    def capability(cls, settings: Any) -> Capability:
        """Not asked of a running adapter."""
        raise NotImplementedError

    @classmethod
    def points(cls, settings: Any) -> Mapping[str, PointInfo]:
        """Not asked of a running adapter."""
        raise NotImplementedError

    async def open(self) -> None:
        """See `DeviceAdapter`."""
        await self._adapter.open()

    def demand(self, n: int) -> None:
        """See `DeviceAdapter`."""
        self._harness.demand(n)

    async def close(self) -> None:
        """See `DeviceAdapter`."""
        await self._adapter.close()

    def settled(self, through: int) -> None:
        """See `DeviceAdapter`."""
        self._harness.settle(through)

    async def probe(self) -> ProbeResult:
        """See `DeviceAdapter`."""
        return await self._adapter.probe()

    async def write(self, point: str, value: Value, key: str) -> WriteResult:
        """See `DeviceAdapter`."""
        return await self._adapter.write(point, value, key)

    async def read(self, point: str) -> Value:
        """See `DeviceAdapter`."""
        return await self._adapter.read(point)

    async def deliver(self, readings: Sequence[Reading]) -> None:
        """See `DeviceAdapter`."""
        await self._adapter.deliver(readings)


class PlayedLife(logging.Handler):
    """One life of the harness's adapter under a runner, and what was logged in it.

    Args:
        harness: see `Played`; its adapter is closed.
        startup: what to do when it cannot be opened at first.

    Attributes:
        runner: the runner.
        states: every state that it came to.
        refusals: what it said of a node that shall not start.
        lines: (level, text) of what adapter and runner logged, from INFO on.
    """

    def __init__(self, harness: AdapterHarness, startup: Startup = "retry") -> None:
        super().__init__(logging.INFO)
        context = harness.context
        self.runner = AdapterRunner(
            context.name, lambda runner: Played(harness, runner), context.clock, Soon(1), context.data, startup=startup
        )
        self.states: list[State] = []
        self.refusals: list[str] = []
        self.lines: list[tuple[str, str]] = []
        self._harness = harness
        self._bell = Bell()
        self._logger = logging.getLogger(f"rt_edge.adapter.{context.name}")
        self.runner.on_state.append(self._came_to)
        self.runner.on_refused = self.refusals.append

    async def __aenter__(self) -> Self:
        self._level = self._logger.level
        self._logger.setLevel(logging.INFO)
        self._logger.addHandler(self)
        self.runner.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.runner.stop()
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level)
        self._harness.context.forward = None

    def emit(self, record: logging.LogRecord) -> None:
        """A line was logged."""
        self.lines.append((record.levelname, record.getMessage()))

    def _came_to(self, state: State) -> None:
        self.states.append(state)
        self._bell.ring()

    async def comes_to(self, state: State, within: float, after: int = 0) -> int:
        """Return when it has come to `state` after the first `after` states; how many states it has then been in."""
        await self._bell.until(lambda: state in self.states[after:], within, f"state {state!r} after {self.states}")
        return self.states.index(state, after) + 1
