"""SinkContract: what every stage without outlets has to keep, as a test class to subclass; `StageContract` is for flows.

    class TestFoldInto(SinkSupervisionContract):
        def make(self, done):
            return FoldInto(zero=0, function=operator.add, done=done)

        def expected(self, items):
            return sum(items)

The tests run the sink behind a probe under a virtual clock, with random schedules: what is sent, in chunks of what size, with and
without receipts, time, where turns are cut, what the outside does meanwhile. They compare what the sink came to with the obvious
function on lists, and look at the outcome of each element. A failing schedule is repeated by its seed, which is in the test's
name.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from rt_edge.data.errors import StreamError
from rt_edge.data.receipt import Dropped, Failed
from rt_edge.streams.stage import Stage
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.sink_contract_receipts import SinkReceiptContract
from rt_edge.testkit.sink_contract_run import ROUNDS, Came, SinkRun
from rt_edge.testkit.stage_contract import BAD, Broken, OnError

SEEDS = range(12)


class SinkContract(SinkReceiptContract):
    """Subclass it, override `make`, `expected` and what differs."""

    # -- the tests -----------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("tracked", [True, False], ids=["receipts", "bare"])
    @pytest.mark.parametrize("seed", SEEDS)
    def test_result_is_the_functions_when_the_schedule_is_random(self, seed: int, tracked: bool) -> None:
        """Whatever the schedule, the sink comes to what the obvious function does, and each element has one outcome."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        with self._run(random.randint(0, self.elements), random, seed, tracked) as run:
            run.drive(random.randint(0, 120))
            run.items = run.source.sent + run.rest if not run.source.finished else list(run.source.sent)
            run.finish()
            run.check_end()

    @pytest.mark.parametrize("size", [0, 1, 2, 63, 1024, 1025, 2500])
    @pytest.mark.parametrize("chunk", [1, 100, 5000], ids=["drips", "bursts", "as_asked"])
    def test_result_is_the_functions_when_elements_come_so(self, chunk: int, size: int) -> None:
        """Of any number, one by one, in bursts, or as many as are asked for; the sink never stops asking."""
        random = Random(size)  # noqa: S311 - a schedule, not a secret
        with self._run(min(size, 200) if chunk == 1 else size, random) as run:
            run.finish(chunk)
            run.check_end()

    @pytest.mark.parametrize("seed", SEEDS[:4])
    @pytest.mark.parametrize("demand", [1, 3])
    def test_no_more_is_asked_for_when_the_demand_is_small(self, demand: int, seed: int) -> None:
        """A sink whose `demand` can be said keeps to it, and comes to the same."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        if "demand" not in self.make(Came()).__struct_fields__ or not self.keeps_demand:
            return
        with self._run(self.elements, random, seed, demand=demand) as run:
            run.drive(random.randint(0, 40), complete=False)
            run.finish()
            run.check_end()

    def test_demand_ends_when_nothing_is_taken_outside(self) -> None:
        """A sink that waits for the outside asks for no more than it says; one that does not, never waits."""
        random = Random(0)  # noqa: S311 - a schedule, not a secret
        with self._run(2 * self.ahead + 1 if self.backpressures else 300, random) as run:
            for _ in range(1000):
                if run.source.ended or not run.rest:
                    break
                run.send(64)
                run.advance(self.period)
            sent = len(run.source.sent)
            assert (
                sent <= self.ahead if self.backpressures else sent >= min(self.taken(run.items), len(run.items)) or not self.asks
            )

    @pytest.mark.parametrize("seed", SEEDS[:4])
    def test_demand_is_whole_again_when_all_has_an_outcome(self, seed: int) -> None:
        """Whatever the chunks were, the sink asks for as much as at its start, counted in elements."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        with self._run(self.elements, random, seed) as run:
            first = run.source.demand
            run.drive(random.choice([10, 30]), complete=False)
            for _ in range(2 * self.elements):
                run.move()
                run.advance(self.period)
            assert run.source.ended or run.source.demand >= first, f"asks for {run.source.demand}, at first for {first}"

    @pytest.mark.parametrize("seed", SEEDS[:8])
    def test_result_is_the_error_when_upstream_fails(self, seed: int) -> None:
        """At whatever moment: the very error is told, once, and every element has an outcome: what was not stored fails."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        error = Broken("upstream")
        with self._run(self.elements, random, seed) as run:
            run.drive(random.choice([0, 1, 5, 20]), complete=False)
            if run.source.ended:
                return
            known = dict(run.outcomes)
            run.source.fail(error, settle=random.random() < 0.5)
            for _ in range(ROUNDS):
                if run.over:
                    break
                run.move()
                run.advance(self.period)
            assert [e for _, e in run.came.to] == [error] * self.tells
            assert run.bench.ended == [error]
            assert len(run.outcomes) == len(run.source.sent)
            new = [outcome for mark, outcome in run.outcomes.items() if mark not in known]
            assert not any(isinstance(outcome, Dropped) and outcome.reason != self.outcome for outcome in new), new
            self.check_outside(error)
            run.check_stopped()

    @pytest.mark.parametrize("seed", SEEDS[:6])
    @pytest.mark.parametrize("error", [None, StreamError("the island stops")], ids=["plain", "error"])
    def test_everything_held_has_an_outcome_when_the_engine_stops(self, seed: int, error: BaseException | None) -> None:
        """What the sink holds is dropped, or failed with the error, which is told; nothing is left open."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        with self._run(self.elements, random, seed) as run:
            run.drive(random.randint(0, 40), complete=False)
            over = run.seat.stopped
            known = dict(run.outcomes)
            run.bench.engine.stop(error)
            run.check_stopped()
            new = [outcome for mark, outcome in run.outcomes.items() if mark not in known]
            allowed = Failed if error else (Dropped, Failed) if self.elsewhere else Dropped
            assert all(isinstance(outcome, allowed) for outcome in new), new
            assert len(run.outcomes) == len(run.source.sent)
            if self.tells and error is not None and not over:
                assert [told for _, told in run.came.to] == [error]
            assert len(run.came.to) <= 1
            if not over:
                self.check_outside(error or StreamError("stopped"))

    @pytest.mark.parametrize("seed", SEEDS[:4])
    def test_result_is_the_same_when_the_stage_is_run_again(self, seed: int) -> None:
        """A stage describes: two runs of it do not know of each other. One that is for one run says so."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        with self._run(7, random, seed) as first:
            first.drive(random.randint(1, 10), complete=False)
            with SinkRun(self, list(first.items), random, seed, stage=first.stage) as second:
                if isinstance(self.again, str):
                    assert self.again
                    return
                if not self.again:
                    assert isinstance(second.source.expect_cancellation(), StreamError)
                    return
                second.finish()
                second.check_end()
            first.alone = False
            first.finish()
            assert len(first.came.to) == 2 * self.tells
            if self.tells:
                assert first.came.to[0][0] == first.came.to[1][0]
                expected = self.expected(first.items)
                assert isinstance(expected, type) or first.came.to[0][0] == expected
                first.came.to.pop()
            first.check_end()


class SinkSupervisionContract(SinkContract):
    """What a sink with user code has to keep besides; override `make_failing` too."""

    def make_failing(self, on_error: OnError, done: Came) -> Stage:
        """The stage with user code that raises `Broken` for the element `BAD`; see `raising`."""
        raise NotImplementedError

    def after_failure(self, items: list[Any], on_error: OnError) -> Any:
        """What the failing sink comes to; `items` have one BAD. Default: the same as without BAD."""
        return self.expected([x for x in items if x != BAD])

    @pytest.mark.parametrize("seed", SEEDS[:6])
    @pytest.mark.parametrize("on_error", ["stop", "resume", "restart"])
    def test_only_the_guilty_element_fails_when_user_code_raises(self, seed: int, on_error: OnError) -> None:
        """The element for which user code raised fails, with an error that names the graph node; supervision does the rest."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        items: list[Any] = [*range(1, random.randint(2, 9)), BAD, *range(20, 20 + random.randint(1, 9))]
        place = items.index(BAD)
        done = Came()
        with SinkRun(self, items, random, seed, stage=self.make_failing(on_error, done)) as run:
            run.finish(9)
            outcomes = run.source.outcomes
            assert place in outcomes.failed()
            assert f"{StageBench.NAME}: Broken" in str(outcomes.errors()[outcomes.failed().index(place)])
            assert run.bench.counters["errors"] == 1
            assert run.bench.counters.get("restarts", 0) == (on_error == "restart")
            if on_error == "stop":
                assert isinstance(run.source.cancelled[0] if run.source.cancelled else run.bench.ended[0], Broken)
                failed = outcomes.failed() if not self.backpressures else [mark for mark in outcomes.failed() if mark >= place]
                assert failed == list(range(place, len(run.source.sent)))
                assert [isinstance(error, Broken) for _, error in done.to] == [True] * self.tells
            else:
                assert outcomes.failed() == [place]
                assert done.to == [(self.after_failure(items, on_error), None)] * self.tells
