"""concat, interleave, merge_latest, merge_sequence, merge_sorted, zip_all: contracts and own cases."""

from __future__ import annotations

import asyncio
from itertools import zip_longest
from random import Random
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.dsl import Flow, Sink, Source
from rt_edge.streams.stages.concat import Concat
from rt_edge.streams.stages.interleave import Interleave
from rt_edge.streams.stages.merge_latest import MergeLatest
from rt_edge.streams.stages.merge_sequence import MergeSequence, SequenceBroken
from rt_edge.streams.stages.merge_sorted import MergeSorted
from rt_edge.streams.stages.zip_all import ZipAll
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import BAD, StageContract, SupervisionContract, raising


def interleaved(inputs: list[list[Any]], segment: int, eager: bool = False) -> list[Any]:
    """Segments in turn; those that have nothing left are passed over."""
    rests = [list(items) for items in inputs]
    made = []
    while any(rests):
        for rest in rests:
            made += rest[:segment]
            del rest[:segment]
    return made


class TestConcat(StageContract):
    def make(self) -> Concat:
        return Concat(3)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[x for items in inputs for x in items]]


class TestConcatFromTheSecond(StageContract):
    def make(self) -> Concat:
        return Concat(3, first=1)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[*inputs[1], *inputs[2], *inputs[0]]]


class TestInterleave(StageContract):
    def make(self) -> Interleave:
        return Interleave(3, segment=2)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [interleaved(inputs, 2)]


class TestInterleaveEagerly(StageContract):
    def make(self) -> Interleave:
        return Interleave(3, segment=2, eager_complete=True)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return inputs

    def _compare(self, got: list[list[Any]], expected: list[list[Any]]) -> None:
        whole = interleaved(expected, 2)
        assert got[0] == whole[: len(got[0])]
        if all(expected):
            assert len(got[0]) >= min(len(items) for items in expected)


class TestMergeSorted(SupervisionContract):
    def make(self) -> MergeSorted:
        return MergeSorted(count=3)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [sorted(x for items in inputs for x in items)]

    def make_failing(self, on_error: Any) -> MergeSorted:
        return MergeSorted(count=1, key=raising(lambda x: x), on_error=on_error)


class TestMergeSequence(SupervisionContract):
    """Every inlet of the contract has the same numbers from 0: with one inlet nothing is late."""

    def make(self) -> MergeSequence:
        return MergeSequence(count=1, number=lambda n: n)

    def make_failing(self, on_error: Any) -> MergeSequence:
        return MergeSequence(count=1, number=raising(lambda x: x), on_error=on_error, when_broken="skip")

    def after_failure(self, inputs: list[Any], on_error: Any) -> list[Any]:
        return [x for x in inputs if x != BAD]


class TestMergeSequenceThatSkips(StageContract):
    """Of equal numbers at several inlets one is emitted, the others are late."""

    def make(self) -> MergeSequence:
        return MergeSequence(count=3, number=lambda n: n, when_broken="skip")

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [sorted({x for items in inputs for x in items})]


class TestMergeLatest(StageContract):
    def make(self) -> MergeLatest:
        return MergeLatest(3)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return inputs

    def _compare(self, got: list[list[Any]], expected: list[list[Any]]) -> None:
        if not all(expected):
            assert got == [[]]
            return
        assert got[0][-1] == tuple(items[-1] for items in expected)
        for before, after in zip(got[0], got[0][1:], strict=False):
            assert sum(a != b for a, b in zip(before, after, strict=True)) == 1
            assert sum(after) == sum(before) + 1


class TestMergeLatestSettledEarly(TestMergeLatest):
    def make(self) -> MergeLatest:
        return MergeLatest(3, settle="early")


class TestMergeLatestEagerly(StageContract):
    lossless = False

    def make(self) -> MergeLatest:
        return MergeLatest(3, eager_complete=True)


class TestZipAll(StageContract):
    def make(self) -> ZipAll:
        return ZipAll(3, fill=-1)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [list(zip_longest(*inputs, fillvalue=-1))]


