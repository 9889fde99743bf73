"""log: contract and own cases."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading
from rt_edge.streams.stages.log import TEXT, Log
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import Broken, StageContract


class TestLog(StageContract):
    def make(self) -> Log:
        return Log(most=3)


def lines(logged: list[Any]) -> list[tuple[Any, ...]]:
    return [(one.get("element"), one.get("unlogged")) for one in logged if one["event"] == "element"]


def test_lines_are_few_when_elements_are_many() -> None:
    """Not more than `most` in `per`; the first of the next period says how many had none, and the end how many there were."""
    with capture_logs() as logged, StageBench(Log(most=2, per=1.0, fields={"line": "3"})) as bench:
        bench.sink.request(99)
        bench.source.send(*range(5))
        bench.source.send(5)
        bench.advance(1.0)
        bench.source.send(6, 7, 8)
        bench.source.complete()
        assert bench.sink.received == list(range(9))
    assert lines(logged) == [("0", None), ("1", None), ("6", "4"), ("7", None)]
    assert logged[0] == {
        "component": "streams", "node": "tested", "line": "3", "event": "element", "element": "0", "log_level": "info"
    }  # fmt: skip
    assert logged[-1]["event"] == "stream completed"
    assert logged[-1]["elements"] == 9


def test_value_is_written_when_it_is_asked_for() -> None:
    """An expression or a function says what; an element for which it raises passes, and the error is written."""
    with capture_logs() as logged, StageBench(Log(value="t * 2", level="warning")) as bench:
        bench.sink.request(99)
        bench.source.send(Reading("a", 1, {"t": 4}), Reading("a", 1, {"t": "x"}), Reading("a", 1, {}))
        assert len(bench.sink.received) == 3
        assert bench.counters["missing_field"] == 1
    assert [one["log_level"] for one in logged[:3]] == ["warning"] * 3
    with capture_logs() as logged, StageBench(Log(value=lambda x: 1 // x)) as bench:
        bench.sink.request(99)
        bench.source.send(0, 1)
        assert bench.sink.received == [0, 1]
        assert bench.counters["errors"] == 1
    assert "ZeroDivisionError" in logged[0]["error"]
    assert logged[1]["element"] == "1"


def test_end_is_written_when_the_stream_fails_or_is_cancelled() -> None:
    """The last line says how; errors at level error. Without lines of elements that is all."""
    for act, event, level in (
        (lambda b: b.source.fail(Broken("x")), "stream failed", "error"),
        (lambda b: b.sink.cancel(Broken("x")), "stream cancelled", "error"),
        (lambda b: b.sink.cancel(), "stream cancelled", "debug"),
    ):
        with capture_logs() as logged, StageBench(Log(most=0, level="debug")) as bench:
            bench.sink.request(9)
            bench.source.send(1)
            act(bench)  # type: ignore[no-untyped-call]
        assert [(one["event"], one["log_level"]) for one in logged] == [(event, level)]


def test_line_is_short_when_the_element_is_long_or_broken() -> None:
    """A line has a bound, and a repr that raises ends nothing."""

    class NoRepr:
        def __repr__(self) -> str:
            raise Broken("no")

    with capture_logs() as logged, StageBench(Log()) as bench:
        bench.sink.request(9)
        bench.source.send("x" * 10_000, NoRepr())
    assert len(logged[0]["element"]) == TEXT
    assert "repr raised Broken" in logged[1]["element"]


def test_settings_are_refused_when_they_make_no_sense() -> None:
    """No time, a negative number of lines, a value that is no expression."""
    for wrong in ({"per": 0.0}, {"most": -1}, {"value": 3}):
        with pytest.raises(ConfigError):
            Log(**wrong)  # type: ignore[arg-type]
