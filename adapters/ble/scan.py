"""Which devices are in the air, and which of the formats that the adapter knows they speak."""

from __future__ import annotations

import asyncio
from typing import Any

from adapters.ble.codec import FORMATS, Advertisement, parts, raw_fields
from adapters.ble.transport import BluezTransport
from rt_edge.sdk import CodecError, Found, ScanReport, Value


async def scan_air(settings: Any, report: ScanReport) -> None:
    """Listen for `duration` seconds and tell `report` each device, again with each advertisement that says more.

    Args:
        settings: a `BleScan`, or an object with its attributes.
        report: who is told.

    Raises:
        TransientError: no D-Bus, no bluetoothd, no controller, or it ended meanwhile.
    """
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def lost(error: Exception) -> None:
        if not over.done():
            over.set_exception(error)

    devices = Devices(settings.rssi_min_dbm, settings.max_devices, report)
    transport = BluezTransport(settings.target, lost)
    begun = report.clock.monotonic()
    try:
        await transport.open()
        await transport.scan("active", (), lambda heard, _: devices.heard(heard))
        while (spent := report.clock.monotonic() - begun) < settings.duration:
            report.progress(spent, settings.duration, f"{len(devices)} devices")
            await asyncio.wait((over,), timeout=min(1.0, settings.duration - spent))
            if over.done():
                over.result()
        report.progress(settings.duration, settings.duration, "done")
    finally:
        over.cancel()
        await transport.close()
    if devices.left_out:
        report.note(f"more than {settings.max_devices} devices: some are not listed")


class Devices:
    """What was heard of each device, put together.

    Args:
        weakest: dBm below which an advertisement is left out.
        most: devices that are remembered.
        report: who is told.

    Attributes:
        left_out: whether there were more.
    """

    def __init__(self, weakest: int, most: int, report: ScanReport) -> None:
        self._weakest, self._most, self._report = weakest, most, report
        self._known: dict[str, dict[str, Any]] = {}
        self.left_out = False

    def __len__(self) -> int:
        return len(self._known)

    def heard(self, heard: Advertisement) -> None:
        """One advertisement; never raises."""
        if heard.rssi < self._weakest:
            return
        known = self._known.get(heard.address)
        if known is None:
            if len(self._known) >= self._most:
                self.left_out = True
                return
            known = self._known[heard.address] = {
                "address": heard.address,
                "name": "",
                "rssi_dbm": 0,
                "formats": [],
                "fields": {},
            }
        known["rssi_dbm"] = heard.rssi
        known["name"] = heard.name or known["name"]
        for name, data in parts(heard, list(FORMATS)):
            if name not in known["formats"]:
                known["formats"].append(name)
            try:
                known["fields"].update(_plain(FORMATS[name].decode(data)))
            except CodecError as error:  # encrypted, most often
                known["not_decoded"] = f"{name}: {error.message}"
        if not known["formats"]:
            known["fields"].update(_plain(raw_fields(heard)))
        self._report.found(_found(known))


def _found(known: dict[str, Any]) -> Found:
    formats = known["formats"] or ["raw"]
    values = ", ".join(f"{name} {value}" for name, value in known["fields"].items() if name != "name")
    words = [known["name"], f"{known['rssi_dbm']} dBm", "+".join(known["formats"]) or "format not known", values]
    rule = {"formats": list(formats), "addresses": [known["address"]]}
    details = {**known, "formats": list(known["formats"]), "fields": dict(known["fields"])}
    return Found(known["address"], ", ".join(word for word in words if word), details, {"accept": [rule]})


def _plain(fields: dict[str, Value]) -> dict[str, Any]:
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}
