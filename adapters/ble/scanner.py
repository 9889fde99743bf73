"""Scanner: keeps the controller scanning while somebody wants to hear something, and makes readings of what it hears."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from adapters.ble.codec import FORMATS, KEYED, RAW, Advertisement, frame, parts, raw_fields
from adapters.ble.outbox import Outbox
from rt_edge.sdk import AdapterContext, CodecError, Reading, TransientError
from rt_edge.sdk.presence import Presence

if TYPE_CHECKING:
    from adapters.ble.transport import BluezTransport, Mode, Pattern

READINGS = "readings"
MAX_DEVICES = 1000
"""Devices kept in mind, unless the settings say otherwise."""

COMPLAINTS = 256
"""Devices whose first malformed advertisement is logged; of further ones it is counted only."""


class Rule:
    """Which advertisements are taken, and in which formats they are read; from one entry of `scan.accept`."""

    __slots__ = ("_addresses", "_name", "_rssi", "_service", "company", "formats", "service", "tags")

    def __init__(self, settings: Any) -> None:
        self.formats: tuple[str, ...] = tuple(settings.formats)
        self._addresses = frozenset(settings.addresses)
        self._name: str = settings.name
        self._rssi: int | None = settings.rssi_min_dbm
        self.service: str = settings.service
        self.company: int | None = settings.company
        self.tags: dict[str, str] = dict(settings.tags)

    def takes(self, heard: Advertisement) -> bool:
        """Whether an advertisement is of this rule."""
        if self._addresses and heard.address not in self._addresses:
            return False
        if self._rssi is not None and heard.rssi < self._rssi:
            return False
        if self.service and self.service not in heard.service and self.service not in heard.uuids:
            return False
        if self.company is not None and self.company not in heard.manufacturer:
            return False
        return not self._name or fnmatchcase(heard.name, self._name)

    def patterns(self) -> list[Pattern]:
        """With what the data begins that this rule takes, for passive scanning."""
        found: list[Pattern] = []
        for name in self.formats:
            form = FORMATS.get(name)
            service = form.service if form is not None else self.service
            company = form.company if form is not None else self.company
            if service:
                found.append(("service", int(service[:8], 16).to_bytes(2, "little")))
            if company is not None:
                found.append(("manufacturer", company.to_bytes(2, "little") + (form.prefix if form is not None else b"")))
        return found


class _Heard:
    """What is known of one device: its presence, and what it said last, by frame."""

    __slots__ = ("last", "presence", "seen")

    def __init__(self, presence: Presence) -> None:
        self.presence = presence
        self.seen = 0.0
        self.last: dict[str, tuple[bytes, float]] = {}


class Scanner:
    """Of one adapter; outlives its connections.

    Args:
        settings: `scan` of the adapter's settings; None: it only looks for devices to connect.
        context: of the adapter.
        outbox: where readings go.
        remembered: source -> time of the last stored reading of a life before this one.
        keys: address -> key of what it encrypts.
    """

    def __init__(
        self, settings: Any, context: AdapterContext, outbox: Outbox, remembered: dict[str, int], keys: dict[str, bytes]
    ) -> None:
        self._settings = settings
        self._context = context
        self._outbox = outbox
        self._remembered = remembered
        self._keys = keys
        self._rules = [Rule(rule) for rule in settings.accept] if settings is not None else []
        self._patterns = list(dict.fromkeys(pattern for rule in self._rules for pattern in rule.patterns()))
        self._devices: OrderedDict[str, _Heard] = OrderedDict()
        self._named = [Presence(context, f"{context.name}/{name}") for name in (settings.names.values() if settings else ())]
        for presence in self._named:
            if presence.source in remembered:
                presence.remember(remembered[presence.source])
        self._by_source = {presence.source: presence for presence in self._named}
        self._complained: set[tuple[str, str]] = set()
        self._wants: set[str] = set()
        self._finders: dict[str, asyncio.Future[Any]] = {}
        self._changed = asyncio.Event()
        self._heard_at = 0.0
        self._mode: Mode | None = None

    # -- who wants what ----------------------------------------------------------------------------------------------

    def want(self, wanted: bool) -> None:
        """Whether readings of advertisements are wanted now."""
        if self._settings is None:
            return
        if wanted and READINGS not in self._wants:
            self._wants.add(READINGS)
            wall = self._context.clock.wall_ns()
            for presence in self._named:
                presence.wanted(wall)
            self._changed.set()
        elif not wanted and READINGS in self._wants:
            self._wants.discard(READINGS)
            self._all_away("no_demand")
            self._changed.set()

    async def find(self, address: str, within: float) -> Any:
        """The transport's handle of a device, when it is heard.

        Raises:
            TransientError: it was not heard in time.
        """
        future = self._finders.setdefault(address, asyncio.get_running_loop().create_future())
        self._changed.set()
        try:
            async with asyncio.timeout(within):
                return await asyncio.shield(future)
        except TimeoutError:
            raise TransientError(f"{address} was not heard within {within:g} s") from None
        finally:
            self._finders.pop(address, None)
            self._changed.set()

    def _all_away(self, reason: Any) -> None:
        for device in self._devices.values():
            device.presence.away(reason)
        for presence in self._named:
            presence.away(reason)

    # -- the scan ----------------------------------------------------------------------------------------------------

    async def run(self, transport: BluezTransport) -> None:
        """Scan as long as it is wanted, until cancelled.

        Raises:
            TransientError: BlueZ refuses.
            FatalAdapterError: passive scanning is asked for, and not offered.
        """
        self._mode = None
        try:
            while True:
                self._changed.clear()
                await self._reach(self._wanted_mode(transport), transport)
                await self._wait(transport)
        finally:
            self._mode = None
            self._context.gauge("scanning", 0)

    def _wanted_mode(self, transport: BluezTransport) -> Mode | None:
        if self._finders:
            return "active"  # passive scanning hears only what has a pattern
        if READINGS not in self._wants:
            return None
        if self._settings.mode == "active" or (self._settings.mode == "auto" and not transport.passive):
            return "active"
        return "passive"

    async def _reach(self, mode: Mode | None, transport: BluezTransport) -> None:
        if mode == self._mode:
            return
        if self._mode is not None:
            self._mode = None
            await transport.stop_scan()
        if mode is not None:
            await transport.scan(mode, self._patterns if mode == "passive" else (), self._heard)
            self._heard_at = self._context.clock.monotonic()
        self._mode = mode
        self._context.gauge("scanning", 0 if mode is None else 1)

    async def _wait(self, transport: BluezTransport) -> None:
        """Until something else is wanted, or nothing was heard for so long that the scan may be dead: it is started anew."""
        limit = self._settings.restart_after if self._settings is not None and self._mode is not None else None
        while True:
            left = None if limit is None else self._heard_at + limit - self._context.clock.monotonic()
            if left is not None and left <= 0:
                self._context.count("scan_restarts")
                mode = self._mode
                await self._reach(None, transport)
                await self._reach(mode, transport)
                return
            with contextlib.suppress(TimeoutError):  # the time is over: look again
                async with asyncio.timeout(left):
                    await self._changed.wait()
                    return

    def closed(self) -> None:
        """The connection is gone."""
        self._all_away("disconnected")
        self._wants.clear()
        for future in self._finders.values():
            future.cancel()

    # -- what is heard -----------------------------------------------------------------------------------------------

    def _heard(self, heard: Advertisement, handle: Any) -> None:
        self._heard_at = self._context.clock.monotonic()
        finder = self._finders.get(heard.address)
        if finder is not None and not finder.done():
            finder.set_result(handle)
        if READINGS not in self._wants:
            return
        for rule in self._rules:
            if rule.takes(heard):
                for name, data in parts(heard, rule.formats):
                    self._part(heard, name, data, rule)
                return
        self._context.count("adverts_filtered")

    def _part(self, heard: Advertisement, name: str, data: bytes, rule: Rule) -> None:
        kind = frame(name, data)
        device = self._device(heard.address)
        if device is None:
            return
        now = self._heard_at
        last = device.last.get(kind)
        if last is not None:
            wait = self._settings.repeat_every if last[0] == data else self._settings.every
            if now - last[1] < wait:
                self._context.count("adverts_repeated" if last[0] == data else "adverts_thinned")
                device.seen = now
                return
        try:
            fields = raw_fields(heard) if name == RAW else FORMATS[name].decode(self._opened(heard.address, name, data))
        except CodecError as error:
            self._complain(heard.address, name, error)
            return
        if now - device.seen > self._settings.away_after and device.seen:
            device.presence.away("silent")
        device.seen = now
        device.last[kind] = (data, now)
        fields["rssi"] = heard.rssi
        wall = self._context.clock.wall_ns()
        tags = {"address": heard.address, "format": name, **rule.tags}
        self._context.count("adverts_ok")
        self._outbox.advert(kind, device.presence, Reading(device.presence.source, wall, fields, tags=tags, received=wall))

    def _opened(self, address: str, name: str, data: bytes) -> bytes:
        key = self._keys.get(address) if name in KEYED else None
        if key is None:
            return data
        from adapters.ble.cipher import opened

        return opened(name, data, address, key)

    def _complain(self, address: str, name: str, error: CodecError) -> None:
        self._context.count(f"malformed_{name}")
        where = (address, name)
        if where not in self._complained and len(self._complained) < COMPLAINTS:
            self._complained.add(where)
            self._context.log("warning", f"advertisement of {address} is malformed (said once): {error.message}")

    def _device(self, address: str) -> _Heard | None:
        device = self._devices.get(address)
        if device is not None:
            self._devices.move_to_end(address)
            return device
        settings = self._settings
        if len(self._devices) >= settings.max_devices:
            oldest, first = next(iter(self._devices.items()))
            if self._heard_at - first.seen < settings.away_after:
                self._context.count("dropped_too_many_devices")
                return None
            del self._devices[oldest]
        name = settings.names.get(address) or address.replace(":", "").lower()
        source = f"{self._context.name}/{name}"
        presence = self._by_source.get(source) or Presence(self._context, source, expected=False)
        if not presence.good and source in self._remembered:
            presence.remember(self._remembered.pop(source))
        self._devices[address] = device = _Heard(presence)
        self._context.gauge("devices_heard", len(self._devices))
        return device

    def tick(self, wall: int) -> None:
        """Once a minute: say the gaps of named devices that stay away."""
        now = self._context.clock.monotonic()
        if READINGS not in self._wants:
            return
        heard = {device.presence.source: device.seen for device in self._devices.values()}
        for presence in self._named:
            if now - heard.get(presence.source, float("-inf")) > self._settings.away_after:
                presence.away("silent")
                presence.still(wall)
