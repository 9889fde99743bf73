"""Demand arithmetic by rules 1.1, 3.8, 3.9 and 3.17."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rt_edge.protocol.demand import UNBOUNDED, Demand, add_demand, check_demand, subtract_demand


@pytest.mark.parametrize("n", [0, -1, -(2**63), True, False, 1.0, 1.5, float("inf"), float("nan"), "1", "", None, [], b"1"])
def test_demand_is_refused_when_it_is_no_positive_integer(n: object) -> None:
    """Zero, negative numbers, bool, float, str and all else raise a ValueError with the words that the TCK looks for."""
    with pytest.raises(ValueError, match=r"3\.9.*non-positive"):
        check_demand(n)


@pytest.mark.parametrize(("n", "counted"), [(1, 1), (UNBOUNDED - 1, UNBOUNDED - 1), (UNBOUNDED, UNBOUNDED), (2**200, UNBOUNDED)])
def test_demand_is_capped_when_it_is_above_the_limit(n: int, counted: int) -> None:
    """What is at or above 2^63-1 counts as 2^63-1, below it as it is."""
    assert check_demand(n) == counted


@given(st.lists(st.integers(1, 2**64), max_size=20))
def test_demand_never_exceeds_the_limit_when_requests_add_up(requests: list[int]) -> None:
    """The sum of any requests is their sum, or 2^63-1 if that is less."""
    demand = Demand()
    for n in requests:
        demand.add(n)
    assert demand.open == min(sum(requests), UNBOUNDED)
    assert demand.is_unbounded == (sum(requests) >= UNBOUNDED)
    assert bool(demand) == bool(requests)


def test_unbounded_demand_stays_unbounded_when_elements_are_taken() -> None:
    """Nobody counts down from unbounded; bounded demand is counted down to nothing and not beyond."""
    assert subtract_demand(UNBOUNDED, 10**6) == UNBOUNDED
    assert add_demand(UNBOUNDED - 1, 1) == UNBOUNDED
    demand = Demand()
    demand.add(3)
    demand.take()
    demand.take(2)
    assert demand.open == 0
    with pytest.raises(ValueError, match=r"rule 1\.1"):
        demand.take()
