"""The state machine of circuit breakers, with time and randomness given."""

from __future__ import annotations

from random import Random

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.streams.breaker import Breaker, BreakerLimits


def breaker(seen=None, **limits):
    return Breaker(
        BreakerLimits(**{"failures": 3, "reset_min": 2.0, "reset_max": 15.0, "jitter": 0.0, **limits}), Random(1), seen
    )


def fail(one, now, times=1):
    return [one.failed(now) for _ in range(times)]


def test_opens_when_so_many_calls_in_a_row_have_failed():
    """Two failures and a success count for nothing; the third in a row opens it, and says so once."""
    changes = []
    one = breaker(lambda *change: changes.append(change))
    assert fail(one, 0.0, 2) == [False, False]
    assert not one.succeeded()
    assert fail(one, 1.0, 3) == [False, False, True]
    assert one.state == "open"
    assert not one.allows(2.9)
    assert changes == [("closed", "open")]


def test_wait_grows_to_its_bound_when_probes_fail():
    """2, 4, 8, 15, 15 seconds; a probe that succeeds closes it, and the next wait is the first again."""
    one, now, waits = breaker(), 0.0, []
    fail(one, now, 3)
    for _ in range(5):
        waits.append(one.retry_at - now)
        assert not one.allows(one.retry_at - 0.001)
        now = one.retry_at
        assert one.allows(now)
        assert one.state == "half_open"
        assert not one.failed(now)
    assert waits == [2.0, 4.0, 8.0, 15.0, 15.0]
    assert one.allows(one.retry_at)
    assert one.succeeded()
    assert one.state == "closed"
    fail(one, 100.0, 3)
    assert one.retry_at == 102.0


def test_half_open_lets_through_as_many_probes_as_it_says():
    """Two at a time, and both have to succeed; one that is given up leaves its place to another."""
    one = breaker(probes=2)
    fail(one, 0.0, 3)
    assert one.allows(2.0)
    laps = [one.begin(), one.begin()]
    assert not one.allows(2.0)
    one.abandoned(laps[0])
    assert one.allows(2.0)
    one.begin()
    assert not one.succeeded(laps[1])
    assert one.state == "half_open"
    assert one.succeeded(laps[1])


def test_result_counts_for_nothing_when_its_call_began_in_another_lap():
    """A call from before it opened that succeeds late does not close it, and one that fails late does not lengthen the wait."""
    one = breaker()
    lap = one.begin()
    fail(one, 0.0, 3)
    assert not one.succeeded(lap)
    assert not one.failed(1.0, lap=lap)
    assert (one.state, one.retry_at) == ("open", 2.0)


@pytest.mark.parametrize("seed", range(5))
def test_jitter_shortens_a_wait_by_its_part_but_never_below_what_is_asked_for(seed):
    """Between 1.5 and 2 s with a quarter of jitter; at least 7 s where the caller says so."""
    one = Breaker(BreakerLimits(1, 2.0, 60.0, jitter=0.25), Random(seed))
    one.failed(0.0)
    assert 1.5 <= one.retry_at <= 2.0
    one.failed(0.0, at_least=7.0)
    assert one.retry_at == 7.0
    one.reset(3.0)
    assert one.allows(3.0)


@pytest.mark.parametrize("wrong", [{"failures": 0}, {"probes": 0}, {"growth": 0.5}, {"jitter": 1.5}, {"reset_min": 0.0}])
def test_limits_are_refused_when_they_make_no_sense(wrong):
    """At once, not at the first failure."""
    with pytest.raises(ConfigError):
        breaker(**wrong)
