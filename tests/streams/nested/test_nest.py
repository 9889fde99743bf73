"""Streams inside a stage: turns, bounds, ends, receipts."""

from __future__ import annotations

import asyncio
import inspect
from itertools import count
from typing import Any

import pytest

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import StreamError
from rt_edge.streams.dsl import Flow, Sink, Source
from rt_edge.streams.nested import NestingLogic, PipeLogic, flow_part, sink_part, source_part
from rt_edge.streams.nested import nest as nests
from rt_edge.streams.nested.nest import LINGERING, MAX_DEPTH
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Stage, StageLogic
from rt_edge.streams.stages.flat_map_merge import FlatMapMerge
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract
from rt_edge.testkit.virtual_clock import Sleep


class Pipe(Stage, frozen=True):
    """Runs a flow."""

    flow: Any

    def create_logic(self) -> StageLogic:
        return _Pipe(self)


class _Pipe(PipeLogic):
    def __init__(self, stage: Pipe) -> None:
        self._stage = stage

    def on_start(self) -> None:
        super().on_start()
        part = flow_part(self._stage.flow)
        assert part is not None
        self.begin(part)


class TestPipe(StageContract):
    """A flow in a stage keeps the contract as it does alone."""

    def make(self) -> Stage:
        return Pipe(Flow().map(lambda x: x + 1).filter(lambda x: x % 5))

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[x + 1 for x in inputs[0] if (x + 1) % 5]]


class TestPipeOfHoldingStages(StageContract):
    """What is taken out of a nested fold or group is what it would have emitted on completion."""

    def make(self) -> Stage:
        return Pipe(Flow().grouped(7).map_concat(lambda group: [sum(group), len(group)]))

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        groups = [inputs[0][i : i + 7] for i in range(0, len(inputs[0]), 7)]
        return [[x for group in groups for x in (sum(group), len(group))]]

    residue_differs = "map_concat hands on what it has not expanded raw"


class TestPipeOfPipes(StageContract):
    """A flow in a flow in a flow."""

    def make(self) -> Stage:
        inner = Pipe(Flow(Pipe(Flow().grouped(3))))
        return Pipe(Flow(inner))

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[inputs[0][i : i + 3] for i in range(0, len(inputs[0]), 3)]]


