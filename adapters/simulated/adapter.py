"""SimulatedAdapter: reads simulated devices, only on demand; a slot without demand is skipped and counted, never queued."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from adapters.simulated.codec import values
from rt_edge.sdk import (
    AdapterContext,
    Capability,
    DeviceAdapter,
    PointInfo,
    Reading,
    RefusedError,
    TransientError,
    Value,
    WriteResult,
)
from rt_edge.sdk.answers import Answers

if TYPE_CHECKING:
    from adapters.simulated.settings import SimulatedSettings

BATCH = 1024
"""Readings emitted in one go where there is no period."""


class SimulatedAdapter(DeviceAdapter):
    """Devices `NAME/device-1`, `NAME/device-2`, ... with the fields `count`, `temperature`, `running`, and its points."""

    kind = "simulated"
    settings: SimulatedSettings

    def __init__(self, settings: Any, context: AdapterContext) -> None:
        super().__init__(settings, context)
        self._counts = [0] * settings.devices
        self._names = [f"{context.name}/device-{i + 1}" for i in range(settings.devices)]
        self._wanted = 0
        self._next = 0
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._due = 0.0
        self._open = False
        initial = {name: point.initial for name, point in settings.points.items()}
        self._held: list[dict[str, Value]] = [dict(initial) for _ in range(settings.devices)]
        self._answers = Answers(context)

    @classmethod
    def settings_model(cls) -> type[Any]:
        """Its settings."""
        from adapters.simulated.settings import SimulatedSettings

        return SimulatedSettings

    @classmethod
    def capability(cls, settings: Any) -> Capability:
        """Polled: what is not asked for is not made."""
        can_write = any(point.writable for point in settings.points.values())
        return Capability(delivery="polled", backpressure="native", writable=can_write, commands=settings.devices)

    @classmethod
    def points(cls, settings: Any) -> Mapping[str, PointInfo]:
        """`DEVICE/POINT`, of every device."""
        infos = {name: _info(point) for name, point in settings.points.items()}
        return {f"device-{i + 1}/{name}": info for i in range(settings.devices) for name, info in infos.items()}

    async def open(self) -> None:
        """Start the clock of the devices."""
        if self._open:
            return
        self._open = True
        if self.settings.every:
            self._due = self.context.clock.monotonic() + self.settings.every
            self._arm()
        else:
            self._run()

    def demand(self, n: int) -> None:
        """So many more Readings may be emitted."""
        self._wanted += n
        if self._open and not self.settings.every and self._timer is None:
            self._timer = asyncio.get_running_loop().call_soon(self._run)

    async def close(self) -> None:
        """Stop the clock."""
        self._open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def write(self, point: str, value: Value, key: str) -> WriteResult:
        """Set a point of a device, which takes `write_takes`."""
        return await self._answers.once(key, lambda: self._set(point, value))

    async def _set(self, point: str, value: Value) -> WriteResult:
        device, name = self._place(point)
        if device is None:
            return WriteResult("refused", f"there is no point {point!r}")
        if self.settings.write_takes:
            await asyncio.sleep(self.settings.write_takes)
        if not self._open:
            return WriteResult("failed", "not connected")
        self._held[device][name] = value
        return WriteResult("confirmed")

    async def read(self, point: str) -> Value:
        """What a point of a device holds."""
        device, name = self._place(point)
        if device is None:
            raise RefusedError(f"there is no point {point!r}")
        if not self._open:
            raise TransientError("not connected")
        return self._held[device][name]

    def _place(self, point: str) -> tuple[int | None, str]:
        device, _, name = point.partition("/")
        full = f"{self.context.name}/{device}"
        if full not in self._names or name not in self.settings.points:
            return None, name
        return self._names.index(full), name

    def _arm(self) -> None:
        delay = max(0.0, self._due - self.context.clock.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay, self._slot)

    def _slot(self) -> None:
        """One period is over: read every device once, as far as demand goes."""
        every = self.settings.every
        n = min(self._wanted, self.settings.devices)
        if n < self.settings.devices:
            self.context.count("polls_skipped", self.settings.devices - n)
        self._emit(n)
        now = self.context.clock.monotonic()
        missed = int((now - self._due) // every)
        if missed > 0:
            self.context.count("slots_missed", missed)
        self._due += every * (missed + 1)
        self._arm()

    def _run(self) -> None:
        """Without a period: a batch now, the next after the loop has had its turn."""
        self._timer = None
        self._emit(min(self._wanted, BATCH))
        if self._wanted:
            self._timer = asyncio.get_running_loop().call_soon(self._run)

    def _emit(self, n: int) -> None:
        if not n:
            return
        now = self.context.clock.wall_ns()
        self._wanted -= n
        self.context.count("polls_ok", n)
        self.context.emit([self._read(now) for _ in range(n)])

    def _read(self, now: int) -> Reading:
        device = self._next
        self._next = (device + 1) % len(self._counts)
        count = self._counts[device]
        self._counts[device] = count + 1
        settings = self.settings
        slots = settings.period / (settings.every or 1.0)
        fields = values(device + 1, count, settings.seed, settings.amplitude_celsius, slots)
        if self._held[device]:
            fields.update(self._held[device])
        return Reading(self._names[device], now, fields, received=now)


def _info(point: Any) -> PointInfo:
    initial = point.initial
    kind: Literal["bool", "int", "float", "str"] = "float"
    if isinstance(initial, (bool, str)):
        kind = "bool" if isinstance(initial, bool) else "str"
    return PointInfo(
        kind=kind, writable=point.writable, min=point.min, max=point.max, allowed=tuple(point.allowed), unit=point.unit
    )
