"""AdapterContract: what every adapter must do, as tests. Derive a class, give it a bench, and pytest runs the rest.

class Benches:
    @asynccontextmanager
    async def bench(self, tmp_path):
        async with broker() as b:
            yield MyBench(b, AdapterHarness(MqttAdapter, settings(b.port), tmp_path))

class TestMqttAdapter(Benches, AdapterContract):
    ...

class TestMqttPublisher(Benches, AdapterPublisherContract):  # the rules of Reactive Streams, from `rt_edge.testkit.tck`
    ...
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from rt_edge.data.errors import RtEdgeError
from rt_edge.sdk.adapter import Capability
from rt_edge.testkit.adapter_bench import AdapterBench, Benched, Held
from rt_edge.testkit.adapter_cut import CutClaims
from rt_edge.testkit.adapter_life import LifeClaims
from rt_edge.testkit.adapter_order import OrderClaims
from rt_edge.testkit.adapter_publisher import AdapterPublisherContract

__all__ = ["AdapterBench", "AdapterContract", "AdapterPublisherContract", "Held"]


class DemandClaims(Benched):
    """One claim a test."""

    def test_emits_nothing_when_nothing_is_asked_for(self, tmp_path: Path) -> None:
        """Without demand no Reading is emitted, whatever the device has."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                await bench.harness.open()
                await bench.produce(5)
                assert await bench.harness.quiet(self.quiet_s) == 0
                await bench.harness.close()

        asyncio.run(run())

    def test_emits_one_when_one_is_asked_for(self, tmp_path: Path) -> None:
        """A demand of one gives one Reading and no second."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                await bench.harness.open()
                await bench.produce(5)
                await self.ask(bench, 1)
                assert await bench.harness.quiet(self.quiet_s) == 0
                await bench.harness.close()

        asyncio.run(run())

    def test_stays_within_the_demand_when_much_is_asked_in_steps(self, tmp_path: Path) -> None:
        """Demand adds up; the total emitted reaches it and never exceeds it."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                await bench.harness.open()
                await bench.produce(40)
                for step in (1, 2, 3, 10, 20):
                    await self.ask(bench, step)
                assert len(bench.harness.emitted) == 36
                await bench.harness.close()

        asyncio.run(run())

    def test_keeps_demand_when_it_is_opened_again(self, tmp_path: Path) -> None:
        """What was asked for and not emitted before a close is emitted after the next open."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                await bench.harness.open()
                await bench.harness.close()
                bench.harness.demand(3)
                await bench.harness.open()
                await bench.produce(3)
                await bench.harness.received(3, self.patience)
                await bench.harness.close()

        asyncio.run(run())

    def test_takes_receipts_in_steps_again_and_late(self, tmp_path: Path) -> None:
        """Receipts come as a number that grows, may be said twice, and while it is closed; nothing is forgotten ahead of them."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                harness = bench.harness
                await harness.open()
                await bench.produce(6)
                harness.demand(6)
                await harness.received(6, self.patience)
                for through in (1, 1, 4):
                    harness.settle(through)
                await harness.close()
                harness.settle(6)
                await harness.open()
                await bench.produce(2)
                await self.ask(bench, 2)
                await harness.close()  # raises, if keys were given up of what was not settled
                times: dict[str, int] = {}
                for reading in harness.readings:
                    assert reading.received >= times.get(reading.source, 0), f"{reading.source} is out of order"
                    times[reading.source] = reading.received

        asyncio.run(run())

    def test_says_so_once_when_the_connection_is_cut_and_goes_on_when_opened_again(self, tmp_path: Path) -> None:
        """A broken connection is one `lost` with an error of ours; after close and open Readings flow again."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                harness = bench.harness
                await harness.open()
                await bench.produce(2)
                await self.ask(bench, 2)
                await bench.cut()
                await harness.until(lambda: bool(harness.context.losses), self.patience, "lost")
                await harness.quiet(self.quiet_s)
                assert len(harness.context.losses) == 1
                assert isinstance(harness.context.losses[0], RtEdgeError)
                await harness.reopen()
                await bench.produce(2)
                await self.ask(bench, 2)
                await harness.close()

        asyncio.run(run())

    def test_says_what_it_can_when_asked_without_a_connection(self, tmp_path: Path) -> None:
        """`capability` and `points` need only the settings, and agree."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                kind, settings = type(bench.harness.adapter), bench.harness.settings
                said = kind.capability(settings)
                assert isinstance(said, Capability)
                assert said.window is None or said.window > 0
                assert said.writable is any(point.writable for point in kind.points(settings).values())

        asyncio.run(run())


class AdapterContract(DemandClaims, OrderClaims, LifeClaims, CutClaims):
    """The contract: all claims. Readings flow within `patience` seconds."""