class TestZipAllSettledEarly(TestZipAll):
    def make(self) -> ZipAll:
        return ZipAll(3, fill=-1, settle="early")


def test_next_source_is_asked_when_the_one_before_has_ended() -> None:
    """concat asks one inlet at a time, for what is wanted."""
    with StageBench(Concat(2)) as bench:
        bench.sink.request(5)
        bench.sources[1].expect_no_request()
        bench.sources[0].send(1, 2)
        bench.sources[0].complete()
        bench.sink.expect_next(1, 2)
        bench.sources[1].expect_request(3)
        bench.sources[1].send(3)
        bench.sources[1].complete()
        bench.sink.expect_next(3)
        bench.sink.expect_complete()


def test_waiting_source_is_passed_over_when_it_ends_before_its_turn() -> None:
    """A later inlet that completes early is forgotten; one that fails early fails the stage."""
    with StageBench(Concat(3)) as bench:
        bench.sources[1].complete()
        bench.sink.request(2)
        bench.sources[0].complete()
        bench.sources[2].expect_request(2)
        bench.sources[2].send(1)
        bench.sink.expect_next(1)
    with StageBench(Concat(2)) as bench:
        bench.sources[1].fail(ValueError())
        bench.sink.expect_error(ValueError)
        bench.sources[0].expect_cancellation()


def test_interleave_waits_for_its_turn_when_the_other_is_ahead() -> None:
    """The order does not depend on who is faster; nobody is asked for more than is wanted."""
    with StageBench(Interleave(2, segment=2)) as bench:
        bench.sink.request(3)
        bench.sources[1].send(10, 11, 12)
        bench.sources[1].expect_no_request()
        bench.sink.expect_no_signal()
        bench.sources[0].send(1)
        bench.sink.expect_next(1)
        bench.sources[0].send(2)
        bench.sink.expect_next(2, 10)
        bench.sink.request(2)
        bench.sink.expect_next(11)
        bench.sources[0].complete()
        bench.sink.expect_next(12)


def test_interleave_ends_eagerly_when_one_has_ended_and_gone_out() -> None:
    """What the others are ahead is dropped, and they are cancelled."""
    with StageBench(Interleave(2, eager_complete=True)) as bench:
        bench.sink.request(9)
        bench.sources[1].send(10, 11, 12)
        bench.sources[0].send(1)
        bench.sink.expect_next(1, 10)
        bench.sources[0].complete()
        bench.sink.expect_complete()
        bench.sources[1].expect_cancellation()
        assert bench.sources[1].outcomes.dropped("cancelled") == [1, 2]


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_interleave_ends_behind_the_last_of_one_when_all_came_together(n: int) -> None:
    """Eagerly: not a turn later, though whole rounds go out at once."""
    with StageBench(Interleave(eager_complete=True)) as bench:
        bench.sink.request(99)
        bench.sources[0].send(*range(n + 1))
        bench.sources[0].complete()
        bench.sink.expect_next(0)
        bench.sources[1].send(*range(10, 30))
        bench.sink.expect_next(*[x for i in range(1, n + 1) for x in (9 + i, i)])
        bench.sink.expect_complete()


@pytest.mark.parametrize("seed", range(10))
def test_order_is_that_of_sorting_when_keys_repeat_and_runs_are_long(seed: int) -> None:
    """As `heapq.merge`, which is stable, over inlets of many equal and many distant keys."""
    random = Random(seed)
    inputs = [sorted((random.choice([1, 2, 3, random.randint(0, 50)]), index) for _ in range(40)) for index in range(3)]
    with StageBench(MergeSorted(count=3, key=lambda pair: pair[0])) as bench:
        rests = [list(items) for items in inputs]
        while not bench.sink.completed:
            bench.sink.request(random.randint(1, 9))
            for source, rest in zip(bench.sources, rests, strict=True):
                if source.demand and rest:
                    n = min(source.demand, len(rest), random.randint(1, 20))
                    source.send(*rest[:n])
                    del rest[:n]
                elif not rest and not source.ended:
                    source.complete()
        assert bench.sink.received == sorted(pair for items in inputs for pair in items)


