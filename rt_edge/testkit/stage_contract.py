"""StageContract: what every stage has to keep, as a test class to subclass.

    class TestMap(StageContract):
        def make(self):
            return Map(lambda x: x + 1)

        def expected(self, inputs):
            return [[x + 1 for x in inputs[0]]]

The tests run the stage between probes under a virtual clock: random schedules (chunks, demand, settlement, time, where turns are
cut) against the obvious list function, the ends of a stream from either side, late demand, supervision, and after each that
every element that went in has exactly one outcome. A failing schedule is repeated by its seed, which is in the test's name.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Literal

import pytest

from rt_edge.data.errors import StreamError
from rt_edge.data.receipt import Dropped, Failed, Stored
from rt_edge.protocol.demand import UNBOUNDED
from rt_edge.streams.stage import Stage
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.replay_contract import ReplayContract
from rt_edge.testkit.stage_schedule import HOUR, drive

OnError = Literal["stop", "resume", "restart"]
SEEDS = range(12)
MANY = 3000
"""More elements than any stage asks for at once."""


class Broken(Exception):
    """Raised by user code for the element `BAD`."""


BAD = -13
"""The element for which `make_failing` stages raise."""


class StageContract(ReplayContract):
    """Subclass it, override `make` and what differs."""

    # -- the tests -----------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("tracked", [True, False], ids=["receipts", "bare"])
    @pytest.mark.parametrize("seed", SEEDS)
    def test_output_is_the_list_functions_when_the_schedule_is_random(self, seed: int, tracked: bool) -> None:
        """Whatever the schedule, the output is that of the obvious function on lists, and nothing is left without outcome."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        stage = self.make()
        inputs = [[self.item(n) for n in range(random.randint(0, self.elements))] for _ in stage.inlets]
        with StageBench(stage, seed=seed, tracked=tracked, keep=random.random() < 0.7) as bench:
            drive(bench, inputs, random)
            if self.lossless:
                self._compare([sink.received for sink in bench.sinks], self.expected(inputs))
            assert all(sink.error is None for sink in bench.sinks), [sink.error for sink in bench.sinks]

    def _compare(self, got: list[list[Any]], expected: list[list[Any]]) -> None:
        if not self.ordered:
            got = [sorted(x for received in got for x in received)]
            expected = [sorted(x for wanted in expected for x in wanted)]
        assert got == expected

    def test_completes_when_upstream_has_no_elements(self) -> None:
        """An empty stream completes, without demand if nothing is to come."""
        with StageBench(self.make()) as bench:
            for source in bench.sources:
                if not source.ended:
                    source.complete()
            if not self.lossless or not any(self.expected([[] for _ in bench.sources])):
                assert all(sink.completed for sink in bench.sinks), "waits for demand before it completes"
            for sink in bench.sinks:
                sink.request(100)
            bench.advance(HOUR)
            if self.lossless:
                self._compare([sink.received for sink in bench.sinks], self.expected([[] for _ in bench.sources]))
            assert all(sink.completed for sink in bench.sinks)

    def test_all_elements_arrive_when_demand_is_unbounded(self) -> None:
        """A sink that asks once for everything gets everything, however much that is."""
        with StageBench(self.make()) as bench:
            for sink in bench.sinks:
                sink.request(UNBOUNDED)
            rests = [[self.item(n) for n in range(MANY)] for _ in bench.sources]
            inputs = [list(rest) for rest in rests]
            for _ in range(100 * MANY):
                if all(sink.ended for sink in bench.sinks):
                    break
                bench.advance(1.0)
                for source, rest in zip(bench.sources, rests, strict=True):
                    if source.ended:
                        continue
                    if rest:
                        n = min(source.demand, len(rest), 100)
                        assert n or len(bench.sources) > 1, f"not asked for the last {len(rest)} elements"
                        source.send(*rest[:n]) if n else None
                        del rest[:n]
                    else:
                        source.complete()
            assert all(sink.completed for sink in bench.sinks), f"{[len(rest) for rest in rests]} elements were never asked for"
            if self.lossless:
                self._compare([sink.received for sink in bench.sinks], self.expected(inputs))

    def test_nothing_is_emitted_when_nothing_is_wanted(self) -> None:
        """Without demand nothing goes out, and only a stage that buffers asks for anything."""
        with StageBench(self.make()) as bench:
            bench.advance(HOUR)
            for source in bench.sources:
                assert self.eager or not source.demand, f"{source.demand} elements were asked for"
                for n in range(100):
                    if source.demand and not source.ended:
                        source.send(self.item(n))
            bench.advance(HOUR)
            assert [sink.received for sink in bench.sinks] == [[] for _ in bench.sinks]

    @pytest.mark.parametrize("seed", SEEDS[:4])
    def test_not_more_is_emitted_than_wanted_when_demand_is_late(self, seed: int) -> None:
        """A sink that asks for one element now and then gets no more than it asked for."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        with StageBench(self.make(), seed=seed) as bench:
            for step in range(30):
                for source in bench.sources:
                    if source.demand and not source.ended:
                        source.send(*(self.item(step + i) for i in range(random.randint(1, source.demand))[:20]))
                bench.advance(random.choice([0.0, 0.5, HOUR]))
                assert all(len(sink.received) <= step for sink in bench.sinks)
                for sink in bench.sinks:
                    if not sink.ended:
                        sink.request(1)

    @pytest.mark.parametrize("seed", SEEDS[:6])
    def test_error_goes_downstream_when_upstream_fails(self, seed: int) -> None:
        """A failure ends the stage with that error; the other inlets are cancelled with it."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        error = Broken("upstream")
        with StageBench(self.make(), seed=seed, keep=True) as bench:
            drive(bench, [[self.item(n) for n in range(40)] for _ in bench.sources], random, steps=random.randint(0, 40))
            failing = random.choice(bench.sources)
            if failing.ended or all(sink.ended for sink in bench.sinks):
                return
            failing.fail(error)
            for sink in bench.sinks:
                sink.request(1000)
            bench.advance(HOUR)
            assert [sink.error for sink in bench.sinks if not sink.completed] == [error] * len(bench.sinks)
            assert all(source.expect_cancellation() is error for source in bench.sources if source is not failing)

    @pytest.mark.parametrize("seed", SEEDS[:6])
    @pytest.mark.parametrize("cause", [None, Broken("downstream")], ids=["plain", "cause"])
    def test_upstream_is_cancelled_when_downstream_cancels(self, seed: int, cause: BaseException | None) -> None:
        """When every sink has cancelled, every source is, with the cause; what was under way has an outcome."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        with StageBench(self.make(), seed=seed, keep=True) as bench:
            drive(bench, [[self.item(n) for n in range(40)] for _ in bench.sources], random, steps=random.randint(0, 40))
            if all(sink.ended for sink in bench.sinks):
                return
            for sink in bench.sinks:
                if not sink.ended:
                    sink.cancel(cause, settle=random.random() < 0.5)
            bench.host.settle()
            assert all(source.ended for source in bench.sources)
            assert all(source.finished or source.cancelled == [cause] for source in bench.sources)

    @pytest.mark.parametrize("seed", SEEDS[:4])
    @pytest.mark.parametrize("error", [None, StreamError("the island stops")], ids=["plain", "error"])
    def test_everything_held_has_an_outcome_when_the_engine_stops(self, seed: int, error: BaseException | None) -> None:
        """What a stage holds when it is stopped is dropped, or failed with the error; nothing is lost without a word."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        with StageBench(self.make(), seed=seed, keep=True) as bench:
            drive(bench, [[self.item(n) for n in range(40)] for _ in bench.sources], random, steps=random.randint(5, 60))
            before = [dict(source.outcomes.by_mark) for source in bench.sources]
            bench.engine.stop(error)
            for known, source in zip(before, bench.sources, strict=True):
                new = [outcome for mark, outcome in source.outcomes.by_mark.items() if mark not in known]
                allowed = Failed if error else (Dropped, Stored) if self.shares else Dropped
                assert all(isinstance(outcome, allowed) for outcome in new), new


