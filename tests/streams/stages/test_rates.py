"""batch, batch_weighted, conflate_with_seed, expand, aggregate_with_boundary: contracts and own cases."""

from __future__ import annotations

from itertools import count, groupby, repeat
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.stages.aggregate_with_boundary import AggregateWithBoundary
from rt_edge.streams.stages.batch import Batch
from rt_edge.streams.stages.batch_weighted import BatchWeighted
from rt_edge.streams.stages.conflate_with_seed import ConflateWithSeed
from rt_edge.streams.stages.expand import Expand
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import BAD, Broken, StageContract, SupervisionContract, raising


def appended(items: list[Any], item: Any) -> list[Any]:
    """Not in place: what was emitted stays as it was."""
    return [*items, item]


def flat(lists: list[list[Any]]) -> list[Any]:
    """The elements of all."""
    return [item for one in lists for item in one]


class BatchContract(SupervisionContract):
    """What comes out is lists, which depend on the demand; flattened they are the input."""

    eager = True

    def _compare(self, got: list[list[Any]], expected: list[list[Any]]) -> None:
        assert [flat(got[0])] == expected

    def after_failure(self, inputs: list[Any], on_error: Any) -> None:
        """Which lists there are depends on the demand."""


class TestBatch(BatchContract):
    def make(self) -> Batch:
        return Batch(count=5)

    def _compare(self, got: list[list[Any]], expected: list[list[Any]]) -> None:
        super()._compare(got, expected)
        assert all(1 <= len(batch) <= 5 for batch in got[0])

    def make_failing(self, on_error: Any) -> Batch:
        return Batch(count=5, seed=raising(lambda n: [n]), aggregate=raising(appended), on_error=on_error)


class TestBatchSettledEarly(TestBatch):
    def make(self) -> Batch:
        return Batch(count=5, settle="early")


class TestBatchWeighted(BatchContract):
    def make(self) -> BatchWeighted:
        return BatchWeighted(weight=9, cost=lambda n: n % 5, count=20)

    def _compare(self, got: list[list[Any]], expected: list[list[Any]]) -> None:
        super()._compare(got, expected)
        assert all(sum(n % 5 for n in batch) <= 9 for batch in got[0])

    def make_failing(self, on_error: Any) -> BatchWeighted:
        return BatchWeighted(weight=9, cost=raising(abs), seed=raising(lambda n: [n]), aggregate=appended, on_error=on_error)


class TestConflateWithSeed(BatchContract):
    def make(self) -> ConflateWithSeed:
        return ConflateWithSeed(lambda n: [n], appended)

    def make_failing(self, on_error: Any) -> ConflateWithSeed:
        return ConflateWithSeed(raising(lambda n: [n]), raising(appended), on_error=on_error)


class TestExpand(SupervisionContract):
    """Each element once or twice, in order."""

    def make(self) -> Expand:
        return Expand(lambda n: repeat(n, 2))

    def _compare(self, got: list[list[Any]], expected: list[list[Any]]) -> None:
        assert [[n for n, _ in groupby(got[0])]] == expected
        assert all(len(list(same)) <= 2 for _, same in groupby(got[0]))

    residue_differs = "what it added is there too"

    def make_failing(self, on_error: Any) -> Expand:
        return Expand(raising(lambda n: [n]), on_error=on_error)


class TestExpandToOne(StageContract):
    def make(self) -> Expand:
        return Expand(lambda n: [n])


class TestAggregateWithBoundary(SupervisionContract):
    def make(self) -> AggregateWithBoundary:
        return AggregateWithBoundary(allocate=list, aggregate=lambda a, n: (appended(a, n), n % 7 == 6), harvest=tuple, most=5)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        made: list[tuple[Any, ...]] = []
        run: list[Any] = []
        for n in inputs[0]:
            run.append(n)
            if len(run) == 5 or n % 7 == 6:
                made.append(tuple(run))
                run = []
        return [made + ([tuple(run)] if run else [])]

    def make_failing(self, on_error: Any) -> AggregateWithBoundary:
        return AggregateWithBoundary(
            allocate=int, aggregate=raising(lambda a, n: (n, True)), harvest=lambda n: n, on_error=on_error
        )


class TestAggregateWithBoundarySettledEarly(StageContract):
    def make(self) -> AggregateWithBoundary:
        return AggregateWithBoundary(
            allocate=list, aggregate=lambda a, n: (appended(a, n), False), harvest=tuple, most=5, settle="early"
        )

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[tuple(inputs[0][at : at + 5]) for at in range(0, len(inputs[0]), 5)]]


