"""BleAdapter: settings, life and commands; advertisements are the business of scanner.py, connections that of gatt.py."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from adapters.ble.outbox import Outbox
from rt_edge.sdk import (
    AdapterContext,
    Capability,
    CodecError,
    DeviceAdapter,
    FatalAdapterError,
    PointInfo,
    ProbeResult,
    RefusedError,
    RtEdgeError,
    ScanReport,
    TransientError,
    Value,
    WriteResult,
)
from rt_edge.sdk.answers import Answers
from rt_edge.sdk.closing import Closing
from rt_edge.sdk.seen import Seen

if TYPE_CHECKING:
    from adapters.ble.commands import Job, Point
    from adapters.ble.gatt import GattDevice
    from adapters.ble.scanner import Scanner
    from adapters.ble.transport import BluezTransport

TICK_S = 60.0
"""Gaps of devices that stay away are said so often."""

_OTHERS = ""
"""Stands in the file of what was stored for devices beyond its bound: addresses change, and the file must not grow."""


class BleAdapter(DeviceAdapter):
    """One Bluetooth controller."""

    kind: ClassVar[str] = "ble"

    def __init__(self, settings: Any, context: AdapterContext) -> None:
        super().__init__(settings, context)
        self._outbox = Outbox(context, settings.ring_notifications, self._emitted, self._hunger)
        self._transport: BluezTransport | None = None
        self._scanner: Scanner | None = None
        self._devices: dict[str, GattDevice] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._idle: asyncio.TimerHandle | None = None
        self._is_active = False
        self._is_lost = False
        self._seen = Seen(context)
        self._kept: set[str] = set()
        self._answers = Answers(context)
        self._closing = Closing(f"ble {context.name} closes")

    @classmethod
    def settings_model(cls) -> type[Any]:
        """See `DeviceAdapter`."""
        from adapters.ble.settings import BleSettings

        return BleSettings

    @classmethod
    def scan_model(cls) -> type[Any]:
        """See `DeviceAdapter`."""
        from adapters.ble.scan_settings import BleScan

        return BleScan

    @classmethod
    async def scan(cls, settings: Any, report: ScanReport) -> None:
        """See `DeviceAdapter`."""
        from adapters.ble.scan import scan_air

        await scan_air(settings, report)

    @classmethod
    def claims(cls, settings: Any) -> dict[str, tuple[str | int, ...]]:
        """The controller: two scans of one controller disturb each other, and its connections are few."""
        return {f"the Bluetooth controller {settings.controller}": ("controller",)}

    @classmethod
    def preload(cls, settings: Any) -> None:  # noqa: ARG003 - the same for all settings
        """See `DeviceAdapter`."""
        for name in ("gatt", "scanner", "transport"):
            importlib.import_module(f"adapters.ble.{name}")

    @classmethod
    def capability(cls, settings: Any) -> Capability:
        """Polled where points are only read; volatile as soon as anything comes by itself."""
        points = [point for device in settings.devices.values() for point in device.points.values()]
        volatile = settings.scan is not None or any(point.notify for point in points)
        return Capability(
            delivery="volatile" if volatile else "polled",
            backpressure="bounded_drop" if volatile else "native",
            writable=any(point.writable for point in points),
            commands=max(1, min(settings.connections, len(settings.devices))),
        )

    @classmethod
    def points(cls, settings: Any) -> Mapping[str, PointInfo]:
        """Every point of every device, as `DEVICE/POINT`; what advertises has none."""
        from adapters.ble.points import points_of

        return points_of(settings)

    # -- life --------------------------------------------------------------------------------------------------------

    def _prepare(self) -> Scanner:
        """What outlives connections; made at the first `open`, since it needs a running loop and reads files."""
        from adapters.ble.gatt import GattDevice
        from adapters.ble.scanner import Scanner

        remembered = self._seen.load()
        remembered.pop(_OTHERS, None)
        settings = self.settings
        keys = {address: _key(address, secret) for address, secret in (settings.scan.keys if settings.scan else {}).items()}
        for name, device in settings.devices.items():
            made = self._devices[name] = GattDevice(name, device, settings, self.context, self._outbox)
            if made.presence.source in remembered:
                made.presence.remember(remembered.pop(made.presence.source))
        return Scanner(settings.scan, self.context, self._outbox, remembered, keys)

    async def open(self) -> None:
        """See `DeviceAdapter`."""
        from adapters.ble.transport import BluezTransport

        await self._closing.ended()
        if self._transport is not None:
            return
        scanner = self._scanner = self._scanner or self._prepare()
        transport = BluezTransport(self.settings.controller, self._lost)
        try:
            await transport.open()
            if self.settings.scan is not None and self.settings.scan.mode == "passive" and not transport.passive:
                raise FatalAdapterError(
                    f"BlueZ offers no passive scanning on {self.settings.controller}",
                    "start bluetoothd with --experimental (before 5.76), or write `mode: auto`",
                )
            released = await transport.release([device.address for device in self._devices.values()])
        except BaseException:
            await transport.close()
            raise
        if released:
            self.context.count("stale_connections", released)
        self._transport, self._is_lost = transport, False
        slots = asyncio.Semaphore(self.settings.connections)
        self._spawn(scanner.run(transport), "scan")
        for device in self._devices.values():
            self._spawn(device.run(transport, scanner, slots), device.name)
        self._spawn(self._ticking(), "gaps")
        self._outbox.start()

    def _spawn(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=f"ble {self.context.name} {name}")
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A part that ends by itself is a loss."""
        if not task.cancelled() and (error := task.exception()) is not None:
            if not isinstance(error, RtEdgeError):
                self.context.log("error", f"{task.get_name()} ended with {error!r}: this is a mistake in the adapter")
                error = TransientError(f"{task.get_name()} ended with {error!r}")
            self._lost(error)

    def _lost(self, error: Exception) -> None:
        """Say it once: what fails in consequence is not another loss."""
        if self._transport is not None and not self._is_lost:
            self._is_lost = True
            self.context.lost(error)

    async def close(self) -> None:
        """See `DeviceAdapter`."""
        await self._closing.run(self._close)

    async def _close(self) -> None:
        transport, self._transport = self._transport, None
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        self._outbox.stop()
        self._is_active = False
        for device in self._devices.values():
            device.active(False)
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._scanner is not None:
            self._scanner.closed()
        self._seen.save()
        if transport is not None:
            await transport.close()

    async def probe(self) -> ProbeResult:
        """Whether the controller can be used; nothing is scanned."""
        await self.open()
        try:
            assert self._transport is not None
            passive, address = self._transport.passive, self._transport.address
        finally:
            await self.close()
        how = "active and passive" if passive else "active"
        details = {"address": address, "passive": passive}
        return ProbeResult(True, f"controller {self.settings.controller} ({address}) can scan: {how}", details)

    # -- demand ------------------------------------------------------------------------------------------------------

    def demand(self, n: int) -> None:
        """See `DeviceAdapter`."""
        self._outbox.demand(n)

    def _hunger(self, hungry: bool) -> None:
        """With demand the radio works; without, it rests after a while."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if hungry:
            self._active(True)
        else:
            self._idle = asyncio.get_running_loop().call_later(self.settings.idle_after, self._active, False)

    def _active(self, active: bool) -> None:
        assert self._scanner is not None
        if active == self._is_active:
            return
        self._is_active = active
        self._scanner.want(active)
        for device in self._devices.values():
            device.active(active)

    def _emitted(self, source: str, ts: int) -> None:
        if source not in self._kept:
            most = self.settings.scan.max_devices if self.settings.scan is not None else 0
            if len(self._kept) >= most + len(self._devices):
                source = _OTHERS
            self._kept.add(source)
        self._seen.emitted(source, ts)

    def settled(self, through: int) -> None:
        """See `DeviceAdapter`."""
        self._seen.settled(through)

    async def _ticking(self) -> None:
        assert self._scanner is not None
        while True:
            await asyncio.sleep(TICK_S)
            wall = self.context.clock.wall_ns()
            self._scanner.tick(wall)
            for device in self._devices.values():
                device.presence.still(wall)
            self.context.gauge("devices_connected", sum(device.connected for device in self._devices.values()))

    # -- commands ----------------------------------------------------------------------------------------------------

    async def write(self, point: str, value: Value, key: str) -> WriteResult:
        """Write `DEVICE/POINT`, connecting if need be.

        `confirmed`: the device said so (and read back the same, with `verify`); `sent`: it may have it; `failed`: it has not;
        `refused`: not a point to be written. Only what may have reached the device is remembered under `key`.
        """
        from adapters.ble.commands import Write

        known = self._answers.known(key)
        if known is not None:
            return await known.result()
        info = self.points(self.settings).get(point)
        if info is None:
            return WriteResult("refused", f"there is no point {point!r}; a point is written DEVICE/POINT")
        if not info.writable:
            return WriteResult("refused", f"{point} is not writable; say `writable: true` at the point")
        found = self._found(point)
        if found is None:
            return WriteResult("failed", "not connected")
        device, where = found
        try:
            data = where.codec.encode(value)
        except CodecError as error:
            return WriteResult("refused", error.message)
        answer = self._answers.begin(key)
        self._submit(device, Write(where, value, data, answer.settle))
        return await answer.result()

    async def read(self, point: str) -> Value:
        """Read `DEVICE/POINT`, ahead of all polls, connecting if need be; see `DeviceAdapter`."""
        from adapters.ble.commands import Read

        info = self.points(self.settings).get(point)
        if info is None:
            raise RefusedError(f"there is no point {point!r}", "a point is read as DEVICE/POINT")
        if not info.readable:
            raise RefusedError(f"{point} cannot be read", "it says `readable: false`")
        found = self._found(point)
        if found is None:
            raise TransientError("not connected")
        answer: asyncio.Future[Value] = asyncio.get_running_loop().create_future()

        def done(value: Value | None, reason: str) -> None:
            if answer.done():
                return
            if value is None:
                answer.set_exception(TransientError(f"{point} cannot be read: {reason}"))
            else:
                answer.set_result(value)

        self._submit(found[0], Read(found[1], done))
        return await answer

    def _found(self, point: str) -> tuple[GattDevice, Point] | None:
        """A known point's device and place, while the adapter is open."""
        name, _, point_name = point.partition("/")
        device = self._devices.get(name)
        return None if device is None or self._transport is None else (device, device.points[point_name])

    def _submit(self, device: GattDevice, job: Job) -> None:
        job.timer = asyncio.get_running_loop().call_later(self.settings.write_expiry, _expire, job)
        device.submit(job)


def _expire(job: Job) -> None:
    if not job.started:
        job.fail("not sent in time")


def _key(address: str, secret: Any) -> bytes:
    """A key of 32 hex digits.

    Raises:
        FatalAdapterError: it is none, or cannot be read.
    """
    try:
        key = bytes.fromhex(secret.reveal().strip())
    except (ValueError, OSError, RtEdgeError) as error:
        reason = "it is not hex digits" if isinstance(error, ValueError) else str(error)
        raise FatalAdapterError(f"the key of {address} cannot be used: {reason}") from None
    if len(key) != 16:
        raise FatalAdapterError(f"the key of {address} has {len(key)} bytes, and 16 are wanted")
    return key
