"""scan: contract and own cases."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.streams.dsl import Sink, Source
from rt_edge.streams.stages.scan import Scan
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import BAD, SupervisionContract, raising
from rt_edge.testkit.virtual_clock import VirtualHost


class TestScan(SupervisionContract):
    def make(self) -> Scan:
        return Scan(100, lambda a, x: a + x)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [list(accumulate(inputs[0], initial=100))]

    def test_nothing_is_emitted_when_nothing_is_wanted(self) -> None:
        """Zero too waits for demand."""
        super().test_nothing_is_emitted_when_nothing_is_wanted()

    def make_failing(self, on_error: Any) -> Scan:
        return Scan(100, raising(lambda a, x: a + x), on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: str) -> list[Any]:
        if on_error != "restart" or BAD not in inputs:
            return list(accumulate([x for x in inputs if x != BAD], initial=100))
        place = inputs.index(BAD)
        return [*accumulate(inputs[:place], initial=100), *list(accumulate(inputs[place + 1 :], initial=100))[1:]]


def test_zero_is_emitted_when_upstream_completes_before_any_demand() -> None:
    """An empty stream has one state."""
    with StageBench(Scan(0, lambda a, x: a + x)) as bench:
        bench.source.complete()
        bench.sink.expect_no_signal()
        bench.sink.request(1)
        bench.sink.expect_next(0)
        bench.sink.expect_complete()


def test_upstream_is_asked_again_when_an_element_failed() -> None:
    """Demand that a failed element used up is renewed in the same turn."""
    with StageBench(Scan(0, raising(lambda a, x: a + x), on_error="resume")) as bench:
        bench.sink.request(3)
        bench.source.send(1, BAD)
        bench.sink.expect_next(0, 1)
        bench.source.expect_request(1)


def test_zero_goes_first_when_an_element_waits_in_front() -> None:
    """What came before there was demand does not meet `zero` in the slot: the first stage pushes at its end, unasked."""
    received = Source.empty().via(Scan(0, lambda a, x: a + x)).via(Scan(10, lambda a, x: a + x))
    for seed in range(20):
        assert collected(received, seed) == [10, 10]


@pytest.mark.parametrize("on_error", ["resume", "restart"])
def test_element_fails_when_its_state_is_none(on_error: Any) -> None:
    """None is no element (rule 2.13): the one for which it was returned fails, and the state before it stays."""
    with StageBench(Scan(0, lambda a, x: None if x == 2 else a + x, on_error=on_error)) as bench:
        bench.sink.request(10)
        bench.source.send(1, 2, 3)
        bench.sink.expect_next(0, 1, 4 if on_error == "resume" else 3)
        assert bench.source.outcomes.failed() == [1]


def test_zero_is_refused_when_it_is_none() -> None:
    """None is no element."""
    with pytest.raises(ConfigError):
        Scan(None, lambda a, x: x)


def collected(source: Source[Any], seed: int) -> list[Any]:
    """What a source gives under turns that are cut at random places."""
    host, got = VirtualHost(seed=seed), []
    source.to(Sink.foreach(got.append)).run(host)
    host.advance(1.0)
    return got
