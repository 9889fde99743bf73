"""debounce: contract and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.stage import Hold
from rt_edge.streams.stages.debounce import Debounce
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract, SupervisionContract, raising


class TestDebounceOfManyKeys(SupervisionContract):
    """With a key of its own for each element nothing is dropped, and the order is that of arrival."""

    def make(self) -> Debounce:
        return Debounce(quiet=0.05)

    def item(self, n: int) -> Reading:
        return Reading(f"plc/{n}", n, {"p": n})

    def make_failing(self, on_error: Any) -> Debounce:
        return Debounce(quiet=0.05, per=raising(lambda x: x), on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: str) -> list[Any] | None:
        return super().after_failure(inputs, on_error) if on_error == "resume" else None  # type: ignore[arg-type]


class TestDebounce(StageContract):
    """What is dropped depends on time."""

    lossless = False

    def make(self) -> Debounce:
        return Debounce(quiet=0.05, max_wait=0.2, max_keys=3)

    def item(self, n: int) -> Reading:
        return Reading(f"plc/{n % 5}", n, {"p": n})


def reading(ts: int, source: str = "a") -> Reading:
    return Reading(source, ts, {"p": ts})


def test_latest_element_goes_out_when_its_key_has_been_quiet() -> None:
    """Each element starts the time anew; only the last one comes, the others are dropped as debounced."""
    with StageBench(Debounce(quiet=1.0)) as bench:
        bench.sink.request(10)
        for ts in range(4):
            bench.source.send(reading(ts))
            bench.advance(0.9)
        bench.sink.expect_no_signal()
        bench.advance(0.1)
        bench.sink.expect_next(reading(3))
        assert bench.source.outcomes.dropped("debounced") == [0, 1, 2]
        assert bench.counters["dropped_debounced"] == 3
        bench.advance(10)
        bench.sink.expect_no_signal()


def test_keys_are_quiet_by_themselves_when_there_are_several() -> None:
    """One chattering key does not keep another one."""
    with StageBench(Debounce(quiet=1.0)) as bench:
        bench.sink.request(10)
        bench.source.send(reading(0), reading(1, "b"))
        bench.advance(0.5)
        bench.source.send(reading(2))
        bench.advance(0.5)
        bench.sink.expect_next(reading(1, "b"))
        bench.sink.expect_no_signal()
        bench.advance(0.5)
        bench.sink.expect_next(reading(2))


def test_chattering_key_is_heard_when_max_wait_is_over() -> None:
    """A key that is never quiet says its latest after max_wait, and so on."""
    with StageBench(Debounce(quiet=1.0, max_wait=3.0)) as bench:
        bench.sink.request(10)
        for ts in range(14):
            bench.source.send(reading(ts))
            bench.advance(0.5)
        assert [r.ts for r in bench.sink.received] == [5, 11]


def test_due_element_is_replaced_when_nobody_asks() -> None:
    """Without demand what is due waits, one a key, and what comes later replaces it."""
    with StageBench(Debounce(quiet=1.0)) as bench:
        bench.sink.request(1)
        bench.source.send(reading(0), reading(1, "b"))
        bench.source.send(reading(2))
        bench.advance(5)
        bench.sink.expect_next(reading(1, "b"))
        bench.source.send(reading(3))
        bench.sink.request(1)
        bench.sink.expect_no_signal()
        bench.advance(1)
        bench.sink.expect_next(reading(3))


def test_gap_passes_at_once_when_something_waits() -> None:
    """A gap record is no value: it is neither held nor replaces one."""
    with StageBench(Debounce(quiet=1.0)) as bench:
        bench.sink.request(10)
        bench.source.send(reading(0), gap_reading("a", "offline", 1, 2))
        bench.sink.expect_next(gap_reading("a", "offline", 1, 2))
        bench.source.complete()
        bench.sink.expect_next(reading(0))
        bench.sink.expect_complete()


def test_quietest_key_is_dropped_when_there_are_too_many() -> None:
    """Keys that wait are bounded; the one that goes is counted."""
    with StageBench(Debounce(quiet=1.0, max_keys=2)) as bench:
        bench.sink.request(10)
        bench.source.send(reading(0, "a"))
        bench.source.send(reading(1, "b"))
        bench.source.send(reading(2, "a"))
        bench.source.send(reading(3, "c"))
        assert bench.source.outcomes.dropped("evicted") == [1]
        assert bench.counters["dropped_evicted"] == 1
        bench.advance(1)
        bench.sink.expect_next(reading(2, "a"), reading(3, "c"))


def test_settings_are_read_when_written_in_a_configuration() -> None:
    """quiet alone is enough; a max_wait below it makes no sense."""
    stage = Catalogue.built_in().check("debounce", {"quiet": "2s", "max_keys": 5}).stage
    assert stage == Debounce(quiet=2.0, max_keys=5)
    assert stage.holds() == Hold(5, 2.0)
    with pytest.raises(ConfigError, match="max_wait is 1"):
        Debounce(quiet=2.0, max_wait=1.0)
