"""The ble adapter keeps the contract of adapters, with bleak itself against a stand-in for BlueZ."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rt_edge.data.reading import Reading
from rt_edge.testkit.adapter_contract import AdapterBench, AdapterContract
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.bluez import BluezStandIn, Peripheral
from tests.adapters.ble.bench import FRIDGE, POINTS, PUMP, beacon, bluez, bthome, harness, pause, pump


class _Bench(AdapterBench):
    def __init__(self, harness: AdapterHarness, stand_in: BluezStandIn) -> None:
        super().__init__(harness)
        self.stand_in = stand_in

    async def vanish(self) -> None:
        """bluetoothd crashes."""
        await self.stand_in.kill()

    async def appear(self) -> None:
        """systemd starts it again."""
        await self.stand_in.start()


class Advertising(_Bench):
    """A device that goes on advertising new values, `n` of them or more."""

    def __init__(self, harness: AdapterHarness, stand_in: BluezStandIn, fridge: Peripheral) -> None:
        super().__init__(harness, stand_in)
        self.fridge = fridge

    def number(self, reading: Reading) -> int:
        return int(str(reading.fields["count"]))

    async def produce(self, n: int) -> None:
        """It advertises by itself."""


class Advertisements:
    """Readings of what a device advertises."""

    @asynccontextmanager
    async def bench(self, tmp_path: Path) -> AsyncIterator[AdapterBench]:
        async with bluez() as stand_in:
            fridge = stand_in.add(Peripheral(FRIDGE, "fridge"))

            async def advertise() -> None:
                count = 0
                while True:
                    count += fridge.advertise(service=bthome(count))
                    await pause(0.002)

            task = asyncio.create_task(advertise())
            try:
                yield Advertising(harness(tmp_path, scan={"accept": [{"formats": ["bthome"]}]}), stand_in, fridge)
            finally:
                task.cancel()
                await asyncio.wait([task])


class Saying(_Bench):
    """A device that goes on notifying."""

    def number(self, reading: Reading) -> int:
        return round(float(str(reading.fields["t"])) * 100)

    async def produce(self, n: int) -> None:
        """It notifies by itself."""


class Polling(_Bench):
    async def produce(self, n: int) -> None:
        """It is asked."""


class Reads:
    """Readings of what a device is asked, connected each time."""

    @asynccontextmanager
    async def bench(self, tmp_path: Path) -> AsyncIterator[AdapterBench]:
        device = {"address": PUMP, "every": "50ms", "hold": True, "points": POINTS}
        async with bluez() as stand_in, beacon(stand_in, pump()):
            yield Polling(harness(tmp_path, devices={"pump": device}), stand_in)


class Notifications:
    """Readings of what a device says by itself."""

    @asynccontextmanager
    async def bench(self, tmp_path: Path) -> AsyncIterator[AdapterBench]:
        point = {"characteristic": "2a6e", "type": "int16", "scale": 0.01, "notify": True}
        async with bluez() as stand_in:
            device = pump()
            value = next(iter(device.services["0000181a-0000-1000-8000-00805f9b34fb"].values()))

            async def say() -> None:
                count = 0
                while True:
                    count += value.notify((count % 30_000).to_bytes(2, "little"))
                    await pause(0.005)

            task = asyncio.create_task(say())
            try:
                async with beacon(stand_in, device):
                    yield Saying(harness(tmp_path, devices={"pump": {"address": PUMP, "points": {"t": point}}}), stand_in)
            finally:
                task.cancel()
                await asyncio.wait([task])


class TestAdvertisements(Advertisements, AdapterContract):
    pass


class TestReads(Reads, AdapterContract):
    pass


class TestNotifications(Notifications, AdapterContract):
    pass
