"""Backoff: full jitter, growing to a limit, cleared by a connection that lasted."""

from __future__ import annotations

from random import Random

from rt_edge.sdk.backoff import LASTING_S, Backoff


class Ends(Random):
    """Randomness that always gives one end of a range; notes the ranges that were asked."""

    def __init__(self, high: bool) -> None:
        super().__init__()
        self.high = high
        self.asked: list[tuple[float, float]] = []

    def uniform(self, a: float, b: float) -> float:
        """One end."""
        self.asked.append((a, b))
        return b if self.high else a


def test_a_wait_is_anything_from_nothing_to_the_bound_when_attempts_fail() -> None:
    """Full jitter: five hundred gateways behind one broker that comes back must not come back in step."""
    random = Ends(high=True)
    backoff = Backoff(random, first_s=1.0, last_s=60.0)
    waits = [backoff.failed() for _ in range(8)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert random.asked == [(0.0, bound) for bound in waits]
    assert Backoff(Ends(high=False)).failed() == 0


def test_waits_are_spread_over_the_whole_range_when_the_randomness_is_real() -> None:
    """A quarter of the waits falls into each quarter of the range, about."""
    random = Random(11)
    waits = [Backoff(random, first_s=8.0).failed() for _ in range(4000)]
    quarters = [sum(1 for wait in waits if 2 * q <= wait < 2 * q + 2) for q in range(4)]
    assert all(900 < n < 1100 for n in quarters), quarters


def test_the_bound_starts_again_when_a_connection_lasted() -> None:
    """A short life counts as another failure: a broker that accepts and closes at once is not asked every second."""
    backoff = Backoff(Ends(high=True), first_s=1.0)
    backoff.failed()
    backoff.lived(LASTING_S - 1)
    assert backoff.failed() == 2
    backoff.lived(LASTING_S)
    assert backoff.failed() == 1


def test_the_bound_stays_finite_when_attempts_fail_for_years() -> None:
    """No overflow, no endless wait."""
    backoff = Backoff(Ends(high=True))
    assert max(backoff.failed() for _ in range(5000)) == 60
