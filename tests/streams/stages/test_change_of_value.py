"""change_of_value: contract and own cases."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.stages.change_of_value import ChangeOfValue, is_same
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import SupervisionContract, raising


def changed(readings: list[Reading], names: tuple[str, ...] = ()) -> list[Reading]:
    """The obvious function: what differs from the last one that passed, of the same source."""
    out: list[Reading] = []
    for reading in readings:
        before = [x for x in out if x.source == reading.source][-1:]
        seen = {name: value for name, value in reading.fields.items() if name in names or not names}
        known = {name: value for x in before for name, value in x.fields.items() if name in names or not names}
        if not before or before[0].quality != reading.quality or seen != known:
            out.append(reading)
    return out


class TestChangeOfValue(SupervisionContract):
    def make(self) -> ChangeOfValue:
        return ChangeOfValue()

    def item(self, n: int) -> Reading:
        return Reading(f"plc/{n % 2}", n, {"p": n // 6, "q": n // 10 % 2})

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [changed(inputs[0])]

    def make_failing(self, on_error: Any) -> ChangeOfValue:
        return ChangeOfValue(per=raising(lambda x: x), on_error=on_error)


class TestChangeOfOneField(TestChangeOfValue):
    def make(self) -> ChangeOfValue:
        return ChangeOfValue(fields="q")

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [changed(inputs[0], ("q",))]


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [(1, 1.0, True), (1, True, False), (0, False, False), (math.nan, math.nan, True), ("1", 1, False), (b"a", b"a", True)],
)
def test_values_are_the_same_when_they_say_the_same(a: Any, b: Any, same: bool) -> None:
    """Numbers compare as numbers, truth is no number, NaN is NaN."""
    assert is_same(a, b) is same


def test_reading_passes_when_quality_or_fields_change_or_it_is_a_gap() -> None:
    """The time alone is no news; quality, presence of a field and gaps are."""
    readings = [
        Reading("a", 1, {"p": 1, "q": 5}),
        Reading("a", 2, {"p": 1, "q": 5}),
        Reading("a", 3, {"p": 1}),
        Reading("a", 4, {"p": 1}, quality="bad"),
        gap_reading("a", "offline", 5, 6),
        Reading("a", 7, {"p": 1}, quality="bad"),
        Reading("a", 8, {"p": 2, "q": 5}),
    ]
    with StageBench(ChangeOfValue()) as bench:
        bench.sink.request(100)
        bench.source.send(*readings)
        assert [r.ts for r in bench.sink.received] == [1, 3, 4, 5, 8]
        assert bench.source.outcomes.dropped("unchanged") == [1, 5]
        assert bench.counters["dropped_unchanged"] == 2


def test_reading_passes_when_it_has_none_of_the_fields() -> None:
    """What cannot be judged passes and is counted."""
    with StageBench(ChangeOfValue(fields=["p"])) as bench:
        bench.sink.request(100)
        bench.source.send(Reading("a", 1, {"q": 1}), Reading("a", 2, {"q": 1}))
        assert len(bench.sink.received) == 2
        assert bench.counters["missing_field"] == 2


def test_next_reading_passes_when_max_silence_is_over() -> None:
    """After max_silence the next reading of that source passes, changed or not."""
    with StageBench(ChangeOfValue(max_silence=60)) as bench:
        bench.sink.request(100)
        for ts in range(7):
            bench.source.send(Reading("a", ts, {"p": 1}))
            bench.advance(20)
        assert [r.ts for r in bench.sink.received] == [0, 3, 6]


def test_least_recent_key_is_forgotten_when_there_are_too_many() -> None:
    """State is bounded, and the counter says so."""
    with StageBench(ChangeOfValue(max_keys=2)) as bench:
        bench.sink.request(100)
        bench.source.send(*(Reading(source, i, {"p": 1}) for i, source in enumerate("abacab")))
        assert [r.source for r in bench.sink.received] == ["a", "b", "c", "b"]
        assert bench.counters["evicted"] == 2


def test_key_is_an_expression_when_it_is_written_in_a_configuration() -> None:
    """`per` takes an expression; a wrong one is a settings error."""
    stage = Catalogue.built_in().check("change_of_value", {"fields": "p", "per": "tags['line']", "max_silence": "5min"}).stage
    assert isinstance(stage, ChangeOfValue)
    with StageBench(stage) as bench:
        bench.sink.request(100)
        lines = [("a", "1"), ("b", "1"), ("b", "2")]
        bench.source.send(*(Reading(source, 0, {"p": 1}, tags={"line": line}) for source, line in lines))
        assert [r.tags["line"] for r in bench.sink.received] == ["1", "2"]
    with pytest.raises(ConfigError):
        ChangeOfValue(per="a.b")
