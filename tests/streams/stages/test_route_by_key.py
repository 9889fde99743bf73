"""route_by_key: contract and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.expression import ExpressionError
from rt_edge.streams.routing.hashing import HashRing
from rt_edge.streams.stages.route_by_key import RouteByKey
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import SupervisionContract, raising

RING = HashRing(["out0", "out1", "out2"])


class TestRouteByKey(SupervisionContract):
    def make(self) -> RouteByKey:
        return RouteByKey(key=lambda x: x % 10, count=3)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[x for x in inputs[0] if RING.owner(x % 10) == f"out{i}"] for i in range(3)]

    def make_failing(self, on_error: Any) -> RouteByKey:
        return RouteByKey(key=raising(lambda x: 0), count=1, on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: str) -> list[Any] | None:
        return None if on_error == "stop" else super().after_failure(inputs, on_error)  # type: ignore[arg-type]


def readings(n: int) -> list[Reading]:
    return [Reading(f"plc/{i % 9}", i, {"line": i % 4}) for i in range(n)]


def test_readings_of_a_device_stay_together_when_the_key_is_their_source() -> None:
    """Gap records of a device too: their order among its readings is kept."""
    with StageBench(RouteByKey(count=2)) as bench:
        for sink in bench.sinks:
            sink.request(100)
        bench.feed([*readings(36), gap_reading("plc/3", "offline", 1, 2)])
        sources = [{reading.source for reading in sink.received} for sink in bench.sinks]
        assert not sources[0] & sources[1]
        assert all(sources)
        assert sum(len(sink.received) for sink in bench.sinks) == 37


def test_only_its_keys_move_when_a_branch_cancels() -> None:
    """The keys of the others stay where they were."""

    def places(bench: StageBench) -> dict[str, int]:
        return {reading.source: place for place, sink in enumerate(bench.sinks) for reading in sink.received}

    devices = [Reading(f"plc/{n}", n, {}) for n in range(60)]
    with StageBench(RouteByKey(count=3)) as bench:
        for sink in bench.sinks:
            sink.request(200)
        bench.feed(devices)
        before = places(bench)
        bench.sinks[1].cancel()
        for sink in bench.sinks:
            sink.received.clear()
        bench.feed(devices)
        after = places(bench)
    assert set(before) == set(after)
    assert set(before.values()) == {0, 1, 2}
    assert all(after[key] == place for key, place in before.items() if place != 1)


def test_missing_field_is_a_key_of_its_own_when_the_key_is_an_expression() -> None:
    """Counted, and not lost."""
    with StageBench(RouteByKey(key="line", count=2)) as bench:
        for sink in bench.sinks:
            sink.request(9)
        bench.source.send(Reading("a", 0, {}), Reading("a", 1, {"line": 3}))
        assert sum(len(sink.received) for sink in bench.sinks) == 2
        assert bench.counters["missing_field"] == 1


def test_element_fails_when_what_is_its_key_cannot_be_one() -> None:
    """A list is no key: it has no hash that another process would have too."""
    with StageBench(RouteByKey(key=lambda x: x, count=1)) as bench:
        bench.sink.request(3)
        bench.source.send("a", ["b"], ("c", 1))
        bench.sink.expect_next("a", ("c", 1))
        assert "cannot be a routing key" in str(bench.source.outcomes.errors()[0])


def test_residue_is_what_waits_when_the_stage_is_taken_out() -> None:
    """In order."""
    with StageBench(RouteByKey(key=lambda x: 0, count=2), keep=True) as bench:
        other = int(HashRing(["out0", "out1"]).owner(0) == "out0")
        bench.sinks[other].request(3)
        bench.source.send(1, 2, 3)
        chunks = bench.logic.residue()
        assert [list(chunk.items) for chunk in chunks] == [[1, 2, 3]]
        chunks[0].settle()


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: RouteByKey(key=3), ConfigError),
        (lambda: RouteByKey(key="a >"), ExpressionError),
        (lambda: RouteByKey(virtual_nodes=0), ConfigError),
        (lambda: RouteByKey(count=65), ConfigError),
    ],
)
def test_settings_are_refused_when_they_make_no_sense(make: Any, error: type[Exception]) -> None:
    """Before anything runs."""
    with pytest.raises(error):
        make()


def test_stage_is_made_when_a_configuration_names_it() -> None:
    """By its kind, with the key alone too."""
    catalogue = Catalogue.built_in()
    assert catalogue.properties("route_by_key", "line") == {"key": "line"}
    assert catalogue.check("route_by_key", {"key": "line", "count": 4, "virtual_nodes": 16}).errors == []
