"""deadband: contract, its rules one by one, and time."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.stages.deadband import Deadband
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract


def reading(value: Any, ts: int = 0, source: str = "plc/a", **more: Any) -> Reading:
    return Reading(source, ts, {"p": value}, **more)


class TestDeadband(StageContract):
    def make(self) -> Deadband:
        return Deadband(field="p", absolute=2)

    def item(self, n: int) -> Reading:
        return Reading(f"plc/{n % 2}", n, {"p": n // 2})

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[x for x in inputs[0] if x.fields["p"] % 3 == 0]]


class TestDeadbandWithSilence(StageContract):
    lossless = False

    def make(self) -> Deadband:
        return Deadband(field="p", absolute=2, max_silence=0.1)

    def item(self, n: int) -> Reading:
        return Reading(f"plc/{n % 2}", n, {"p": n // 2 % 2})


CASES = [
    ({"absolute": 0.5}, [1.0, 1.5, 1.51, 2.0, 0.9], [1.0, 1.51, 0.9]),
    ({"percent": 10}, [100, 109, 110.1, 100, 90], [100, 110.1, 90]),
    ({"absolute": 5, "percent": 10}, [100, 104, 106, 10, 10.9, 11.1], [100, 106, 10, 11.1]),
    ({"absolute": 0}, [1, 1, 1.0, 2, True, True, False, "on", "on", "off"], [1, 2, True, False, "on", "off"]),
    ({"absolute": 1}, [1.0, math.nan, math.nan, 1.0], [1.0, math.nan, 1.0]),
    ({"absolute": 1}, [b"a", b"a", b"b"], [b"a", b"b"]),
    ({"percent": 10}, [0, 0, 0.001], [0, 0.001]),
]


@pytest.mark.parametrize(("band", "values", "passed"), CASES)
def test_reading_passes_when_it_has_moved(band: dict[str, float], values: list[Any], passed: list[Any]) -> None:
    """The band lies around the value that passed last; other types pass when they change."""
    with StageBench(Deadband(field="p", **band)) as bench:
        bench.sink.request(100)
        for value in values:
            bench.source.send(reading(value))
        assert repr([r.fields["p"] for r in bench.sink.received]) == repr(passed)
        assert bench.counters.get("dropped_deadband", 0) == len(values) - len(passed)
        assert len(bench.source.outcomes.dropped("deadband")) == len(values) - len(passed)


def test_reading_passes_when_quality_or_presence_changes_or_it_is_a_gap() -> None:
    """A change of quality, a reading without the field and a gap record are news."""
    readings = [
        reading(1),
        reading(1, quality="bad"),
        reading(1, quality="bad"),
        Reading("plc/a", 0, {"other": 3}),
        gap_reading("plc/a", "offline", 1, 2),
        reading(1, quality="bad", source="plc/b"),
    ]
    with StageBench(Deadband(field="p", absolute=1)) as bench:
        bench.sink.request(100)
        bench.source.send(*readings)
        assert bench.sink.received == [readings[i] for i in (0, 1, 3, 4, 5)]
        assert bench.counters["missing_field"] == 1


def test_any_field_counts_when_there_are_several() -> None:
    """With several fields a reading passes if one of them has moved or has come or gone."""
    rows = [{"p": 1, "q": 1}, {"p": 1, "q": 1}, {"p": 1, "q": 9}, {"p": 1}, {"p": 1}, {"p": 1, "q": 9}]
    with StageBench(Deadband(field=["p", "q"], absolute=2)) as bench:
        bench.sink.request(100)
        bench.source.send(*(Reading("a", i, fields) for i, fields in enumerate(rows)))
        assert [r.ts for r in bench.sink.received] == [0, 2, 3, 5]


def test_last_reading_is_sent_again_as_held_when_a_live_source_is_silent() -> None:
    """After max_silence the value that passed is sent again with its own time and the mark `held`, if readings came since."""
    with StageBench(Deadband(field="p", absolute=1, max_silence=60)) as bench:
        bench.sink.request(100)
        bench.source.send(reading(1.0, ts=1))
        bench.advance(40)
        bench.source.send(reading(1.2, ts=2))
        bench.advance(20)
        assert bench.sink.received == [reading(1.0, ts=1), reading(1.0, ts=1, held=True)]
        bench.advance(60)
        assert len(bench.sink.received) == 2
        assert bench.counters["held"] == 1


def test_next_reading_passes_when_max_silence_is_over() -> None:
    """A source that was silent for longer than max_silence passes with its next reading, moved or not; it is not held."""
    with StageBench(Deadband(field="p", absolute=1, max_silence=60)) as bench:
        bench.sink.request(100)
        bench.source.send(reading(1.0, ts=1))
        bench.advance(600)
        bench.source.send(reading(1.1, ts=2))
        assert bench.sink.received == [reading(1.0, ts=1), reading(1.1, ts=2)]


def test_held_reading_is_left_out_when_nobody_asks() -> None:
    """Without demand nothing is sent again; it is counted, and sent with the next period that is asked for."""
    with StageBench(Deadband(field="p", absolute=1, max_silence=60)) as bench:
        bench.sink.request(2)
        bench.source.send(reading(1.0, 1))
        bench.source.send(reading(1.0, 2))
        bench.source.send(reading(5.0, 3, source="plc/b"))
        bench.advance(60)
        assert len(bench.sink.received) == 2
        assert bench.counters["held_unwanted"] == 1


def test_reading_is_held_again_when_the_next_silence_is_over() -> None:
    """The time runs anew from each emission, held or not, and for each source by itself."""
    with StageBench(Deadband(field="p", absolute=1, max_silence=60)) as bench:
        bench.sink.request(100)
        for minute in range(3):
            bench.source.send(reading(1.0, minute), reading(1.0, minute, source="plc/b"))
            bench.advance(30)
            bench.source.send(reading(1.0, minute))
            bench.advance(30)
        sent = [(r.source, r.ts, r.held) for r in bench.sink.received]
        assert sent[:2] == [("plc/a", 0, False), ("plc/b", 0, False)]
        assert sent.count(("plc/a", 0, True)) == 3
        assert bench.counters["held"] == sum(held for _, _, held in sent)


def test_demand_is_kept_when_a_held_reading_took_of_it() -> None:
    """A held reading uses up demand; what was asked of upstream for it waits and is not lost."""
    with StageBench(Deadband(field="p", absolute=1, max_silence=60)) as bench:
        bench.sink.request(2)
        bench.source.send(reading(1.0, 1))
        bench.advance(10)
        bench.source.send(reading(1.0, 2))
        bench.advance(50)
        assert [r.held for r in bench.sink.received] == [False, True]
        bench.source.send(reading(7.0, 3))
        assert len(bench.sink.received) == 2
        bench.sink.request(1)
        assert bench.sink.received[2] == reading(7.0, 3)


def test_oldest_source_is_forgotten_when_there_are_too_many() -> None:
    """State is bounded: a forgotten source passes as if it were new."""
    with StageBench(Deadband(field="p", absolute=1, max_sources=2, max_silence=60)) as bench:
        bench.sink.request(100)
        bench.source.send(*(reading(1, source=s) for s in ("a", "b", "c", "a", "c")))
        assert [r.source for r in bench.sink.received] == ["a", "b", "c", "a"]
        assert bench.counters["evicted"] == 2


def test_settings_are_read_and_refused_when_written_in_a_configuration() -> None:
    """The line of the design's sample makes a stage; a deadband without a band does not."""
    catalogue = Catalogue.built_in()
    check = catalogue.check("deadband", {"field": "pressure", "absolute": 0.05, "max_silence": "60s"})
    assert check.stage == Deadband(field="pressure", absolute=0.05, max_silence=60.0), check.errors
    with pytest.raises(ConfigError, match="neither absolute nor percent"):
        Deadband(field="p")
