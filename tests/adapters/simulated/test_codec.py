"""What a simulated device says is a pure function of its number and of how often it was read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adapters.simulated.codec import values


@given(st.integers(1, 10_000), st.integers(0, 10**6), st.integers(0, 2**31), st.floats(0, 1000), st.floats(1, 10_000))
def test_same_reading_when_asked_twice(device, count, seed, amplitude, slots):
    """Deterministic, within the swing and its noise, and counted."""
    first = values(device, count, seed, amplitude, slots)
    assert first == values(device, count, seed, amplitude, slots)
    assert first["count"] == count
    assert abs(first["temperature"] - 20) <= amplitude + 0.501


def test_other_noise_when_the_seed_differs():
    """The seed decides the noise."""
    assert values(1, 5, 1, 0, 60)["temperature"] != values(1, 5, 2, 0, 60)["temperature"]
