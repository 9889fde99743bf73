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
from rt_edge.data.receipt import Dropped, Failed
from rt_edge.protocol.demand import UNBOUNDED
from rt_edge.streams.stage import Stage
from rt_edge.testkit.probes import SinkProbe, SourceProbe, StageBench

OnError = Literal["stop", "resume", "restart"]
SEEDS = range(12)
STEPS = 120
MANY = 3000
"""More elements than any stage asks for at once."""

HOUR = 3600.0
"""Virtual time in which a stage that waits for time has to go on."""


class Broken(Exception):
    """Raised by user code for the element `BAD`."""


BAD = -13
"""The element for which `make_failing` stages raise."""


class StageContract:
    """Subclass it, override `make` and what differs.

    Attributes:
        elements: sent into each inlet in the random schedules.
        ordered: whether the order of the output is determined.
        eager: whether the stage takes elements that nobody has asked for (buffer, conflate).
        lossless: whether every element sent while all sinks ask reaches `expected`; else `expected` is not compared.
    """

    elements = 60
    ordered = True
    eager = False
    lossless = True

    # -- to override ---------------------------------------------------------------------------------------------------

    def make(self) -> Stage:
        """The stage under test."""
        raise NotImplementedError

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        """What comes out of each outlet when `inputs` went in. Default: the same."""
        return inputs

    def item(self, n: int) -> Any:
        """The element number `n`."""
        return n

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
                assert all(isinstance(outcome, Failed if error else Dropped) for outcome in new), new


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


def drive(bench: StageBench, inputs: list[list[Any]], random: Random, steps: int | None = None) -> None:
    """Send `inputs` under a random schedule until all sinks have ended, or only for so many `steps`."""
    rests = [list(items) for items in inputs]
    held = [0 for _ in bench.sinks]
    for _ in range(STEPS if steps is None else steps):
        if all(sink.ended for sink in bench.sinks):
            return
        _act(bench, rests, held, random)
    bench.host.settle()
    if steps is None:
        _drain(bench, rests, held, random)


def _act(bench: StageBench, rests: list[list[Any]], asked: list[int], random: Random) -> None:
    settle = random.random() < 0.4
    kind = random.randint(0, 9)
    if kind < 4 and bench.sources:
        index = random.randrange(len(bench.sources))
        _send(bench.sources[index], rests[index], random, settle)
    elif kind < 8:
        index = random.randrange(len(bench.sinks))
        _ask(bench.sinks[index], asked, index, random.choice([1, 2, 5, 50]), settle)
    elif kind == 8:
        _settle_one(random.choice(bench.sinks), random)
    else:
        bench.advance(random.choice([0.0, 0.01, 0.3]))


def _send(source: SourceProbe, rest: list[Any], random: Random, settle: bool) -> None:
    if source.ended:
        return
    if not rest:
        if random.random() < 0.3:
            source.complete(settle=settle)
        return
    n = min(random.choice([1, 3, 20]), source.demand, len(rest))
    if n:
        source.send(*rest[:n], settle=settle)
        del rest[:n]


def _ask(sink: SinkProbe, asked: list[int], index: int, n: int, settle: bool) -> None:
    if not sink.ended:
        asked[index] += n
        sink.request(n, settle=settle)


def _settle_one(sink: SinkProbe, random: Random) -> None:
    if sink.held:
        sink.held.pop(random.randrange(len(sink.held))).settle()


def _drain(bench: StageBench, rests: list[list[Any]], asked: list[int], random: Random) -> None:
    """Go on with small steps until all sinks have ended; check that the stage never waits without a reason."""
    for _ in range(10_000):
        for index, sink in enumerate(bench.sinks):
            if asked[index] <= len(sink.received):
                _ask(sink, asked, index, random.choice([1, 3]), settle=False)
        bench.advance(HOUR)
        if all(sink.ended for sink in bench.sinks):
            return
        opened = [sink for sink in bench.sinks if not sink.ended]
        all_ask = all(asked[i] > len(sink.received) for i, sink in enumerate(bench.sinks) if not sink.ended)
        asking = [source for source in bench.sources if not source.ended and source.demand]
        assert asking or not all_ask, f"{len(opened)} sinks wait, and no source is asked"
        for source, rest in zip(bench.sources, rests, strict=True):
            if not rest and not source.ended:
                source.complete(settle=False)
            else:
                _send(source, rest, random, settle=False)
    raise AssertionError("the stream does not come to an end")


def raising(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, but raising `Broken` when its last argument is `BAD`."""

    def guarded(*args: Any) -> Any:
        if args[-1] == BAD:
            raise Broken("bad element")
        return function(*args)

    return guarded
