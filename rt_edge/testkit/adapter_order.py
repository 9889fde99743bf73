"""Claims about what an adapter emits: each Reading once, those of a device in order, each acknowledged once, not too early."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rt_edge.testkit.adapter_bench import AdapterBench, Benched
from rt_edge.testkit.adapter_harness import Emitted
from rt_edge.testkit.waiting import until


def out_of_order(bench: AdapterBench, emitted: list[Emitted]) -> str:
    """The first two Readings of one device that are in the wrong order or the same, in words; empty if there are none.

    What the peer has marked as sent again comes behind what is younger, and is left out.
    """
    said: dict[str, Emitted] = {}
    seen: dict[tuple[object, ...], int] = {}
    for one in emitted:
        reading = one.reading
        same = (reading.source, reading.ts, reading.received, *sorted((k, repr(v)) for k, v in reading.fields.items()))
        if same in seen:
            return f"Reading {one.number} of {reading.source} is Reading {seen[same]} once more: {reading.fields}"
        seen[same] = one.number
        if one.redelivered:
            continue
        before, said[reading.source] = said.get(reading.source), one
        if before is None:
            continue
        if reading.received < before.reading.received:
            return f"Reading {one.number} of {reading.source} was received before Reading {before.number}"
        number, last = bench.number(reading), bench.number(before.reading)
        if number is not None and last is not None and number <= last:
            return f"{reading.source} said {number} after {last}: Reading {one.number}"
    return ""


class OrderClaims(Benched):
    """One claim a test."""

    def test_emits_each_reading_once_and_those_of_a_device_in_order(self, tmp_path: Path) -> None:
        """Asked for in steps, settled late, lost and opened again in between: nothing comes twice, nothing overtakes."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                harness = bench.harness
                await harness.open()
                for step in (1, 7, 2):
                    await bench.produce(step)
                    await self.ask(bench, step)
                await bench.produce(6)
                await self.ask(bench, 3)
                await harness.reopen()
                await bench.produce(4)
                await self.ask(bench, 4)
                assert not (wrong := out_of_order(bench, harness.emitted)), wrong
                await harness.close()

        asyncio.run(run())

    def test_acknowledges_each_once_and_not_before_it_is_settled(self, tmp_path: Path) -> None:
        """Receipts that come in steps, again, and older ones: the device sees as many acknowledgements, in order, none twice."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                harness = bench.harness
                if bench.acknowledged() is None:
                    return  # it acknowledges nothing, or nobody can look
                await harness.open()
                await bench.produce(6)
                harness.demand(6)
                await harness.received(6, self.patience)
                for through, known in ((0, 0), (2, 2), (2, 2), (1, 2), (5, 5), (6, 6), (6, 6)):
                    harness.settle(through)
                    await self._seen(bench, known)
                    await harness.quiet(self.quiet_s / 4)
                    seen = list(bench.acknowledged() or ())
                    assert len(seen) == known, f"{through} are settled, and the device has seen {seen}"
                    assert seen == sorted(set(seen)), f"not once each, in the order of arrival: {seen}"
                assert not harness.context.losses
                await harness.close()

        asyncio.run(run())

    async def _seen(self, bench: AdapterBench, known: int) -> None:
        """Return when the device has seen so many acknowledgements."""
        await until(lambda: len(bench.acknowledged() or ()) >= known, self.patience)
