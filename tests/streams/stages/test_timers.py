"""delay, initial_delay, take_within, drop_within, the timeouts, keep_alive, ...: contracts and own cases, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import BufferOverflow, ConfigError
from rt_edge.data.reading import Reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages._timeouts import StreamTimeout
from rt_edge.streams.stages.backpressure_timeout import BackpressureTimeout, BackpressureTimeoutError
from rt_edge.streams.stages.completion_timeout import CompletionTimeout, CompletionTimeoutError
from rt_edge.streams.stages.delay import Delay
from rt_edge.streams.stages.delay_with import DelayWith
from rt_edge.streams.stages.drop_within import DropWithin
from rt_edge.streams.stages.grouped_weighted_within import GroupedWeightedWithin
from rt_edge.streams.stages.idle_timeout import IdleTimeout, IdleTimeoutError
from rt_edge.streams.stages.initial_delay import InitialDelay
from rt_edge.streams.stages.initial_timeout import InitialTimeout, InitialTimeoutError
from rt_edge.streams.stages.keep_alive import KeepAlive
from rt_edge.streams.stages.take_within import TakeWithin
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import BAD, StageContract, SupervisionContract, raising

LONG = 1e9
"""Seconds; the contracts let hours pass."""


class TestDelay(StageContract):
    eager = True

    def make(self) -> Delay:
        return Delay(0.4, size=7)


class TestDelayThatEmitsEarly(TestDelay):
    def make(self) -> Delay:
        return Delay(0.4, size=7, overflow="emit_early")


class TestDelayThatDropsTheOldest(TestDelay):
    drops_again = "overflow"
    lossless = False

    def make(self) -> Delay:
        return Delay(0.4, size=7, overflow="drop_head")


class TestDelayThatDropsAll(TestDelay):
    drops_again = "overflow"
    lossless = False

    def make(self) -> Delay:
        return Delay(0.4, size=7, overflow="drop_buffer")


class TestDelayWith(SupervisionContract):
    eager = True

    def make(self) -> DelayWith:
        return DelayWith(lambda n: n % 3 / 10, size=7)

    def make_failing(self, on_error: Any) -> DelayWith:
        return DelayWith(raising(lambda n: n % 3 / 10), on_error=on_error)


class TestInitialDelay(StageContract):
    def make(self) -> InitialDelay:
        return InitialDelay(0.3)


class TestTakeWithin(StageContract):
    def make(self) -> TakeWithin:
        return TakeWithin(LONG)


class TestTakeWithinInTime(StageContract):
    lossless = False

    def make(self) -> TakeWithin:
        return TakeWithin(2.0)


class TestDropWithin(StageContract):
    def make(self) -> DropWithin:
        return DropWithin(LONG)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[]]


class TestDropWithinInTime(StageContract):
    lossless = False

    def make(self) -> DropWithin:
        return DropWithin(2.0)


class TestGroupedWeightedWithin(SupervisionContract):
    def make(self) -> GroupedWeightedWithin:
        return GroupedWeightedWithin(weight=10, cost=lambda n: n % 5, within=0.3, most=8)

    def _compare(self, got: list[list[Any]], expected: list[list[Any]]) -> None:
        assert [[n for group in got[0] for n in group]] == expected
        for group in got[0]:
            assert sum(n % 5 for n in group) <= 10
            assert 1 <= len(group) <= 8

    def make_failing(self, on_error: Any) -> GroupedWeightedWithin:
        return GroupedWeightedWithin(weight=10, cost=raising(abs), within=0.3, most=8, on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: Any) -> None:
        """Which lists there are depends on time."""
        return


class TestIdleTimeout(StageContract):
    def make(self) -> IdleTimeout:
        return IdleTimeout(LONG)


class TestInitialTimeout(StageContract):
    def make(self) -> InitialTimeout:
        return InitialTimeout(LONG)


class TestCompletionTimeout(StageContract):
    def make(self) -> CompletionTimeout:
        return CompletionTimeout(LONG)


class TestBackpressureTimeout(StageContract):
    def make(self) -> BackpressureTimeout:
        return BackpressureTimeout(LONG)


class TestKeepAlive(StageContract):
    residue_differs = "what it added is there too"

    def make(self) -> KeepAlive:
        return KeepAlive(1000.0, -1)

    def _compare(self, got: list[list[Any]], expected: list[list[Any]]) -> None:
        assert [[n for n in got[0] if n != -1]] == expected


class TestKeepAliveWithTheLast(StageContract):
    residue_differs = "what it added is there too"

    def make(self) -> KeepAlive:
        return KeepAlive(1000.0)

    def _compare(self, got: list[list[Any]], expected: list[list[Any]]) -> None:
        assert list(dict.fromkeys(got[0])) == expected[0]
        assert got[0] == sorted(got[0])


def test_elements_come_out_later_when_they_are_delayed() -> None:
    """Each at its own time, also those of one chunk with those of another; the end comes behind the last."""
    with StageBench(Delay(1.0)) as bench:
        bench.sink.request(9)
        bench.source.send(1, 2)
        bench.advance(0.5)
        bench.source.send(3)
        bench.source.complete()
        bench.advance(0.49)
        bench.sink.expect_no_signal()
        bench.advance(0.02)
        bench.sink.expect_next(1, 2)
        bench.advance(0.5)
        bench.sink.expect_next(3)
        bench.sink.expect_complete()


def test_time_runs_when_nothing_is_wanted() -> None:
    """An element that has waited long enough goes out with the demand; up to `size` are asked for without any."""
    with StageBench(Delay(1.0, size=3)) as bench:
        bench.source.expect_request(3)
        bench.source.send(1, 2, 3)
        bench.source.expect_no_request()
        bench.advance(5)
        bench.sink.expect_no_signal()
        bench.sink.request(2)
        bench.sink.expect_next(1, 2)
        bench.source.expect_request(2)


@pytest.mark.parametrize(
    ("overflow", "left", "dropped"),
    [
        ("drop_head", [3, 4, 5], [0, 1]),
        ("drop_tail", [1, 2, 5], [2, 3]),
        ("drop_buffer", [4, 5], [0, 1, 2]),
        ("drop_new", [1, 2, 3], [3, 4]),
    ],
)
def test_delay_drops_by_its_policy_when_too_many_wait(overflow: Any, left: list[int], dropped: list[int]) -> None:
    """The policies are those of a buffer."""
    with StageBench(Delay(1.0, size=3, overflow=overflow)) as bench:
        bench.source.send(1, 2)
        bench.source.send(3)
        bench.source.send(4, 5)
        bench.sink.request(9)
        bench.advance(1.0)
        bench.sink.expect_next(*left)
        assert bench.source.outcomes.dropped("overflow") == dropped
        assert bench.counters["dropped_overflow"] == len(dropped)


def test_delay_fails_when_too_many_wait_and_that_is_its_policy() -> None:
    """All that waits fails with it."""
    with StageBench(Delay(1.0, size=2, overflow="fail")) as bench:
        bench.source.send(1, 2)
        bench.source.send(3)
        bench.sink.request(1)
        assert "tested" in str(bench.sink.expect_error(BufferOverflow))
        assert bench.source.outcomes.failed() == [0, 1, 2]
    with StageBench(DelayWith(float, size=2, overflow="fail")) as bench:
        bench.source.send(1)
        bench.source.send(2, 3)
        bench.sink.request(1)
        bench.sink.expect_error(BufferOverflow)
        assert bench.source.outcomes.failed() == [0, 1, 2]


def test_oldest_goes_early_when_one_too_many_comes() -> None:
    """Only as many as are wanted are asked for on top of the room there is."""
    with StageBench(Delay(10.0, size=2, overflow="emit_early")) as bench:
        bench.source.expect_request(2)
        bench.source.send(1, 2)
        bench.source.expect_no_request()
        bench.sink.request(1)
        bench.source.expect_request(1)
        bench.sink.expect_no_signal()
        bench.source.send(3)
        bench.sink.expect_next(1)
        bench.source.expect_no_request()


def test_element_waits_for_those_in_front_of_it_when_each_has_its_own_delay() -> None:
    """Order is kept."""
    with StageBench(DelayWith(lambda n: n / 10)) as bench:
        bench.sink.request(9)
        bench.source.send(5, 1, 9)
        bench.advance(0.45)
        bench.sink.expect_no_signal()
        bench.advance(0.1)
        bench.sink.expect_next(5, 1)
        bench.advance(0.3)
        bench.sink.expect_no_signal()
        bench.advance(0.1)
        bench.sink.expect_next(9)


@pytest.mark.parametrize("wrong", [-1.0, "soon", float("nan"), BAD])
def test_element_fails_alone_when_its_delay_is_no_time(wrong: Any) -> None:
    """A negative one, a text, and what is no number at all."""
    with StageBench(DelayWith(lambda item: item, on_error="resume")) as bench:
        bench.sink.request(9)
        bench.source.send(0, wrong, 1)
        bench.advance(2)
        bench.sink.expect_next(0, 1)
        assert bench.source.outcomes.failed() == [1]


def test_nothing_is_asked_for_when_the_initial_delay_is_not_over() -> None:
    """Then all that is wanted is."""
    with StageBench(InitialDelay(1.0)) as bench:
        bench.sink.request(3)
        bench.advance(0.9)
        bench.source.expect_no_request()
        bench.advance(0.2)
        bench.source.expect_request(3)


def test_stream_is_cut_when_the_time_is_over() -> None:
    """take_within has what came before, drop_within what came after."""
    with StageBench(TakeWithin(1.0)) as bench:
        bench.sink.request(9)
        bench.source.send(1, 2)
        bench.sink.expect_next(1, 2)
        bench.advance(1.0)
        bench.sink.expect_complete()
        assert bench.source.expect_cancellation() is None
    with StageBench(DropWithin(1.0)) as bench:
        bench.sink.request(9)
        bench.source.send(1, 2)
        bench.source.expect_request(9)
        bench.sink.expect_no_signal()
        bench.advance(1.0)
        bench.source.send(3)
        bench.sink.expect_next(3)
        assert bench.source.outcomes.dropped("skipped") == [0, 1]


def test_list_goes_out_when_it_is_heavy_or_old_enough() -> None:
    """The time runs from the first element of a list; a list that is due goes out when it is wanted."""
    with StageBench(GroupedWeightedWithin(weight=10, cost=lambda n: n, within=1.0)) as bench:
        bench.sink.request(3)
        bench.source.send(4, 6, 1)
        bench.sink.expect_next([4, 6])
        bench.advance(0.9)
        bench.sink.expect_no_signal()
        bench.source.send(2)
        bench.advance(0.1)
        bench.sink.expect_next([1, 2])
        bench.source.send(9)
        bench.advance(0.5)
        bench.source.send(1)
        bench.sink.expect_next([9, 1])
        bench.advance(5)
        bench.sink.expect_no_signal()


def test_list_is_closed_in_front_of_an_element_when_it_would_be_too_much() -> None:
    """The weight of a list is bounded: what does not fit begins the next one, and its time; what never fits is one alone."""
    with StageBench(GroupedWeightedWithin(weight=10, cost=lambda n: n, within=1.0)) as bench:
        bench.sink.request(9)
        bench.source.send(4, 5)
        bench.advance(0.9)
        bench.source.send(3)
        bench.sink.expect_next([4, 5])
        bench.advance(0.9)
        bench.sink.expect_no_signal()
        bench.advance(0.1)
        bench.sink.expect_next([3])
        bench.source.send(1, 25, 2)
        bench.sink.expect_next([1])
        bench.sink.expect_next([25])
        bench.source.complete()
        bench.sink.expect_next([2])


def fails(bench: StageBench, kind: type[StreamTimeout], *words: str) -> None:
    """The stage has failed both ways, with an error that says where and how long."""
    error = bench.sink.expect_error(kind)
    assert bench.source.expect_cancellation() is error
    assert all(word in str(error) for word in ("tested", *words)), str(error)


def test_stream_fails_when_it_is_idle_for_too_long() -> None:
    """Each element begins the time anew; so does the start."""
    with StageBench(IdleTimeout(2.0)) as bench:
        bench.sink.request(9)
        for n in range(5):
            bench.advance(1.9)
            bench.source.send(n)
        bench.sink.expect_next(*range(5))
        bench.advance(1.9)
        bench.sink.expect_no_signal()
        bench.advance(0.2)
        fails(bench, IdleTimeoutError, "no element for 2s")
    with StageBench(IdleTimeout(0.25)) as bench:
        bench.advance(0.3)
        fails(bench, IdleTimeoutError, "250ms")


def test_stream_fails_when_the_first_element_is_late() -> None:
    """Once it has come, nothing more is watched."""
    with StageBench(InitialTimeout(60.0)) as bench:
        bench.advance(60)
        fails(bench, InitialTimeoutError, "within 1min")
    with StageBench(InitialTimeout(60.0)) as bench:
        bench.sink.request(1)
        bench.advance(59)
        bench.source.send(1)
        bench.sink.expect_next(1)
        bench.advance(1000)
        bench.sink.expect_no_signal()


def test_stream_fails_when_it_does_not_end_in_time() -> None:
    """However busy it is."""
    with StageBench(CompletionTimeout(2.0)) as bench:
        bench.sink.request(9)
        bench.advance(1.9)
        bench.source.send(1)
        bench.sink.expect_next(1)
        bench.advance(0.2)
        fails(bench, CompletionTimeoutError, "within 2s")


def test_stream_fails_when_downstream_asks_for_nothing() -> None:
    """Demand that is open, or comes in time, is enough; elements need not come."""
    with StageBench(BackpressureTimeout(2.0)) as bench:
        bench.advance(1.9)
        bench.sink.request(2)
        bench.advance(100)
        bench.source.send(1)
        bench.advance(100)
        bench.source.send(2)
        bench.sink.expect_next(1, 2)
        bench.advance(1.5)
        bench.sink.request(1)
        bench.source.send(3)
        bench.sink.expect_next(3)
        bench.advance(1.9)
        bench.sink.expect_no_signal()
        bench.advance(0.2)
        fails(bench, BackpressureTimeoutError, "2s")
    with StageBench(BackpressureTimeout(2.0)) as bench:
        bench.advance(2)
        fails(bench, BackpressureTimeoutError, "2s")


def test_element_is_added_when_nothing_comes() -> None:
    """At each period of silence; only one waits where it is not wanted."""
    with StageBench(KeepAlive(1.0, "alive")) as bench:
        bench.sink.request(3)
        bench.advance(1.0)
        bench.sink.expect_next("alive")
        bench.advance(0.5)
        bench.source.send(1)
        bench.sink.expect_next(1)
        bench.advance(0.9)
        bench.sink.expect_no_signal()
        bench.advance(0.1)
        bench.sink.expect_next("alive")
        bench.advance(10)
        bench.sink.expect_no_signal()
        bench.sink.request(2)
        bench.sink.expect_next("alive")
        bench.sink.expect_no_signal()
        assert bench.counters["added"] == 3


def test_what_was_asked_for_waits_when_its_demand_was_used_up() -> None:
    """Nothing is pushed that is not wanted, and nothing is lost."""
    with StageBench(KeepAlive(1.0, "alive")) as bench:
        bench.sink.request(2)
        bench.advance(1.0)
        bench.sink.expect_next("alive")
        bench.source.send(1, 2)
        bench.sink.expect_next(1)
        bench.source.expect_no_request()
        bench.sink.request(1)
        bench.sink.expect_next(2)


def test_nothing_is_added_when_something_came_since_it_was_due() -> None:
    """What was due and not wanted is forgotten with the next element."""
    with StageBench(KeepAlive(1.0, "alive")) as bench:
        bench.sink.request(2)
        bench.advance(1.0)
        bench.sink.expect_next("alive")
        bench.source.send(1)
        bench.sink.expect_next(1)
        bench.advance(1.0)
        bench.source.send(2)
        bench.sink.request(1)
        bench.sink.expect_next(2)
        bench.sink.request(1)
        bench.sink.expect_no_signal()


def test_last_reading_is_marked_as_held_when_it_is_sent_again() -> None:
    """Nothing is sent before the first one."""
    reading = Reading("a", 1, {"t": 2.0})
    with StageBench(KeepAlive(1.0)) as bench:
        bench.sink.request(9)
        bench.advance(3)
        bench.sink.expect_no_signal()
        bench.source.send(reading)
        bench.advance(2)
        held = Reading("a", 1, {"t": 2.0}, held=True)
        bench.sink.expect_next(reading, held, held)


@pytest.mark.parametrize(
    ("kind", "properties", "stage"),
    [
        ("delay", {"by": "2s", "overflow": "drop_head"}, Delay(2.0, overflow="drop_head")),
        ("initial_delay", {"by": "2s"}, InitialDelay(2.0)),
        ("take_within", {"within": "1min"}, TakeWithin(60.0)),
        ("drop_within", {"within": "1min"}, DropWithin(60.0)),
        ("idle_timeout", {"after": "1min"}, IdleTimeout(60.0)),
        ("keep_alive", {"after": "1min"}, KeepAlive(60.0)),
        ("grouped_weighted_within", {"weight": 5, "cost": "t", "within": "1s"}, None),
    ],
)
def test_times_are_read_when_written_in_a_configuration(kind: str, properties: dict[str, Any], stage: Stage | None) -> None:
    """With units; no time is refused."""
    check = Catalogue.built_in().check
    made = check(kind, properties)
    assert not made.errors
    assert stage is None or made.stage == stage
    time = next(name for name in properties if name in ("by", "within", "after"))
    assert check(kind, {**properties, time: "0s"}).errors


def test_nonsense_is_refused_when_a_stage_is_made() -> None:
    """No room, no time."""
    for make in (lambda: Delay(0.0), lambda: Delay(1.0, size=0), lambda: DelayWith(float, size=0), lambda: KeepAlive(0)):
        with pytest.raises(ConfigError):
            make()
