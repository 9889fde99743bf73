"""Faults of simulated lines: shares, repeatability, and what each does to a frame."""

from __future__ import annotations

from random import Random

import pytest

from rt_edge.testkit.simulators.faults import Faults, FaultyLine

FRAME = bytes(range(20))


@pytest.mark.parametrize("name", ["silent", "late", "garbled", "truncated", "noise"])
def test_share_is_kept_when_there_are_many_frames(name: str) -> None:
    """A tenth of the frames, within four standard deviations, and nothing else happens to the others."""
    line = FaultyLine(Faults(**{name: 0.1}), Random(1))
    fates = [line.fate(FRAME) for _ in range(10_000)]
    assert 880 <= line.counts[name] <= 1120
    assert line.counts[name] + line.counts["good"] == 10_000
    assert sum(fate == (0.0, FRAME) for fate in fates) == line.counts["good"]


def test_faults_exclude_each_other_when_shares_add_up_to_all() -> None:
    """Five kinds of a fifth each: no frame is good, and each kind has its share."""
    line = FaultyLine(Faults(silent=0.2, late=0.2, garbled=0.2, truncated=0.2, noise=0.2), Random(2))
    for _ in range(5_000):
        line.fate(FRAME)
    assert line.counts["good"] == 0
    assert all(880 <= n <= 1120 for n in line.counts.values())


def test_same_seed_gives_the_same_faults_when_a_run_is_repeated() -> None:
    """Also which bit, and which garbage."""
    faults = Faults(silent=0.1, late=0.1, garbled=0.2, truncated=0.2, noise=0.2)
    one, other = (FaultyLine(faults, Random(7)) for _ in range(2))
    assert [one.fate(FRAME) for _ in range(500)] == [other.fate(FRAME) for _ in range(500)]


def test_each_fault_does_what_it_is_called_when_it_happens() -> None:
    """One bit, a shorter frame, a longer one, a later one, none."""
    random = Random(3)
    for _ in range(200):
        _, garbled = FaultyLine(Faults(garbled=1), random).fate(FRAME)
        assert sum((a ^ b).bit_count() for a, b in zip(garbled, FRAME, strict=True)) == 1
        _, truncated = FaultyLine(Faults(truncated=1), random).fate(FRAME)
        assert len(truncated) < len(FRAME)
        assert FRAME.startswith(truncated)
        _, noise = FaultyLine(Faults(noise=1), random).fate(FRAME)
        assert noise.endswith(FRAME)
        assert 1 <= len(noise) - len(FRAME) <= 8
    assert FaultyLine(Faults(late=1, late_s=0.5), random).fate(FRAME) == (0.5, FRAME)
    assert FaultyLine(Faults(silent=1), random).fate(FRAME) == (0.0, b"")
