"""or_else: contract and own cases."""

from __future__ import annotations

from typing import Any

from rt_edge.streams.stages.or_else import OrElse
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import Broken, StageContract


class TestOrElse(StageContract):
    lossless = False  # what is sent into the other inlet is cancelled

    def make(self) -> OrElse:
        return OrElse()

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [inputs[0] or inputs[1]]

    def test_error_goes_downstream_when_upstream_fails(self) -> None:
        """Either inlet's, as long as it may still count; the other is cancelled with it."""
        for failing in (0, 1):
            error = Broken("upstream")
            with StageBench(OrElse()) as bench:
                bench.sink.request(5)
                bench.sources[failing].fail(error)
                assert bench.sink.expect_error() is error
                assert bench.sources[1 - failing].expect_cancellation() is error

    def test_upstream_is_cancelled_when_downstream_cancels(self) -> None:
        """With the cause; the other inlet was cancelled without one when the first element came."""
        cause = Broken("downstream")
        with StageBench(OrElse()) as bench:
            bench.sink.request(5)
            bench.source.send(1)
            bench.sink.cancel(cause)
            assert bench.source.expect_cancellation() is cause
            assert bench.sources[1].expect_cancellation() is None
        with StageBench(OrElse()) as bench:
            bench.sink.cancel(cause)
            assert [source.expect_cancellation() for source in bench.sources] == [cause, cause]


def test_other_stream_is_cancelled_when_the_first_element_comes() -> None:
    """Untouched till then."""
    with StageBench(OrElse()) as bench:
        bench.sink.request(5)
        bench.sources[1].expect_no_request()
        bench.source.send(1)
        bench.sources[1].expect_cancellation()
        bench.source.complete()
        bench.sink.expect_next(1)
        bench.sink.expect_complete()


def test_other_stream_takes_the_place_when_the_first_is_empty() -> None:
    """With the demand that is open."""
    with StageBench(OrElse()) as bench:
        bench.sink.request(5)
        bench.source.complete()
        bench.sources[1].expect_request(5)
        bench.sources[1].send(1, 2)
        bench.sources[1].complete()
        bench.sink.expect_next(1, 2)
        bench.sink.expect_complete()


def test_completes_when_both_are_empty() -> None:
    """In either order of their ends."""
    for order in ((0, 1), (1, 0)):
        with StageBench(OrElse()) as bench:
            for index in order:
                bench.sources[index].complete()
            bench.sink.expect_complete()
