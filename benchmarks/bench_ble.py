"""What listening to Bluetooth advertisements costs: adapter and bleak on a real D-Bus, the stand-in in another process.

.venv/bin/python -m benchmarks.bench_ble --devices 200 --rate 1 --seconds 20
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from adapters.ble import BleAdapter
from adapters.ble.settings import BleSettings
from rt_edge.testkit.adapter_harness import AdapterHarness


def cpu_s() -> float:
    """CPU seconds of this process, user and system."""
    times = os.times()
    return times.user + times.system


async def measure(devices: int, rate: float, seconds: float, folder: Path) -> None:
    """Print readings a second and CPU of the adapter's process."""
    stand_in = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "rt_edge.testkit.bluez",
        f"--devices={devices}",
        f"--adverts-per-second={rate}",
        stdout=asyncio.subprocess.PIPE,
    )
    assert stand_in.stdout is not None
    try:
        said = (await stand_in.stdout.readline()).decode().strip()
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = said.partition("=")[2]
        settings = BleSettings.model_validate({"scan": {"accept": [{"formats": ["bthome"]}], "repeat_every": "0s"}})
        harness = AdapterHarness(BleAdapter, settings, folder)
        await harness.open()
        harness.demand(100_000_000)
        await harness.received(devices * 2, 60)  # all are known to BlueZ and to us
        before, began, readings = cpu_s(), asyncio.get_running_loop().time(), len(harness.emitted)
        await asyncio.sleep(seconds)
        used, took = cpu_s() - before, asyncio.get_running_loop().time() - began
        n = len(harness.emitted) - readings
        print(
            f"{devices} devices, {n / took:.0f} readings/s of {devices * rate:.0f} sent: {100 * used / took:.1f} % of a core",
            end="",
        )
        print(f", {1e6 * used / max(1, n):.0f} us a reading")
        heard = {e.reading.source for e in harness.emitted[readings:]}
        print(f"{len(heard)} of {devices} devices heard; {harness.context.counts}")
        await harness.close()
    finally:
        stand_in.terminate()
        await stand_in.wait()


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(arguments.devices, arguments.rate, arguments.seconds, Path(folder)))


if __name__ == "__main__":
    main()
