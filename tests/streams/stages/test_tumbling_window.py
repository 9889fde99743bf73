"""tumbling_window: contract and own cases; what all windows in event time share is tested here."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import ClockState, Reading, gap_reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.stage import Hold
from rt_edge.streams.stages._windowing import WINDOW_UNTIL, Windowed
from rt_edge.streams.stages.tumbling_window import TumblingWindow
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract, SupervisionContract, raising

S = 10**9


def by_window(readings: list[Reading], size: int = 10) -> list[Reading]:
    """The obvious function, for one key and nothing late: group by time, aggregate."""
    out = []
    for start in sorted({r.ts // S // size * size for r in readings}):
        values = [r.fields["p"] for r in readings if start <= r.ts // S < start + size]
        fields = {"p_mean": sum(values) / len(values), "p_count": len(values)}
        out.append(Reading("tested", start * S, fields, tags={WINDOW_UNTIL: str((start + size) * S)}))
    return out


class TestTumblingWindow(StageContract):
    """Readings that are out of order by less than the lateness."""

    def make(self) -> TumblingWindow:
        return TumblingWindow(size=10.0, lateness=5.0, per="stream", aggregate={"p": ["mean", "count"]})

    def item(self, n: int) -> Reading:
        return Reading("a", (n + n * 7 % 5) * S, {"p": n})

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [by_window(inputs[0])]


class TestSettlingEarly(TestTumblingWindow):
    def make(self) -> TumblingWindow:
        return TumblingWindow(size=10.0, lateness=5.0, per="stream", aggregate={"p": ["mean", "count"]}, settle="early")


class TestWithFewElements(TestTumblingWindow):
    """The bound of what is held closes windows early."""

    lossless = False

    def make(self) -> TumblingWindow:
        return TumblingWindow(size=1000.0, aggregate="last", max_elements=7, late="outlet", idle=0.2)


class TestFold(SupervisionContract):
    """Any elements, their times by a function."""

    def make(self) -> TumblingWindow:
        return TumblingWindow(size=7.0, per="stream", time=lambda n: n * S, zero=0, function=lambda a, b: a + b)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        starts = sorted({n // 7 * 7 for n in inputs[0]})
        sums = [(start, sum(n for n in inputs[0] if n // 7 * 7 == start)) for start in starts]
        return [[Windowed(None, start * S, (start + 7) * S, total) for start, total in sums]]

    def make_failing(self, on_error: Any) -> TumblingWindow:
        add = raising(lambda a, b: a + b)
        return TumblingWindow(
            size=7.0, per="stream", time=lambda n: abs(n) * S, lateness=99, zero=0, function=add, on_error=on_error
        )

    def after_failure(self, inputs: list[Any], on_error: str) -> list[Any] | None:
        if on_error != "resume":
            return None
        good = [n for n in inputs if n >= 0]
        made = self.expected([good])[0]
        if not any(n // 7 == 1 for n in good):  # the window of the guilty element was opened
            made = sorted([*made, Windowed(None, 7 * S, 14 * S, 0)], key=lambda window: window.start)
        return made


class TestKeyThatFails(TestFold):
    """A key that raises: supervised like the fold."""

    def make_failing(self, on_error: Any) -> TumblingWindow:
        return TumblingWindow(size=7.0, per=raising(lambda n: "k"), time=lambda n: n * S, zero=0, function=max, on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: str) -> list[Any] | None:
        return None


def reading(seconds: float, p: Any = 1, source: str = "a") -> Reading:
    return Reading(source, int(seconds * S), {"p": p})


def window(start: int, p: Any, source: str = "a", size: int = 10) -> Reading:
    return Reading(source, start * S, {"p_sum": p}, tags={WINDOW_UNTIL: str((start + size) * S)})


def test_window_is_emitted_when_the_watermark_reaches_its_end() -> None:
    """Not before; a late element is dropped and counted."""
    with StageBench(TumblingWindow(size=10.0, lateness=2.0, aggregate="sum")) as bench:
        bench.sink.request(100)
        bench.source.send(reading(1), reading(11.9, 5), reading(3))
        bench.sink.expect_no_signal()
        bench.source.send(reading(12))
        bench.sink.expect_next(window(0, 2))
        bench.source.send(reading(4))
        assert bench.source.outcomes.dropped("late") == [4]
        assert bench.counters["dropped_late"] == 1
        bench.source.complete()
        bench.sink.expect_next(window(10, 6))
        bench.sink.expect_complete()


def test_elements_are_settled_when_their_window_is() -> None:
    """Stored, failed or dropped as the element made of them."""
    with StageBench(TumblingWindow(size=10.0, aggregate="sum"), keep=True) as bench:
        bench.sink.request(100)
        bench.source.send(reading(1), reading(2), reading(11), reading(12), reading(21))
        assert bench.source.outcomes.by_mark == {}
        assert len(bench.sink.held) == 1
        [chunk] = bench.sink.held
        first, second = chunk.cut(1)
        bench.sink.held = []
        second.fail(ValueError("a test"))
        assert bench.source.outcomes.failed() == [2, 3]
        first.settle()
        assert bench.source.outcomes.stored() == [0, 1]


def test_elements_are_settled_at_once_when_the_stage_settles_early() -> None:
    """By name, and then nothing is held."""
    stage = TumblingWindow(size=10.0, aggregate="sum", settle="early")
    assert stage.holds() == Hold(0, 0.0)
    with StageBench(stage, keep=True) as bench:
        bench.sink.request(100)
        bench.source.send(reading(1))
        assert bench.source.outcomes.stored() == [0]


def test_late_elements_go_to_their_outlet_when_they_are_asked_for() -> None:
    """As they are, with their receipts; what is too far ahead, too. If that outlet is cancelled they are dropped."""
    with StageBench(TumblingWindow(size=10.0, aggregate="sum", late="outlet")) as bench:
        out, late = bench.sinks
        out.request(100)
        bench.source.send(reading(25), reading(3), reading(26))
        out.expect_no_signal()
        bench.source.expect_request(1021)  # nothing in the place of what came
        late.request(10)
        late.expect_next(reading(3))
        assert bench.source.outcomes.stored() == [1]
        assert bench.counters["late"] == 1
        bench.source.send(Reading("a", 2**62, {"p": 1}))
        late.expect_next(Reading("a", 2**62, {"p": 1}))
        assert bench.counters["ahead"] == 1
        late.cancel()
        bench.source.send(reading(3))
        assert bench.source.outcomes.dropped("branch_cancelled") == [4]
        bench.source.complete()
        out.expect_next(window(20, 2))
        out.expect_complete()


def test_silent_device_closes_its_window_when_it_is_idle() -> None:
    """By the time that passes here; the other device is not affected."""
    with StageBench(TumblingWindow(size=10.0, aggregate="sum", idle=30.0)) as bench:
        bench.sink.request(100)
        bench.source.send(reading(1), reading(2, 7, "b"))
        bench.advance(20)
        bench.source.send(reading(3))
        bench.advance(10)
        bench.sink.expect_next(window(0, 7, "b"))
        bench.advance(20)
        bench.sink.expect_next(window(0, 2))
        assert bench.counters["closed_idle"] == 2
        bench.advance(1000)
        bench.sink.expect_no_signal()


def test_window_stays_open_when_a_device_jumps_into_the_future() -> None:
    """What is not believed is dropped as ahead and closes nothing; a clock that was never set is no measure."""
    with StageBench(TumblingWindow(size=10.0, aggregate="sum", max_ahead=60.0)) as bench:
        now = bench.host.clock.wall_ns() // S
        start = now // 10 * 10
        bench.sink.request(100)
        bench.source.send(reading(start + 1), reading(start + 3600), reading(start + 2))
        assert bench.source.outcomes.dropped("ahead") == [1]
        assert bench.counters["dropped_ahead"] == 1
        bench.source.send(reading(start + 10))
        bench.sink.expect_next(window(start, 2))
        unset = Reading("new", (start + 10**8) * S, {"p": 1}, clock=ClockState(False, "boot"))
        bench.source.send(unset)
        bench.source.complete()
        bench.sink.expect_next(window(start + 10, 1), window(start + 10**8, 1, "new"))


def test_gap_passes_and_empty_window_emits_nothing() -> None:
    """A gap record is not a value; what has none of the fields is dropped with a reason."""
    gap = gap_reading("a", "offline", 1, 2)
    with StageBench(TumblingWindow(size=10.0, aggregate={"q": "sum"})) as bench:
        bench.sink.request(100)
        bench.source.send(reading(1), gap, reading(11))
        bench.sink.expect_next(gap)
        bench.sink.expect_no_signal()
        assert bench.source.outcomes.dropped("no_values") == [0]
        assert bench.counters["dropped_no_values"] == 1
        bench.source.complete()
        bench.sink.expect_complete()


def test_windows_wait_when_nobody_asks() -> None:
    """What closes waits; nothing more is asked for."""
    with StageBench(TumblingWindow(size=1.0, aggregate="sum")) as bench:
        bench.sink.request(1)
        bench.source.send(*(reading(n) for n in range(5)))
        bench.sink.expect_next(window(0, 1, size=1))
        bench.source.send(*(reading(n) for n in range(5, 9)))
        assert bench.source.demand < 1024
        bench.sink.request(2)
        bench.sink.expect_next(window(1, 1, size=1), window(2, 1, size=1))


def test_time_and_key_are_expressions_when_written_in_a_configuration() -> None:
    """A window over a field that holds seconds, by a tag."""
    catalogue = Catalogue.built_in()
    properties = {
        "size": "1min",
        "per": "tags['line']",
        "time": "at * 1000000000",
        "aggregate": {"p": ["max", "count"]},
        "lateness": "5s",
        "idle": "2min",
    }
    check = catalogue.check("tumbling_window", properties)
    assert check.stage is not None, check.errors
    with StageBench(check.stage) as bench:
        bench.sink.request(100)
        rows = [(1, "x", 5), (59, "x", 7), (30, "y", 1), (66, "x", 9)]
        bench.source.send(*(Reading("a", 0, {"at": at, "p": p}, tags={"line": line}) for at, line, p in rows))
        bench.sink.expect_next(Reading("x", 0, {"p_max": 7, "p_count": 2}, tags={"line": "x", WINDOW_UNTIL: str(60 * S)}))
    wrong = catalogue.check("tumbling_window", {"size": "1min", "aggregate": {"p": "meen"}})
    assert "did you mean 'mean'" in str(wrong.errors[0])


def test_element_fails_when_its_time_is_none() -> None:
    """Text, or nothing, is no time; the reading fails alone."""
    with StageBench(TumblingWindow(size=1.0, time="at")) as bench:
        bench.sink.request(10)
        bench.source.send(Reading("a", 0, {"at": "noon"}), Reading("a", 0, {"at": 5}))
        assert bench.source.outcomes.failed() == [0]


def test_settings_are_refused_when_they_make_no_sense() -> None:
    """No size, no room, no function."""
    for wrong in ({"size": 0}, {"size": 1, "max_windows": 0}, {"size": 1, "function": "mean"}, {"size": 1, "lateness": -1}):
        with pytest.raises(ConfigError):
            TumblingWindow(**wrong)
