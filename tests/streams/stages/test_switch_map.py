"""switch_map: contract and own cases."""

from __future__ import annotations

from rt_edge.streams.dsl import Source
from rt_edge.streams.stages.switch_map import SwitchMap
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract


class TestSwitchMap(StageContract):
    eager = True
    lossless = False
    residue_differs = "what is left of a stream is dropped"

    def make(self) -> SwitchMap:
        return SwitchMap(lambda x: range(x % 20))


def test_later_stream_takes_the_place_when_an_element_comes() -> None:
    """The stream before is cancelled; what it gave stays given."""
    with StageBench(SwitchMap(lambda key: Source.tick(1.0, key))) as bench:
        bench.sink.request(10)
        bench.source.send("a")
        bench.advance(2.5)
        bench.sink.expect_next("a", "a")
        bench.source.send("b")
        bench.advance(3.5)
        bench.sink.expect_next("b", "b", "b")
        bench.sink.expect_no_next()
        assert bench.source.outcomes.stored() == [0]
        bench.source.complete()
        bench.sink.expect_no_signal()


def test_element_is_dropped_when_its_stream_gave_nothing_before_the_switch() -> None:
    """Settled as dropped for the reason `switched`, and counted."""
    with StageBench(SwitchMap(lambda x: Source.never() if x else [7])) as bench:
        bench.sink.request(10)
        bench.source.send(1)
        bench.source.send(2)
        bench.source.send(0)
        bench.sink.expect_next(7)
        assert bench.source.outcomes.dropped("switched") == [0, 1]
        assert bench.counters["dropped_switched"] == 2
        bench.source.complete()
        bench.sink.expect_complete()


def test_latest_stream_waits_when_nobody_asks() -> None:
    """Elements are taken without demand, so that the newest stream is the one that runs when demand comes."""
    with StageBench(SwitchMap(lambda x: [x, x])) as bench:
        for x in range(5):
            bench.source.send(x)
        bench.sink.request(2)
        bench.sink.expect_next(4, 4)
        assert bench.source.outcomes.dropped("switched") == [0, 1, 2, 3]
