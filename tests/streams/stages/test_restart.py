"""restart_source, restart_flow, restart_sink: contract and own cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.dsl import Flow, Sink, Source
from rt_edge.streams.engine import Engine
from rt_edge.streams.ledger import Ledger
from rt_edge.streams.stage import OUT, Inlet, Outlet, Stage, StageLogic
from rt_edge.streams.stages._backoff import Backoff, Series
from rt_edge.streams.stages.restart_flow import RestartFlow
from rt_edge.streams.stages.restart_sink import RestartSink
from rt_edge.streams.stages.restart_source import RestartSource
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.sink_contract import SinkContract
from rt_edge.testkit.sink_contract_run import Came
from rt_edge.testkit.source_contract import FedSourceContract, SourceContract
from rt_edge.testkit.source_contract_feed import Feed
from rt_edge.testkit.stage_contract import Broken, StageContract
from rt_edge.testkit.virtual_clock import VirtualHost

FAST: dict[str, Any] = {"min_backoff": 1.0, "max_backoff": 4.0, "jitter": 0.0}


class TestRestartFlow(StageContract):
    def make(self) -> RestartFlow:
        return RestartFlow(flow=Flow().map(lambda x: x + 1).grouped(3))

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        items = [x + 1 for x in inputs[0]]
        return [[items[i : i + 3] for i in range(0, len(items), 3)]]


class TestRestartFlowThatEnds(StageContract):
    """A flow that completes after each five elements: none is lost between two runs."""

    def make(self) -> RestartFlow:
        return RestartFlow(flow=Flow().take(5), min_backoff=0.5, max_backoff=0.5)


class TestRestartSource(FedSourceContract):
    """One run, whose end is the end."""

    early_end = False
    lazy = False  # it begins with its run at once
    counts_errors = True

    def make(self, feed: Feed) -> RestartSource:
        return RestartSource(source=feed, only_failures=True, max_restarts=0, **FAST)


class TestRestartSourceWithReceipts(TestRestartSource):
    counts_errors = False  # they are those of the source in it
    none = "the stage in it is the test's"

    def make(self, feed: Feed) -> RestartSource:
        return RestartSource(source=feed.part, only_failures=True, max_restarts=0, **FAST)


class TestRestartSourceThatFails(SourceContract):
    """Each run gives three elements and fails; the list is the runs', one behind the other, without end."""

    ends = False
    period = 5.0

    def make(self, feed: Feed) -> RestartSource:
        return RestartSource(source=lambda: Feed([0, 1, 2], Broken("x"), tracked=False).part(), **FAST)

    def expected(self, items: list[Any]) -> list[Any]:
        return [n % 3 for n in range(len(items))]


class TestRestartSink(SinkContract):
    """Each run takes five elements and completes; the next one takes the next five."""

    ahead = 5
    tells = False
    got: list[Any]

    def make(self, done: Came) -> RestartSink:
        self.got = []
        return RestartSink(sink=lambda: Flow().take(5).to(Sink.foreach(self.got.append)), **FAST)

    def arrived(self) -> list[Any]:
        return self.got


class TestRestartSinkThatPauses(SinkContract):
    """Each run ends after half a second, whatever it was asking for: what comes meanwhile waits for the next one."""

    tells = False
    got: list[Any]

    def make(self, done: Came) -> RestartSink:
        self.got = []
        return RestartSink(sink=lambda: Flow().take_within(0.5).to(Sink.foreach(self.got.append)), **FAST)

    def arrived(self) -> list[Any]:
        return self.got


class TestRestartSinkThatEnds(SinkContract):
    """One run, whose end is the end."""

    ahead = 1
    tells = False

    def make(self, done: Came) -> RestartSink:
        return RestartSink(sink=Sink.head_option(), only_failures=True, **FAST)

    def taken(self, items: list[Any]) -> int:
        return 1


def test_wait_doubles_up_to_the_greatest_when_failures_follow_each_other() -> None:
    """Without jitter 1, 2, 4, 4; with full jitter anywhere below, with some jitter near it."""
    stage = RestartSource(source=[], **FAST)
    backoff = Backoff(stage)
    assert [backoff.next() for _ in range(5)] == [1.0, 2.0, 4.0, 4.0, 4.0]
    drawn = Backoff(RestartSource(source=[], min_backoff=4.0, max_backoff=4.0, seed=1))
    waits = [drawn.next() for _ in range(2000)]
    assert 0 <= min(waits) < 0.1
    assert 3.9 < max(waits) <= 4.0
    assert 1.9 < sum(waits) / len(waits) < 2.1
    narrow = Backoff(RestartSource(source=[], min_backoff=4.0, max_backoff=4.0, jitter=0.25, seed=1))
    assert all(3.0 <= narrow.next() <= 4.0 for _ in range(100))


