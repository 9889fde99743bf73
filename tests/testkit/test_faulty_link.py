"""The simulated link does what it says, so that a green simulation means something."""

from __future__ import annotations

from random import Random

import pytest

from rt_edge.testkit.faulty_link import Faults, FaultyLink, Frame, Side
from rt_edge.testkit.simulated_time import SimulatedTime


class Recorder:
    """An end that writes down what it sees."""

    def __init__(self, time: SimulatedTime) -> None:
        self.time = time
        self.numbers: list[int] = []
        self.downs: list[tuple[float, str]] = []

    def frame(self, frame: Frame) -> None:
        self.numbers.append(frame.number)

    def down(self, reason: str) -> None:
        self.downs.append((self.time.now, reason))


class Bench:
    """A link with both ends."""

    def __init__(self, faults: Faults, seed: int = 1) -> None:
        self.time = SimulatedTime()
        self.edge, self.ingress = Recorder(self.time), Recorder(self.time)
        self.link = FaultyLink(self.time, Random(seed), faults, self.edge, self.ingress)

    def send(self, *numbers: int, side: Side = Side.EDGE) -> None:
        for number in numbers:
            self.link.send(side, Frame("k", number, b""))


def test_frames_arrive_in_order_and_once_when_nothing_is_wrong() -> None:
    """Delays differ, the order does not."""
    bench = Bench(Faults(delay=(0.001, 1.0)))
    bench.send(*range(100))
    bench.send(7, side=Side.INGRESS)
    bench.time.run_until(10.0)
    assert bench.ingress.numbers == list(range(100))
    assert bench.edge.numbers == [7]


def test_the_tail_is_lost_and_both_learn_it_apart_when_the_link_is_cut() -> None:
    """What was under way vanishes; each side hears of it once, within `detect`."""
    bench = Bench(Faults(delay=(0.5, 0.5), detect=15.0))
    bench.send(1, 2)
    bench.time.run_until(1.0)
    bench.send(3, 4)
    bench.link.cut()
    bench.send(5)
    bench.time.run_until(60.0)
    assert bench.ingress.numbers == [1, 2]
    [(edge_at, _)], [(ingress_at, _)] = bench.edge.downs, bench.ingress.downs
    assert edge_at != ingress_at
    assert max(edge_at, ingress_at) <= 16.0


def test_what_was_sent_still_arrives_when_a_side_hangs_up() -> None:
    """Close is after what was sent; the closing side is not told."""
    bench = Bench(Faults(delay=(0.1, 0.9)))
    bench.send(1, 2, 3)
    bench.link.close(Side.EDGE, "bye")
    bench.send(4)
    bench.time.run_until(60.0)
    assert bench.ingress.numbers == [1, 2, 3]
    assert [reason for _, reason in bench.ingress.downs] == ["bye"]
    assert bench.edge.downs == []


@pytest.mark.parametrize(("at_once", "limit"), [(True, 0.1), (False, 15.0)])
def test_the_other_side_learns_it_when_a_process_vanishes(at_once: bool, limit: float) -> None:
    """A killed process is noticed at once, a dead machine late; the dead one hears nothing."""
    bench = Bench(Faults(detect=15.0))
    bench.link.vanish(Side.EDGE, at_once)
    bench.send(1, side=Side.INGRESS)
    bench.time.run_until(60.0)
    assert bench.edge.numbers == []
    assert bench.edge.downs == []
    [(at, _)] = bench.ingress.downs
    assert at <= limit


def test_frames_are_lost_repeated_and_overtaken_when_the_faults_say_so() -> None:
    """Each fault shows by itself, and only itself."""
    lossy, twice, mixed = Bench(Faults(loss=0.3)), Bench(Faults(repeat=0.3)), Bench(Faults(reorder=0.3, delay=(0.0, 1.0)))
    for bench in (lossy, twice, mixed):
        bench.send(*range(300))
        bench.time.run_until(10.0)
    assert 150 < len(lossy.ingress.numbers) < 270
    assert lossy.ingress.numbers == sorted(lossy.ingress.numbers)
    assert 330 < len(twice.ingress.numbers) < 450
    assert sorted(set(twice.ingress.numbers)) == list(range(300))
    assert mixed.ingress.numbers != sorted(mixed.ingress.numbers) == list(range(300))


def test_old_frames_come_again_when_they_are_replayed_into_a_new_connection() -> None:
    """The last few frames of either side."""
    old, new = Bench(Faults()), Bench(Faults())
    old.send(*range(20))
    old.send(99, side=Side.INGRESS)
    old.link.replay(new.link)
    new.time.run_until(1.0)
    assert new.ingress.numbers == list(range(12, 20))
    assert new.edge.numbers == [99]


def test_time_stands_still_between_events_when_it_is_wound_by_hand() -> None:
    """Events run in order of time, then of making; a cancelled one does not run; a runaway is stopped."""
    time = SimulatedTime(max_events=3)
    seen: list[str] = []
    time.call_at(2.0, lambda: seen.append("b"))
    time.call_at(1.0, lambda: seen.append("a"))
    time.call_at(2.0, lambda: seen.append("c")).cancel()
    with pytest.raises(OverflowError):
        time.call_later(1.0, lambda: None)
    assert time.step()
    assert (time.monotonic(), seen) == (1.0, ["a"])
    time.run_until(5.0)
    assert (time.now, seen) == (5.0, ["a", "b"])
    assert not time.step()
    assert time.wall_ns() == 1_700_000_005_000_000_000
