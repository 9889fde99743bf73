"""Bluetooth devices on a stand-in for BlueZ, on a private D-Bus: sensors that advertise BTHome, and a pump to connect to."""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rt_edge.data.errors import TransientError
from rt_edge.testkit.bluez import Advertiser, BluezStandIn, Peripheral, PrivateBus, Value, find_dbus_daemon
from rt_edge.testkit.scratch import scratch_folder

BTHOME = "0000fcd2-0000-1000-8000-00805f9b34fb"
SERVICE = "0000181a-0000-1000-8000-00805f9b34fb"
TEMPERATURE = "00002a6e-0000-1000-8000-00805f9b34fb"
BATTERY = "00002a19-0000-1000-8000-00805f9b34fb"
SETPOINT = "12345678-1234-1234-1234-123456789abc"
PUMP = "C0:FF:EE:FF:FF:FF"
SOCKET_PATH_MOST = 107
"""Bytes of the path of a Unix socket."""


class BleSimulator:
    """Sensors C0:FF:EE:00:00:00 and following, and the pump C0:FF:EE:FF:FF:FF.

    Args:
        devices: sensors that advertise.
        every: seconds between the advertisements of one.
        places: folders where dbus-daemon may be, besides PATH.
        address: of a D-Bus that is there already; empty: one of its own is started.
        folder: where the socket of that one goes; None: a temporary folder, which the next simulator removes if this one cannot.
    """

    def __init__(
        self,
        devices: int = 10,
        every: float = 1.0,
        places: Path = Path(".peers/bin"),
        address: str = "",
        folder: Path | None = None,
    ) -> None:
        self._crowd = [
            Peripheral(f"C0:FF:EE:{i >> 16:02X}:{i >> 8 & 255:02X}:{i & 255:02X}", f"sensor-{i}") for i in range(devices)
        ]
        self._every = every
        self._places = places
        self._folder = folder
        self._stack = AsyncExitStack()
        self._temperature = Value(struct.pack("<h", 2150))
        self._setpoint = Value(struct.pack("<H", 50), ("read", "write"))
        values = {TEMPERATURE: self._temperature, BATTERY: Value(b"\x5a", ("read",)), SETPOINT: self._setpoint}
        self._pump = Peripheral(PUMP, "pump", {SERVICE: values})
        self._said = 0
        self._beat: asyncio.Task[None] | None = None
        self.address = address

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _start(self) -> None:
        if not self.address:
            program = find_dbus_daemon(self._places)
            if program is None:
                raise TransientError("there is no dbus-daemon", "install the package dbus (Debian: dbus-daemon)")
            if self._folder is None:
                folder = self._stack.enter_context(scratch_folder("rt-edge-ble-"))
            else:
                folder = self._folder / "dbus"
                folder.mkdir(exist_ok=True)
                self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
            if len(os.fsencode(folder / "bus")) > SOCKET_PATH_MOST:
                raise TransientError(f"{folder} is too long for the path of a socket", "set TMPDIR to a shorter one")
            self.address = (await self._stack.enter_async_context(PrivateBus(folder, program))).address
        bluez = await self._stack.enter_async_context(BluezStandIn(self.address))
        bluez.add(self._pump)
        await self._stack.enter_async_context(Advertiser(bluez, self._crowd, self._say, self._every))
        self._beat = asyncio.create_task(self._notify(), name="pump")

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._beat is not None:
            self._beat.cancel()
            await asyncio.wait([self._beat])
        await self._stack.aclose()

    def _say(self, device: Peripheral, count: int) -> None:
        centi = 2000 + (count * 7 + int(device.address[-2:], 16)) % 100
        device.advertise(service={BTHOME: struct.pack("<BBBBhBI", 0x40, 0x00, count % 256, 0x02, centi, 0x3E, count)})
        self._said += 1

    async def _notify(self) -> None:
        count = 0
        while True:
            await asyncio.sleep(self._every)
            count += 1
            self._pump.advertise()
            self._temperature.notify(struct.pack("<h", 2150 + count % 100))

    def says(self) -> list[str]:
        """See `Simulator`."""
        return [
            f"{len(self._crowd)} sensors advertise BTHome, and a pump ({PUMP}) can be connected to, on a stand-in for BlueZ",
            "not a radio: only programs with this environment see them",
        ]

    def adapters(self) -> dict[str, Any]:
        """See `Simulator`."""
        points = {
            "battery": {"characteristic": "2a19", "type": "uint8"},
            "temperature": {"characteristic": "2a6e", "type": "int16", "scale": 0.01},
            "setpoint": {
                "characteristic": SETPOINT,
                "type": "uint16",
                "scale": 0.1,
                "unit": "bar",
                "writable": True,
                "max": 16,
                "verify": True,
            },
        }
        scan = {"accept": [{"formats": ["bthome"]}]}
        return {"air": {"kind": "ble", "scan": scan, "devices": {"pump": {"address": PUMP, "every": "10s", "points": points}}}}

    def environment(self) -> dict[str, str]:
        """See `Simulator`."""
        return {"DBUS_SYSTEM_BUS_ADDRESS": self.address}

    def counts(self) -> dict[str, int]:
        """See `Simulator`."""
        return {"advertisements": self._said, "connections": self._pump.connects, "writes": len(self._setpoint.written)}
