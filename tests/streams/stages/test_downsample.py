"""downsample: contract and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.downsampling import lttb
from rt_edge.streams.stages.downsample import Downsample
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract, SupervisionContract, raising

S = 10**9


def value(n: int) -> int:
    return n * 37 % 101


def groups(readings: list[Reading], size: int) -> list[list[Reading]]:
    return [readings[i : i + size] for i in range(0, len(readings), size)]


class TestMeanByCount(StageContract):
    def make(self) -> Downsample:
        return Downsample(fields="p", count=7)

    def item(self, n: int) -> Reading:
        return Reading("a", n * S, {"p": value(n), "q": n})

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        out = []
        for group in groups(inputs[0], 7):
            mean = sum(r.fields["p"] for r in group) / len(group)
            out.append(Reading("a", group[0].ts, {"p": mean, "q": group[-1].fields["q"]}))
        return [out]


class TestMeanSettlingEarly(TestMeanByCount):
    def make(self) -> Downsample:
        return Downsample(fields="p", count=7, settle="early")


class TestMinMaxByTime(TestMeanByCount):
    def make(self) -> Downsample:
        return Downsample(fields="p", every=9.0, method="min_max")

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        out: list[Reading] = []
        for group in groups(inputs[0], 9):
            low = min(group, key=lambda r: r.fields["p"])
            high = max(group, key=lambda r: r.fields["p"])
            out += [r for r in group if r in (low, high)]
        return [out]


class TestLttb(TestMeanByCount):
    def make(self) -> Downsample:
        return Downsample(fields="p", count=10, method="lttb", keep=4)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        out: list[Reading] = []
        for group in groups(inputs[0], 10):
            out += [group[i] for i in lttb([r.ts for r in group], [r.fields["p"] for r in group], 4)]
        return [out]


class TestFewHeld(TestMeanByCount):
    """Spans of many sources, closed early and by time."""

    lossless = False

    def make(self) -> Downsample:
        return Downsample(fields="p", every=1000.0, method="last", max_wait=0.2, max_elements=7)

    def item(self, n: int) -> Reading:
        return Reading(f"plc/{n % 3}", n * S, {"p": value(n)})


class TestKeyThatFails(SupervisionContract):
    def make(self) -> Downsample:
        return Downsample(fields="p", count=1)

    def make_failing(self, on_error: Any) -> Downsample:
        return Downsample(fields="p", count=1, per=raising(lambda n: n), on_error=on_error)


def reading(seconds: float, p: Any, source: str = "a", **rest: Any) -> Reading:
    return Reading(source, int(seconds * S), {"p": p}, **rest)


def test_span_closes_when_a_later_one_begins() -> None:
    """By the readings' own times, each source by itself; gaps pass at once, quality is the worst."""
    gap = gap_reading("a", "offline", 1, 2)
    with StageBench(Downsample(fields="p", every=60.0), keep=True) as bench:
        bench.sink.request(100)
        bench.source.send(reading(1, 2), reading(59, 4, quality="bad"), reading(61, 9, "b"), gap, reading(30, 6))
        bench.sink.expect_next(gap)
        bench.source.send(reading(60, 1))
        bench.sink.expect_next(reading(1, 4.0, quality="bad"))
        bench.sink.settle_all()
        assert bench.source.outcomes.stored() == [0, 1, 3, 4]


def test_every_field_has_its_extremes_when_there_are_several() -> None:
    """What has neither is dropped; what has no number keeps the last."""
    rows: list[dict[str, Any]] = [{"p": 1, "q": 5}, {"p": 2, "q": 4}, {"p": 3, "q": 9}, {"p": 2, "q": 1}]
    with StageBench(Downsample(fields=["p", "q"], count=4, method="min_max")) as bench:
        bench.sink.request(100)
        bench.source.send(*(Reading("a", n, fields) for n, fields in enumerate(rows)))
        assert [r.ts for r in bench.sink.received] == [0, 2, 3]
        assert bench.source.outcomes.dropped("downsampled") == [1]
        bench.source.send(*(Reading("a", n, {"mode": "x"}) for n in range(4, 8)))
        assert [r.ts for r in bench.sink.received] == [0, 2, 3, 7]


def test_span_goes_out_when_it_has_waited_long_enough() -> None:
    """A source that falls silent does not keep what it said."""
    with StageBench(Downsample(fields="p", every=60.0, method="last", max_wait=90.0)) as bench:
        bench.sink.request(100)
        bench.source.send(reading(1, 1))
        bench.advance(50)
        bench.source.send(reading(2, 2), reading(2, 3, "b"))
        bench.advance(40)
        bench.sink.expect_next(reading(2, 2))
        bench.advance(50)
        bench.sink.expect_next(reading(2, 3, "b"))


def test_silent_source_is_not_waited_for_when_too_much_is_held() -> None:
    """The bound is over all sources."""
    with StageBench(Downsample(fields="p", every=60.0, method="first", max_elements=3)) as bench:
        bench.sink.request(100)
        bench.source.send(reading(1, 1), reading(2, 2), reading(3, 1, "b"))
        bench.source.send(reading(4, 2, "b"))
        bench.sink.expect_next(reading(1, 1))
        assert bench.counters["closed_early"] == 1


def test_settings_are_read_and_refused_when_written_in_a_configuration() -> None:
    """count or every, not both."""
    check = Catalogue.built_in().check("downsample", {"fields": ["p"], "every": "1min", "method": "lttb", "keep": 10})
    assert check.stage == Downsample(fields=["p"], every=60.0, method="lttb", keep=10), check.errors
    for wrong in ({}, {"count": 2, "every": 1.0}, {"count": 20_000}, {"count": 2, "settle": "early", "method": "last"}):
        with pytest.raises(ConfigError):
            Downsample(fields="p", **wrong)  # type: ignore[arg-type]  # wrong on purpose