def test_elements_pile_up_when_they_are_not_wanted() -> None:
    """One by one as long as they are wanted; then a batch, which goes out with the next demand and stands for all of its
    elements; upstream is not asked for more than fits."""
    with StageBench(Batch(count=3), keep=True) as bench:
        bench.source.expect_request(3)
        bench.sink.request(2)
        bench.source.send(1, 2, 3, 4)
        bench.sink.expect_next([1], [2])
        bench.source.send(5)
        bench.source.expect_no_request()
        bench.sink.expect_no_signal()
        bench.sink.request(1)
        bench.sink.expect_next([3, 4, 5])
        bench.sink.held[1].fail(ValueError())
        assert bench.source.outcomes.failed() == [2, 3, 4]


def test_last_batch_goes_out_when_upstream_has_ended() -> None:
    """It waits for the demand."""
    with StageBench(Batch(count=9, seed=lambda n: n, aggregate=lambda total, n: total + n)) as bench:
        bench.source.send(1, 2, 3)
        bench.source.complete()
        bench.sink.expect_no_signal()
        bench.sink.request(1)
        bench.sink.expect_next(6)
        bench.sink.expect_complete()


def test_heavy_element_waits_when_it_does_not_fit() -> None:
    """It begins the next batch; one that is too heavy for any is a batch of its own."""
    with StageBench(BatchWeighted(weight=10, cost=lambda n: n)) as bench:
        bench.source.send(4, 5, 2, 30, 1)
        for batch in ([4, 5], [2], [30], [1]):
            bench.sink.expect_no_signal()
            bench.sink.request(1)
            bench.sink.expect_next(batch)


def test_error_follows_what_is_good_when_user_code_raises_and_must_not() -> None:
    """The batch so far goes out, what is behind the guilty element fails."""
    with StageBench(Batch(count=9, seed=lambda n: [n], aggregate=raising(appended))) as bench:
        bench.source.send(1, 2, BAD, 4)
        bench.sink.expect_no_signal()
        bench.sink.request(1)
        bench.sink.expect_next([1, 2])
        bench.sink.expect_error(Broken)
        assert bench.source.outcomes.stored() == [0, 1]
        assert bench.source.outcomes.failed() == [2, 3]


def test_batch_fails_when_it_is_restarted() -> None:
    """What is behind the guilty element begins a new one."""
    with StageBench(Batch(count=9, seed=lambda n: [n], aggregate=raising(appended), on_error="restart")) as bench:
        bench.source.send(1, 2, BAD, 4)
        bench.sink.request(1)
        bench.sink.expect_next([4])
        assert bench.source.outcomes.failed() == [0, 1, 2]
        assert (bench.counters["errors"], bench.counters["restarts"]) == (1, 1)


def test_all_that_comes_becomes_one_when_it_is_conflated_with_a_seed() -> None:
    """The seed makes something else of the first; upstream never waits."""
    with StageBench(ConflateWithSeed(str, lambda text, n: f"{text}+{n}"), keep=True) as bench:
        bench.source.send(1, 2, 3)
        bench.source.send(4)
        bench.sink.request(1)
        bench.sink.expect_next("1+2+3+4")
        bench.sink.request(1)
        bench.source.send(5)
        bench.sink.expect_next("5")
        bench.sink.settle_all()
        assert bench.source.outcomes.stored() == [0, 1, 2, 3, 4]


def test_more_is_emitted_when_downstream_asks_for_more_than_comes() -> None:
    """As long as the iterable of the last element lasts; the next element takes its place."""
    with StageBench(Expand(count), keep=True) as bench:
        bench.sink.request(1)
        bench.source.send(10)
        bench.sink.expect_next(10)
        bench.sink.expect_no_signal()
        bench.sink.request(3)
        bench.sink.expect_next(11, 12, 13)
        bench.source.send(50)
        bench.sink.expect_no_signal()
        bench.sink.request(2)
        bench.sink.expect_next(50, 51)
        bench.sink.settle_all()
        assert bench.source.outcomes.stored() == [0, 1]
        assert bench.counters["added"] == 4


def test_expansion_begins_when_there_is_an_initial_element() -> None:
    """Nothing has come yet; without a function, the last element is repeated."""
    with StageBench(Expand(initial=0)) as bench:
        bench.sink.request(2)
        bench.sink.expect_next(0, 0)
        bench.source.send(7)
        bench.sink.request(2)
        bench.sink.expect_next(7, 7)
    with StageBench(Expand()) as bench:
        bench.sink.request(2)
        bench.sink.expect_no_signal()


