"""map_async and its relatives: contract under a virtual clock, and on a real loop what only that shows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError, StreamError
from rt_edge.streams.dsl import Sink, Source
from rt_edge.streams.host import AsyncioHost
from rt_edge.streams.stages._async import INSIDE
from rt_edge.streams.stages.map_async import MapAsync
from rt_edge.streams.stages.map_async_partitioned import MapAsyncPartitioned
from rt_edge.streams.stages.map_async_unordered import MapAsyncUnordered
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import BAD, Broken, SupervisionContract
from rt_edge.testkit.virtual_clock import Sleep


async def plus_one(n: int) -> int:
    """Longer for some than for others."""
    await Sleep(n * 7 % 5 / 10)
    if n == BAD:
        raise Broken("bad element")
    return n + 1


class TestMapAsync(SupervisionContract):
    residue_differs = "elements without a result are handed on raw"

    def make(self) -> MapAsync:
        return MapAsync(plus_one, parallelism=3)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[n + 1 for n in inputs[0]]]

    def make_failing(self, on_error: Any) -> MapAsync:
        return MapAsync(plus_one, on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: Any) -> list[Any] | None:
        return [n + 1 for n in inputs if n != BAD]


class TestMapAsyncUnordered(SupervisionContract):
    ordered = False

    def make(self) -> MapAsyncUnordered:
        return MapAsyncUnordered(plus_one, parallelism=3)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[n + 1 for n in inputs[0]]]

    def make_failing(self, on_error: Any) -> MapAsyncUnordered:
        return MapAsyncUnordered(plus_one, on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: Any) -> list[Any] | None:
        return None


class TestMapAsyncPartitioned(SupervisionContract):
    residue_differs = "elements without a result are handed on raw"

    def make(self) -> MapAsyncPartitioned:
        return MapAsyncPartitioned(lambda n: n % 2, plus_one, parallelism=3)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[n + 1 for n in inputs[0]]]

    def make_failing(self, on_error: Any) -> MapAsyncPartitioned:
        return MapAsyncPartitioned(lambda n: n % 2, plus_one, on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: Any) -> list[Any] | None:
        return [n + 1 for n in inputs if n != BAD]


def test_a_slow_element_holds_up_the_others_only_when_order_is_kept() -> None:
    """The first takes a second, the others none."""

    async def slow_first(n: int) -> int:
        await Sleep(1.0 if n == 0 else 0.0)
        return n

    for stage, early in ((MapAsync(slow_first), []), (MapAsyncUnordered(slow_first), [1, 2, 3])):
        with StageBench(stage) as bench:
            bench.sink.request(10)
            bench.source.send(0, 1, 2, 3)
            bench.sink.expect_next(*early)
            bench.sink.expect_no_next()
            bench.advance(1.0)
            bench.sink.expect_next(*(n for n in range(4) if n not in early))


def test_no_more_calls_are_under_way_than_allowed_and_a_bounded_number_of_elements_waits() -> None:
    """Three calls for twelve elements that were asked for; each return makes room for one more."""
    under_way = [0, 0]

    async def count(n: int) -> int:
        under_way[0] += 1
        under_way[1] = max(under_way)
        await Sleep(1.0)
        under_way[0] -= 1
        return n

    with StageBench(MapAsync(count, parallelism=3)) as bench:
        bench.sink.request(100)
        assert bench.source.demand == 12
        bench.source.send(*range(12))
        bench.source.expect_no_request()
        for _ in range(20):
            bench.advance(0.5)
            if bench.source.demand and len(bench.source.sent) < 24:
                bench.source.send(*range(min(bench.source.demand, 3)))
        assert under_way == [0, 3]


def test_calls_begin_at_once_when_elements_come_one_after_the_other_and_there_is_room() -> None:
    """Those under way keep nobody waiting as long as fewer than three are."""
    begun: list[int] = []

    async def note(n: int) -> int:
        begun.append(n)
        await Sleep(1.0)
        return n

    with StageBench(MapAsync(note, parallelism=3)) as bench:
        bench.sink.request(10)
        for n, seen in enumerate([[0], [0, 1], [0, 1, 2], [0, 1, 2]]):
            bench.source.send(n)
            bench.advance(0.1)
            assert begun == seen
        bench.advance(10)
        bench.sink.expect_next(0, 1, 2, 3)


def test_calls_go_on_when_downstream_wants_fewer_elements_than_there_is_room_for() -> None:
    """One wanted at a time, and each is asked for: what is kept back for larger chunks never keeps a stream waiting."""
    with StageBench(MapAsync(plus_one, parallelism=2)) as bench:
        for n in range(10):
            bench.sink.request(1)
            assert bench.source.demand == 1
            bench.source.send(n)
            bench.advance(1)
            bench.sink.expect_next(n + 1)


def test_more_is_asked_for_when_an_element_has_failed_and_others_have_gone_out() -> None:
    """One that is let pass holds up nothing, though all that was inside is done in one turn."""

    async def but_two(n: int) -> int:
        if n == 2:
            raise Broken("two")
        return n

    with StageBench(MapAsync(but_two, parallelism=1, on_error="resume")) as bench:
        bench.sink.request(100)
        bench.source.send(1, 2, 3, 4)
        bench.advance(1)
        bench.sink.expect_next(1, 3, 4)
        assert bench.source.demand == INSIDE


@pytest.mark.parametrize("order", [[3, 0, 1, 2], [0, 2, 1, 3], [1, 2, 0, 3], [2, 3, 0, 1], [3, 2, 1, 0]])
def test_elements_of_one_chunk_keep_their_receipts_when_they_are_done_in_any_order(order: list[int]) -> None:
    """Side by side or with gaps, from the front or from behind: each result goes out once, under the mark of its element."""

    async def in_turn(n: int) -> int:
        await Sleep(order.index(n) + 1.0)
        return n + 10

    with StageBench(MapAsyncUnordered(in_turn, parallelism=4)) as bench:
        bench.sink.request(10)
        bench.source.send(0, 1, 2, 3)
        bench.advance(2)
        bench.sink.expect_next(*(n + 10 for n in order[:2]))
        bench.advance(2)
        bench.sink.expect_next(*(n + 10 for n in order[2:]))
        assert sorted(bench.source.outcomes.stored()) == [0, 1, 2, 3]


def test_one_call_for_a_key_at_a_time_when_it_is_partitioned() -> None:
    """Even numbers and odd ones go side by side, each in order."""
    events: list[str] = []

    async def note(n: int) -> int:
        events.append(f"+{n}")
        await Sleep(1.0)
        events.append(f"-{n}")
        return n

    with StageBench(MapAsyncPartitioned(lambda n: n % 2, note, in_order=False)) as bench:
        bench.sink.request(10)
        bench.source.send(0, 2, 1, 4)
        bench.advance(10)
        assert events == ["+0", "+1", "-0", "+2", "-1", "-2", "+4", "-4"]
        bench.sink.expect_next(0, 1, 2, 4)


def test_calls_are_cancelled_when_downstream_cancels() -> None:
    """No task is left behind, and the coroutine hears of it."""
    heard: list[str] = []

    async def wait(n: int) -> int:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heard.append(f"cancelled {n}")
            raise
        return n

    async def run() -> list[Any]:
        before = asyncio.all_tasks()
        running = Source.from_iterable([1, 2, 3]).via(MapAsync(wait)).to(Sink.collect()).run(AsyncioHost())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running.stop()
        for task in asyncio.all_tasks() - before:
            await asyncio.wait([task], timeout=5)
        return [task for task in asyncio.all_tasks() - before if not task.done()]

    assert asyncio.run(run()) == []
    assert sorted(heard) == ["cancelled 1", "cancelled 2", "cancelled 3"]


def test_only_the_element_fails_when_what_it_waits_for_is_cancelled() -> None:
    """A cancelled future inside user code is that element's failure: the stage does not wait for ever, and is not torn down."""

    async def one_is_cancelled(n: int) -> int:
        if n == 2:
            future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            future.cancel()
            return await future
        return n

    stage = MapAsync(one_is_cancelled, on_error="resume")
    assert asyncio.run(Source.from_iterable([1, 2, 3]).via(stage).to(Sink.collect()).run_async()) == [1, 3]
    with pytest.raises(StreamError, match="cancelled"):
        asyncio.run(Source.from_iterable([1, 2, 3]).via(MapAsync(one_is_cancelled)).to(Sink.collect()).run_async())


def test_others_have_the_loop_when_no_call_ever_waits() -> None:
    """At most as many calls in a row as there are elements inside, though all of them return at once."""
    ticks = row = longest = 0

    async def at_once(n: int) -> int:
        nonlocal row, longest
        row += 1
        longest = max(longest, row)
        return n

    async def run() -> int:
        async def tick() -> None:
            nonlocal row, ticks
            while True:
                ticks, row = ticks + 1, 0
                await asyncio.sleep(0)

        beside = asyncio.create_task(tick())
        n: int = await Source.from_iterable(range(2000)).via(MapAsync(at_once, parallelism=25)).to(Sink.count()).run_async()
        beside.cancel()
        return n

    assert asyncio.run(run()) == 2000
    assert 0 < longest <= 2 * INSIDE * 25, "of what was there in a turn of the loop, and what came in it"
    assert ticks >= 2000 // (2 * INSIDE * 25)


def test_parallelism_of_none_is_refused() -> None:
    """At least one call."""
    with pytest.raises(ConfigError, match="parallelism is 0"):
        MapAsync(plus_one, parallelism=0)
