"""broadcast: contract and own cases."""

from __future__ import annotations

from typing import Any

from rt_edge.data.receipt import Failed, Stored
from rt_edge.streams.stages.broadcast import Broadcast
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract


class TestBroadcast(StageContract):
    def make(self) -> Broadcast:
        return Broadcast(3)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return inputs * 3


def test_slowest_branch_sets_the_pace_when_demands_differ() -> None:
    """Upstream is asked for what every branch has asked for."""
    with StageBench(Broadcast(2)) as bench:
        bench.sinks[0].request(10)
        bench.source.expect_no_request()
        bench.sinks[1].request(3)
        bench.source.send(1, 2, 3)
        bench.source.expect_no_request()
        for sink in bench.sinks:
            sink.expect_next(1, 2, 3)


def test_element_is_settled_when_all_branches_settled_it() -> None:
    """The worst outcome of the branches wins."""
    with StageBench(Broadcast(2), keep=True) as bench:
        for sink in bench.sinks:
            sink.request(2)
        bench.source.send(1, 2)
        first, second = (sink.held[0] for sink in bench.sinks)
        first.settle()
        assert bench.source.outcomes.by_mark == {}
        second.cut(1)[0].fail(ValueError())
        second.settle()
        assert [type(bench.source.outcomes.by_mark[m]) for m in (0, 1)] == [Failed, Stored]


def test_other_branches_go_on_when_one_cancels() -> None:
    """A branch that cancels no longer holds up the others; the last one cancels upstream."""
    with StageBench(Broadcast(2)) as bench:
        bench.sinks[0].request(2)
        bench.sinks[1].cancel()
        bench.source.send(1, 2)
        bench.sinks[0].expect_next(1, 2)
        assert bench.source.outcomes.stored() == [0, 1]
        bench.sinks[0].cancel()
        bench.source.expect_cancellation()


def test_upstream_is_cancelled_with_the_first_branch_when_eager() -> None:
    """`eager_cancel` ends all with one."""
    with StageBench(Broadcast(2, eager_cancel=True)) as bench:
        bench.sinks[1].cancel()
        bench.source.expect_cancellation()
        bench.sinks[0].expect_complete()
