"""Observations without I/O: what was overtaken (RFC 7641, 3.4), and when to register again."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.coap.observe import HALF, RESET_S, Freshness, refresh_after


@pytest.mark.parametrize(
    ("numbers", "accepted"),
    [
        ([1, 2, 3], [True, True, True]),
        ([5, 4, 6], [True, False, True]),
        ([5, 5], [True, False]),
        ([2 * HALF - 1, 0, 1], [True, True, True]),
        ([1, 2 * HALF - 1], [True, False]),
        ([0, HALF - 1], [True, True]),
        ([0, HALF], [True, False]),
        ([0, HALF + 1], [True, False]),
    ],
)
def test_order_is_that_of_the_sequence_when_numbers_wrap(numbers: list[int], accepted: list[bool]) -> None:
    """24 bits, compared as RFC 7641 says."""
    fresh = Freshness()
    assert [fresh.accepts(number, float(i)) for i, number in enumerate(numbers)] == accepted


def test_any_number_is_newer_when_long_enough_has_passed() -> None:
    """After 128 seconds the number no longer says anything."""
    fresh = Freshness()
    assert fresh.accepts(100, 0.0)
    assert not fresh.accepts(50, RESET_S)
    assert fresh.accepts(50, RESET_S + 0.001)


@given(st.integers(0, 2 * HALF - 1), st.integers(0, 2 * HALF - 1), st.floats(0, 1000))
def test_it_is_the_formula_of_the_rfc_when_two_are_compared(v1: int, v2: int, later: float) -> None:
    """(V1 < V2 and V2 - V1 < 2^23) or (V1 > V2 and V1 - V2 > 2^23) or (T2 > T1 + 128 seconds)."""
    fresh = Freshness()
    fresh.accepts(v1, 0.0)
    expected = (v1 < v2 and v2 - v1 < 2**23) or (v1 > v2 and v1 - v2 > 2**23) or later > 128
    assert fresh.accepts(v2, later) == expected


@given(st.floats(0, 1e6), st.floats(1, 1e5), st.integers())
def test_registration_comes_before_it_is_stale_when_max_age_allows(max_age: float, longest: float, seed: int) -> None:
    """Within Max-Age and the bound, never more often than once a second."""
    wait = refresh_after(max_age, longest, Random(seed))
    assert wait >= 1.0
    assert wait <= max(1.0, 0.9 * min(max_age, longest))
