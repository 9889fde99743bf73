"""Claims about cancellation: whatever an adapter does, a stop may come at any of its awaits, and nothing may be left of it.

`cut` is the tool: it runs a coroutine and cancels it where it waits for the n-th time, at once or some turns of the loop later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from rt_edge.testkit.adapter_bench import AdapterBench, Benched, Held

POINTS = 24
"""Most awaits of one call that are cut at; of a longer one so many are drawn, with the first and the last."""

LATE = 4
"""Cuts some turns after an await, drawn as well: then others of the loop have gone on meanwhile."""

TURNS = 30
"""Most turns of such a delay."""


class _Counted:
    """Passes on all that a coroutine waits for, counts it, and has its task cancelled at one of them.

    Args:
        work: the coroutine.
        at: which of its waits, from 1; 0: none.
        turns: of the loop, that the cancellation comes later.
    """

    def __init__(self, work: Coroutine[Any, Any, Any], at: int, turns: int) -> None:
        self._work, self._at, self._turns = work, at, turns
        self.awaits = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._work.__await__()
        step: Callable[[], Any] = partial(steps.send, None)
        while True:
            try:
                waits_for = step()
            except StopIteration as end:
                return end.value
            self.awaits += 1
            if self.awaits == self._at:
                self._strike(asyncio.current_task(), self._turns)
            try:
                step = partial(steps.send, (yield waits_for))
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is the coroutine's
                step = partial(steps.throw, error)

    def _strike(self, task: asyncio.Task[Any] | None, turns: int) -> None:
        assert task is not None
        if turns:
            asyncio.get_running_loop().call_soon(self._strike, task, turns - 1)
        else:
            task.cancel()


async def cut(work: Coroutine[Any, Any, Any], at: int, turns: int = 0) -> int:
    """Run a coroutine and cancel it where it waits for the `at`-th time; how often it has waited in all.

    Args:
        work: it may end by the cancellation, or as if nothing had been.
        at: from 1; 0: it is not cancelled.
        turns: of the loop, that the cancellation comes later.

    Raises:
        Exception: what the coroutine raised.
    """
    counted = _Counted(work, at, turns)

    async def run() -> None:
        await counted

    task = asyncio.create_task(run(), name=f"cut at {at}+{turns}")
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
    return counted.awaits


def cuts(awaits: int, random: Random) -> list[tuple[int, int]]:
    """Where a call with so many awaits is cut: (await, turns later)."""
    points = list(range(1, awaits + 1))
    if len(points) > POINTS:
        points = sorted({1, awaits, *random.sample(points, POINTS - 2)})
    late = [(random.randint(1, awaits), random.randint(1, TURNS)) for _ in range(LATE)] if awaits else []
    return [(point, 0) for point in points] + late


class CutClaims(Benched):
    """One claim a test. Each cuts at every await, and at some of them a few turns of the loop later (seeded)."""

    def test_leaves_nothing_behind_when_opening_is_cancelled_half_way(self, tmp_path: Path) -> None:
        """A stop may come at any await of `open`; after `close` nothing is left of it, and the next `open` works."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                adapter = bench.harness.adapter
                await adapter.open()
                await adapter.close()
                before = Held.now()
                awaits = await cut(adapter.open(), 0)
                await bench.harness.close()
                for at, turns in cuts(awaits, Random(0)):  # noqa: S311 - a schedule, not a secret
                    await cut(adapter.open(), at, turns)
                    await bench.harness.close()
                    await self._let_go(bench, before, "open", at, turns)
                await self._works(bench)

        asyncio.run(run())

    def test_is_closed_by_the_next_close_when_closing_is_cancelled_half_way(self, tmp_path: Path) -> None:
        """The runtime gives a `close` up that takes too long, and opens again later: what it left, the next `close` ends."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                adapter = bench.harness.adapter
                await self._works(bench)
                before = Held.now()
                random = Random(1)  # noqa: S311 - a schedule, not a secret
                await self._flowing(bench, random)
                awaits = await cut(adapter.close(), 0)
                for at, turns in cuts(awaits, random):
                    await self._flowing(bench, random)
                    await cut(adapter.close(), at, turns)
                    await bench.harness.close()
                    await self._let_go(bench, before, "close", at, turns)
                await self._flowing(bench, random)
                await cut(adapter.close(), 1)
                await self._works(bench)
                await self._let_go(bench, before, "close, and opened again", 1, 0)

        asyncio.run(run())

    def test_leaves_nothing_behind_when_a_probe_is_cancelled_half_way(self, tmp_path: Path) -> None:
        """Whoever asks may go; after `close` nothing is left of the probe, and the next one and `open` work."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                adapter = bench.harness.adapter
                assert (await adapter.probe()).ok
                before = Held.now()
                awaits = await cut(adapter.probe(), 0)
                for at, turns in cuts(awaits, Random(2)):  # noqa: S311 - a schedule, not a secret
                    await cut(adapter.probe(), at, turns)
                    await bench.harness.close()
                    await self._let_go(bench, before, "probe", at, turns)
                assert (await adapter.probe()).ok
                await self._works(bench)

        asyncio.run(run())

    async def _flowing(self, bench: AdapterBench, random: Random) -> None:
        """Open, with something on its way, or with everything done."""
        await bench.harness.open()
        await bench.produce(2)
        if random.random() < 0.5:
            await self.ask(bench, 1)
        else:
            bench.harness.demand(1)
            await asyncio.sleep(0)

    async def _works(self, bench: AdapterBench) -> None:
        await bench.harness.open()
        await bench.produce(3)
        await self.ask(bench, 1)
        await bench.harness.close()

    async def _let_go(self, bench: AdapterBench, before: Held, what: str, at: int, turns: int) -> None:
        try:
            await before.let_go(bench.device_tasks, self.gone_s)
        except AssertionError as error:
            later = f" and {turns} turns" if turns else ""
            raise AssertionError(f"{what}, cancelled at its await {at}{later}: {error}") from None
