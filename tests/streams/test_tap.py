"""Taps of wires of a running engine: what they see, what they forget, and that the stream does not notice them."""

from __future__ import annotations

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.streams.stages.map import Map
from rt_edge.streams.tap import TAPS, open_tap
from rt_edge.testkit.probes import StageBench

BEFORE, BEHIND = 0, 1


def wires(bench):
    return [wire.name for wire in bench.engine.wires]


def test_tap_sees_what_passes_when_the_stream_runs():
    """From its opening on, in order, on its own wire; nothing is seen before there is demand for it."""
    with StageBench(Map(lambda n: n * 10)) as bench:
        bench.sink.request(3)
        bench.source.send(1)
        with open_tap(bench.engine, wires(bench)[BEHIND]) as behind, open_tap(bench.engine, wires(bench)[BEFORE]) as before:
            bench.source.send(2, 3)
            assert (before.take(), behind.take()) == ([2, 3], [20, 30])
            bench.sink.request(1)
            bench.source.send(4)
            assert behind.take(1) == [40]
            assert behind.take() == []
            assert (behind.passed, behind.dropped) == (3, 0)


def test_oldest_are_forgotten_and_counted_when_nobody_takes_them():
    """A tap of four keeps the last four of whatever passes, also of one large chunk; the stream gets all."""
    with StageBench(Map(lambda n: n)) as bench:
        bench.sink.request(100)
        tap = open_tap(bench.engine, wires(bench)[BEHIND], 4)
        bench.source.send(*range(3))
        bench.source.send(*range(3, 20))
        assert (tap.passed, tap.dropped) == (20, 16)
        assert tap.take(2) == [16, 17]
        bench.source.send(20, 21, 22)
        assert (tap.take(), tap.dropped) == ([19, 20, 21, 22], 17)
        assert bench.sink.received == list(range(23))


def test_stream_is_the_same_when_it_is_tapped():
    """No demand of its own: with a tap and without a taker nothing more is asked for, and receipts are settled as before."""
    with StageBench(Map(lambda n: n)) as bench:
        open_tap(bench.engine, wires(bench)[BEHIND], 2)
        assert bench.source.demand == 0
        bench.sink.request(5)
        assert bench.source.demand == 5
        bench.source.send(*range(5))
        assert bench.source.demand == 0
        assert bench.source.outcomes.stored() == list(range(5))


def test_closed_tap_sees_nothing_and_keeps_nothing():
    """It is off the wire; another one goes on."""
    with StageBench(Map(lambda n: n)) as bench:
        one, other = (open_tap(bench.engine, wires(bench)[BEHIND]) for _ in range(2))
        bench.sink.request(5)
        bench.source.send(1)
        one.close()
        one.close()
        bench.source.send(2)
        assert (one.take(), one.passed) == ([], 1)
        assert other.take() == [1, 2]


def test_tap_is_refused_when_there_is_nothing_to_look_at():
    """An unknown wire (the error says which there are), no room, too many at one wire."""
    with StageBench(Map(lambda n: n)) as bench:
        behind = wires(bench)[BEHIND]
        with pytest.raises(ConfigError, match="wires: ") as refused:
            open_tap(bench.engine, "nonsense")
        assert behind in str(refused.value)
        for most in (0, 1025):
            with pytest.raises(ConfigError, match="1 to 1024"):
                open_tap(bench.engine, behind, most)
        for _ in range(TAPS):
            open_tap(bench.engine, behind)
        with pytest.raises(ConfigError, match="already"):
            open_tap(bench.engine, behind)