def test_element_is_dropped_when_its_iterable_is_empty() -> None:
    """It is settled, and the demand is still open."""
    with StageBench(Expand(lambda n: [n] * (n % 2))) as bench:
        bench.sink.request(3)
        bench.source.send(1, 2, 3)
        bench.sink.expect_next(1, 3)
        assert bench.source.outcomes.dropped("filtered") == [1]
        bench.source.expect_request(1)


@pytest.mark.parametrize("on_error", ["stop", "resume"])
def test_expansion_ends_when_its_iterator_raises(on_error: Any) -> None:
    """The element has gone out; under `stop` the stage fails."""

    def once(n: int) -> Any:
        yield n
        raise Broken("no more")

    with StageBench(Expand(once, on_error=on_error)) as bench:
        bench.sink.request(1)
        bench.source.send(1)
        bench.sink.request(1)
        bench.sink.expect_next(1)
        if on_error == "stop":
            assert "tested: Broken: no more" in str(bench.sink.expect_error())
        else:
            bench.source.send(2)
            bench.sink.expect_next(2)
        assert bench.counters["errors"] == 1


def test_aggregate_goes_out_when_it_is_due() -> None:
    """It is looked at at a period; an empty one is not."""
    stage = AggregateWithBoundary(
        allocate=list,
        aggregate=lambda a, n: (appended(a, n), sum(a) + n >= 10),
        harvest=sum,
        is_due=lambda a: len(a) >= 2,
        every=1.0,
    )
    with StageBench(stage) as bench:
        bench.sink.request(9)
        bench.source.send(4, 6, 1)
        bench.sink.expect_next(10)
        bench.advance(5)
        bench.sink.expect_no_signal()
        bench.source.send(2)
        bench.sink.expect_no_signal()
        bench.advance(1)
        bench.sink.expect_next(3)
        assert not bench.host.time.step(), "it is looked at although there is none"


def test_aggregate_fails_when_it_is_restarted() -> None:
    """What is behind the guilty element begins a new one."""
    stage = AggregateWithBoundary(
        allocate=list, aggregate=raising(lambda a, n: (appended(a, n), False)), harvest=tuple, on_error="restart"
    )
    with StageBench(stage) as bench:
        bench.sink.request(9)
        bench.source.send(1, 2, BAD, 4)
        bench.source.complete()
        bench.sink.expect_next((4,))
        assert bench.source.outcomes.failed() == [0, 1, 2]
        assert bench.source.outcomes.stored() == [3]


@pytest.mark.parametrize("on_error", ["stop", "resume"])
def test_whole_aggregate_fails_when_it_cannot_be_harvested(on_error: Any) -> None:
    """With all of its elements."""

    def harvest(items: list[int]) -> int:
        return 12 // (sum(items) - 3)

    stage = AggregateWithBoundary(
        allocate=list, aggregate=lambda a, n: (appended(a, n), False), harvest=harvest, most=2, on_error=on_error
    )
    with StageBench(stage) as bench:
        bench.sink.request(9)
        bench.source.send(4, 1, 1, 2, 3, 1)
        bench.sink.expect_next(6)
        if on_error == "stop":
            bench.sink.expect_error(ZeroDivisionError)
            assert bench.source.outcomes.failed() == [2, 3, 4, 5]
        else:
            bench.sink.expect_next(12)
            assert bench.source.outcomes.failed() == [2, 3]


def test_batches_are_made_when_they_come_from_a_configuration() -> None:
    """As lists, with the weight of an expression; a reading that has none fails alone."""
    stage = Catalogue.built_in().check("batch_weighted", {"weight": 10, "cost": "1 // n"}).stage
    assert stage is not None
    readings = [Reading("a", 0, {"n": n}) for n in (1, 0, 1)]
    with StageBench(stage) as bench:
        bench.source.send(*readings)
        bench.sink.request(1)
        bench.sink.expect_next([readings[0], readings[2]])
        assert bench.source.outcomes.failed() == [1]
    check = Catalogue.built_in().check
    assert check("batch", {"count": 5}).stage == Batch(count=5)
    assert check("batch", {"count": 0}).errors
    assert check("batch", {"seed": "x"}).errors
    with pytest.raises(ConfigError):
        Batch(seed=str)
    with pytest.raises(ConfigError):
        AggregateWithBoundary(allocate=list, aggregate=lambda a, n: (a, True), harvest=list, is_due=bool)
