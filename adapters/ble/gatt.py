"""GattDevice: one device that is connected to: its points read when there is demand, its notifications, its commands."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any

from adapters.ble.commands import Job, Point
from adapters.ble.link import BusyError, Link
from adapters.ble.outbox import Outbox
from rt_edge.sdk import AdapterContext, CodecError, Quality, Reading, TransientError, Value
from rt_edge.sdk.backoff import Backoff
from rt_edge.sdk.presence import Presence

if TYPE_CHECKING:
    from adapters.ble.scanner import Scanner
    from adapters.ble.transport import BluezTransport

COMMANDS = 16
"""Commands and reads that wait for one device."""

LINGER_S = 1.0
"""A connection made for a command is kept so long: the next one (the value read back, most often) need not connect again."""

CLEAR_AFTER = 3
"""Failures to connect in a row after which BlueZ is told to forget the device: what it believes of it may be stale."""

NO_DEMAND_S = 10.0
"""A poll that waited longer for demand (and two periods) is a gap."""


class GattDevice:
    """Of one adapter; outlives its connections.

    Args:
        name: of the device in the settings.
        settings: its settings.
        limits: the adapter's settings: connect_timeout, retry_min, retry_max.
        context: of the adapter.
        outbox: where readings go.
    """

    def __init__(self, name: str, settings: Any, limits: Any, context: AdapterContext, outbox: Outbox) -> None:
        self.name = name
        self.address: str = settings.address
        self.points = {key: Point(key, value) for key, value in settings.points.items()}
        self.presence = Presence(context, f"{context.name}/{name}")
        self.connected = False
        self._reads = [
            point for point in self.points.values() if settings.every is not None and not point.notify and point.info.readable
        ]
        self._notifies = [point for point in self.points.values() if point.notify]
        self._every: float = settings.every or 0.0
        self._hold: bool = settings.hold or bool(self._notifies)
        self._tags = {"address": self.address, **settings.tags}
        self._limits = limits
        self._context = context
        self._outbox = outbox
        self._backoff = Backoff(context.random, limits.retry_min, limits.retry_max)
        self._commands: deque[Job] = deque(maxlen=COMMANDS)
        self._wake = asyncio.Event()
        self._active = False
        self._asked = self._credit = self._down = False
        self._due = self._asked_at = self._waited = self._linger = 0.0
        self._failures = 0
        self._handle: Any = None
        self._complained: set[str] = set()

    # -- what is wanted ----------------------------------------------------------------------------------------------

    def active(self, active: bool) -> None:
        """Whether there is demand, or was a moment ago."""
        self._active = active
        if active and (self._notifies or self._reads):
            self.presence.wanted(self._context.clock.wall_ns())
        self._wake.set()

    def submit(self, job: Job) -> None:
        """Do it as soon as possible, ahead of all polls."""
        if len(self._commands) == COMMANDS:
            job.fail("too many commands wait already", refused=True)
            return
        self._commands.append(job)
        self._wake.set()

    def _granted(self) -> None:
        self._asked, self._credit = False, True
        self._waited = self._context.clock.monotonic() - self._asked_at
        self._wake.set()

    def _needed(self) -> bool:
        return bool(self._commands) or self._credit or (self._active and self._hold)

    async def _look(self, most: float | None = None) -> None:
        """Ask for a credit when a poll is due; wait until something changes, for at most so many seconds."""
        now = self._context.clock.monotonic()
        left = most
        if self._reads and not self._asked and not self._credit:
            due = self._due - now
            if due <= 0:
                self._asked, self._asked_at = True, now
                self._outbox.ask(self.presence.source, self._granted)
            else:
                left = due if most is None else min(due, most)
        if self._wake.is_set():
            self._wake.clear()
            return
        with contextlib.suppress(TimeoutError):  # the time is over: the poll is due
            async with asyncio.timeout(left):
                await self._wake.wait()
        self._wake.clear()

    # -- the life of a connection ------------------------------------------------------------------------------------

    async def run(self, transport: BluezTransport, scanner: Scanner, slots: asyncio.Semaphore) -> None:
        """Connect when something is wanted of the device, until cancelled."""
        try:
            while True:
                while not self._needed():
                    await self._look()
                began = self._context.clock.monotonic()
                try:
                    async with slots:
                        await self._session(transport, scanner)
                    self._backoff.failures = 0
                except TransientError as error:
                    self._backoff.lived(self._context.clock.monotonic() - began)
                    await self._failed(error, transport)
        finally:
            self._outbox.forget(self.presence.source)
            self._refund()
            self._asked = False
            self.presence.away("disconnected")
            self._fail_commands("the adapter was closed")

    async def _session(self, transport: BluezTransport, scanner: Scanner) -> None:
        limit = self._limits.connect_timeout
        if self._handle is None:
            self._handle = await scanner.find(self.address, limit)
        link = await transport.connect(self._handle, limit, self._wake.set)
        self.connected = True
        self._failures = 0
        self._context.count("connects")
        try:
            await self._serve(link)
        finally:
            self.connected = False
            with contextlib.suppress(TransientError):  # it is gone either way
                await link.close()

    async def _serve(self, link: Link) -> None:
        notifying = False
        while link.up:
            if self._notifies and self._active and not notifying:
                await self._start_notifying(link)
                notifying = True
            if self._commands:
                await self._command(link)
            elif self._credit:
                await self._poll(link)
            elif (most := self._linger - self._context.clock.monotonic()) > 0:
                await self._look(most)
            elif not (self._hold and self._active):
                if notifying:
                    self.presence.away("no_demand")
                    with contextlib.suppress(TransientError):  # it disconnects next
                        for uuid in {point.uuid for point in self._notifies}:
                            await link.unnotify(uuid)
                return
            else:
                await self._look()
        if self._needed():  # a device may hang up when nobody wants anything of it
            raise TransientError(f"{self.address} has disconnected")

    async def _failed(self, error: TransientError, transport: BluezTransport) -> None:
        self._refund()
        self._fail_commands(error.message)
        self._failures += 1
        self._context.count("link_failures")
        if not self._down:
            self._down = True
            self._context.log("warning", f"{self.name} is unreachable: {error}")
        self.presence.away("unreachable")
        self._handle = None  # heard anew before the next attempt: it may have another object in BlueZ by then
        if isinstance(error, BusyError) or self._failures % CLEAR_AFTER == 0:
            cleared = await transport.forget(self.address)
            self._context.count("devices_cleared", int(cleared))
        self._skip_slots()
        delay = self._backoff.failed()
        deadline = self._context.clock.monotonic() + delay
        while (left := deadline - self._context.clock.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):  # the pause is over
                async with asyncio.timeout(left):
                    await self._wake.wait()
            self._wake.clear()
            if self._commands:
                return  # somebody waits for an answer

    def _back(self) -> None:
        if self._down:
            self._down = False
            self._context.log("info", f"{self.name} is reachable again")

    def _refund(self) -> None:
        if self._credit:
            self._credit = False
            self._outbox.refund()

    def _skip_slots(self) -> int:
        """The next slot is in the future; how many passed unused."""
        if not self._every:
            return 0
        now = self._context.clock.monotonic()
        if not self._due:
            self._due = now
        missed = max(0, int((now - self._due) / self._every))
        self._due += (missed + 1) * self._every
        return missed

    # -- polls -------------------------------------------------------------------------------------------------------

    async def _poll(self, link: Link) -> None:
        fields: dict[str, Value] = {}
        missing: list[str] = []
        cache: dict[str, bytes] = {}
        for point in self._reads:
            try:
                if point.uuid not in cache:
                    cache[point.uuid] = await link.read(point.uuid)
                fields[point.name] = point.codec.decode(cache[point.uuid])
            except TransientError as error:
                if not link.up:
                    raise
                missing.append(point.name)
                self._complain(point, error.message)
            except CodecError as error:
                missing.append(point.name)
                self._context.count("malformed_gatt")
                self._complain(point, error.message)
        missed = self._skip_slots()
        if missed:
            self._context.count("slots_coalesced", missed)
        if not fields:
            self._context.count("polls_failed")
            self._refund()
            return
        self._back()
        if self._waited > max(NO_DEMAND_S, 2 * self._every):
            self.presence.away("no_demand")
        quality: Quality = "uncertain" if missing else "good"
        tags = {**self._tags, "missing": ",".join(missing)} if missing else self._tags
        wall = self._context.clock.wall_ns()
        self._context.count("polls_partial" if missing else "polls_ok")
        self._credit = False
        self._outbox.polled(self.presence, Reading(self.presence.source, wall, fields, quality, tags, wall))

    def _complain(self, point: Point, reason: str) -> None:
        if point.name not in self._complained:
            self._complained.add(point.name)
            self._context.log("warning", f"{self.name}/{point.name} gives no value (said once): {reason}")

    # -- notifications -----------------------------------------------------------------------------------------------

    async def _start_notifying(self, link: Link) -> None:
        by_uuid: dict[str, list[Point]] = {}
        for point in self._notifies:
            by_uuid.setdefault(point.uuid, []).append(point)
        for uuid, points in by_uuid.items():
            await link.notify(uuid, lambda data, points=points: self._notified(points, data))  # type: ignore[misc]
        self._back()

    def _notified(self, points: list[Point], data: bytes) -> None:
        fields: dict[str, Value] = {}
        for point in points:
            try:
                fields[point.name] = point.codec.decode(data)
            except CodecError as error:
                self._context.count("malformed_gatt")
                self._complain(point, error.message)
        if fields:
            wall = self._context.clock.wall_ns()
            self._context.count("notifications")
            reading = Reading(self.presence.source, wall, fields, tags=self._tags, received=wall)
            self._outbox.notification(self.presence, reading)

    # -- commands ----------------------------------------------------------------------------------------------------

    async def _command(self, link: Link) -> None:
        job = self._commands.popleft()
        if job.ended:  # nobody waits for it any more: it has expired
            return
        if await job.run(link):
            self._back()
        self._linger = self._context.clock.monotonic() + LINGER_S

    def _fail_commands(self, reason: str) -> None:
        while self._commands:
            self._commands.popleft().fail(reason)
