"""SourceContract: what every stage without inlets has to keep, as a test class to subclass; `StageContract` is for flows.

    class TestIterate(FedSourceContract):
        def make(self, feed):
            return Iterate(feed)

        def expected(self, items):
            return items

The tests run the source in front of a probe under a virtual clock, with random schedules: demand in drips, in bursts, without
bound, late settlement, time, where turns are cut, what the outside does meanwhile. They compare with the obvious list, and
look at what is left behind wherever the stream ends. A failing schedule is repeated by its seed, which is in the test's name.
"""

from __future__ import annotations

from random import Random

import pytest

from rt_edge.data.errors import StreamError
from rt_edge.data.receipt import Dropped, Failed
from rt_edge.protocol.demand import UNBOUNDED
from rt_edge.testkit.source_contract_feed import Feed
from rt_edge.testkit.source_contract_receipts import SourceReceiptContract
from rt_edge.testkit.source_contract_run import ROUNDS
from rt_edge.testkit.stage_contract import Broken
from rt_edge.testkit.stage_schedule import HOUR

SEEDS = range(12)


class SourceContract(SourceReceiptContract):
    """Subclass it, override `make`, `expected` and what differs; for what draws from outside see `FedSourceContract`."""

    # -- the tests -----------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("tracked", [True, False], ids=["receipts", "bare"])
    @pytest.mark.parametrize("seed", SEEDS)
    def test_output_is_the_list_when_the_schedule_is_random(self, seed: int, tracked: bool) -> None:
        """Whatever the schedule, the output is the obvious list, and then the end; nothing more is under way behind it."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        with self._run(random.randint(0, self.elements), random, seed, tracked, keep=seed % 3 > 0) as run:
            run.drive(random.randint(0, 120))
            run.finish()
            run.check_end()

    @pytest.mark.parametrize("size", [0, 1, 2, 63, 1024, 1025, 2500])
    @pytest.mark.parametrize("demand", ["drips", "bursts", "unbounded"])
    def test_output_is_the_list_when_demand_comes_so(self, demand: str, size: int) -> None:
        """Of any length, whether elements are asked for one by one, in bursts or all at once."""
        random = Random(size)  # noqa: S311 - a schedule, not a secret
        size = min(size, 200) if demand == "drips" else size
        with self._run(size, random) as run:
            if demand == "unbounded":
                run.ask(UNBOUNDED if self.ends else max(1, len(run.expected)))
            for _ in range(ROUNDS):
                if run.over:
                    break
                run.move()
                if demand != "unbounded" and run.asked <= len(run.sink.received):
                    run.ask(1 if demand == "drips" else random.choice([1, 100, 700, 1500]))
                run.advance(self.period)
            run.check_end()

    @pytest.mark.parametrize("seed", SEEDS[:4])
    def test_end_needs_no_demand_when_all_was_emitted(self, seed: int) -> None:
        """With demand for exactly its elements a source ends, unless it says that it has to be asked once more."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        n = random.choice([0, 1, self.elements])
        with self._run(n, random, seed) as run:
            run.ask(len(run.expected)) if run.expected else None
            for _ in range(2 * self.elements + 10):
                run.move()
                run.advance(self.period)
            if run.expected or self.early_end:
                assert run.sink.received == run.expected
                assert run.sink.ended == (self.ends and self.early_end)
            run.finish()
            run.check_end()

    @pytest.mark.parametrize("seed", SEEDS[:4])
    def test_nothing_is_emitted_when_nothing_is_wanted(self, seed: int) -> None:
        """Without demand nothing goes out, however much time passes; a sink that asks for one element gets one."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        with self._run(self.elements, random, seed) as run:
            for wanted in range(20):
                for _ in range(3):
                    run.move()
                    run.advance(random.choice([0.0, 0.5, self.period]))
                assert len(run.sink.received) <= wanted
                run.ask(1)

    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("cause", [None, Broken("downstream")], ids=["plain", "cause"])
    def test_everything_is_released_when_downstream_cancels(self, seed: int, cause: BaseException | None) -> None:
        """At whatever moment: it stops, nothing comes any more, what was opened is closed, no timer and no task is left, and what
        was under way is dropped for a reason, or failed with the cause."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        with self._run(self.elements, random, seed, keep=True) as run:
            run.drive(random.choice([0, 1, 2, 5, 20, 40]))
            if run.sink.ended:
                return
            run.note()
            ready = run.waiting
            run.sink.cancel(cause, settle=random.random() < 0.5)
            run.check_released(Failed if cause else Dropped)
            if cause is None and run.feed.drawn and not self.drops_elsewhere:
                held = len(self.expected(list(run.feed.drawn))) - len(run.sink.received) - ready
                counted = sum(n for name, n in run.bench.counters.items() if name.startswith("dropped_"))
                assert counted == held, f"{held} elements were held, {counted} are counted as dropped"

    @pytest.mark.parametrize("seed", SEEDS[:6])
    @pytest.mark.parametrize("error", [None, StreamError("the island stops")], ids=["plain", "error"])
    def test_everything_is_released_when_the_engine_stops(self, seed: int, error: BaseException | None) -> None:
        """As when downstream cancels."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        with self._run(self.elements, random, seed, keep=True) as run:
            run.drive(random.randint(0, 40))
            run.note()
            run.bench.engine.stop(error)
            run.check_released(Failed if error else Dropped)

    @pytest.mark.parametrize("seed", SEEDS[:4])
    def test_list_is_the_same_when_the_stage_is_run_again(self, seed: int) -> None:
        """A stage describes: two runs of it do not know of each other. One that is for one run says so."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        with self._run(7, random, seed) as first:
            first.drive(random.randint(1, 10))
            with first.beside() as second:
                if isinstance(self.again, str):
                    assert self.again
                elif self.again:
                    second.finish()
                    second.check_end()
                else:
                    assert isinstance(second.sink.error, StreamError)
                    assert second.sink.received == []
            if not isinstance(self.again, str):
                first.finish()
                first.check_end()


