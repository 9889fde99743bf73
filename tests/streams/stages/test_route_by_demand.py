"""route_round_robin, route_random, route_most_demand, route_prioritized, route_rated: contracts and own cases."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.protocol.demand import UNBOUNDED
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.routing.weights import Priorities
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages.route_most_demand import RouteMostDemand
from rt_edge.streams.stages.route_prioritized import RoutePrioritized
from rt_edge.streams.stages.route_random import RouteRandom
from rt_edge.streams.stages.route_rated import RouteRated
from rt_edge.streams.stages.route_round_robin import RouteRoundRobin
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract


class TestRouteRoundRobin(StageContract):
    def make(self) -> Stage:
        return RouteRoundRobin(count=3)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [inputs[0][place::3] for place in range(3)]


class TestRouteRandom(StageContract):
    ordered = False

    def make(self) -> Stage:
        return RouteRandom(count=3)


class TestRouteMostDemand(StageContract):
    ordered = False

    def make(self) -> Stage:
        return RouteMostDemand(count=3)


class TestRoutePrioritized(StageContract):
    ordered = False

    def make(self) -> Stage:
        return RoutePrioritized(
            count=3,
            priorities=(
                1,
                5,
                0,
            ),
        )


class TestRouteRated(StageContract):
    ordered = False

    def make(self) -> Stage:
        return RouteRated(count=3)


PULLING = [RouteRandom, RouteMostDemand, RoutePrioritized, RouteRated]


@pytest.mark.parametrize("kind", PULLING, ids=lambda kind: kind.__name__)
def test_busy_branch_gets_nothing_when_others_ask(kind: type[Any]) -> None:
    """Who does not ask holds up nobody, and is given nothing."""
    with StageBench(kind(count=3)) as bench:
        bench.sinks[1].request(2)
        bench.sinks[2].request(1)
        bench.source.expect_request(3)
        bench.source.send(1, 2, 3)
        assert [len(sink.received) for sink in bench.sinks] == [0, 2, 1]
        bench.source.expect_no_request()


@pytest.mark.parametrize("kind", [*PULLING, RouteRoundRobin], ids=lambda kind: kind.__name__)
def test_what_waits_goes_to_the_others_when_a_branch_cancels(kind: type[Any]) -> None:
    """Nothing is lost with a branch; eager ones end with it."""
    with StageBench(kind(count=2)) as bench:
        bench.sinks[0].request(3)
        bench.sinks[0].cancel()
        bench.sinks[1].request(9)
        bench.feed([1, 2, 3])
        assert bench.sinks[1].received == [1, 2, 3]
        bench.source.complete()
        bench.sinks[1].expect_next(1, 2, 3)
        bench.sinks[1].expect_complete()
    with StageBench(kind(count=2, eager_cancel=True)) as bench:
        bench.sinks[0].cancel()
        bench.source.expect_cancellation()


@pytest.mark.parametrize("kind", PULLING, ids=lambda kind: kind.__name__)
def test_residue_is_what_waits_when_the_stage_is_taken_out(kind: type[Any]) -> None:
    """In order, with its receipts, and nothing is left in the stage."""
    with StageBench(kind(count=2), keep=True) as bench:
        bench.sinks[0].request(3)
        bench.sinks[0].cancel()
        bench.source.send(1, 2, 3)
        chunks = bench.logic.residue()
        assert [item for chunk in chunks for item in chunk.items] == [1, 2, 3]
        assert bench.logic.residue() == []
        for chunk in chunks:
            chunk.settle()
        assert bench.source.outcomes.stored() == [0, 1, 2]


def test_turns_are_waited_for_when_round_robin() -> None:
    """As much is asked for as goes out in strict turns, and not one more."""
    with StageBench(RouteRoundRobin(count=3)) as bench:
        bench.sinks[0].request(5)
        bench.source.expect_request(1)
        bench.sinks[1].request(5)
        bench.source.expect_request(2)
        bench.source.send("a", "b")
        bench.sinks[0].expect_next("a")
        bench.sinks[1].expect_next("b")
        bench.source.expect_no_request()
        bench.sinks[2].request(1)
        bench.source.expect_request(3)
        bench.source.send("c", "d", "e")
        bench.sinks[2].expect_next("c")


def test_most_demand_goes_first_when_branches_differ() -> None:
    """The one that asks for more gets more; then they are equal."""
    with StageBench(RouteMostDemand(count=2)) as bench:
        bench.sinks[0].request(1)
        bench.sinks[1].request(4)
        bench.source.send(1, 2, 3)
        bench.sinks[1].expect_next(1, 2, 3)


def test_choice_is_repeated_when_the_seed_is_the_same() -> None:
    """Chance comes from a parameter."""

    def run(seed: int) -> list[list[Any]]:
        with StageBench(RouteRandom(count=2, seed=seed)) as bench:
            for sink in bench.sinks:
                sink.request(100)
            bench.feed(range(50))
            return [sink.received for sink in bench.sinks]

    assert run(1) == run(1) != run(2)
    assert all(len(received) > 10 for received in run(1))


def test_important_branch_is_served_first_when_priorities_change() -> None:
    """The control object changes priorities while the stage runs."""
    control = Priorities({"out0": 5, "out1": 1})
    with StageBench(RoutePrioritized(count=2, control=control)) as bench:
        for sink in bench.sinks:
            sink.request(100)
        bench.source.send(1, 2)
        bench.sinks[0].expect_next(1, 2)
        control.set("out1", 9)
        bench.source.send(3, 4)
        bench.sinks[1].expect_next(3, 4)
        bench.sinks[0].expect_no_next()


def test_fast_branch_gets_more_when_rated() -> None:
    """Shares follow what each asked for in the last seconds, though both ask for more than there is now."""
    with StageBench(RouteRated(count=2, half_life=1.0)) as bench:
        for _ in range(50):
            bench.sinks[0].request(20)
            bench.sinks[1].request(2)
            bench.advance(0.1)
        bench.sinks[0].request(1000)
        bench.sinks[1].request(100)
        bench.feed(range(550))
        shares = Counter({place: len(sink.received) for place, sink in enumerate(bench.sinks)})
        assert 480 <= shares[0] <= 520


def test_unbounded_branch_does_not_take_all_when_rated() -> None:
    """Who asks for everything at once is known by what it takes."""
    with StageBench(RouteRated(count=2)) as bench:
        bench.sinks[0].request(UNBOUNDED)
        bench.sinks[1].request(500)
        bench.feed(range(1000))
        assert 200 <= len(bench.sinks[1].received) <= 500


@pytest.mark.parametrize(
    "make",
    [
        lambda: RouteRoundRobin(count=0),
        lambda: RouteRated(half_life=0.0),
        lambda: RoutePrioritized(
            count=1,
            priorities=(
                1,
                2,
            ),
        ),
        lambda: RoutePrioritized(priorities=(-1,)),
        lambda: RoutePrioritized(priorities=(1,), control=Priorities()),
        lambda: RoutePrioritized(control="high"),
    ],
)
def test_settings_are_refused_when_they_make_no_sense(make: Any) -> None:
    """Before anything runs."""
    with pytest.raises(ConfigError):
        make()


def test_stage_is_made_when_a_configuration_names_it() -> None:
    """All of them by their kind; a control object cannot be written."""
    catalogue = Catalogue.built_in()
    for stage in (*PULLING, RouteRoundRobin):
        assert catalogue.check(stage.kind, {"count": 3}).errors == []
    assert catalogue.check("route_prioritized", {"priorities": [3, 1]}).errors == []
    assert catalogue.check("route_rated", {"half_life": "10s"}).errors == []
