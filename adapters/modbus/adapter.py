"""ModbusAdapter: settings, life and commands; the work is in bus.py (who asks when) and link.py (on which wire)."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from adapters.modbus.address import channel_key, framing_name, tcp_address
from rt_edge.sdk import (
    AdapterContext,
    Advice,
    Capability,
    DeviceAdapter,
    FatalAdapterError,
    PointInfo,
    ProbeResult,
    RefusedError,
    ScanReport,
    Tool,
    TransientError,
    Value,
    WriteResult,
)
from rt_edge.sdk.answers import Answers
from rt_edge.sdk.seen import Seen

if TYPE_CHECKING:
    from adapters.modbus.bus import Bus
    from adapters.modbus.framing import Framing
    from adapters.modbus.jobs import Job, Steps
    from adapters.modbus.learned_file import LearnedFile
    from adapters.modbus.link import Link
    from adapters.modbus.transport import Transport

LATE_LIMIT = 30.0
"""Seconds after which nobody answers a request that was given up; longer if a unit's time-out is long."""

_open_channels: dict[str, str] = {}
"""Channels of this process in use, and by which adapter: two masters on one line destroy each other's frames."""


class ModbusAdapter(DeviceAdapter):
    """A Modbus line with its units."""

    kind: ClassVar[str] = "modbus"

    def __init__(self, settings: Any, context: AdapterContext) -> None:
        super().__init__(settings, context)
        self._bus: Bus | None = None
        self._link: Link | None = None
        self._seen: Seen | None = None
        self._learned: LearnedFile | None = None
        self._framing: Framing | None = None
        self._key = ""
        self._credits = 0
        self._answers = Answers(context)

    @classmethod
    def settings_model(cls) -> type[Any]:
        """See `DeviceAdapter`."""
        from adapters.modbus.settings import ModbusSettings

        return ModbusSettings

    @classmethod
    def scan_model(cls) -> type[Any]:
        """See `DeviceAdapter`."""
        from adapters.modbus.scan_settings import ModbusScan

        return ModbusScan

    @classmethod
    async def scan(cls, settings: Any, report: ScanReport) -> None:
        """See `DeviceAdapter`."""
        from adapters.modbus.scan import scan_units

        await scan_units(settings, report)

    @classmethod
    def tools(cls) -> Mapping[str, Tool]:
        """`guess`: types and orders of registers that nobody has documented."""
        from adapters.modbus.guess_run import guess
        from adapters.modbus.guess_settings import ModbusGuess

        return {"guess": Tool(ModbusGuess, guess)}

    @classmethod
    def claims(cls, settings: Any) -> dict[str, tuple[str | int, ...]]:
        """The serial port, or the address: two masters on one line destroy each other's frames."""
        kind, _, where = channel_key(settings.channel).partition(":")
        words = {"tcp": "the TCP address", "serial": "the serial port"}
        return {f"{words[kind]} {where}": ("channel", kind)}

    @classmethod
    def advice(cls, settings: Any) -> Sequence[Advice]:
        """Of time-outs that hold up other units."""
        from adapters.modbus.plan import advice_of, units_of

        return advice_of(settings, units_of(settings))

    @classmethod
    def preload(cls, settings: Any) -> None:  # noqa: ARG003 - the same for all settings
        """See `DeviceAdapter`."""
        for name in ("bus", "fine_timer", "framing", "jobs", "learned_file", "link", "plan", "points", "rtu", "tcp", "transport"):
            importlib.import_module(f"adapters.modbus.{name}")

    @classmethod
    def capability(cls, settings: Any) -> Capability:
        """See `DeviceAdapter`."""
        writable = any(point.writable for unit in settings.units.values() for point in unit.points.values())
        return Capability(delivery="polled", backpressure="native", writable=writable, window=None)

    @classmethod
    def points(cls, settings: Any) -> Mapping[str, PointInfo]:
        """Every point of every unit, as `UNIT/POINT`."""
        from adapters.modbus.points import points_of

        return points_of(settings)

    def awaited(self) -> Path | None:
        """See `DeviceAdapter`."""
        return None if self.settings.channel.serial is None else Path(self.settings.channel.serial)

    async def open(self) -> None:
        """See `DeviceAdapter`."""
        from adapters.modbus.breaker import BreakerLimits
        from adapters.modbus.bus import Bus
        from adapters.modbus.fine_timer import fine_timer
        from adapters.modbus.link import Link
        from adapters.modbus.plan import units_of, wire_of

        if self._link is not None:
            return
        settings, channel = self.settings, self.settings.channel
        if self._bus is None:  # kept over reconnects: demand, breakers, and what units refused
            limits = BreakerLimits(settings.failures, settings.retry_min, settings.retry_max)
            self._bus = Bus(units_of(settings), limits, self.context)
            self._bus.demand(self._credits)
            self._remember(self._bus)
        key = channel_key(channel)
        if key in _open_channels:
            raise FatalAdapterError(
                f"{key} is in use by adapter {_open_channels[key]}", "put all units of one line into one adapter"
            )
        _open_channels[key] = self.context.name
        loop = asyncio.get_running_loop()
        try:
            link = Link(self._bus, self._make_framing(), wire_of(channel), self.context, self._lost, loop)
            self._key, self._link = key, link
            transport = await self._connect(link)
        except BaseException:
            self._link = None
            del _open_channels[key]
            raise
        link.start(transport, channel.after_connect, fine_timer(loop) if channel.serial is not None else None)

    def _remember(self, bus: Bus) -> None:
        """Begin where the life before this one ended: what was not read in between will be a gap; units take what they took."""
        from adapters.modbus.learned_file import LearnedFile

        self._seen = Seen(self.context)
        bus.publisher.on_reading = self._seen.emitted
        self._learned = LearnedFile(self.context, bus.units.values())
        self._learned.load()
        bus.publisher.on_learned = self._learned.save
        times = self._seen.load()
        for unit in bus.units.values():
            if unit.source in times:
                unit.presence.remember(times[unit.source])

    def settled(self, through: int) -> None:
        """See `DeviceAdapter`."""
        if self._seen is not None:
            self._seen.settled(through)

    def _make_framing(self) -> Framing:
        from adapters.modbus.framing import make_framing

        if self._framing is not None:  # late replies do not end with the connection
            return self._framing
        settings = self.settings
        slowest = max((unit.timeout or settings.channel.timeout) for unit in settings.units.values())
        framing = make_framing(settings.channel, self.context.count, max(LATE_LIMIT, 10 * slowest))
        if framing_name(settings.channel) != "mbap":
            self._framing = framing
        return framing

    async def _connect(self, link: Link) -> Transport:
        from adapters.modbus.transport import open_serial, open_tcp

        channel = self.settings.channel
        if channel.serial is not None:
            return open_serial(channel, link)
        host, port = tcp_address(channel.tcp)
        return await open_tcp(host, port, channel.connect_timeout, link)

    def _lost(self, error: Exception) -> None:
        self.context.lost(TransientError(f"{self._key} is lost: {error}"))

    def demand(self, n: int) -> None:
        """See `DeviceAdapter`."""
        if self._bus is None:
            self._credits += n
            return
        self._bus.demand(n)
        if self._link is not None:
            self._link.kick()

    async def close(self) -> None:
        """See `DeviceAdapter`."""
        link, self._link = self._link, None
        if self._seen is not None:
            self._seen.save()
        if self._learned is not None and self._bus is not None and any(u.learned.changed for u in self._bus.units.values()):
            self._learned.save()
        if link is None:
            return
        try:
            await link.close("the connection was closed")
        finally:
            _open_channels.pop(self._key, None)

    async def probe(self) -> ProbeResult:
        """Ask each unit for its first points."""
        from adapters.modbus.jobs import ping_steps

        await self.open()
        try:
            bus = self._bus
            assert bus is not None
            found: dict[str, WriteResult] = {}
            for name, unit in bus.units.items():
                found[name] = await self._done(bus, name, ping_steps(unit.plan))
        finally:
            await self.close()
        silent = [f"{name}: {result.message}" for name, result in found.items() if result.status != "confirmed"]
        details = {name: result.message for name, result in found.items()}
        answered = f"{len(found) - len(silent)} of {len(found)} units answered"
        return ProbeResult(not silent, f"{answered}; {'; '.join(silent)}" if silent else answered, details)

    async def write(self, point: str, value: Value, key: str) -> WriteResult:
        """Write `UNIT/POINT`, ahead of all polls.

        `confirmed`: the unit said so (and read back the same, with `verify`); `sent`: it may have been done, no answer came;
        `failed`: not done, or the unit refused; `refused`: not a point that may be written. Only what reached the wire is
        remembered under `key`: anything else may be tried again with the same key.
        """
        from adapters.modbus.jobs import write_steps

        known = self._answers.known(key)
        if known is not None:
            return await known.result()
        name, _, point_name = point.partition("/")
        settings = self.settings.units.get(name)
        if settings is None or point_name not in settings.points:
            return WriteResult("refused", f"there is no point {point!r}; a point is written UNIT/POINT")
        if not settings.points[point_name].writable:
            return WriteResult("refused", f"{point} is not writable; say `writable: true` at the point")
        if self._link is None or self._bus is None:
            return WriteResult("failed", "not connected")
        plan = self._bus.units[name].plan.points[point_name]
        answer = self._answers.begin(key)
        steps = write_steps(plan, value)
        self._submit(self._bus, name, steps, lambda job, result: answer.settle(result, reached=job.sent_write))
        return await answer.result()

    async def read(self, point: str) -> Value:
        """Read `UNIT/POINT`, ahead of all polls; see `DeviceAdapter`."""
        from adapters.modbus.jobs import read_steps

        name, _, point_name = point.partition("/")
        if self._link is None or self._bus is None:
            raise TransientError("not connected")
        if name not in self._bus.units or point_name not in self._bus.units[name].plan.points:
            raise RefusedError(f"there is no point {point!r}", "a point is read as UNIT/POINT")
        found: list[Value] = []
        result = await self._done(self._bus, name, read_steps(self._bus.units[name].plan.points[point_name], found))
        if not found:
            raise TransientError(result.message)
        return found[0]

    async def _done(self, bus: Bus, unit: str, steps: Steps) -> WriteResult:
        """Queue a command and wait for its result."""
        answer: asyncio.Future[WriteResult] = asyncio.get_running_loop().create_future()
        self._submit(bus, unit, steps, lambda _job, result: None if answer.done() else answer.set_result(result))
        return await answer

    def _submit(self, bus: Bus, unit: str, steps: Steps, done: Callable[[Job, WriteResult], None]) -> None:
        """Queue a command; `done` is always called."""
        from adapters.modbus.jobs import Job

        expires = self.context.clock.monotonic() + self.settings.write_expiry
        job = Job(unit, steps, lambda result: done(job, result), expires)
        if not bus.submit(job):
            done(job, WriteResult("refused", "too many commands wait already"))
        if self._link is not None:
            self._link.kick()