@pytest.mark.parametrize("seed", range(20))
def test_smallest_head_is_next_when_inlets_are_in_no_order(seed: int) -> None:
    """What comes out of order, or without a key, goes out when its turn comes, however the elements arrive."""
    random = Random(seed)
    inputs = [[Reading(f"d{i}", n, draw(random)) for n in range(random.randint(0, 60))] for i in range(3)]
    rests, expected = [list(items) for items in inputs], []
    while any(rests):
        keys = [(rest[0].fields.get("n", -1), index) for index, rest in enumerate(rests) if rest]
        expected.append(rests[min(keys)[1]].pop(0))
    stage = MergeSorted(count=3, key="n")
    with StageBench(stage, seed=seed) as bench:
        rests = [list(items) for items in inputs]
        while not bench.sink.completed:
            bench.sink.request(random.randint(1, 50))
            for source, rest in zip(bench.sources, rests, strict=True):
                if not rest and not source.ended:
                    source.complete()
                elif source.demand and random.random() < 0.7:
                    n = min(source.demand, len(rest), random.randint(1, 30))
                    source.send(*rest[:n])
                    del rest[:n]
        assert bench.sink.received == expected
        assert [source.outcomes.stored() for source in bench.sources] == [list(range(len(items))) for items in inputs]


def draw(random: Random) -> dict[str, Any]:
    """Mostly ascending, now and then anything, or nothing."""
    return {"n": random.choice([random.randint(0, 9), 20, 30])} if random.random() < 0.8 else {"m": 0}


def test_elements_of_two_origins_travel_in_one_chunk_when_they_alternate() -> None:
    """Not one by one; each origin hears of its own."""
    for stage in (MergeSorted(), Interleave()):
        with StageBench(stage) as bench:
            bench.sink.request(200)
            bench.sources[0].send(*range(0, 200, 2))
            bench.sources[1].send(*range(1, 200, 2))
            bench.sources[0].complete()
            bench.sources[1].complete()
            assert bench.sink.received == list(range(200))
            assert bench.engine.seats[bench.NAME].outs[0].chunks <= 4
            assert all(source.outcomes.stored() == list(range(100)) for source in bench.sources)


def test_readings_are_merged_by_time_when_the_key_is_an_expression() -> None:
    """Gap records and readings without the field go with what came before them."""
    stage = Catalogue.built_in().check("merge_sorted", {"key": "n"}).stage
    assert stage is not None
    a = [Reading("a", 0, {"n": "a"}), gap_reading("a", "lost", 0, 1), Reading("a", 0, {"n": "e"})]
    b = [Reading("b", 0, {"n": "b"}), Reading("b", 0, {"m": 0}), Reading("b", 0, {"n": "f"})]
    with StageBench(stage) as bench:
        bench.sink.request(9)
        bench.sources[0].send(*a)
        bench.sources[1].send(*b)
        bench.sources[0].complete()
        bench.sources[1].complete()
        bench.sink.expect_next(a[0], a[1], b[0], b[1], a[2], b[2])
        assert bench.counters["missing_field"] == 1


@pytest.mark.parametrize("on_error", ["stop", "resume", "restart"])
def test_stage_fails_when_keys_cannot_be_compared(on_error: Any) -> None:
    """No supervision helps there; all that is held fails, once."""
    with StageBench(MergeSorted(count=2, on_error=on_error)) as bench:
        bench.sink.request(9)
        bench.sources[0].send(1, 2)
        bench.sources[1].send("a")
        bench.sink.expect_error(TypeError)
        assert bench.sources[0].outcomes.failed() == [0, 1]
        assert bench.sources[1].outcomes.failed() == [0]


