"""Claims about an adapter's life: opened, closed, lost and back, startup policies, nothing left behind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import get_args

from rt_edge.sdk.runner import Startup
from rt_edge.testkit.adapter_bench import AdapterBench, Benched, Held
from rt_edge.testkit.adapter_played import PlayedLife

CYCLES = 3
"""Openings and closings between which nothing may grow."""


class LifeClaims(Benched):
    """One claim a test."""

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
                await self.ask(bench, 1)
                await bench.harness.close()

        asyncio.run(run())

    def test_is_open_once_when_it_is_opened_twice(self, tmp_path: Path) -> None:
        """`open` of an open adapter changes nothing: a demand of one still gives one, and one `close` closes all."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                await self._live(bench)
                before = Held.now()
                await bench.harness.open()
                await bench.harness.open()
                await bench.produce(3)
                await self.ask(bench, 1)
                assert await bench.harness.quiet(self.quiet_s) == 0
                await bench.harness.close()
                await before.let_go(bench.device_tasks, self.gone_s)

        asyncio.run(run())

    def test_leaves_nothing_behind_when_it_is_closed(self, tmp_path: Path) -> None:
        """Over several lives no task, thread, socket or other descriptor is left, and a closed one is quiet.

        Who asks it gets nothing but what it has received before (a ring), and that within the call.
        """

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                await self._live(bench)  # the first brings what stays: modules, a shared connection
                before = Held.now()
                for _ in range(CYCLES):
                    await self._live(bench)
                await before.let_go(bench.device_tasks, self.gone_s)
                told, closed = len(bench.harness.emitted), bench.harness.context.clock.wall_ns()
                bench.harness.demand(1)
                assert all(one.received < closed for one in bench.harness.readings[told:])
                assert await bench.harness.quiet(self.quiet_s) == 0

        asyncio.run(run())

    async def _live(self, bench: AdapterBench) -> None:
        await bench.harness.open()
        await bench.produce(3)
        await self.ask(bench, 1)
        await bench.harness.close()

    def test_answers_a_probe_when_it_is_not_open(self, tmp_path: Path) -> None:
        """`probe` says whether the device is there, leaves the adapter closed and nothing behind."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                assert (await bench.harness.adapter.probe()).ok
                before = Held.now()
                assert (await bench.harness.adapter.probe()).ok
                await before.let_go(bench.device_tasks, self.gone_s)
                await bench.harness.open()
                await bench.harness.close()

        asyncio.run(run())

    def test_says_unavailable_once_and_once_when_it_is_back(self, tmp_path: Path) -> None:
        """A loss is one line at warning, its end one at info, however often it is tried in between."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench, PlayedLife(bench.harness) as life:
                at = await life.comes_to("open", self.patience)
                told = len(life.lines)
                if bench.can_vanish:
                    await bench.vanish()
                    at = await life.comes_to("waiting", self.patience, at)
                    at = await life.comes_to("waiting", self.patience, at)
                    await bench.appear()
                else:
                    await bench.cut()
                    at = await life.comes_to("waiting", self.patience, at)
                await life.comes_to("open", self.patience, at)
                lines = life.lines[told:]
                assert [level for level, _ in lines if level != "INFO"] == ["WARNING"], lines
                assert sum("connected again" in text for _, text in lines) == 1, lines

        asyncio.run(run())

    def test_follows_its_startup_policy_when_the_device_is_not_there(self, tmp_path: Path) -> None:
        """`fail` says so, `ignore` and `probe` leave it off, `retry` opens it when it comes; none leaves anything behind."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                if not bench.can_vanish:
                    return  # it is always there
                await bench.harness.open()
                await bench.harness.close()
                await bench.vanish()
                before = Held.now()
                ends: dict[Startup, str] = {"fail": "failed", "ignore": "off", "probe": "off"}
                for startup, end in ends.items():
                    async with PlayedLife(bench.harness, startup) as life:
                        await life.comes_to("off" if end == "off" else "failed", self.patience)
                        assert life.runner.error
                        assert bool(life.refusals) is (startup == "fail")
                await before.let_go(bench.device_tasks, self.gone_s)
                async with PlayedLife(bench.harness) as life:
                    at = await life.comes_to("waiting", self.patience)
                    await bench.appear()
                    await life.comes_to("open", self.patience, at)

        asyncio.run(run())

    def test_opens_whatever_its_startup_policy_when_the_device_is_there(self, tmp_path: Path) -> None:
        """Each of the four, without a complaint; and afterwards a demand is met."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                for startup in get_args(Startup):
                    async with PlayedLife(bench.harness, startup) as life:
                        await life.comes_to("open", self.patience)
                        assert not life.refusals
                        assert not life.runner.error
                await self._live(bench)

        asyncio.run(run())
