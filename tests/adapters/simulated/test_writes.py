"""The simulated adapter keeps the contract of adapters that write."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from adapters.simulated import SimulatedAdapter
from adapters.simulated.settings import SimulatedSettings
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.writable_contract import WritableBench, WritableContract


class Bench(WritableBench):
    point = "device-2/speed"
    values = (10.0, 20.0, 30.0)
    refused = 101.0

    def __init__(self, tmp_path, **settings):
        point = {"initial": 5.0, "max": 100}
        made = SimulatedSettings(devices=2, every="5ms", points={"speed": point}, **settings)
        super().__init__(AdapterHarness(SimulatedAdapter, made, tmp_path))
        self._seen = []
        held = self.harness.adapter._held[1] = _Watched(self._seen)
        dict.__setitem__(held, "speed", 5.0)

    def seen(self):
        return self._seen


class _Watched(dict):
    """The memory of a device, which tells of each write."""

    def __init__(self, seen):
        super().__init__()
        self._seen = seen

    def __setitem__(self, name, value):
        self._seen.append(value)
        super().__setitem__(name, value)


class TestWrites(WritableContract):
    """Commands at once."""

    @asynccontextmanager
    async def bench(self, tmp_path):
        yield Bench(tmp_path)


class TestSlowWrites(WritableContract):
    """Commands that take their time."""

    @asynccontextmanager
    async def bench(self, tmp_path):
        yield Bench(tmp_path, write_takes="5ms")


def test_command_shows_in_the_readings(tmp_path):
    """What was written is a field of that device's readings, and of no other's."""

    async def run():
        bench = Bench(tmp_path)
        await bench.harness.open()
        assert (await bench.harness.adapter.write("device-2/speed", 42.0, "k")).status == "confirmed"
        bench.harness.demand(2)
        await bench.harness.received(2)
        assert [reading.fields["speed"] for reading in bench.harness.readings] == [5.0, 42.0]
        await bench.harness.close()

    asyncio.run(run())
