"""Which serial ports there are, under names that stay: those of /dev/serial/by-id. None is opened: that resets some boards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rt_edge.sdk import Found, ScanReport


def scan_ports(settings: Any, report: ScanReport) -> None:
    """Tell `report` every port: by its stable name, else by its device's.

    Args:
        settings: a `SerialScan`, or an object with its attributes.
        report: who is told.
    """
    known = _described()
    linked: set[str] = set()
    folder = Path(settings.target)
    for link in sorted(folder.iterdir()) if folder.is_dir() else ():
        device = str(link.resolve())
        there = Path(device).exists()
        linked.add(device)
        details = {"device": device, "plugged_in": there, **known.get(device, {})}
        words = ", ".join(str(details[key]) for key in ("description", "usb_id", "serial_number") if details.get(key))
        what = f"{device}" + (f": {words}" if words else "") + ("" if there else " (not plugged in)")
        report.found(Found(str(link), what, details, {"port": str(link)}))
    for device, details in sorted(known.items()):
        if device not in linked and (settings.all or details.get("usb_id")):
            what = str(details.get("description") or "serial port") + "; its name may be another after the next start"
            report.found(Found(device, what, {"device": device, "plugged_in": True, **details}, {"port": device}))


def _described() -> dict[str, dict[str, Any]]:
    """Device -> what the kernel knows of it."""
    from serial.tools.list_ports import comports

    found = {}
    for port in comports():
        usb = f"{port.vid:04x}:{port.pid:04x}" if port.vid is not None and port.pid is not None else None
        description = port.description if port.description not in (None, "n/a") else None
        entries = {"description": description, "usb_id": usb, "serial_number": port.serial_number, "location": port.location}
        found[str(Path(port.device).resolve())] = {key: value for key, value in entries.items() if value}
    return found
