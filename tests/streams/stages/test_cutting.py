"""grouped_weighted, grouped_adjacent_by and grouped_adjacent_by_weighted: contracts and own cases."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading
from rt_edge.streams.stage import Hold
from rt_edge.streams.stages.grouped_adjacent_by import GroupedAdjacentBy
from rt_edge.streams.stages.grouped_adjacent_by_weighted import GroupedAdjacentByWeighted
from rt_edge.streams.stages.grouped_weighted import GroupedWeighted
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import BAD, StageContract, SupervisionContract, raising


def adjacent(items: list[Any], key: Callable[[Any], Any], weight: float, cost: Callable[[Any], float]) -> list[list[Any]]:
    """The obvious function."""
    lists: list[list[Any]] = []
    for _, group in groupby(items, key):
        one: list[Any] = []
        for item in group:
            if one and sum(map(cost, one)) + cost(item) > weight:
                lists.append(one)
                one = []
            one.append(item)
        lists.append(one)
    return lists


class Grouping(SupervisionContract):
    def after_failure(self, inputs: list[Any], on_error: Any) -> list[Any] | None:
        place = inputs.index(BAD) if BAD in inputs else len(inputs)
        if on_error == "stop":
            return []
        rest = inputs[place + 1 :] if on_error == "restart" else [x for x in inputs if x != BAD]
        return [rest] if rest else []


class TestGroupedWeighted(Grouping):
    def make(self) -> GroupedWeighted:
        return GroupedWeighted(weight=20, cost=lambda x: x % 9)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        lists: list[list[Any]] = [[]]
        for item in inputs[0]:
            lists[-1].append(item)
            if sum(x % 9 for x in lists[-1]) >= 20:
                lists.append([])
        return [[one for one in lists if one]]

    def make_failing(self, on_error: Any) -> GroupedWeighted:
        return GroupedWeighted(weight=1e9, cost=raising(lambda x: x), on_error=on_error)


class TestGroupedWeightedSettledEarly(StageContract):
    def make(self) -> GroupedWeighted:
        return GroupedWeighted(weight=1, cost=lambda x: 0, most=7, settle="early")

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[inputs[0][i : i + 7] for i in range(0, len(inputs[0]), 7)]]


class TestGroupedAdjacentBy(Grouping):
    def make(self) -> GroupedAdjacentBy:
        return GroupedAdjacentBy(by=lambda x: x // 5 % 3)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[list(group) for _, group in groupby(inputs[0], lambda x: x // 5 % 3)]]

    def make_failing(self, on_error: Any) -> GroupedAdjacentBy:
        return GroupedAdjacentBy(by=raising(lambda x: None), on_error=on_error)


class TestGroupedAdjacentByWeighted(Grouping):
    def make(self) -> GroupedAdjacentByWeighted:
        return GroupedAdjacentByWeighted(by=lambda x: x // 8, weight=5, cost=lambda x: x % 4)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [adjacent(inputs[0], lambda x: x // 8, 5, lambda x: x % 4)]

    def make_failing(self, on_error: Any) -> GroupedAdjacentByWeighted:
        return GroupedAdjacentByWeighted(by=lambda x: 1, weight=1e9, cost=raising(lambda x: x), on_error=on_error)


@pytest.mark.parametrize(
    "stage",
    [
        GroupedWeighted(weight=1e9, cost="n", most=3),
        GroupedAdjacentBy(by="k", most=3),
        GroupedAdjacentByWeighted(by="k", weight=1e9, cost="n", most=3),
    ],
)
def test_list_is_closed_when_it_has_most_elements(stage: Any) -> None:
    """Weights and keys do not make a list without a bound; the planner is told it."""
    with StageBench(stage) as bench:
        bench.sink.request(9)
        bench.feed([Reading("a", n, {"n": 1, "k": "x"}) for n in range(7)])
        bench.source.complete()
        assert [len(one) for one in bench.sink.received] == [3, 3, 1]
    assert stage.holds() == Hold(3)


def test_list_is_full_when_it_has_exactly_the_weight() -> None:
    """At least `weight` is enough for one, at most `weight` for the other."""
    for stage in (GroupedWeighted(weight=4, cost=int), GroupedAdjacentByWeighted(by=lambda x: 0, weight=4, cost=int)):
        with StageBench(stage) as bench:
            bench.sink.request(9)
            bench.feed([2, 2, 3, 1, 4])
            bench.source.complete()
            bench.sink.expect_next([2, 2], [3, 1], [4])


def test_heavy_element_is_alone_when_it_is_more_than_the_weight() -> None:
    """No list is empty, and none is refused."""
    with StageBench(GroupedAdjacentByWeighted(by=lambda x: 0, weight=5, cost=lambda x: x)) as bench:
        bench.sink.request(9)
        bench.feed([2, 9, 2, 3, 1])
        bench.source.complete()
        bench.sink.expect_next([2], [9], [2, 3], [1])


def test_missing_fields_are_counted_when_the_key_is_an_expression() -> None:
    """They share a key."""
    with StageBench(GroupedAdjacentBy(by="k")) as bench:
        bench.sink.request(9)
        bench.feed([Reading("a", n, {"k": 1} if n % 4 < 2 else {}) for n in range(6)])
        bench.source.complete()
        assert [len(one) for one in bench.sink.received] == [2, 2, 2]
        assert bench.counters["missing_field"] == 2


@pytest.mark.parametrize("make", [lambda: GroupedWeighted(weight=-1, cost=len), lambda: GroupedAdjacentBy(by=3)])
def test_settings_are_refused_when_they_make_no_sense(make: Any) -> None:
    """A negative weight, and a key that is neither expression nor function."""
    with pytest.raises(ConfigError):
        make()