class FedSourceContract(SourceContract):
    """What a source that draws elements from outside has to keep besides.

    Attributes:
        lazy: whether it leaves the outside alone until it is asked for the first element.
        counts_errors: whether a failure of the outside is one of code that the stage calls: then it is counted as `errors`.
        behind: whether the error of the outside comes behind its elements; else it may overtake them.
        fails_with: what comes behind the elements when the outside fails; None: its very error.
        none: what becomes of None, which is no element (rule 2.13): "fails" the stream, or is "refused" at the door: the outside
            gets a TypeError; or why none can come.
    """

    lazy = True
    counts_errors = True
    behind = True
    fails_with: type[BaseException] | None = None
    none = "fails"

    @pytest.mark.parametrize("seed", SEEDS[:4])
    def test_outside_is_left_alone_when_nothing_is_wanted(self, seed: int) -> None:
        """Nothing is drawn beyond what the source says, and nothing opened."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        with self._run(self.elements, random, seed) as run:
            for _ in range(50):
                run.move()
                run.advance(random.choice([0.0, 0.5, HOUR]))
            assert len(run.feed.drawn) <= self.ahead
            assert not run.feed.opened or not self.lazy, "the outside was opened for nobody"

    @pytest.mark.parametrize("seed", SEEDS[:3])
    @pytest.mark.parametrize("good", [0, 3, 1024, 1030])
    def test_elements_before_are_emitted_when_the_outside_fails(self, good: int, seed: int) -> None:
        """Then its error comes, counted; what was opened is closed."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        feed = Feed([self.item(n) for n in range(good)], Broken("outside"), random, tracked=seed % 2 == 0)
        with self._run(good, random, seed, feed=feed) as run:
            if seed % 3 == 0:
                run.ask(UNBOUNDED)
            run.finish()
            assert run.sink.received == run.expected[: None if self.behind else len(run.sink.received)]
            if self.fails_with is None:
                assert run.sink.error is feed.error
            else:
                assert isinstance(run.sink.error, self.fails_with)
            assert run.bench.counters.get("errors", 0) == self.counts_errors
            run.note()
            run.check_released(Failed)

    @pytest.mark.parametrize("seed", SEEDS[:4])
    def test_none_is_no_element_when_the_outside_gives_it(self, seed: int) -> None:
        """The elements before it come, it does not (rule 2.13)."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        feed = Feed([*(self.item(n) for n in range(seed)), None], None, random)
        if self.none not in {"fails", "refused"}:
            assert self.none
            return
        with self._run(seed, random, seed, feed=feed) as run:
            run.expected = self.expected(feed.items[:-1])
            if self.none == "refused":
                run.ask(50)
                with pytest.raises(TypeError, match=r"2\.13"):
                    run.finish()
                run.advance(self.period)
            else:
                run.ask(50) if seed % 2 else None
                run.finish()
                assert isinstance(run.sink.error, TypeError)
                assert run.bench.counters["errors"] == 1
                run.check_released(Failed)
            assert run.sink.received == run.expected
