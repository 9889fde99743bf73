"""merge: contract and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.streams.stages.merge import Merge
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract


class TestMerge(StageContract):
    ordered = False

    def make(self) -> Merge:
        return Merge(3)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[x for items in inputs for x in items]]


class TestMergeEager(StageContract):
    lossless = False

    def make(self) -> Merge:
        return Merge(2, eager_complete=True)


def test_every_inlet_is_asked_when_downstream_asks() -> None:
    """Each inlet has a credit of its own, bounded by the demand."""
    with StageBench(Merge(2)) as bench:
        for source in bench.sources:
            source.expect_no_request()
        bench.sink.request(5)
        for source in bench.sources:
            source.expect_request(5)
        bench.sources[1].send(1, 2)
        bench.sink.expect_next(1, 2)


def test_order_of_each_inlet_is_kept_when_elements_wait() -> None:
    """What waits goes out in the order of arrival, no inlet is kept out by a fast one."""
    with StageBench(Merge(2)) as bench:
        bench.sink.request(3)
        bench.sources[0].send("a1", "a2", "a3")
        bench.sources[1].send("b1", "b2", "b3")
        bench.sink.expect_next("a1", "a2", "a3")
        bench.sources[0].expect_no_request()
        bench.sink.request(4)
        bench.sink.expect_next("b1", "b2", "b3")
        bench.sources[0].expect_request()


def test_merge_completes_with_the_first_inlet_when_eager() -> None:
    """What waits still goes out; the other inlets are cancelled."""
    with StageBench(Merge(2, eager_complete=True)) as bench:
        bench.sink.request(1)
        bench.sources[0].send(1)
        bench.sources[1].send(2)
        bench.sources[0].complete()
        bench.sources[1].expect_cancellation()
        bench.sink.request(1)
        bench.sink.expect_next(1, 2)
        bench.sink.expect_complete()


@pytest.mark.parametrize("count", [0, 65])
def test_settings_are_refused_when_the_ports_are_too_few_or_many(count: int) -> None:
    """A merge has 1 to 64 inlets."""
    with pytest.raises(ConfigError, match="1 to 64"):
        Merge(count)
