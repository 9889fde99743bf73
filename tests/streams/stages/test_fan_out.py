"""unzip, wire_tap and coupled: contracts and own cases."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.receipt import Failed, Stored
from rt_edge.streams.dsl import Flow, Sink, Source
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages.balance import Balance
from rt_edge.streams.stages.broadcast import Broadcast
from rt_edge.streams.stages.coupled import Coupled
from rt_edge.streams.stages.merge import Merge
from rt_edge.streams.stages.partition import Partition
from rt_edge.streams.stages.route_by_key import RouteByKey
from rt_edge.streams.stages.route_round_robin import RouteRoundRobin
from rt_edge.streams.stages.route_where import RouteWhere
from rt_edge.streams.stages.unzip import Unzip
from rt_edge.streams.stages.wire_tap import WireTap
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import Broken, StageContract


class TestUnzip(StageContract):
    def make(self) -> Unzip:
        return Unzip(count=3)

    def item(self, n: int) -> Any:
        return (n, -n, str(n))

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[item[i] for item in inputs[0]] for i in range(3)]


class TestWireTap(StageContract):
    lossless = False  # a tap that does not ask gets nothing

    def make(self) -> WireTap:
        return WireTap()


class TestWireTapWithoutTaps(StageContract):
    def make(self) -> WireTap:
        return WireTap(count=1)


class TestCoupled(StageContract):
    lossless = False  # the longer of the two is cut off

    def make(self) -> Coupled:
        return Coupled()


@pytest.mark.parametrize(("on_error", "failed", "first"), [("stop", [1, 2, 3, 4], [1]), ("resume", [1, 2, 3], [1, 6])])
def test_element_fails_when_it_cannot_be_taken_apart(on_error: Any, failed: list[int], first: list[int]) -> None:
    """Another length, no length, None in it."""
    with StageBench(Unzip(on_error=on_error)) as bench:
        for sink in bench.sinks:
            sink.request(9)
        bench.source.send((1, 2), (3, None), 4, (5,), (6, 7))
        assert bench.source.outcomes.failed() == failed
        assert bench.sinks[0].received == first
        assert bench.source.ended == (on_error == "stop")


def test_tuple_is_stored_when_all_its_parts_are() -> None:
    """One part that fails fails it; a branch that has cancelled has no say."""
    with StageBench(Unzip(), keep=True) as bench:
        for sink in bench.sinks:
            sink.request(9)
        bench.source.send((1, "a"))
        bench.source.send((2, "b"))
        bench.sinks[0].settle_all()
        assert bench.source.outcomes.by_mark == {}
        bench.sinks[1].held[0].settle()
        bench.sinks[1].held[1].fail(ValueError())
        assert [type(bench.source.outcomes.by_mark[n]) for n in range(2)] == [Stored, Failed]
        bench.sinks[1].cancel()
        bench.source.send((3, "c"))
        bench.sinks[0].settle_all()
        assert bench.sinks[0].received == [1, 2, 3]
        assert bench.source.outcomes.stored() == [0, 2]


def test_stream_is_not_held_up_when_the_tap_is_slow() -> None:
    """The tap gets what it had asked for; the rest is counted."""
    with StageBench(WireTap()) as bench:
        main, tap = bench.sinks
        bench.source.expect_no_request()
        tap.request(2)
        bench.source.expect_no_request()
        main.request(9)
        bench.source.send(1, 2, 3)
        bench.source.send(4)
        tap.request(1)
        bench.source.send(5)
        assert main.received == [1, 2, 3, 4, 5]
        assert tap.received == [1, 2, 5]
        assert bench.counters["dropped_tap"] == 2


def test_outcome_is_that_of_the_stream_when_it_is_tapped() -> None:
    """What a tap does with its elements changes nothing; a tap that cancels is left out and not counted."""
    with StageBench(WireTap(), keep=True) as bench:
        main, tap = bench.sinks
        for sink in bench.sinks:
            sink.request(9)
        bench.source.send(1)
        tap.held[0].fail(ValueError())
        main.settle_all()
        assert bench.source.outcomes.stored() == [0]
        tap.cancel(Broken())
        bench.source.send(2)
        main.expect_next(1, 2)
        assert "dropped_tap" not in bench.counters
        main.cancel()
        assert bench.source.expect_cancellation() is None


def test_demand_is_handed_on_when_streams_are_coupled() -> None:
    """That of each outlet to its own inlet, and no more."""
    with StageBench(Coupled()) as bench:
        bench.sinks[1].request(2)
        bench.sources[0].expect_no_request()
        bench.sources[1].expect_request(2)
        bench.sources[1].send("a")
        bench.sinks[1].expect_next("a")
        bench.sources[1].expect_request(1)


@pytest.mark.parametrize("end", ["complete", "fail", "cancel"])
@pytest.mark.parametrize("side", [0, 1])
def test_other_stream_ends_when_one_does(side: int, end: str) -> None:
    """In the same way: completed, failed, cancelled; what waits at an outlet is still delivered."""
    error = Broken()
    with StageBench(Coupled()) as bench:
        source, sink, other = bench.sources[side], bench.sinks[side], bench.sinks[1 - side]
        other.request(1)
        bench.sources[1 - side].send("last")
        if end == "complete":
            source.complete()
            assert sink.completed
            assert other.completed
            assert bench.sources[1 - side].expect_cancellation() is None
        elif end == "fail":
            source.fail(error)
            assert other.error is sink.error is error
            assert bench.sources[1 - side].expect_cancellation() is error
        else:
            sink.cancel(error)
            assert other.completed
            assert [one.expect_cancellation() for one in bench.sources] == [error, error]
        assert other.received == ["last"]


DIVIDERS: dict[str, Callable[[bool], Stage]] = {
    "broadcast": lambda eager: Broadcast(count=3, eager_cancel=eager),
    "balance": lambda eager: Balance(count=3, eager_cancel=eager),
    "partition": lambda eager: Partition(by=int, count=3, eager_cancel=eager),
    "route_where": lambda eager: RouteWhere([bool, bool, bool], eager_cancel=eager),
    "route_round_robin": lambda eager: RouteRoundRobin(count=3, eager_cancel=eager),
    "route_by_key": lambda eager: RouteByKey(key=int, count=3, eager_cancel=eager),
    "unzip": lambda eager: Unzip(count=3, eager_cancel=eager),
}


@pytest.mark.parametrize("name", DIVIDERS)
def test_other_branches_end_in_the_same_way_when_one_that_counts_has_failed(name: str) -> None:
    """Under `eager_cancel` a plain cancel completes them and an error fails them, so that no half result looks whole; without,
    they go on until the last has cancelled."""
    for cause in (None, Broken()):
        with StageBench(DIVIDERS[name](True)) as bench:
            for sink in bench.sinks:
                sink.request(9)
            bench.sinks[1].cancel(cause)
            assert bench.source.expect_cancellation() is cause
            for other in (bench.sinks[0], bench.sinks[2]):
                assert other.completed == (cause is None)
                assert other.error is cause
        with StageBench(DIVIDERS[name](False)) as bench:
            for sink in bench.sinks[1:]:
                sink.cancel(cause)
            assert not bench.source.ended
            assert not bench.sinks[0].completed
            assert bench.sinks[0].error is None
            bench.sinks[0].cancel(cause)
            assert bench.source.expect_cancellation() is cause


def beside(eager_cancel: bool | None = None) -> dict[str, Callable[[Source[int], Sink[int]], Source[int]]]:
    """The operators that give a sink elements beside the stream."""
    more: Any = {} if eager_cancel is None else {"eager_cancel": eager_cancel}
    return {
        "also_to": lambda source, sink: source.also_to(sink, **more),
        "also_to_all": lambda source, sink: source.also_to_all(sink, Sink.ignore(), **more),
        "divert_to": lambda source, sink: source.divert_to(lambda n: n % 2, sink, **more),
    }


@pytest.mark.parametrize("name", beside())
def test_stream_ends_when_the_sink_beside_it_does(name: str) -> None:
    """As Pekko's: whichever of the two cancels ends both, and a sink that fails fails the stream; or neither, if told so."""
    numbers, head = Source.range(0, 5000), Flow().take(2).to(Sink.collect(name="beside"))
    ended = run(beside()[name](numbers, head).to(Sink.count(name="stream")))
    assert len(ended["beside"]) == 2
    assert ended["stream"] < 5000
    seen: list[int] = []
    run(beside()[name](Source.repeat(1).merge(Source.repeat(2)), Sink.foreach(seen.append)).take(3).to(Sink.ignore()))
    ended = run(beside(False)[name](numbers, head).to(Sink.count(name="stream")))
    assert ended["stream"] == (2500 if name == "divert_to" else 5000)
    failing = beside()[name](Source.range(0, 5000), Flow().map(lambda n: 1 // (n - 3)).to(Sink.ignore()))
    with pytest.raises(ZeroDivisionError):
        run(failing.to(Sink.count(name="stream")))


def run(graph: Any) -> Any:
    return asyncio.run(graph.run_async())


def test_parts_arrive_when_methods_divide_a_stream() -> None:
    """unzip, unzip_with, also_to_all, divert_to and wire_tap of sources and of flows."""
    numbers = Source.range(0, 6)
    a, b = Sink.collect(name="a"), Sink.collect(name="b")
    assert run(numbers.map(lambda n: (n, str(n))).unzip(a, b)) == {"a": [0, 1, 2, 3, 4, 5], "b": list("012345")}
    assert run(numbers.to(Flow().unzip_with(lambda n: (n, -n), a, b)))["b"] == [0, -1, -2, -3, -4, -5]
    c = Sink.collect(name="c")
    assert run(numbers.also_to_all(a, b).to(c)) == {name: [0, 1, 2, 3, 4, 5] for name in "abc"}
    for odd in (lambda n: n % 2, lambda n: n % 2 == 1):
        assert run(numbers.divert_to(odd, a).to(b)) == {"a": [1, 3, 5], "b": [0, 2, 4]}
    assert run(numbers.to(Flow().map(lambda n: n).divert_to(lambda n: n > 3, a).to(b))) == {"a": [4, 5], "b": [0, 1, 2, 3]}
    tapped = run(numbers.wire_tap(a, b).to(c))
    assert tapped["c"] == [0, 1, 2, 3, 4, 5]
    assert tapped["a"] == tapped["b"] == [0, 1, 2, 3, 4, 5]
    assert run(numbers.to(Flow().wire_tap(a).to(c)))["c"] == [0, 1, 2, 3, 4, 5]


def test_streams_are_combined_when_strategies_are_given() -> None:
    """Sources by a fan-in, sinks by a fan-out; any stage of so many ports."""
    sources = [Source.range(0, 3), Source.range(3, 5), Source.single(5)]
    assert sorted(run(Source.combine(*sources).to(Sink.collect()))) == [0, 1, 2, 3, 4, 5]
    eager = Source.combine(*sources, into=lambda n: Merge(count=n, eager_complete=True))
    assert len(run(eager.to(Sink.collect()))) <= 6
    assert run(Source.range(0, 3).to(Sink.combine(Sink.count(name="n"), Sink.last(name="l")))) == {"n": 3, "l": 2}
    for make in (Source.combine, Sink.combine):
        with pytest.raises(ConfigError, match="at least one"):
            make()


def test_flow_is_a_sink_and_a_source_when_it_is_made_of_them() -> None:
    """The two know nothing of each other, or end together."""
    taken: list[int] = []
    flow = Flow.from_sink_and_source(Sink.foreach(taken.append), Source.range(10, 13))
    assert run(Source.range(0, 3).via(flow).to(Sink.collect(name="out")))["out"] == [10, 11, 12]
    assert taken == [0, 1, 2]
    flow = Flow.from_sink_and_source_coupled(Sink.ignore(), Source.never())
    assert run(Source.range(0, 3).via(flow).to(Sink.collect(name="out")))["out"] == []


def test_both_ends_are_changed_when_a_flow_is_mapped() -> None:
    """contramap in front of it, dimap on both sides."""
    flow: Flow[int, int] = Flow().map(lambda n: n + 1)
    assert run(Source.from_iterable(["1", "2"]).via(flow.contramap(int)).to(Sink.collect())) == [2, 3]
    assert run(Source.from_iterable(["1", "2"]).via(flow.dimap(int, str)).to(Sink.collect())) == ["2", "3"]
