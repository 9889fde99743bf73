"""merge_prioritized and merge_rated: contracts and own cases."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.routing.weights import Priorities
from rt_edge.streams.stages.merge_prioritized import MergePrioritized
from rt_edge.streams.stages.merge_rated import MergeRated
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract


class MergeContract(StageContract):
    ordered = False

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[x for items in inputs for x in items]]


class TestMergePrioritized(MergeContract):
    def make(self) -> MergePrioritized:
        return MergePrioritized(
            count=3,
            priorities=(
                5,
                1,
            ),
        )


class TestMergePrioritizedStrictly(MergeContract):
    def make(self) -> MergePrioritized:
        return MergePrioritized(
            count=3,
            priorities=(
                0,
                5,
                5,
            ),
            strict=True,
        )


class TestMergeRated(MergeContract):
    def make(self) -> MergeRated:
        return MergeRated(count=3)


class TestMergeEagerly(StageContract):
    lossless = False

    def make(self) -> MergePrioritized:
        return MergePrioritized(eager_complete=True)


@pytest.mark.parametrize("step", [1, 4, 20])
def test_shares_follow_priorities_when_all_have_elements(step: int) -> None:
    """3 to 1, in small demand and in large: both inlets have elements whenever downstream asks."""
    with StageBench(
        MergePrioritized(
            priorities=(
                3,
                1,
            )
        )
    ) as bench:
        for _ in range(50):
            bench.sink.request(step)
            for source, name in zip(bench.sources, "ab", strict=True):
                if source.demand:
                    source.send(*[name] * source.demand)
        late = Counter(bench.sink.received[10 * step :])
        assert abs(late["a"] - sum(late.values()) * 3 / 4) <= max(2, step / 2), late


def test_highest_goes_alone_when_strict() -> None:
    """As long as it has elements."""
    with StageBench(
        MergePrioritized(
            priorities=(
                1,
                2,
            ),
            strict=True,
        )
    ) as bench:
        bench.sink.request(10)
        bench.sources[0].send(*["a"] * 10)
        bench.sources[1].send(*["b"] * 10)
        bench.sink.request(10)
        bench.sink.expect_next(*["a"] * 10, *["b"] * 10)


def test_order_of_service_changes_when_priorities_do() -> None:
    """The control object counts from the next turn on."""
    control = Priorities({"in0": 9, "in1": 1})
    with StageBench(MergePrioritized(control=control, strict=True)) as bench:
        bench.sink.request(1)
        bench.sources[0].send("a1")
        for _ in range(2):
            bench.sink.request(1)
            bench.sources[0].send(*[f"a{bench.sources[0].demand}"] * bench.sources[0].demand)
        bench.sources[1].send(*["b"] * bench.sources[1].demand)
        before = list(bench.sink.received)
        control.set("in1", 10)
        bench.sink.request(1)
        assert bench.sink.received[len(before) :] == ["b"]


def test_slow_inlet_is_asked_for_less_when_rated() -> None:
    """What it is asked for shrinks, never to nothing; when it sends all of it, it grows again."""
    with StageBench(MergeRated(half_life=1.0)) as bench:
        bench.sink.request(100)
        assert [source.demand for source in bench.sources] == [100, 100]

        def rounds(most: int) -> None:
            for _ in range(60):
                for source, n in zip(bench.sources, (100, most), strict=True):
                    if source.demand:
                        source.send(*range(min(n, source.demand)))
                bench.sink.request(200 - len(bench.sink.received) % 200)
                bench.advance(0.5)

        rounds(5)
        assert 1 <= bench.sources[1].demand <= 20
        rounds(100)
        assert bench.sources[1].demand > 60


@pytest.mark.parametrize(
    "make",
    [
        lambda: MergePrioritized(
            priorities=(
                1,
                1,
            )
        ),
        lambda: MergeRated(count=2),
    ],
)
def test_residue_is_what_waits_when_the_stage_is_taken_out(make: Any) -> None:
    """Of all inlets, and nothing is left."""
    with StageBench(make()) as bench:
        bench.sink.request(3)
        bench.sources[0].send(1, 2, 3)
        bench.sources[1].send(*range(4, 4 + bench.sources[1].demand))
        chunks = bench.logic.residue()
        assert [x for chunk in chunks for x in chunk.items][:1] == [4]
        assert bench.logic.residue() == []
        for chunk in chunks:
            chunk.settle()


@pytest.mark.parametrize(
    "make",
    [
        lambda: MergePrioritized(count=0),
        lambda: MergePrioritized(
            priorities=(
                1,
                2,
                3,
            )
        ),
        lambda: MergePrioritized(control=3),
        lambda: MergeRated(count=65),
        lambda: MergeRated(half_life=0.0),
    ],
)
def test_settings_are_refused_when_they_make_no_sense(make: Any) -> None:
    """Before anything runs."""
    with pytest.raises(ConfigError):
        make()


def test_stage_is_made_when_a_configuration_names_it() -> None:
    """Both by their kind."""
    catalogue = Catalogue.built_in()
    assert catalogue.check("merge_prioritized", {"count": 3, "priorities": [3, 2, 1], "strict": True}).errors == []
    assert catalogue.check("merge_rated", {"count": 3, "half_life": "2s"}).errors == []