@pytest.mark.parametrize("seed", range(10))
def test_sequence_is_whole_again_when_it_was_dealt_out(seed: int) -> None:
    """Whatever was dealt to whom, the numbers come out in order."""
    random = Random(seed)
    rests: list[list[int]] = [[], [], []]
    for number in range(100):
        random.choice(rests).append(number)
    with StageBench(MergeSequence(count=3, number=lambda n: n)) as bench:
        while not bench.sink.completed:
            bench.sink.request(random.randint(1, 9))
            index = random.randrange(3)
            source, rest = bench.sources[index], rests[index]
            if source.demand and rest:
                n = min(source.demand, len(rest), random.randint(1, 5))
                source.send(*rest[:n])
                del rest[:n]
            elif not rest and not source.ended:
                source.complete()
        assert bench.sink.received == list(range(100))


@pytest.mark.parametrize(("left", "right", "message"), [([0, 1, 5], [4], "number 2 is at no inlet"), ([0, 1], [1], "again")])
def test_sequence_fails_when_a_number_is_missing_or_comes_twice(left: list[int], right: list[int], message: str) -> None:
    """The error names the graph node and the number."""
    with StageBench(MergeSequence(count=2, number=lambda n: n)) as bench:
        bench.sink.request(9)
        bench.sources[0].send(*left)
        bench.sources[1].send(*right)
        bench.sink.expect_next(0, 1)
        assert message in str(bench.sink.expect_error(SequenceBroken))
        assert "tested" in str(bench.sink.error)


@pytest.mark.parametrize("wanted", [2, 9])
def test_good_elements_go_out_when_the_next_breaks_the_order(wanted: int) -> None:
    """What was taken in the same step as what is wrong is emitted in front of the error, and has an outcome."""
    with StageBench(MergeSequence(count=1, number=lambda n: n)) as bench:
        bench.sink.request(wanted)
        bench.source.send(*[0, 1, 1][:wanted])
        bench.sink.expect_next(0, 1)
        if wanted == 2:
            bench.sink.request(1)
            bench.source.send(1)
        bench.sink.expect_error(SequenceBroken)
        assert bench.source.outcomes.stored() == [0, 1]


def test_good_elements_go_out_when_the_next_cannot_be_compared() -> None:
    """So it is where keys have no order."""
    with StageBench(MergeSorted(count=2)) as bench:
        bench.sink.request(9)
        bench.sources[0].send(0, 5)
        bench.sources[1].send(2, "x")
        bench.sink.expect_next(0, 2)
        bench.sink.expect_error(TypeError)
        assert bench.sources[0].outcomes.stored() == [0]
        assert bench.sources[0].outcomes.failed() == bench.sources[1].outcomes.failed() == [1]


def test_sequence_goes_on_when_it_may_skip() -> None:
    """What is missing is counted, what comes late is dropped."""
    with StageBench(MergeSequence(count=2, number=lambda n: n, when_broken="skip")) as bench:
        bench.sink.request(9)
        bench.sources[0].send(0, 5, 6)
        bench.sources[1].send(4)
        bench.sink.expect_next(0, 4, 5, 6)
        bench.sources[1].send(3, 7)
        bench.sink.expect_next(7)
        assert bench.counters["missing_numbers"] == 3
        assert bench.sources[1].outcomes.dropped("late") == [1]


def test_element_fails_alone_when_its_number_is_none() -> None:
    """true is no number, nor is a text."""
    with StageBench(MergeSequence(count=1, number=lambda n: n)) as bench:
        bench.sink.request(9)
        bench.source.send(0, "x", True, 1)
        bench.sink.expect_next(0, 1)
        assert bench.source.outcomes.failed() == [1, 2]


def test_latest_are_emitted_for_each_element_when_all_have_had_one() -> None:
    """Elements before there is a first tuple are superseded; one that has ended stays with its last."""
    with StageBench(MergeLatest(2), keep=True) as bench:
        bench.sink.request(9)
        bench.sources[0].send(1, 2)
        bench.sources[0].send(3)
        bench.sink.expect_no_signal()
        assert bench.sources[0].outcomes.dropped("superseded") == [0, 1]
        bench.sources[1].send("a", "b")
        bench.sink.expect_next((3, "a"), (3, "b"))
        bench.sources[0].send(4)
        bench.sources[0].complete()
        bench.sources[1].send("c")
        bench.sink.expect_next((4, "b"), (4, "c"))
        bench.sink.held[0].fail(ValueError())
        bench.sink.held[1].settle()
        assert (bench.sources[0].outcomes.failed(), bench.sources[1].outcomes.failed()) == ([2], [0])
        assert bench.sources[1].outcomes.stored() == [1]
        bench.sources[1].complete()
        bench.sink.expect_complete()


