"""The weigher under the contracts of adapters, and its way back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from device import Weigher
from rt_edge_weigher import WeigherAdapter
from rt_edge_weigher.settings import WeigherSettings

from rt_edge.testkit.adapter_contract import AdapterBench, AdapterContract, AdapterPublisherContract
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.writable_contract import WritableBench, WritableContract


class Bench(AdapterBench):
    """An adapter and its weigher."""

    def __init__(self, harness: AdapterHarness, weigher: Weigher) -> None:
        super().__init__(harness)
        self.weigher = weigher

    async def produce(self, n: int) -> None:
        """It is asked."""

    async def vanish(self) -> None:
        """Pull the plug."""
        await self.weigher.stop()

    async def appear(self) -> None:
        """And put it back."""
        await self.weigher.start()


class OnLoopback:
    """A weigher in the same loop."""

    @asynccontextmanager
    async def bench(self, tmp_path: Path) -> AsyncIterator[Bench]:
        """See `AdapterContract`."""
        weigher = Weigher()
        await weigher.start()
        settings = WeigherSettings.model_validate({"address": f"127.0.0.1:{weigher.port}", "every": "5ms"})
        try:
            yield Bench(AdapterHarness(WeigherAdapter, settings, tmp_path, "scale"), weigher)
        finally:
            await weigher.stop()


class TestWeigher(OnLoopback, AdapterContract):
    """Demand, life, receipts, startup, nothing left behind."""


class TestWeigherAsPublisher(OnLoopback, AdapterPublisherContract):
    """The rules of Reactive Streams."""


class WritesZero(WritableBench):
    """The same, and what the weigher was told."""

    point = "zero"
    values = (0.5, 1.0, 1.5)
    refused = 11.0

    def __init__(self, harness: AdapterHarness, weigher: Weigher) -> None:
        super().__init__(harness)
        self.weigher = weigher

    def seen(self) -> list[float]:
        """See `WritableBench`."""
        return self.weigher.told


class TestWeigherWrites(WritableContract):
    """Order, keys that come again, dry run, expiry, a crash in between, a call that is given up."""

    @asynccontextmanager
    async def bench(self, tmp_path: Path) -> AsyncIterator[WritesZero]:
        """See `WritableContract`."""
        async with OnLoopback().bench(tmp_path) as bench:
            yield WritesZero(bench.harness, bench.weigher)


def test_zero_is_read_back_and_a_repeated_command_is_not_repeated(tmp_path: Path) -> None:
    """What was confirmed once is answered the second time, whatever happened to the device since."""

    async def run() -> None:
        async with OnLoopback().bench(tmp_path) as bench:
            adapter = bench.harness.adapter
            await adapter.open()
            first = await adapter.write("zero", 0.5, "command-1")
            assert (first.status, await adapter.read("zero")) == ("confirmed", 0.5)
            bench.weigher.zero = 0.0
            assert await adapter.write("zero", 0.5, "command-1") == first
            assert await adapter.read("zero") == 0.0
            await adapter.close()

    asyncio.run(run())
