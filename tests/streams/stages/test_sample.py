"""sample: contract and own cases."""

from __future__ import annotations

from typing import Any

from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.stages.sample import Sample
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract, SupervisionContract, raising


class TestSampleOfManyKeys(SupervisionContract):
    """With a key of its own for each element nothing is dropped."""

    def make(self) -> Sample:
        return Sample(every=0.1)

    def item(self, n: int) -> Reading:
        return Reading(f"plc/{n}", n, {"p": n})

    def make_failing(self, on_error: Any) -> Sample:
        return Sample(every=0.1, per=raising(lambda x: x), on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: str) -> list[Any] | None:
        return super().after_failure(inputs, on_error) if on_error == "resume" else None  # type: ignore[arg-type]


class TestSample(StageContract):
    """What is dropped depends on time."""

    lossless = False

    def make(self) -> Sample:
        return Sample(every=0.1, max_keys=3)

    def item(self, n: int) -> Reading:
        return Reading(f"plc/{n % 5}", n, {"p": n})


def reading(ts: int, source: str = "a") -> Reading:
    return Reading(source, ts, {"p": ts})


def test_latest_of_each_key_goes_out_when_a_period_ends() -> None:
    """Periods are counted from the start; a period without news emits nothing."""
    with StageBench(Sample(every=1.0)) as bench:
        bench.sink.request(100)
        bench.advance(0.25)
        bench.source.send(reading(0), reading(1), reading(2, "b"))
        bench.advance(0.5)
        bench.source.send(reading(3))
        bench.sink.expect_no_signal()
        bench.advance(0.25)
        bench.sink.expect_next(reading(3), reading(2, "b"))
        assert bench.source.outcomes.dropped("sampled") == [0, 1]
        bench.advance(10)
        bench.sink.expect_no_signal()
        bench.source.send(reading(4))
        bench.advance(1)
        bench.sink.expect_next(reading(4))
        assert bench.counters["dropped_sampled"] == 2


def test_due_element_is_replaced_when_nobody_asks() -> None:
    """What was not wanted at the end of its period goes out as it is when it is wanted; only keys of that period do."""
    with StageBench(Sample(every=1.0)) as bench:
        bench.sink.request(1)
        bench.source.send(reading(0), reading(1, "b"))
        bench.advance(1)
        bench.sink.expect_next(reading(0))
        bench.source.send(reading(2, "b"), reading(3, "c"))
        bench.sink.request(5)
        bench.sink.expect_next(reading(2, "b"))
        bench.sink.expect_no_signal()
        bench.advance(1)
        bench.sink.expect_next(reading(3, "c"))


def test_gap_passes_and_rest_goes_out_when_the_stream_ends() -> None:
    """Gap records wait for nothing, and at the end nothing waits."""
    with StageBench(Sample(every=1.0)) as bench:
        bench.sink.request(10)
        bench.source.send(reading(0), gap_reading("a", "offline", 1, 2))
        bench.sink.expect_next(gap_reading("a", "offline", 1, 2))
        bench.source.complete()
        bench.sink.expect_next(reading(0))
        bench.sink.expect_complete()


def test_period_is_the_short_form_when_written_in_a_configuration() -> None:
    """`- sample: 5s`."""
    catalogue = Catalogue.built_in()
    assert catalogue.check("sample", catalogue.properties("sample", "5s")).stage == Sample(every=5.0)
