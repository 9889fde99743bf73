"""conflate: contract and own cases."""

from __future__ import annotations

import operator
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.stage import Hold
from rt_edge.streams.stages.conflate import Conflate
from rt_edge.streams.stages.conflate_with_seed import ConflateWithSeed
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import BAD, Broken, StageContract, raising


class TestConflate(StageContract):
    drops_again = "a later one of its source waits"
    eager = True
    lossless = False

    def make(self) -> Conflate:
        return Conflate()

    def item(self, n: int) -> Reading:
        return Reading(f"plc/{n % 3}", n, {"n": n})


class TestConflateWithAggregate(StageContract):
    eager = True
    lossless = False

    def make(self) -> Conflate:
        return Conflate(aggregate=operator.add)


@pytest.mark.parametrize(
    ("on_error", "out", "failed"), [("stop", [], [0, 1, 2, 3]), ("resume", [8], [2]), ("restart", [4], [0, 1, 2])]
)
def test_elements_fail_by_supervision_when_the_aggregate_raises(on_error: Any, out: list[int], failed: list[int]) -> None:
    """resume loses the guilty element, restart what was aggregated so far, stop all."""
    with StageBench(Conflate(aggregate=raising(operator.add), on_error=on_error)) as bench:
        bench.source.send(1, 3)
        bench.source.send(BAD, 4)
        bench.sink.request(1)
        assert bench.sink.received == out
        assert bench.source.outcomes.failed() == failed
        assert "tested: Broken" in str(bench.source.outcomes.errors()[-1])
        assert isinstance(bench.sink.error, Broken) == (on_error == "stop")
        assert bench.counters["errors"] == 1
        assert bench.counters.get("restarts", 0) == (on_error == "restart")


def test_latest_of_each_source_waits_when_nobody_asks() -> None:
    """Upstream never waits; what is replaced is settled as dropped and counted."""
    readings = [Reading(f"plc/{n % 2}", n, {"n": n}) for n in range(6)]
    with StageBench(Conflate()) as bench:
        bench.source.send(*readings[:4])
        bench.source.send(*readings[4:])
        assert bench.source.outcomes.dropped("conflated") == [0, 1, 2, 3]
        assert bench.counters["dropped_conflated"] == 4
        bench.sink.request(5)
        bench.sink.expect_next(readings[4], readings[5])
        bench.source.send(readings[0])
        bench.sink.expect_next(readings[0])


def test_oldest_waiting_source_is_dropped_when_there_are_too_many() -> None:
    """The number of waiting sources is bounded."""
    readings = [Reading(f"plc/{n}", n, {}) for n in range(5)]
    with StageBench(Conflate(max_sources=3)) as bench:
        bench.source.send(*readings)
        bench.sink.request(9)
        bench.sink.expect_next(*readings[2:])
        assert bench.source.outcomes.dropped("conflated") == [0, 1]


def test_last_element_goes_out_when_the_stream_is_taken_as_one() -> None:
    """`per: stream` keeps one element, whatever it is, and hands it on at the end."""
    with StageBench(Conflate(per="stream")) as bench:
        bench.source.send(1, 2, 3)
        bench.source.complete()
        bench.sink.request(1)
        bench.sink.expect_next(3)
        bench.sink.expect_complete()


def test_receipts_are_joined_when_elements_are_aggregated() -> None:
    """Nothing is dropped: the one element stands for all that went into it."""
    with StageBench(Conflate(aggregate=operator.add), keep=True) as bench:
        bench.source.send(1, 2)
        bench.source.send(3)
        bench.sink.request(1)
        bench.sink.expect_next(6)
        assert bench.source.outcomes.by_mark == {}
        bench.sink.settle_all()
        assert bench.source.outcomes.stored() == [0, 1, 2]


def test_no_bound_is_declared_when_elements_are_aggregated() -> None:
    """What became one waits with it: as many receipts as came while nobody asked."""
    assert Conflate(aggregate=lambda a, b: a + b).holds() == Hold(None, 0.0)
    assert ConflateWithSeed(seed=abs, aggregate=max).holds() == Hold(None, 0.0)
    assert Conflate(max_sources=7).holds() == Hold(7, 0.0)


def test_settings_are_refused_when_an_aggregate_is_named() -> None:
    """A configuration cannot name a function; the plain kind can be made."""
    with pytest.raises(ConfigError, match="function"):
        Conflate(aggregate="sum")
    assert Catalogue.built_in().check("conflate", {"per": "stream"}).stage == Conflate(per="stream")


def test_later_elements_follow_when_they_came_while_earlier_ones_went_out() -> None:
    """What arrives while the last release is still going out needs no demand of its own to be seen."""
    readings = [Reading(f"plc/{n}", n, {}) for n in range(3)]
    with StageBench(Conflate()) as bench:
        bench.source.send(*readings[:2])
        bench.sink.request(1)
        bench.sink.expect_next(readings[0])
        bench.source.send(readings[2])
        bench.sink.request(2)
        bench.sink.expect_next(readings[1], readings[2])


def test_a_gap_is_kept_in_its_place_when_readings_of_its_source_are_replaced() -> None:
    """Without it nobody would know that the device could not be read: it is neither replaced nor does it replace."""
    gap = gap_reading("a", "timeout", 2, 3)
    later = gap_reading("a", "timeout", 5, 6)
    readings = [
        Reading("a", 1, {"n": 1}),
        Reading("b", 1, {"n": 1}),
        gap,
        Reading("a", 4, {"n": 2}),
        later,
        Reading("a", 7, {"n": 3}),
    ]
    for chunks in ([readings], [[reading] for reading in readings]):
        with StageBench(Conflate()) as bench:
            for chunk in chunks:
                bench.source.send(*chunk)
            bench.sink.request(10)
            bench.sink.expect_next(readings[1], gap, later, readings[-1])
            assert bench.source.outcomes.dropped("conflated") == [0, 3]
