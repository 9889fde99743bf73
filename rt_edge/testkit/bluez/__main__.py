"""Run the stand-in with devices that advertise, on the D-Bus that DBUS_SYSTEM_BUS_ADDRESS names or one of its own, until Ctrl-C.

python -m rt_edge.testkit.bluez --devices 200 --adverts-per-second 1     # prints DBUS_SYSTEM_BUS_ADDRESS=... for a node beside it
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import struct
import tempfile
from pathlib import Path

from rt_edge.testkit.bluez import Advertiser, BluezStandIn, Peripheral, PrivateBus, find_dbus_daemon

BTHOME = "0000fcd2-0000-1000-8000-00805f9b34fb"


async def simulate(devices: int, rate: float, address: str) -> None:
    """Devices that count, in BTHome: a packet id, a temperature that swings, a counter; each `rate` times a second."""
    async with BluezStandIn(address) as bluez:
        crowd = [Peripheral(f"C0:FF:EE:{i >> 16:02X}:{i >> 8 & 255:02X}:{i & 255:02X}") for i in range(devices)]
        print(f"DBUS_SYSTEM_BUS_ADDRESS={address}", flush=True)
        async with Advertiser(bluez, crowd, _count, 1 / rate) as advertiser:
            await advertiser.ended()


def _count(device: Peripheral, count: int) -> None:
    centi = 2000 + (count * 7 + int(device.address[-2:], 16)) % 100
    device.advertise(service={BTHOME: struct.pack("<BBBBhBI", 0x40, 0x00, count % 256, 0x02, centi, 0x3E, count)})


async def _main() -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # else its dbus-daemon would outlive it
    parser = argparse.ArgumentParser(prog="python -m rt_edge.testkit.bluez", description=__doc__)
    parser.add_argument("--devices", type=int, default=10)
    parser.add_argument("--adverts-per-second", type=float, default=1.0, help="advertisements of each device")
    arguments = parser.parse_args()
    if address := os.environ.get("DBUS_SYSTEM_BUS_ADDRESS"):
        await simulate(arguments.devices, arguments.adverts_per_second, address)
        return
    program = find_dbus_daemon(Path(".peers/bin"))
    if program is None:
        parser.error("there is no dbus-daemon: run scripts/peers dbus-daemon")
    with tempfile.TemporaryDirectory(prefix="ble") as folder:
        async with PrivateBus(Path(folder), program) as bus:
            await simulate(arguments.devices, arguments.adverts_per_second, bus.address)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(_main())