def test_no_tuple_is_waited_for_when_an_inlet_ends_without_an_element() -> None:
    """Nor is anything asked of the others then."""
    with StageBench(MergeLatest(2)) as bench:
        bench.sink.request(9)
        bench.sources[0].send(1)
        bench.sources[1].complete()
        bench.sink.expect_complete()
        bench.sources[0].expect_cancellation()
        assert bench.sources[0].outcomes.dropped("superseded") == [0]


def test_properties_are_checked_when_they_come_from_a_configuration() -> None:
    """What makes no sense is refused with a word about it."""
    check = Catalogue.built_in().check
    assert check("interleave", {"count": 3, "segment": 2}).stage == Interleave(3, segment=2)
    assert check("zip_all", {"fill": 0}).stage == ZipAll(2, fill=0)
    assert check("interleave", {"segment": 0}).errors
    assert check("concat", {"first": 2}).errors
    assert check("merge_sorted", {"key": "a +"}).errors
    assert check("merge_sequence", {}).errors
    with pytest.raises(ConfigError):
        MergeSorted(key=3)


def collected(source: Source[Any]) -> Any:
    """What comes out of a run."""
    return asyncio.run(source.to(Sink.collect()).run_async())


def test_operators_do_what_their_names_say_when_sources_are_joined() -> None:
    """Compositions of the stages, as operators and as class methods."""
    a, b, c = Source.from_iterable("ab"), Source.from_iterable("cd"), Source.from_iterable("e")
    assert collected(a.concat(b, c)) == collected(Source.concat_n(a, b, c)) == list("abcde")
    assert collected(a.prepend(b, c)) == list("cdeab")
    assert collected(Source.single("x").via(Flow().prepend(a))) == list("abx")
    assert collected(a.prepend()) == list("ab")
    assert collected(a.interleave(b, c)) == collected(Source.interleave_n(a, b, c)) == list("acebd")
    assert sorted(collected(Source.merge_all(a, b, c))) == list("abcde")
    assert collected(Source.zip_n(a, b)) == [("a", "c"), ("b", "d")]
    assert collected(a.zip_with(str.__add__, b)) == collected(Source.zip_with_n(str.__add__, a, b)) == ["ac", "bd"]
    assert collected(a.zip_all(c, fill="-")) == [("a", "e"), ("b", "-")]
    assert collected(Source.merge_all()) == collected(Source.zip_n()) == collected(Source.concat_n()) == []
    assert collected(c.zip_latest_with(str.__add__, c, eager_complete=False)) == ["ee"]
    assert collected(c.zip_latest(Source.never().merge(c), eager_complete=True)) in ([], [("e", "e")])
    assert collected(Source.from_iterable([1, 4]).merge_sorted(Source.from_iterable([2, 3]))) == [1, 2, 3, 4]
    dealt = Source.from_iterable([0, 3]).merge_sequence(Source.from_iterable([1, 2]), number=lambda n: n)
    assert collected(dealt) == [0, 1, 2, 3]


def test_preferred_source_goes_first_when_all_have_elements() -> None:
    """While the preferred one has elements, the other has to wait."""
    source = Source.from_iterable("aaa", chunk=1).merge_preferred(Source.from_iterable("bbb", chunk=1), preferred=1)
    with StageBench(source.blueprint.nodes["merge_prioritized"]) as bench:
        bench.sink.request(2)
        bench.sources[0].send("a", "a")
        bench.sink.expect_next("a", "a")
        bench.sources[0].send("a", "a")
        bench.sources[1].send("b", "b")
        bench.sink.request(4)
        bench.sink.expect_next("b", "b", "a", "a")
