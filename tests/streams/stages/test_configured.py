"""Stages made as a configuration makes them do with readings what is written: tick, intersperse, delay_with, zip_with_index,
to_path, ignore, restart_flow."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from rt_edge.data.errors import StreamError
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.dsl import Sink, Source
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages.restart_flow import RestartFlow
from rt_edge.streams.stages.zip_with_index import ZipWithIndex
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract
from rt_edge.testkit.virtual_clock import VirtualHost

MARK = {"source": "line-1", "fields": {"mark": True}, "tags": {"hall": "3"}}


def made(kind: str, written: Any) -> Stage:
    """A stage as a configuration has it."""
    catalogue = Catalogue.built_in()
    stage, errors = catalogue.check(kind, catalogue.properties(kind, written))
    assert stage is not None, errors
    return stage


def reading(n: int, **fields: Any) -> Reading:
    return Reading(f"device-{n % 2}", n, {"t": n, **fields})


class TestZipWithIndexAsAField(StageContract):
    def make(self) -> ZipWithIndex:
        return ZipWithIndex("number")

    def item(self, n: int) -> Reading:
        return reading(n)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[reading(one.ts, number=n) for n, one in enumerate(inputs[0])]]


class TestRestartFlowOfSteps(StageContract):
    """A fold in a configuration, in a flow that ends and begins anew."""

    def make(self) -> RestartFlow:
        stage = made("restart_flow", {"steps": [{"take": 4}, {"grouped": 2}], "min_backoff": "500ms", "max_backoff": "500ms"})
        assert isinstance(stage, RestartFlow)
        return stage

    def _compare(self, got: list[list[Any]], expected: list[list[Any]]) -> None:
        assert [n for group in got[0] for n in group] == [n for group in expected[0] for n in group]

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[inputs[0]]]


def test_readings_have_the_time_of_their_tick_when_they_are_written() -> None:
    """The first comes after `initial`, then one each period; all say when they were made."""
    with StageBench(made("tick", {"every": "10s", "initial": "1s", "element": MARK})) as bench:
        bench.sink.request(9)
        bench.sink.expect_no_signal()
        bench.advance(1.0)
        first = bench.host.clock.wall_ns()
        bench.advance(25.0)
        assert [one.ts - first for one in bench.sink.received] == [0, 10_000_000_000, 20_000_000_000]
        for one in bench.sink.received:
            assert (one.source, one.fields, one.tags, one.received) == ("line-1", {"mark": True}, {"hall": "3"}, one.ts)
        assert "dropped_tick" not in bench.counters


@pytest.mark.parametrize(("initial", "ticks"), [(None, [10, 20]), ("0s", [0, 10, 20]), ("4s", [4, 14, 24])])
def test_first_tick_comes_when_it_is_said(initial: str | None, ticks: list[int]) -> None:
    """After `initial`, which may be nothing, and else after a period."""
    host, seen = VirtualHost(), list[int]()
    begin = host.clock.wall_ns()
    written = {"every": "10s", "element": MARK, **({"initial": initial} if initial else {})}
    Source(made("tick", written)).to(Sink.foreach(lambda one: seen.append((one.ts - begin) // 10**9))).run(host)
    host.advance(25.0)
    assert seen == ticks


def test_readings_stand_between_others_when_they_are_written() -> None:
    """In front of the first, between, behind the last; each has the time at which it went out."""
    written = {"between": MARK, "start": {**MARK, "source": "begin"}, "end": {**MARK, "source": "end"}}
    with StageBench(made("intersperse", written)) as bench:
        bench.sink.request(9)
        bench.source.send(reading(0))
        bench.advance(5.0)
        bench.source.send(reading(1))
        bench.source.complete()
        assert [one.source for one in bench.sink.received] == ["begin", "device-0", "line-1", "device-1", "end"]
        begin, _, between, _, end = bench.sink.received
        assert between.ts - begin.ts == 5_000_000_000 == end.ts - begin.ts
        assert bench.source.outcomes.stored() == [0, 1]


def test_readings_wait_when_an_expression_says_how_long() -> None:
    """In order; who has no such field waits for nobody but those in front, and so do gap records; what is no time fails."""
    with StageBench(made("delay_with", {"function": "hold_s / 10", "on_error": "resume"})) as bench:
        bench.sink.request(9)
        bench.source.send(
            reading(0), gap_reading("device-0", "offline", 1, 2), reading(1, hold_s=10), reading(2), reading(3, hold_s=-1)
        )
        bench.sink.expect_next(reading(0), gap_reading("device-0", "offline", 1, 2))
        bench.sink.expect_no_signal()
        assert bench.counters["missing_field"] == 2
        bench.advance(1.0)
        bench.sink.expect_next(reading(1, hold_s=10), reading(2))
        assert bench.source.outcomes.failed() == [4]


def test_gap_records_have_no_number_when_readings_are_numbered() -> None:
    """They pass as they are, and so does what is no reading."""
    gap = gap_reading("device-0", "offline", 1, 2)
    with StageBench(made("zip_with_index", "number")) as bench:
        bench.sink.request(9)
        bench.source.send(reading(0), gap, "text", reading(1))
        bench.sink.expect_next(reading(0, number=0), gap, "text", reading(1, number=1))


def test_each_reading_is_a_line_when_a_file_is_written_as_json(tmp_path: Path) -> None:
    """With everything in it; bytes as base64, what JSON has no number for as null; what is no reading fails the stream."""
    path = tmp_path / "readings.jsonl"
    readings = [Reading("a", 5, {"t": 1.5, "raw": b"\x00\xff", "odd": float("nan")}, "uncertain", {"hall": "3"}, 6), reading(1)]
    sink = Sink(made("to_path", {"path": str(path), "content": "json", "append": True}), "file")
    for _ in range(2):
        written = asyncio.run(Source.from_iterable(readings).to(sink).run_async())
    assert path.stat().st_size == 2 * written
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 4
    expected = {
        "source": "a",
        "ts": 5,
        "quality": "uncertain",
        "tags": {"hall": "3"},
        "received": 6,
        "clock": None,
        "held": False,
    }
    assert lines[0] == {**expected, "fields": {"t": 1.5, "raw": "AP8=", "odd": None}}
    assert lines[3]["fields"] == {"t": 1}
    with pytest.raises(TypeError, match="bytes cannot be written to this file, readings can"):
        asyncio.run(Source.single(b"x").to(sink).run_async())


def test_readings_are_dropped_by_name_when_they_are_ignored() -> None:
    """A branch that nobody wants has an end."""
    with StageBench(made("ignore", None)) as bench:
        bench.source.send(reading(0), reading(1))
        assert bench.counters["dropped_ignored"] == 2
        assert bench.source.outcomes.dropped("ignored") == [0, 1]


def test_window_in_a_flow_is_known_to_the_planner_when_it_is_restarted() -> None:
    """What makes one element of several in there is declared, with how many it holds; what a function makes is not known."""
    plain = made("restart_flow", [{"filter": "t > 1"}])
    grouped = made("restart_flow", [{"grouped": 500}])
    assert (plain.combines, grouped.combines) == (False, True)
    assert plain.holds().seconds == 0.0
    assert grouped.holds().seconds is None
    held, bare = grouped.holds().elements, plain.holds().elements
    assert held is not None
    assert bare is not None
    assert held - bare == 500
    assert not RestartFlow(flow=lambda: pytest.fail("it is not made before it is needed")).combines


def test_flow_is_run_again_when_its_steps_have_failed() -> None:
    """After the wait, with what came meanwhile."""
    written = {"steps": [{"limit": 2}], "min_backoff": "1s", "max_backoff": "1s", "jitter": 0.0, "max_restarts": 1}
    with StageBench(made("restart_flow", written)) as bench:
        bench.sink.request(9)
        for n in range(3):
            bench.source.send(n)
        bench.sink.expect_next(0, 1)
        assert bench.source.outcomes.failed() == [2]
        bench.advance(1.0)
        bench.source.send(3)
        bench.sink.expect_next(3)
        bench.source.send(4)
        bench.source.send(5)
        bench.sink.expect_next(4)
        bench.sink.expect_error(StreamError)
