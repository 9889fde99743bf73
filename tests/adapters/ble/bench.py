"""What the tests of the running adapter share: a bus and a stand-in for BlueZ, devices on it, and the adapter's harness."""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.ble import BleAdapter
from adapters.ble.settings import BleSettings
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.bluez import Advertiser, BluezStandIn, Peripheral, PrivateBus, Value, find_dbus_daemon

PEERS = Path(__file__).resolve().parents[3] / ".peers" / "bin"
FRIDGE = "C0:FF:EE:00:00:01"
PUMP = "C0:FF:EE:00:00:02"
SERVICE = "0000181a-0000-1000-8000-00805f9b34fb"
TEMPERATURE = "00002a6e-0000-1000-8000-00805f9b34fb"
BATTERY = "00002a19-0000-1000-8000-00805f9b34fb"
BTHOME = "0000fcd2-0000-1000-8000-00805f9b34fb"
RAW = {"accept": [{"formats": ["raw"]}]}


@asynccontextmanager
async def d_bus(service: str = "") -> AsyncIterator[PrivateBus]:
    """A D-Bus that bleak takes for the system's; `service`: the program that it starts as org.bluez."""
    program = find_dbus_daemon(PEERS)
    if program is None:
        pytest.fail("this test needs dbus-daemon: run scripts/peers dbus-daemon", pytrace=False)
    folder = Path(tempfile.mkdtemp(prefix="ble"))  # short: the path of a socket has at most 107 bytes
    if service:
        (folder / "services").mkdir()
        (folder / "services" / "org.bluez.service").write_text(f"[D-BUS Service]\nName=org.bluez\nExec={service}\n")
    before = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")
    try:
        async with PrivateBus(folder, program) as bus:
            os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = bus.address
            yield bus
    finally:
        shutil.rmtree(folder)
        if before is None:
            os.environ.pop("DBUS_SYSTEM_BUS_ADDRESS", None)
        else:
            os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = before


@asynccontextmanager
async def bluez(**options: Any) -> AsyncIterator[BluezStandIn]:
    """A stand-in on a bus of its own."""
    async with d_bus() as bus, BluezStandIn(bus.address, **options) as stand_in:
        yield stand_in


def harness(folder: Path, **settings: Any) -> AdapterHarness:
    """An adapter `air`, that rests soon and tries again soon unless told otherwise."""
    settings = {"idle_after": "50ms", "retry_min": "10ms", "retry_max": "20ms", "connect_timeout": "2s", **settings}
    return AdapterHarness(BleAdapter, BleSettings.model_validate(settings), folder, "air")


def bthome(count: int) -> dict[str, bytes]:
    """Service data: BTHome, a packet id and a 32-bit counter."""
    return {BTHOME: b"\x40\x00" + bytes([count % 256]) + b"\x3e" + struct.pack("<I", count)}


def pump(**more: Value) -> Peripheral:
    """A device with a temperature in hundredths of °C (21.5) and a battery of 90 %."""
    values = {TEMPERATURE: Value(struct.pack("<h", 2150)), BATTERY: Value(b"\x5a"), **more}
    return Peripheral(PUMP, "pump", {SERVICE: values})


POINTS = {
    "temperature": {"characteristic": "2a6e", "type": "int16", "scale": 0.01},
    "battery": {"characteristic": "2a19", "type": "uint8"},
}


def beacon(stand_in: BluezStandIn, *peripherals: Peripheral) -> Advertiser:
    """Peripherals that can be found while the stand-in scans."""
    return Advertiser(stand_in, peripherals, lambda peripheral, _count: peripheral.advertise(manufacturer={0xFFFF: b"\0"}))


async def pause(seconds: float) -> None:
    """A device's period: real time, since BlueZ's peers are real processes."""
    done = asyncio.Event()
    timer = asyncio.get_running_loop().call_later(seconds, done.set)
    try:
        await done.wait()
    finally:
        timer.cancel()


def held() -> tuple[int, int]:
    """File descriptors of this process, and tasks of this loop."""
    return len(list(Path("/proc/self/fd").iterdir())), len(asyncio.all_tasks())
