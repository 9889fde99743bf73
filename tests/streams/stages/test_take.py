"""take: contract and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.streams.stages.take import Take
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract


class TestTake(StageContract):
    def make(self) -> Take:
        return Take(17)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [inputs[0][:17]]


def test_upstream_is_cancelled_when_all_were_taken() -> None:
    """It asks for exactly what it takes, then completes and cancels."""
    with StageBench(Take(3)) as bench:
        bench.sink.request(10)
        bench.source.expect_request(3)
        bench.source.send(1, 2, 3)
        bench.sink.expect_next(1, 2, 3)
        bench.sink.expect_complete()
        assert bench.source.expect_cancellation() is None


def test_completes_at_once_when_nothing_is_taken() -> None:
    """take(0) completes without demand."""
    with StageBench(Take(0)) as bench:
        bench.sink.expect_complete()
        bench.source.expect_cancellation()


def test_settings_are_refused_when_the_count_is_negative() -> None:
    """A negative count is a settings error."""
    with pytest.raises(ConfigError, match="count is -1"):
        Take(-1)
