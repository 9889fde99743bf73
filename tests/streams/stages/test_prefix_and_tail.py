"""prefix_and_tail: contract and own cases."""

from __future__ import annotations

from typing import Any

from rt_edge.data.errors import StreamError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.engine import Engine
from rt_edge.streams.stages.flat_map_merge import FlatMapMerge
from rt_edge.streams.stages.prefix_and_tail import PrefixAndTail
from rt_edge.testkit.probes import SinkProbe, SourceProbe, StageBench
from rt_edge.testkit.stage_contract import Broken, StageContract
from rt_edge.testkit.virtual_clock import VirtualHost


class TestPrefixAndTail(StageContract):
    lossless = False  # the rest is nobody's here, and is cancelled after the timeout

    def make(self) -> PrefixAndTail:
        return PrefixAndTail(3)

    def test_completes_when_upstream_has_no_elements(self) -> None:
        """An empty prefix, and a rest without elements."""
        with StageBench(self.make()) as bench:
            bench.source.complete()
            bench.sink.expect_no_signal()
            bench.sink.request(1)
            assert bench.sink.received[0][0] == []
            assert bench.sink.completed


class Chain:
    """source > prefix_and_tail(2) > a flat_map that runs the rest > sink."""

    def __init__(self, function: Any) -> None:
        self.host = VirtualHost(seed=1)
        self.source, self.sink = SourceProbe(self.host.settle), SinkProbe(self.host.settle)
        blueprint = Blueprint()
        blueprint.add(self.source.stage, "source")
        blueprint.add(PrefixAndTail(2), "split")
        blueprint.add(FlatMapMerge(function), "rest")
        blueprint.add(self.sink.stage, "sink")
        for a, b in (("source", "split"), ("split", "rest"), ("rest", "sink")):
            blueprint.connect(a, b)
        self.engine = Engine(blueprint, self.host)
        self.host.attach(self.engine)
        self.engine.start()
        self.host.settle()

    def send(self, *items: Any) -> None:
        left = list(items)
        while left:
            n = self.source.expect_request()
            self.source.send(*left[:n])
            left = left[n:]


def scaled(pair: Any) -> Any:
    prefix, tail = pair
    return tail.map(lambda x: x * sum(prefix))


def test_rest_runs_in_a_stream_of_its_own() -> None:
    """The prefix is settled as dropped, the rest by what becomes of it; ends and demand go through."""
    chain = Chain(scaled)
    chain.sink.request(3)
    chain.send(2, 3, 10, 20, 30)
    chain.sink.expect_next(50, 100, 150)
    chain.source.expect_no_request()
    assert chain.source.outcomes.dropped("prefix") == [0, 1]
    assert chain.source.outcomes.stored() == [2, 3, 4]
    chain.sink.request(1)
    chain.send(1)
    chain.source.complete()
    chain.sink.expect_next(5)
    chain.sink.expect_complete()
    assert all(seat.stopped for seat in chain.engine.seats.values())


def test_failure_goes_through_when_upstream_fails_behind_the_prefix() -> None:
    """To the stream that runs the rest."""
    chain = Chain(scaled)
    chain.sink.request(3)
    chain.send(2, 3, 10)
    broken = Broken("upstream")
    chain.source.fail(broken)
    chain.sink.expect_next(50)
    assert chain.sink.expect_error() is broken


def test_upstream_is_cancelled_when_the_rest_is() -> None:
    """By `take` in front of it, or with all of the stream."""
    chain = Chain(lambda pair: pair[1].take(1))
    chain.sink.request(3)
    chain.send(2, 3, 10)
    chain.sink.expect_next(10)
    chain.source.expect_cancellation()
    chain = Chain(scaled)
    chain.sink.request(3)
    chain.send(2, 3, 10)
    chain.sink.cancel()
    chain.source.expect_cancellation()


def test_rest_is_empty_when_upstream_completes_within_the_prefix() -> None:
    """The prefix is what came."""
    chain = Chain(lambda pair: [len(pair[0])])
    chain.sink.request(3)
    chain.send(7)
    chain.source.complete()
    chain.sink.expect_next(1)
    chain.sink.expect_complete()
    chain.host.advance(10.0)
    assert all(seat.stopped for seat in chain.engine.seats.values())


def test_upstream_is_cancelled_when_the_rest_is_not_run_in_time() -> None:
    """With an error that says so."""
    with StageBench(PrefixAndTail(1, timeout=2.0)) as bench:
        bench.sink.request(1)
        bench.source.send(1)
        bench.sink.expect_next(bench.sink.received[0])
        bench.sink.expect_complete()
        bench.advance(1.9)
        assert not bench.source.cancelled
        bench.advance(0.2)
        assert "not run within 2 s" in str(bench.source.expect_cancellation())


def test_rest_fails_when_it_is_run_again() -> None:
    """It is one stream, for one reader."""
    from rt_edge.streams.dsl import Source

    chain = Chain(lambda pair: Source.from_iterable([pair[1], pair[1]]).flat_map_merge(lambda tail: tail, breadth=2))
    chain.sink.request(3)
    chain.send(2, 3)
    assert "runs once" in str(chain.sink.expect_error(StreamError))