class SupervisionContract(StageContract):
    """What a stage with user code has to keep besides; override `make_failing` too."""

    def make_failing(self, on_error: OnError) -> Stage:
        """The stage with user code that raises `Broken` for the element `BAD`; see `raising`."""
        raise NotImplementedError

    def after_failure(self, inputs: list[Any], on_error: OnError) -> list[Any] | None:
        """What comes out of the failing stage, of all outlets; `inputs` may have one BAD. Default: the same without BAD;
        None: not compared."""
        return [x for x in inputs if x != BAD]

    @pytest.mark.parametrize("seed", SEEDS[:4])
    @pytest.mark.parametrize("on_error", ["stop", "resume", "restart"])
    def test_only_the_guilty_element_fails_when_user_code_raises(self, seed: int, on_error: OnError) -> None:
        """The element for which user code raised fails, with an error that names the graph node; supervision does the rest."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        inputs = [*range(random.randint(0, 9)), BAD, *range(20, 20 + random.randint(0, 9))]
        with StageBench(self.make_failing(on_error), seed=seed) as bench:
            drive(bench, [inputs], random)
            bench.advance(HOUR)
            outcomes = bench.source.outcomes
            place = inputs.index(BAD)
            assert place in outcomes.failed()
            assert f"{StageBench.NAME}: Broken" in str(outcomes.errors()[outcomes.failed().index(place)])
            assert bench.counters["errors"] == 1
            expected = self.after_failure(inputs, on_error)
            got = [x for sink in bench.sinks for x in sink.received]
            if on_error == "stop":
                assert all(isinstance(sink.error, Broken) for sink in bench.sinks)
                assert isinstance(bench.source.expect_cancellation(), Broken) if not bench.source.finished else True
                if expected is not None:
                    assert got == self.after_failure(inputs[:place], on_error)
            else:
                assert all(sink.completed for sink in bench.sinks)
                assert bench.counters.get("restarts", 0) == (on_error == "restart")
                assert expected is None or got == expected


def raising(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, but raising `Broken` when its last argument is `BAD`."""

    def guarded(*args: Any) -> Any:
        if args[-1] == BAD:
            raise Broken("bad element")
        return function(*args)

    return guarded
