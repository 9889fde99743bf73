"""Goal: a source pushes at once when it is idle, and in chunks when it is busy. Method: the stage between a made-up adapter and a
probe, under a virtual clock."""

from __future__ import annotations

import pytest

from rt_edge.data.reading import Reading
from rt_edge.sdk.adapter import Capability
from rt_edge.sdk.source import GATHER, GATHER_S, AdapterSource
from rt_edge.testkit.probes import StageBench


class Adapter:
    """Counts what it is asked."""

    def __init__(self):
        self.asked = 0
        self.settled_through = 0

    def demand(self, n):
        self.asked += n

    def settled(self, through):
        self.settled_through = through


class Runner:
    """What a source uses of its AdapterRunner."""

    name = "dev"
    incarnation = "1"

    def __init__(self, data):
        self.data = data
        self.clock = None
        self.adapter = Adapter()
        self.on_emit = self.on_session = self.on_forget = self.on_gap = None

    def start(self):
        """Nothing to open."""

    async def stop(self):
        """Nothing to close."""


@pytest.fixture
def runner(tmp_path):
    return Runner(tmp_path)


@pytest.fixture
def bench(runner):
    capability = Capability(delivery="polled", backpressure="native", window=1000)
    with StageBench(AdapterSource(runner=runner, capability=capability)) as bench:
        yield bench


def emit(bench, runner, *numbers):
    """The adapter has Readings."""
    runner.on_emit([Reading("dev", n, {"n": n}) for n in numbers], (), ())
    bench.advance(0)


def numbers(bench):
    return [reading.ts for reading in bench.sink.received]


def test_a_reading_is_pushed_at_once_when_the_source_was_idle(bench, runner):
    """The first of a burst, and each of a slow device, does not wait."""
    bench.sink.request(500)
    emit(bench, runner, 1)
    assert numbers(bench) == [1]
    bench.advance(GATHER_S)
    emit(bench, runner, 2)
    assert numbers(bench) == [1, 2]


def test_readings_go_together_when_they_come_one_by_one(bench, runner):
    """What follows within a few milliseconds is one chunk, in order, at the end of them."""
    bench.sink.request(500)
    emit(bench, runner, 1)
    for n in (2, 3, 4):
        bench.advance(GATHER_S / 5)
        emit(bench, runner, n)
    assert numbers(bench) == [1]
    bench.advance(GATHER_S)
    assert numbers(bench) == [1, 2, 3, 4]
    assert [len(chunk) for chunk in bench.sink.chunks] == [1, 3]


def test_readings_do_not_wait_when_no_more_may_come(bench, runner):
    """All that was asked for is here: waiting would bring nothing."""
    bench.sink.request(2)
    emit(bench, runner, 1)
    emit(bench, runner, 2)
    assert numbers(bench) == [1, 2]


def test_readings_do_not_wait_when_they_are_many(bench, runner):
    """A full hand goes out however soon after the last."""
    bench.sink.request(900)
    emit(bench, runner, 0)
    emit(bench, runner, *range(1, GATHER + 1))
    assert numbers(bench) == list(range(GATHER + 1))
