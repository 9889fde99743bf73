"""AdapterContract: what every adapter must do, as tests. Derive a class, give it a bench, and pytest runs the rest.

class TestMqttAdapter(AdapterContract):
    @asynccontextmanager
    async def bench(self, tmp_path):
        async with broker() as b:
            yield MyBench(b, AdapterHarness(MqttAdapter, settings(b.port), tmp_path))
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from rt_edge.data.errors import RtEdgeError
from rt_edge.sdk.adapter import Capability
from rt_edge.testkit.adapter_harness import AdapterHarness


class AdapterBench(ABC):
    """One adapter under test with the device it talks to.

    Args:
        harness: the adapter, not open.
    """

    def __init__(self, harness: AdapterHarness) -> None:
        self.harness = harness

    @abstractmethod
    async def produce(self, n: int) -> None:
        """See to it that the device has at least `n` more Readings for who asks; nothing to do for a device that is polled."""

    @abstractmethod
    async def cut(self) -> None:
        """Break the connection from the device's side, so that it can be opened again at once."""


class AdapterContract(ABC):
    """The contract, one claim a test. Readings flow within `patience` seconds."""

    patience = 10.0
    settles = True
    """Whether the contract settles what was emitted before it asks for more (a source with a window needs it)."""

    @abstractmethod
    def bench(self, tmp_path: Path) -> AbstractAsyncContextManager[AdapterBench]:
        """A fresh bench, torn down at the end; `tmp_path` is the adapter's data directory."""

    async def _ask(self, bench: AdapterBench, n: int) -> None:
        """Ask for `n` Readings, wait for exactly these and settle them."""
        before = len(bench.harness.emitted)
        bench.harness.demand(n)
        await bench.harness.received(before + n, self.patience)
        if self.settles:
            bench.harness.settle()

    def test_emits_nothing_when_nothing_is_asked_for(self, tmp_path: Path) -> None:
        """Without demand no Reading is emitted, whatever the device has."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                await bench.harness.open()
                await bench.produce(5)
                assert await bench.harness.quiet(0.3) == 0
                await bench.harness.close()

        asyncio.run(run())

    def test_emits_one_when_one_is_asked_for(self, tmp_path: Path) -> None:
        """A demand of one gives one Reading and no second."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                await bench.harness.open()
                await bench.produce(5)
                await self._ask(bench, 1)
                assert await bench.harness.quiet(0.3) == 0
                await bench.harness.close()

        asyncio.run(run())

    def test_stays_within_the_demand_when_much_is_asked_in_steps(self, tmp_path: Path) -> None:
        """Demand adds up; the total emitted reaches it and never exceeds it."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                await bench.harness.open()
                await bench.produce(40)
                for step in (1, 2, 3, 10, 20):
                    await self._ask(bench, step)
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

    def test_closes_without_harm_when_it_is_closed_twice_or_was_never_open(self, tmp_path: Path) -> None:
        """`close` is idempotent, also before the first `open`."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                await bench.harness.close()
                await bench.harness.open()
                await bench.harness.close()
                await bench.harness.close()
                await bench.harness.open()
                await bench.produce(1)
                await self._ask(bench, 1)
                await bench.harness.close()

        asyncio.run(run())

    def test_says_so_once_when_the_connection_is_cut_and_goes_on_when_opened_again(self, tmp_path: Path) -> None:
        """A broken connection is one `lost` with an error of ours; after close and open Readings flow again."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                harness = bench.harness
                await harness.open()
                await bench.produce(2)
                await self._ask(bench, 2)
                await bench.cut()
                await harness.until(lambda: bool(harness.context.losses), self.patience, "lost")
                await harness.quiet(0.2)
                assert len(harness.context.losses) == 1
                assert isinstance(harness.context.losses[0], RtEdgeError)
                await harness.reopen()
                await bench.produce(2)
                await self._ask(bench, 2)
                await harness.close()

        asyncio.run(run())

    def test_leaves_nothing_behind_when_it_is_closed(self, tmp_path: Path) -> None:
        """After `close` no task of the adapter runs and nothing is emitted any more."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                before = asyncio.all_tasks()
                await bench.harness.open()
                await bench.produce(3)
                await self._ask(bench, 1)
                await bench.harness.close()
                left = asyncio.all_tasks() - before  # a device simulated in this loop may end a task of its own a moment later
                if left:
                    _, left = await asyncio.wait(left, timeout=1.0)
                assert not left
                bench.harness.demand(1)
                assert await bench.harness.quiet(0.2) == 0

        asyncio.run(run())

    def test_says_what_it_can_when_asked_without_a_connection(self, tmp_path: Path) -> None:
        """`capability` needs only the settings."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                said = type(bench.harness.adapter).capability(bench.harness.settings)
                assert isinstance(said, Capability)
                assert said.window is None or said.window > 0

        asyncio.run(run())

    def test_answers_a_probe_when_it_is_not_open(self, tmp_path: Path) -> None:
        """`probe` says whether the device is there and leaves the adapter closed."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                assert (await bench.harness.adapter.probe()).ok
                await bench.harness.open()
                await bench.harness.close()

        asyncio.run(run())
