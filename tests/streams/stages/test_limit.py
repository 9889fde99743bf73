"""limit and limit_weighted: contracts and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import ConfigError, StreamError
from rt_edge.data.reading import Reading
from rt_edge.streams.stages.limit import Limit
from rt_edge.streams.stages.limit_weighted import LimitWeighted
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract, SupervisionContract, raising


class TestLimit(StageContract):
    def make(self) -> Limit:
        return Limit(1_000_000)


class TestLimitWeighted(SupervisionContract):
    def make(self) -> LimitWeighted:
        return LimitWeighted(1e9, lambda x: x)

    def make_failing(self, on_error: Any) -> LimitWeighted:
        return LimitWeighted(1e9, raising(lambda x: x), on_error=on_error)


@pytest.mark.parametrize(("chunks", "stored"), [([3], []), ([2, 1], [0, 1]), ([5], [])])
def test_stage_fails_when_one_too_many_comes(chunks: list[int], stored: list[int]) -> None:
    """As many as allowed pass; the rest fails, and the stream with it."""
    with StageBench(Limit(2)) as bench:
        bench.sink.request(100)
        for n in chunks:
            bench.source.send(*range(n))
        bench.sink.expect_next(0, 1)
        assert "more than 2 elements" in str(bench.sink.expect_error(StreamError))
        assert isinstance(bench.source.expect_cancellation(), StreamError)
        assert bench.source.outcomes.stored() == [0, 1]
        assert bench.source.outcomes.failed() == list(range(2, sum(chunks)))


def test_stage_completes_when_exactly_as_many_come() -> None:
    """The limit itself is allowed."""
    with StageBench(Limit(2)) as bench:
        bench.sink.request(100)
        bench.source.send(1, 2)
        bench.source.complete()
        bench.sink.expect_next(1, 2)
        bench.sink.expect_complete()


def test_stage_fails_when_the_weights_add_up_to_too_much() -> None:
    """What fits passes; the element that is too much fails with those behind it."""
    with StageBench(LimitWeighted(10, len)) as bench:
        bench.sink.request(100)
        bench.source.send("12345", "12345", "", "1", "2")
        bench.sink.expect_next("12345", "12345", "")
        assert "weight above 10" in str(bench.sink.expect_error(StreamError))
        assert bench.source.outcomes.failed() == [3, 4]


def test_weight_is_an_expression_when_it_is_text() -> None:
    """A missing field weighs nothing and is counted."""
    with StageBench(LimitWeighted(10, "n")) as bench:
        bench.sink.request(100)
        bench.source.send(Reading("a", 1, {"n": 10}), Reading("a", 2, {"m": 1}))
        assert len(bench.sink.received) == 2
        assert bench.counters["missing_field"] == 1


def test_element_fails_when_its_weight_is_none() -> None:
    """A weight is a number of at least 0."""
    with StageBench(LimitWeighted(10, lambda x: x)) as bench:
        bench.sink.request(100)
        bench.source.send(-1, "x", 3)
        bench.sink.expect_next(3)
        assert bench.source.outcomes.failed() == [0, 1]


def test_settings_are_refused_when_the_limit_is_negative() -> None:
    """A negative limit is a settings error."""
    with pytest.raises(ConfigError, match="count is -1"):
        Limit(-1)
    with pytest.raises(ConfigError, match="weight is -1"):
        LimitWeighted(-1, len)