@pytest.mark.parametrize("visits", [1, 3])
def test_nothing_changes_when_turns_are_short(visits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However a nest's turns are cut, what comes out is the same."""
    monkeypatch.setattr(nests, "TURN_VISITS", visits)
    monkeypatch.setattr(nests, "SLICE", visits)
    with StageBench(FlatMapMerge(lambda x: Source.from_iterable(range(x)).map(lambda y: (x, y)))) as bench:
        bench.sink.request(10_000)
        bench.feed(list(range(20)))
        bench.source.complete()
        bench.sink.expect_next(*[(x, y) for x in range(20) for y in range(x)])
        bench.sink.expect_complete()


def test_host_gets_the_thread_back_when_a_substream_never_rests() -> None:
    """A substream without end under unbounded demand takes turns with everything else on the loop."""

    async def run() -> int:
        seen = 0

        def note(x: int) -> bool:
            nonlocal seen
            seen += 1
            return False  # so that nothing comes out, and nobody outside has a say in its pace

        endless = Source.single(1).via(FlatMapMerge(lambda _: Source.from_iterable(count()).filter(note)))
        task = asyncio.ensure_future(endless.to(Sink.ignore()).run_async())
        turns = 0
        while not seen or turns < 20:
            turns += 1
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return seen

    assert asyncio.run(run()) > 0


def test_stack_does_not_grow_when_streams_are_nested() -> None:
    """User code in the innermost of many nested streams runs as near to the bottom of the stack as in the outermost."""
    depths: list[int] = []

    def note(x: int) -> int:
        depths.append(len(inspect.stack(0)))
        return x

    def nested(levels: int) -> Source[int]:
        if not levels:
            return Source.single(0).map(note)
        return Source.single(levels).via(FlatMapMerge(lambda _: nested(levels - 1)))

    for levels in (1, MAX_DEPTH - 1):
        with StageBench(FlatMapMerge(lambda _, n=levels: nested(n - 1))) as bench:
            bench.sink.request(1)
            bench.source.send("x")
            bench.sink.expect_next(0)
    assert depths[0] == depths[1]


def test_stream_fails_when_it_is_nested_without_end() -> None:
    """A stream that nests itself ends with an error that says so, not with a full stack."""

    def again(x: int) -> Source[int]:
        return Source.single(x).via(FlatMapMerge(again))

    with StageBench(FlatMapMerge(again)) as bench:
        bench.sink.request(1)
        bench.source.send(0)
        assert "nested more than 32 deep" in str(bench.sink.expect_error(StreamError))


class _Timed(StageLogic):
    def __init__(self, log: list[str]) -> None:
        self._log = log

    def on_start(self) -> None:
        self.ctx.every(1.0, "tick")
        self.ctx.spawn(self._work(), lambda *_: self._log.append("task done"))

    async def _work(self) -> None:
        try:
            await Sleep(10.0)
        finally:
            self._log.append("task over")

    def on_timer(self, key: object) -> None:
        self._log.append("tick")

    def on_pull(self, outlet: Outlet, n: int) -> None:
        pass

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        raise AssertionError

    def on_stop(self, error: BaseException | None) -> None:
        self._log.append(f"stop {error!r}")


class Timed(Stage, frozen=True):
    log: list[str]

    def create_logic(self) -> StageLogic:
        return _Timed(self.log)


@pytest.mark.parametrize("how", ["cancel", "fail", "stop"])
def test_timers_and_tasks_die_when_the_stage_ends(how: str) -> None:
    """However the parent ends, nothing of its substreams runs on."""
    log: list[str] = []
    broken = StreamError("over")
    with StageBench(Pipe(Flow(Timed(log)))) as bench:
        bench.advance(2.5)
        assert log == ["tick", "tick"]
        if how == "cancel":
            bench.sink.cancel()
        elif how == "fail":
            bench.source.fail(broken)
        else:
            bench.engine.stop(broken)
        bench.advance(100.0)
    assert log == ["tick", "tick", f"stop {None if how == 'cancel' else broken!r}", "task over"]


def test_work_outside_finishes_when_nothing_ends() -> None:
    """Timers and tasks of substreams run as those of any stage."""
    log: list[str] = []
    with StageBench(Pipe(Flow(Timed(log)))) as bench:
        bench.advance(10.5)
        assert log == ["tick"] * 9 + ["task over", "task done", "tick"]


def test_failures_inside_are_counted_and_named_when_a_nested_stage_has_them() -> None:
    """Counters of nested stages are the parent's; their errors name `parent/node`."""
    with StageBench(Pipe(Flow().map(lambda x: 1 // x, on_error="resume").filter(lambda x: x > 0))) as bench:
        bench.sink.request(9)
        bench.source.send(1, 0, 2)
        bench.sink.expect_next(1)
        assert bench.source.outcomes.failed() == [1]
        assert "tested/map: ZeroDivisionError" in str(bench.source.outcomes.errors()[0])
        assert (bench.counters["errors"], bench.counters["dropped_filtered"]) == (1, 1)


def test_error_of_upstream_reaches_the_flow_when_it_can_handle_it() -> None:
    """The nested flow sees the failure as its own upstream's."""
    seen: list[BaseException] = []

    class Logic(StageLogic):
        def on_pull(self, outlet: Outlet, n: int) -> None:
            self.request(IN, n)

        def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
            self.push(OUT, chunk)

        def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
            seen.append(error)
            self.complete_stage()

    class Handles(Stage, frozen=True):
        def create_logic(self) -> StageLogic:
            return Logic()

    broken = StreamError("upstream")
    with StageBench(Pipe(Flow(Handles()))) as bench:
        bench.sink.request(1)
        bench.source.fail(broken)
        bench.sink.expect_complete()
    assert seen == [broken]


class _Starter(NestingLogic):
    ended = 0

    def __init__(self, stage: Any) -> None:
        pass

    def ask(self) -> None:
        pass

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        for item in chunk.items:
            self.nest.start(item).request(1)
        chunk.settle()

    def on_start(self) -> None:
        super().on_start()
        self.request(IN, 10_000)

    def sub_ended(self, sub: Any, error: BaseException | None) -> None:
        self.ended += 1


class Starter(Stage, frozen=True):
    def create_logic(self) -> StageLogic:
        return _Starter(self)


def test_branches_that_run_on_are_bounded_when_their_substreams_have_ended() -> None:
    """A substream has ended with its outlet; so many of those with a branch that still runs are kept, and no more."""

    class Stubborn(_Timed):
        def on_start(self) -> None:
            super().on_start()
            self.request(IN, 10)

        def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
            chunk.settle()

        def on_upstream_finish(self, inlet: Inlet) -> None:
            pass

    class Branch(Timed, frozen=True):
        def create_logic(self) -> StageLogic:
            return Stubborn(self.log)

    log: list[str] = []
    part = Source.single(1).also_to(Flow(Branch(log)).buffer(1).to(Sink.ignore())).blueprint
    with StageBench(Starter(), tracked=False) as bench:
        logic = bench.logic
        assert isinstance(logic, _Starter)
        for _ in range(2):
            bench.source.send(*[part] * LINGERING)
        assert logic.ended == 2 * LINGERING
        log.clear()
        bench.advance(1.0)
        assert log == ["tick"] * LINGERING


def test_sink_says_when_it_has_ended() -> None:
    """A nested sink ends when all of it has stopped."""
    done: list[Any] = []

    class Logic(NestingLogic):
        def __init__(self, stage: Any) -> None:
            pass

        def on_start(self) -> None:
            super().on_start()
            self.sub = self.nest.start(sink_part(Sink.foreach(done.append)), inlets=1, outlets=0)

        def sub_pulled(self, sub: Any) -> None:
            self.request(IN, sub.wanted)

        def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
            assert self.sub.send(chunk)

        def on_upstream_finish(self, inlet: Inlet) -> None:
            self.sub.finish()

        def sub_ended(self, sub: Any, error: BaseException | None) -> None:
            done.append(error)
            self.finish()

    class Into(Stage, frozen=True):
        def create_logic(self) -> StageLogic:
            return Logic(self)

    with StageBench(Into()) as bench:
        bench.source.send(1, 2)
        bench.source.complete()
        bench.sink.expect_complete()
    assert done == [1, 2, None]


def test_parts_are_refused_when_they_have_other_ports() -> None:
    """A flow is no source, a sink no flow, a number nothing."""
    for wrong, make in ((Flow().map(str), source_part), (Sink.ignore(), flow_part), (7, sink_part), (7, source_part)):
        with pytest.raises(TypeError):
            make(wrong)
    assert flow_part(Flow()) is None
