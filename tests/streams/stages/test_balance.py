"""balance: contract and own cases."""

from __future__ import annotations

from rt_edge.streams.stages.balance import Balance
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract


class TestBalance(StageContract):
    ordered = False

    def make(self) -> Balance:
        return Balance(3)


class TestBalanceThatWaits(TestBalance):
    def make(self) -> Balance:
        return Balance(3, wait_for_all=True)


def test_nothing_is_asked_for_when_not_every_branch_has_asked() -> None:
    """`wait_for_all`: one that has cancelled is not waited for; once all have asked, a branch that is slow holds up nobody."""
    for last in ("request", "cancel"):
        with StageBench(Balance(3, wait_for_all=True)) as bench:
            bench.sinks[0].request(4)
            bench.sinks[1].request(1)
            bench.source.expect_no_request()
            bench.sinks[2].request(1) if last == "request" else bench.sinks[2].cancel()
            wanted = 6 if last == "request" else 5
            bench.source.send(*range(wanted))
            assert sorted(n for sink in bench.sinks for n in sink.received) == list(range(wanted))
            bench.sinks[0].request(2)
            bench.source.send(6, 7)
            assert bench.sinks[0].received[-2:] == [6, 7]
    with StageBench(Balance(2, wait_for_all=True)) as bench:
        bench.source.complete()
        assert all(sink.completed for sink in bench.sinks)


def test_elements_go_where_demand_is_when_a_branch_is_slow() -> None:
    """A branch that does not ask holds up nobody."""
    with StageBench(Balance(2)) as bench:
        bench.sinks[1].request(3)
        bench.source.send(1, 2, 3)
        bench.sinks[1].expect_next(1, 2, 3)
        bench.sinks[0].expect_no_signal()
        bench.source.expect_no_request()


def test_branches_take_turns_when_all_ask() -> None:
    """Chunks go round."""
    with StageBench(Balance(2)) as bench:
        for sink in bench.sinks:
            sink.request(10)
        for n in range(4):
            bench.source.send(n)
        bench.sinks[0].expect_next(0, 2)
        bench.sinks[1].expect_next(1, 3)


def test_held_elements_go_to_another_branch_when_one_cancels() -> None:
    """What a branch had asked for goes to the next that asks; the last cancellation cancels upstream."""
    with StageBench(Balance(2)) as bench:
        bench.sinks[0].request(2)
        bench.sinks[0].cancel()
        bench.source.send(1, 2)
        bench.sinks[1].expect_no_signal()
        bench.sinks[1].request(2)
        bench.sinks[1].expect_next(1, 2)
        bench.sinks[1].cancel()
        bench.source.expect_cancellation()