def test_series_begins_anew_when_a_run_has_lasted() -> None:
    """max_restarts counts restarts in a series; a run longer than `within` ends the series."""
    series = Series(RestartSource(source=[], max_restarts=2, within=10.0, **FAST))
    broken = Broken("x")
    assert [series.wait(broken, 1.0), series.wait(broken, 2.0), series.wait(broken, 3.0)] == [1.0, 2.0, None]
    series.began = 10.0
    assert series.wait(broken, 20.0) == 1.0


@pytest.mark.parametrize("wrong", [{"min_backoff": 0}, {"max_backoff": 0.5}, {"jitter": 2}, {"max_restarts": -2}, {"within": -1}])
def test_settings_are_refused_when_they_make_no_sense(wrong: dict[str, Any]) -> None:
    """Waits of nothing, jitter above 1, fewer restarts than none."""
    with pytest.raises(ConfigError):
        RestartSource(source=[], **wrong)


def failing(*runs: Any) -> Callable[[], Source[Any]]:
    """A source that gives these lists, one a run; an error is raised at its place."""
    left = iter(runs)

    def step(x: Any) -> Any:
        if isinstance(x, BaseException):
            raise x
        return x

    return lambda: Source.from_iterable(next(left)).map(step)


def test_source_is_run_again_when_it_has_ended() -> None:
    """After a completion and after a failure, each time after a longer wait."""
    broken = Broken("x")
    with StageBench(RestartSource(source=failing([1, broken], [2], [3, 4, broken], []), **FAST)) as bench:
        bench.sink.request(100)
        bench.sink.expect_next(1)
        bench.advance(0.9)
        bench.sink.expect_no_signal()
        bench.advance(0.2)
        bench.sink.expect_next(2)
        bench.advance(2.0)
        bench.sink.expect_next(3, 4)
        bench.sink.expect_no_signal()
        assert bench.counters["restarts"] == 3


@pytest.mark.parametrize(
    ("settings", "ends", "error"),
    [
        ({"only_failures": True}, [[1]], False),
        ({"max_restarts": 0}, [[1, Broken("x")]], True),
        ({"max_restarts": 1}, [[1], []], False),
        ({"restart_on": lambda error: isinstance(error, KeyError)}, [[1, Broken("x")]], True),
    ],
)
def test_source_ends_when_it_is_not_to_be_run_again(settings: dict[str, Any], ends: Any, error: bool) -> None:
    """With its error, or without one."""
    with StageBench(RestartSource(source=failing(*ends), **settings, **FAST)) as bench:
        bench.sink.request(100)
        bench.advance(10.0)
        bench.sink.expect_next(1)
        if error:
            bench.sink.expect_error(Broken)
        else:
            bench.sink.expect_complete()


def test_source_is_tried_again_when_it_cannot_be_made() -> None:
    """What the function raises is a failure like any other."""
    answers = iter([Broken("not yet"), [1]])

    def make() -> Any:
        answer = next(answers)
        if isinstance(answer, Broken):
            raise answer
        return answer

    with StageBench(RestartSource(source=make, only_failures=True, **FAST)) as bench:
        bench.sink.request(1)
        bench.sink.expect_no_signal()
        bench.advance(1.0)
        bench.sink.expect_next(1)


