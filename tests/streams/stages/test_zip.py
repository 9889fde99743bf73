"""zip: contract and own cases."""

from __future__ import annotations

from typing import Any

from rt_edge.data.receipt import Failed, Stored
from rt_edge.streams.stages.zip import Zip
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract


class TestZip(StageContract):
    def make(self) -> Zip:
        return Zip(3)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [list(zip(*inputs, strict=False))]


class TestZipSettledEarly(TestZip):
    def make(self) -> Zip:
        return Zip(3, settle="early")


def test_partners_share_the_outcome_when_they_are_one_tuple() -> None:
    """A tuple's outcome is that of each element in it."""
    with StageBench(Zip(2), keep=True) as bench:
        bench.sink.request(2)
        bench.sources[0].send("a", "b")
        bench.sources[1].send(1)
        bench.sources[1].send(2)
        bench.sink.expect_next(("a", 1), ("b", 2))
        bench.sink.held[0].fail(ValueError())
        bench.sink.held[1].settle()
        for source in bench.sources:
            assert [type(source.outcomes.by_mark[m]) for m in (0, 1)] == [Failed, Stored]


def test_unpaired_elements_are_dropped_when_an_inlet_completes() -> None:
    """What can find no partner any more is settled as dropped, and the other inlet is cancelled."""
    with StageBench(Zip(2)) as bench:
        bench.sink.request(9)
        bench.sources[0].send("a", "b", "c")
        bench.sources[1].send(1)
        bench.sources[1].complete()
        bench.sink.expect_next(("a", 1))
        bench.sink.expect_complete()
        assert bench.sources[0].outcomes.dropped("unpaired") == [1, 2]
        bench.sources[0].expect_cancellation()


def test_inlet_that_is_ahead_waits_when_its_partner_is_slow() -> None:
    """An inlet is asked for what is wanted, not for more while its elements wait."""
    with StageBench(Zip(2)) as bench:
        bench.sink.request(3)
        bench.sources[0].send(1, 2, 3)
        bench.sources[0].expect_no_request()
        bench.sources[1].expect_request(3)


def test_zip_completes_when_the_last_held_element_of_an_ended_inlet_is_paired() -> None:
    """An inlet that has ended with elements held ends the stage with the last of them."""
    with StageBench(Zip(2)) as bench:
        bench.sink.request(9)
        bench.sources[0].send("a", "b")
        bench.sources[0].complete()
        bench.sources[1].send(1)
        bench.sink.expect_next(("a", 1))
        bench.sink.expect_no_signal()
        bench.sources[1].send(2)
        bench.sink.expect_next(("b", 2))
        bench.sink.expect_complete()
        bench.sources[1].expect_cancellation()
