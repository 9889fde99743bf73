"""recover, recover_with, map_error, on_error_complete: contract and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import ConfigError, StreamError
from rt_edge.streams.dsl import Source
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages.map_error import MapError
from rt_edge.streams.stages.on_error_complete import OnErrorComplete
from rt_edge.streams.stages.recover import Recover
from rt_edge.streams.stages.recover_with import RecoverWith
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import Broken, StageContract


class Passing(StageContract):
    """What does nothing without an error; with the error handed back, it fails as any stage."""


class TestRecover(Passing):
    def make(self) -> Stage:
        return Recover(lambda error: None)


class TestRecoverWith(Passing):
    def make(self) -> Stage:
        return RecoverWith(lambda error: None)


class TestMapError(Passing):
    def make(self) -> Stage:
        return MapError(lambda error: error)


class TestOnErrorComplete(Passing):
    def make(self) -> Stage:
        return OnErrorComplete(lambda error: False)


BROKEN = Broken("upstream")


def worse(error: BaseException) -> Any:
    raise StreamError("worse")


def test_last_element_is_emitted_when_upstream_fails() -> None:
    """One element made of the error, when it is wanted, then the end."""
    with StageBench(Recover(str)) as bench:
        bench.sink.request(1)
        bench.source.send(1)
        bench.source.fail(BROKEN)
        bench.sink.expect_next(1)
        bench.sink.expect_no_signal()
        bench.sink.request(1)
        bench.sink.expect_next("upstream")
        bench.sink.expect_complete()
        assert bench.counters["recovered"] == 1


@pytest.mark.parametrize("make", [Recover, MapError, RecoverWith, OnErrorComplete])
def test_error_is_replaced_when_the_function_raises(make: Any) -> None:
    """What user code raises goes downstream in the place of the error."""
    with StageBench(make(worse)) as bench:
        bench.sink.request(1)
        bench.source.fail(BROKEN)
        assert str(bench.sink.expect_error(StreamError)) == "worse"
        assert bench.counters["errors"] == 1


def test_error_is_another_when_it_is_mapped() -> None:
    """The function's, and none that is no error."""
    with StageBench(MapError(lambda error: StreamError(f"was {error}"))) as bench:
        bench.source.fail(BROKEN)
        assert str(bench.sink.expect_error(StreamError)) == "was upstream"
    with StageBench(MapError(lambda error: 7)) as bench:  # type: ignore[arg-type,return-value]  # on purpose
        bench.source.fail(BROKEN)
        bench.sink.expect_error(TypeError)


def test_stream_completes_when_its_error_is_one_of_those() -> None:
    """All errors without a predicate; a predicate is a function."""
    with StageBench(OnErrorComplete()) as bench:
        bench.source.fail(BROKEN)
        bench.sink.expect_complete()
    with StageBench(OnErrorComplete(lambda error: isinstance(error, KeyError))) as bench:
        bench.source.fail(BROKEN)
        assert bench.sink.expect_error() is BROKEN
    with pytest.raises(ConfigError):
        OnErrorComplete("ValueError")


def test_stream_goes_on_with_another_when_it_fails() -> None:
    """As often as there are attempts; with what was emitted before in front."""
    sources = iter([Source.from_iterable([2, 0]).map(lambda x: 4 // x), Source.from_iterable([7, 8])])
    with StageBench(RecoverWith(lambda error: next(sources))) as bench:
        bench.sink.request(1)
        bench.source.send(1)
        bench.source.fail(BROKEN)
        bench.sink.expect_next(1)
        bench.sink.request(10)
        bench.sink.expect_next(2, 7, 8)
        bench.sink.expect_complete()
        assert bench.counters["recovered"] == 2


def test_stream_fails_when_attempts_are_used_up() -> None:
    """With the last error."""
    errors = [Broken("1"), Broken("2"), Broken("3")]
    sources = iter([Source.failed(errors[1]), Source.failed(errors[2])])
    with StageBench(RecoverWith(lambda error: next(sources), attempts=2)) as bench:
        bench.sink.request(1)
        bench.source.fail(errors[0])
        assert bench.sink.expect_error() is errors[2]
    with StageBench(RecoverWith(lambda error: [1], attempts=0)) as bench:
        bench.source.fail(BROKEN)
        assert bench.sink.expect_error() is BROKEN