def test_elements_fail_towards_their_origin_when_the_flow_does() -> None:
    """What was in the flow fails; what comes during the wait, is held for the next run."""
    flow = Flow().grouped(3).map(lambda group: [10 // x for x in group])
    with StageBench(RestartFlow(flow=flow, **FAST)) as bench:
        bench.sink.request(10)
        bench.source.send(1, 2)
        bench.source.send(0)
        assert bench.source.outcomes.failed() == [0, 1, 2]
        bench.sink.expect_no_signal()
        if bench.source.demand:
            bench.source.send(5)
        bench.sink.expect_no_signal()
        bench.advance(1.0)
        bench.source.send(*[5] * (3 - (len(bench.source.sent) - 3)))
        bench.sink.expect_next([2, 2, 2])
        bench.source.complete()
        bench.sink.expect_complete()


class _Origin(Stage, frozen=True):
    """Emits what a ledger says."""

    items: Any
    log: Any

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        return ()

    def create_logic(self) -> StageLogic:
        return _OriginLogic(self)


class _OriginLogic(StageLogic):
    def __init__(self, stage: _Origin) -> None:
        from rt_edge.data.receipt import Origin

        self._left = list(stage.items)
        self.ledger = Ledger(Origin("o", "1"), 1000, lambda n: self._again(), self._again, lambda *_: None)
        stage.log.append(self.ledger)

    def _again(self) -> None:
        self.ctx.soon(self._emit)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        self._emit()

    def _emit(self) -> None:
        wanted = self.demand(OUT)
        if not wanted:
            return
        chunk = self.ledger.retry(wanted)
        if chunk is None and self._left and not self.ledger.waiting:
            n = min(wanted, 16 - self.ledger.outstanding)
            chunk, self._left = self.ledger.emit(self._left[:n]), self._left[n:]
        if chunk is not None and len(chunk):
            self.push(OUT, chunk)


def test_nothing_is_lost_when_an_origin_emits_again_what_failed() -> None:
    """A flow that fails at each tenth call, in front of a ledger's source: each element arrives, none is given up."""
    calls = 0

    def flaky(x: int) -> int:
        nonlocal calls
        calls += 1
        if calls % 10 == 0:
            raise Broken("flaky")
        return x

    ledgers: list[Ledger] = []
    got: list[int] = []
    blueprint = Blueprint()
    source = blueprint.add(_Origin(list(range(500)), ledgers))
    flow = blueprint.add(RestartFlow(flow=Flow().buffer(8).map(flaky).buffer(8), **FAST))
    blueprint.connect(source, flow)
    sink = Sink.foreach(got.append)
    names = blueprint.absorb(sink.blueprint)
    blueprint.connect(flow, names[sink.inlet[0]])
    host = VirtualHost(seed=3)
    engine = Engine(blueprint, host)
    host.attach(engine)
    engine.start()
    host.advance(3600.0)
    (ledger,) = ledgers
    assert set(got) == set(range(500)), sorted(set(range(500)) - set(got))
    assert ledger.outstanding == 0
    assert ledger.dead == 0
    assert ledger.retried > 0
    engine.stop()


def test_sink_is_run_again_when_it_fails() -> None:
    """What it failed at fails towards the origin; the next run takes what comes then."""
    got: list[int] = []
    with StageBench(RestartSink(sink=lambda: Sink.foreach(lambda x: got.append(1 // x)), **FAST)) as bench:
        bench.source.send(1, 1)
        bench.source.send(0)
        assert bench.source.outcomes.failed() == [2]
        assert bench.source.outcomes.stored() == [0, 1]
        bench.advance(1.0)
        bench.source.send(1)
        assert got == [1, 1, 1]
        assert bench.counters["restarts"] == 1
        bench.source.complete()
    with StageBench(RestartSink(sink=Sink.foreach(lambda x: 1 // x), max_restarts=0, **FAST)) as bench:
        bench.source.send(0)
        assert isinstance(bench.source.expect_cancellation(), ZeroDivisionError)


def test_sink_is_run_again_when_it_was_written_as_steps() -> None:
    """Two elements a run; what comes during the wait goes into the next one."""
    with StageBench(RestartSink(steps=[{"take": 2}, "ignore"], **FAST)) as bench:
        bench.source.send(1, 2)
        assert bench.counters["restarts"] == 1
        assert len(bench.source.outcomes.by_mark) == 2
        bench.advance(1.0)
        bench.source.send(3)
        bench.source.complete()
        assert len(bench.source.outcomes.by_mark) == 3
        assert bench.counters["restarts"] == 1
    with pytest.raises(ConfigError, match="two ways to say one thing"):
        RestartSink(sink=Sink.ignore(), steps=["ignore"])
    with pytest.raises(ConfigError, match="sink: "):
        RestartSink(sink=Flow().take(2))


def test_stage_ends_during_a_wait_when_upstream_completes_or_downstream_cancels() -> None:
    """No timer holds it up."""
    with StageBench(RestartFlow(flow=Flow().map(lambda x: 1 // x), **FAST)) as bench:
        bench.sink.request(5)
        bench.source.send(0)
        bench.source.complete()
        bench.sink.expect_complete()
    with StageBench(RestartFlow(flow=Flow().map(lambda x: 1 // x), **FAST)) as bench:
        bench.sink.request(5)
        bench.source.send(0)
        bench.sink.cancel()
        bench.source.expect_cancellation()
    with StageBench(RestartSink(sink=Sink.foreach(lambda x: 1 // x), **FAST)) as bench:
        bench.source.send(0)
        bench.source.complete()
