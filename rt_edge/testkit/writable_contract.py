"""WritableContract: what every adapter that writes must do, as tests, through the office that will carry out its commands.

class TestWrites(WritableContract):
    @asynccontextmanager
    async def bench(self, tmp_path):
        async with device() as d:
            yield MyBench(d, AdapterHarness(MyAdapter, settings(d.port), tmp_path))
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from random import Random
from typing import ClassVar

from rt_edge.commands.command import Command, Outcome
from rt_edge.commands.desk import DeskLimits
from rt_edge.commands.office import CommandOffice
from rt_edge.data.clock import SystemClock
from rt_edge.data.reading import Value
from rt_edge.sdk.adapter import DeviceAdapter, WriteResult
from rt_edge.testkit.adapter_bench import Held
from rt_edge.testkit.adapter_cut import cut, cuts
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.waiting import until


class WritableBench(ABC):
    """One adapter under test with the device it writes to.

    Args:
        harness: the adapter, not open.

    Attributes:
        point: a writable point. values: three that it takes, all different and none of them what it holds at first.
        refused: a value that it does not take.
        device_tasks: how the names of tasks begin that are a simulated device's, in the same loop.
    """

    device_tasks: ClassVar[tuple[str, ...]] = ()

    point: str
    values: tuple[Value, Value, Value]
    refused: Value

    def __init__(self, harness: AdapterHarness) -> None:
        self.harness = harness

    @abstractmethod
    def seen(self) -> Sequence[Value]:
        """The values that the device was told to take at the point, in order; looked at in the device, not in the adapter."""


class _Interrupted:
    """An adapter whose process dies in the middle of a write: before the first byte, or after the last.

    Args:
        adapter: does the reading, and the writing that gets through.
        arrives: whether the device gets the value.
    """

    def __init__(self, adapter: DeviceAdapter, arrives: bool) -> None:
        self._adapter, self._arrives = adapter, arrives
        self.dying = asyncio.Event()

    async def read(self, point: str) -> Value:
        return await self._adapter.read(point)

    async def write(self, point: str, value: Value, key: str) -> WriteResult:
        if self._arrives:
            await self._adapter.write(point, value, key)
        self.dying.set()
        never: asyncio.Future[WriteResult] = asyncio.get_running_loop().create_future()
        return await never


def _ends(bench: WritableBench, told: int, value: Value) -> bool:
    """Whether the device has seen more than `told` values, with `value` as the last."""
    seen = bench.seen()
    return len(seen) > told and seen[-1] == value


class WritableContract(ABC):
    """The contract, one claim a test. A command ends within `patience` seconds; a simulated device lets go within `gone_s`."""

    patience = 10.0
    gone_s = 2.0

    @abstractmethod
    def bench(self, tmp_path: Path) -> AbstractAsyncContextManager[WritableBench]:
        """A fresh bench, torn down at the end; `tmp_path` is the adapter's data directory."""

    def _office(self, bench: WritableBench, folder: Path, adapter: object | None) -> CommandOffice:
        harness = bench.harness
        capability = type(harness.adapter).capability(harness.settings)
        points = type(harness.adapter).points(harness.settings)
        office = CommandOffice("under-test", points, folder, SystemClock(), DeskLimits(at_once=capability.commands))
        office.start()
        office.connected(adapter)  # type: ignore[arg-type]  # what stands in for an adapter reads and writes, and no more
        return office

    async def _ended(self, office: CommandOffice, *commands: Command) -> list[Outcome]:
        """Give commands in this order; what became of them."""
        ends: list[asyncio.Future[Outcome]] = []
        for command in commands:
            end: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

            def tell(outcome: Outcome, end: asyncio.Future[Outcome] = end) -> None:
                if outcome.final and not end.done():
                    end.set_result(outcome)

            office.submit(command, tell)
            ends.append(end)
        async with asyncio.timeout(self.patience):
            return [await end for end in ends]

    def test_says_that_it_writes_when_a_point_is_writable(self, tmp_path: Path) -> None:
        """`points` has the point, `capability` says that it writes, both without a connection."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                harness = bench.harness
                assert type(harness.adapter).capability(harness.settings).writable
                assert type(harness.adapter).points(harness.settings)[bench.point].writable

        asyncio.run(run())

    def test_writes_in_order_when_commands_come_together(self, tmp_path: Path) -> None:
        """The device gets the values in the order of the commands; each is confirmed, or sent where nobody can say more."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                await bench.harness.open()
                office = self._office(bench, tmp_path / "c", bench.harness.adapter)
                commands = [Command(f"k{i}", bench.point, value) for i, value in enumerate(bench.values * 3)]
                ends = await self._ended(office, *commands)
                assert {end.state for end in ends} <= {"confirmed", "sent"}, ends
                assert list(bench.seen()) == list(bench.values * 3)
                await office.close()
                await bench.harness.close()

        asyncio.run(run())

    def test_reads_what_it_has_written_when_the_point_is_readable(self, tmp_path: Path) -> None:
        """`read` gives the value, and the next command knows it as the old one."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                await bench.harness.open()
                office = self._office(bench, tmp_path / "c", bench.harness.adapter)
                info = office.points[bench.point]
                await self._ended(office, Command("k0", bench.point, bench.values[0]))
                if info.readable:
                    assert info.same(await bench.harness.adapter.read(bench.point), bench.values[0])
                (end,) = await self._ended(office, Command("k1", bench.point, bench.values[1]))
                assert not info.readable or (end.old is not None and info.same(end.old, bench.values[0]))
                await office.close()
                await bench.harness.close()

        asyncio.run(run())

    def test_writes_once_when_a_key_comes_again(self, tmp_path: Path) -> None:
        """At the same time, later, after a restart: answered alike, not repeated; by the adapter itself, too."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                await bench.harness.open()
                command = Command("k", bench.point, bench.values[0])
                office = self._office(bench, tmp_path / "c", bench.harness.adapter)
                ends = [*await self._ended(office, command, command), *await self._ended(office, command)]
                await office.close()
                office = self._office(bench, tmp_path / "c", bench.harness.adapter)
                ends += await self._ended(office, command)
                await office.close()
                assert len({end.state for end in ends}) == 1
                await bench.harness.adapter.write(bench.point, bench.values[0], "k")
                assert list(bench.seen()) == [bench.values[0]]
                await bench.harness.close()

        asyncio.run(run())

    def test_sends_nothing_when_it_is_a_dry_run_or_refused(self, tmp_path: Path) -> None:
        """The words name the point: no such one (and the nearest), a value that it does not take."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                await bench.harness.open()
                office = self._office(bench, tmp_path / "c", bench.harness.adapter)
                dry, wrong, unknown = await self._ended(
                    office,
                    Command("k0", bench.point, bench.values[0], dry_run=True),
                    Command("k1", bench.point, bench.refused),
                    Command("k2", bench.point + "x", bench.values[0]),
                )
                assert dry.state == "accepted"
                assert (wrong.state, unknown.state) == ("refused", "refused")
                assert bench.point in wrong.message
                assert "there is no point" in unknown.message
                assert bench.point in unknown.message.partition("there is no point")[2].partition("x'")[2]
                assert not bench.seen()
                await office.close()
                await bench.harness.close()

        asyncio.run(run())

    def test_sends_nothing_when_the_time_of_a_command_is_over(self, tmp_path: Path) -> None:
        """A command that waited for the connection too long is not sent when it is there."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                office = self._office(bench, tmp_path / "c", None)
                (late,) = await self._ended(office, Command("k", bench.point, bench.values[0], expires_s=0.05))
                assert late.state == "expired"
                await bench.harness.open()
                office.connected(bench.harness.adapter)
                await self._ended(office, Command("k1", bench.point, bench.values[1]))
                assert list(bench.seen()) == [bench.values[1]]
                await office.close()
                await bench.harness.close()

        asyncio.run(run())

    def test_is_not_repeated_when_the_process_died_before_the_result(self, tmp_path: Path) -> None:
        """After a crash with the intent on the disk: read back, `confirmed` or `failed`; `unknown` if it cannot be read."""

        async def run(arrives: bool) -> None:
            folder = tmp_path / str(arrives)
            folder.mkdir()
            async with self.bench(folder) as bench:
                await bench.harness.open()
                dying = _Interrupted(bench.harness.adapter, arrives)
                command = Command("k", bench.point, bench.values[0])
                before = self._office(bench, folder / "c", dying)
                before.submit(command, lambda _outcome: None)
                async with asyncio.timeout(self.patience):
                    await dying.dying.wait()
                before.abandon()
                after = self._office(bench, folder / "c", bench.harness.adapter)
                (end,) = await self._ended(after, command)
                wanted = "unknown" if not after.points[bench.point].readable else "confirmed" if arrives else "failed"
                assert end.state == wanted, end
                assert list(bench.seen()) == [bench.values[0]][: int(arrives)]
                await after.close()
                await bench.harness.close()

        asyncio.run(run(arrives=True))
        asyncio.run(run(arrives=False))

    def test_goes_on_when_writing_or_reading_is_cancelled_half_way(self, tmp_path: Path) -> None:
        """Who has asked may go at any await: the next write and read are right, the order is kept, nothing is left behind."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                adapter, point = bench.harness.adapter, bench.point
                info = type(adapter).points(bench.harness.settings)[point]
                first, second, third = bench.values
                await adapter.open()
                assert (await adapter.write(point, first, "first")).status in ("confirmed", "sent")
                await adapter.close()
                before = Held.now()
                await adapter.open()
                random = Random(3)  # noqa: S311 - a schedule, not a secret
                told = 2  # values that the device has seen
                for at, turns in cuts(await cut(adapter.write(point, second, "uncut"), 0), random):
                    await cut(adapter.write(point, third, f"cut {at} {turns}"), at, turns)
                    async with asyncio.timeout(self.patience):
                        done = await adapter.write(point, second, f"after {at} {turns}")
                    assert done.status in ("confirmed", "sent"), f"after a write cut at {at}+{turns}: {done}"
                    await until(partial(_ends, bench, told, second), self.patience)
                    new = list(bench.seen())[told:]
                    assert new in ([second], [third, second]), f"a write of {third!r} cut at {at}+{turns}: the device saw {new}"
                    told += len(new)
                if info.readable:
                    for at, turns in cuts(await cut(adapter.read(point), 0), random):
                        await cut(adapter.read(point), at, turns)
                        async with asyncio.timeout(self.patience):
                            assert info.same(await adapter.read(point), second), f"after a read cut at {at}+{turns}"
                await adapter.close()
                await before.let_go(bench.device_tasks, self.gone_s)
                assert len(bench.seen()) == told, f"afterwards the device saw {list(bench.seen())[told:]}"

        asyncio.run(run())

    def test_answers_when_it_is_not_connected(self, tmp_path: Path) -> None:
        """`write` while closed is a result that says that nothing was done."""

        async def run() -> None:
            async with self.bench(tmp_path) as bench:
                result = await bench.harness.adapter.write(bench.point, bench.values[0], "k")
                assert result.status in ("failed", "refused")
                assert not bench.seen()

        asyncio.run(run())
