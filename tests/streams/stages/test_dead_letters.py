"""dead_letters: contract and own cases."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from rt_edge.data.errors import IslandDied, StreamError
from rt_edge.data.reading import Reading
from rt_edge.data.receipt import Failed
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.model import NodeModel
from rt_edge.streams.stages.dead_letters import DeadLetter, DeadLetters
from rt_edge.streams.stages.map import Map
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import Broken, StageContract
from rt_edge.testkit.stage_schedule import drive


class TestDeadLetters(StageContract):
    def make(self) -> DeadLetters:
        return DeadLetters(size=50)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [inputs[0], []]

    @pytest.mark.parametrize("tracked", [True, False])
    @pytest.mark.parametrize("seed", range(6))
    def test_output_is_the_list_functions_when_the_schedule_is_random(self, seed: int, tracked: bool) -> None:
        """As any stage, with sinks that settle: `dead` ends when all that went out has an outcome."""
        random = Random(seed)
        inputs = [list(range(random.randint(0, 60)))]
        with StageBench(self.make(), seed=seed, tracked=tracked) as bench:
            drive(bench, inputs, random)
            assert [sink.received for sink in bench.sinks] == self.expected(inputs)


FAILED = Failed(Broken("cannot be stored"))


def test_failed_elements_come_out_at_the_other_port() -> None:
    """With the node that had them last and the error; the others pass; a letter that is stored settles its element."""
    with StageBench(DeadLetters(), keep=True) as bench:
        out, dead = bench.sinks
        out.request(10)
        dead.request(10)
        bench.source.send("a", "b", "c")
        first, rest = out.held.pop().cut(1)
        first.settle()
        rest.fail(Broken("cannot be stored"))
        bench.host.settle()
        dead.expect_next(DeadLetter("b", "sink0", "cannot be stored"), DeadLetter("c", "sink0", "cannot be stored"))
        assert bench.source.outcomes.stored() == [0]
        assert not bench.source.outcomes.failed()
        dead.settle_all()
        assert bench.source.outcomes.stored() == [0, 1, 2]
        assert bench.counters["dead_letters"] == 2


def test_reading_stays_a_reading_when_it_is_a_dead_letter() -> None:
    """With two tags more, so that it can be stored as any other."""
    with StageBench(DeadLetters(), keep=True) as bench:
        for sink in bench.sinks:
            sink.request(1)
        bench.source.send(Reading("plc", 5, {"t": 1.0}, tags={"line": "3"}))
        bench.sink.settle_all(FAILED)
        bench.host.settle()
        (letter,) = bench.sinks[1].received
        assert letter == Reading("plc", 5, {"t": 1.0}, tags={"line": "3", "dead.node": "sink0", "dead.error": "cannot be stored"})


def test_node_that_failed_is_named_when_a_stage_behind_it_fails() -> None:
    """In a graph: what `map` fails at comes out at `dead`, named; the map goes on."""
    from rt_edge.streams.blueprint import Blueprint
    from rt_edge.streams.engine import Engine
    from rt_edge.testkit.probes import SinkProbe, SourceProbe
    from rt_edge.testkit.virtual_clock import VirtualHost

    for on_error in ("resume", "stop"):
        host = VirtualHost()
        source, sinks = SourceProbe(host.settle), [SinkProbe(host.settle) for _ in range(2)]
        blueprint = Blueprint()
        blueprint.add(source.stage, "source")
        blueprint.add(DeadLetters(), "letters")
        blueprint.add(Map(lambda x: 6 // x, on_error=on_error), "divide")  # type: ignore[arg-type]
        blueprint.add(sinks[0].stage, "good")
        blueprint.add(sinks[1].stage, "bad")
        for a, b, outlet in (("source", "letters", 0), ("letters", "divide", 0), ("letters", "bad", 1), ("divide", "good", 0)):
            blueprint.connect(a, b, outlet)
        engine = Engine(blueprint, host)
        host.attach(engine)
        engine.start()
        host.settle()
        for sink in sinks:
            sink.request(9)
        source.send(1, 0, 2)
        host.settle()
        assert sinks[0].received == ([6, 3] if on_error == "resume" else [6])
        assert sinks[1].received[0].node == "divide"
        assert "ZeroDivisionError" in sinks[1].received[0].error
        assert [letter.element for letter in sinks[1].received] == ([0] if on_error == "resume" else [0, 2])
        if on_error == "stop":
            sinks[1].expect_next(*sinks[1].received)
            sinks[1].expect_complete()
            assert isinstance(source.expect_cancellation(), ZeroDivisionError)
        assert source.outcomes.stored() == [0, 1, 2]
        engine.stop()


def test_failure_goes_to_the_origin_when_an_island_died_or_nobody_takes_letters() -> None:
    """What an island took along is emitted again by its origin."""
    with StageBench(DeadLetters(), keep=True) as bench:
        out, dead = bench.sinks
        out.request(3)
        bench.source.send(1)
        out.settle_all(Failed(IslandDied("gone")))
        assert bench.source.outcomes.failed() == [0]
        bench.source.send(2, 3)
        first, rest = out.held.pop().cut(1)
        first.fail(Broken("x"))
        bench.host.settle()
        assert bench.source.outcomes.failed() == [0]
        dead.cancel()
        assert bench.source.outcomes.failed() == [0, 1]
        rest.fail(Broken("x"))
        assert bench.source.outcomes.failed() == [0, 1, 2]


def test_not_more_is_asked_for_than_may_be_under_way() -> None:
    """`size` counts what went out and has no outcome, and the letters that wait."""
    with StageBench(DeadLetters(size=3), keep=True) as bench:
        bench.sink.request(100)
        bench.source.expect_request(3)
        bench.source.send(1, 2, 3)
        bench.source.expect_no_request()
        bench.sink.held[0].take([0, 1]).settle()
        bench.host.settle()
        bench.source.expect_request(2)
        bench.sink.held.pop().take([2]).fail(Broken("x"))
        bench.host.settle()
        bench.source.expect_request(2)
        bench.sinks[1].request(1)
        bench.source.expect_request(3)


def test_dead_letters_fail_when_the_stage_ends_with_them() -> None:
    """They are not lost without a word."""
    with StageBench(DeadLetters(), keep=True) as bench:
        bench.sink.request(3)
        bench.source.send(1, 2)
        bench.sink.held[0].take([0]).fail(Broken("x"))
        bench.engine.stop()
        assert bench.source.outcomes.failed() == [0]
        bench.sink.held.pop().take([1]).fail(StreamError("late"))
        assert bench.source.outcomes.failed() == [0, 1]


def test_dead_ends_when_all_has_an_outcome() -> None:
    """`out` completes with upstream, `dead` when nothing can fail any more."""
    with StageBench(DeadLetters(), keep=True) as bench:
        out, dead = bench.sinks
        for sink in bench.sinks:
            sink.request(3)
        bench.source.send(1, 2)
        bench.source.complete()
        out.expect_next(1, 2)
        out.expect_complete()
        dead.expect_no_signal()
        out.settle_all(FAILED)
        bench.host.settle()
        assert [letter.element for letter in dead.received] == [1, 2]
        assert dead.completed


def test_ports_are_known_when_it_stands_in_a_configuration() -> None:
    """`letters.out` and `letters.dead` are what wires name."""
    ports = Catalogue.built_in().ports(NodeModel(id="letters", kind="dead_letters", properties={"size": 10}))
    assert ports is not None
    assert ports.outlets == ("out", "dead")
