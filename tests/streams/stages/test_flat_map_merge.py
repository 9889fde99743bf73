"""flat_map_merge: contract and own cases."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from rt_edge.data.errors import StreamError
from rt_edge.data.receipt import Failed, Stored
from rt_edge.streams.dsl import Source
from rt_edge.streams.nested import Nest
from rt_edge.streams.stages.flat_map_merge import FlatMapMerge
from rt_edge.streams.stages.iterate import Iterate
from rt_edge.streams.stages.switch_map import SwitchMap
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import Broken, StageContract, SupervisionContract, raising


def stream(x: int) -> Source[int]:
    """Up to 149 elements, none for each fourth."""
    return Source.from_iterable(range(x * 7 % 150) if x % 4 else []).map(lambda y: y)


def elements(x: int) -> list[int]:
    return list(range(x * 7 % 150)) if x % 4 else []


class TestFlatMapConcat(SupervisionContract):
    residue_differs = "what is left of a stream is dropped"

    def make(self) -> FlatMapMerge:
        return FlatMapMerge(stream)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[y for x in inputs[0] for y in elements(x)]]

    def make_failing(self, on_error: Any) -> FlatMapMerge:
        return FlatMapMerge(raising(lambda x: [x]), on_error=on_error)


class TestFlatMapMerge(StageContract):
    ordered = False
    residue_differs = "what is left of a stream is dropped"

    def make(self) -> FlatMapMerge:
        return FlatMapMerge(stream, breadth=5)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[y for x in inputs[0] for y in elements(x)]]


def in_turn(x: int) -> Any:
    """The same elements as of `stream`, in a list, a generator, a plain source, or a stream that has to be run."""
    made = elements(x)
    return [made, (y for y in made), Source.from_iterable(made), stream(x)][x // 4 % 4]


class TestFlatMapConcatOfPlainStreams(TestFlatMapConcat):
    """Most of them are read at once, but in order with the others."""

    def make(self) -> FlatMapMerge:
        return FlatMapMerge(in_turn)


class TestFlatMapMergeOfPlainStreams(TestFlatMapMerge):
    def make(self) -> FlatMapMerge:
        return FlatMapMerge(in_turn, breadth=3)


PLAIN: dict[str, Any] = {
    "list": lambda n: [n, n],
    "source": lambda n: Source.from_iterable((n, n)),
    "generator": lambda n: (n for _ in range(2)),
    "single": Source.single,
    "nothing": lambda _: Source.empty(),
}


@pytest.mark.parametrize("name", PLAIN)
def test_no_engine_is_started_when_a_stream_is_an_iterable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read at once, as far as there is demand for all of it; then many elements are asked for at a time."""
    started = []
    monkeypatch.setattr(Nest, "start", lambda *_args: started.append(1))
    with StageBench(FlatMapMerge(PLAIN[name])) as bench:
        bench.sink.request(100)
        bench.source.expect_request(1)
        bench.source.send(1)
        most = bench.source.expect_request()
        assert most >= 49
        bench.source.send(*range(most - 1))  # whether the last generator has ended cannot be seen without demand
        each = {"single": 1, "nothing": 0}.get(name, 2)
        assert bench.sink.received == [1] * each + [n for n in range(most - 1) for _ in range(each)]
        assert not started


@pytest.mark.parametrize("demand", [1, 5, 9])
def test_generator_is_advanced_as_far_as_wanted_when_it_is_endless(demand: int) -> None:
    """What is read to see whether that is all is wanted anyway; a cancel closes it."""
    taken: list[int] = []
    closed = []

    def endless(_: Any) -> Any:
        try:
            for n in count():
                taken.append(n)
                yield n
        finally:
            closed.append(True)

    with StageBench(FlatMapMerge(endless)) as bench:
        bench.sink.request(demand)
        bench.source.send("x")
        assert taken == bench.sink.received == list(range(demand))
        bench.sink.request(100)
        assert taken == bench.sink.received == list(range(demand + 100))
        bench.sink.cancel()
        assert closed


@pytest.mark.parametrize("items", [range(5000), list(range(5000)), iter(range(5000))], ids=["range", "list", "iterator"])
def test_nothing_is_read_ahead_when_an_iterable_has_more_than_is_wanted(items: Any) -> None:
    """A long list is run as a stream, not copied to wait here."""
    with StageBench(FlatMapMerge(lambda _: items)) as bench:
        bench.sink.request(3)
        bench.source.send("x")
        bench.sink.expect_next(0, 1, 2)
        assert bench.engine.seats[bench.NAME].logic.out.elements == 0  # type: ignore[attr-defined]
        assert len(bench.logic.nest) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("on_error", ["stop", "resume", "restart"])
def test_element_fails_when_its_iterable_raises(on_error: Any) -> None:
    """As with any stream: what came before goes out, the element fails."""

    def two(n: int) -> Any:
        yield n
        if n == 1:
            raise Broken("in the iterable")
        yield n

    with StageBench(FlatMapMerge(two, on_error=on_error)) as bench:
        bench.sink.request(100)
        bench.source.send(0)
        bench.source.send(1, 2, 3)
        stops = on_error == "stop"
        assert bench.sink.received == [0, 0, 1] + ([] if stops else [2, 2, 3, 3])
        assert bench.source.outcomes.failed() == ([1, 2, 3] if stops else [1])
        assert bench.counters["failed_substreams"] == 1


def test_no_more_is_asked_for_than_is_wanted_when_streams_are_long() -> None:
    """By what the streams of late gave: demand is for what comes out, not for what comes in."""
    with StageBench(FlatMapMerge(lambda n: [n] * 30)) as bench:
        bench.sink.request(100)
        bench.source.send(0)
        bench.source.expect_request(2)
        bench.source.send(1, 2)
        assert len(bench.sink.received) == 90
        bench.source.expect_request(1)
        bench.source.send(3)
        bench.source.expect_no_request()
        assert len(bench.sink.received) == 100
        bench.sink.request(20)
        assert bench.sink.received == [n for n in range(4) for _ in range(30)]


def test_streams_take_turns_when_the_breadth_allows() -> None:
    """As many streams as the breadth run at a time, and a silent one keeps out no other."""
    sources = {"silent": Source.never(), "a": Source.from_iterable("aaa"), "b": Source.from_iterable("bb")}
    with StageBench(FlatMapMerge(sources.__getitem__, breadth=2)) as bench:
        bench.sink.request(10)
        bench.source.expect_request(2)
        bench.source.send("silent", "a")
        bench.sink.expect_next("a", "a", "a")
        bench.source.expect_request(1)
        bench.source.send("b")
        bench.sink.expect_next("b", "b")
        assert bench.source.outcomes.stored() == [1, 2]


@pytest.mark.parametrize("breadth", [2, 30])
def test_chunks_of_one_element_find_room_when_all_streams_give_them_at_once(breadth: int) -> None:
    """Each stream was asked for a share of what was wanted when it began; all of it may come together, a chunk each."""
    one_by_one = Source.from_iterable(range(3000), chunk=1).initial_delay(1.0)
    with StageBench(FlatMapMerge(lambda _: one_by_one, breadth=breadth)) as bench:
        bench.sink.request(1024)
        for n in range(breadth):
            bench.source.send(n)
        bench.advance(2.0)
        assert not bench.sink.ended
        assert len(bench.sink.received) == 1024


def test_stream_is_advanced_as_far_as_wanted_when_it_is_endless() -> None:
    """Demand reaches the stream's source; a cancel ends it."""
    taken: list[int] = []

    def note(n: int) -> int:
        taken.append(n)
        return n

    with StageBench(FlatMapMerge(lambda _: Source.from_iterable(count()).map(note))) as bench:
        bench.sink.request(3)
        bench.source.send("x")
        bench.sink.expect_next(0, 1, 2)
        assert taken == [0, 1, 2]
        bench.sink.cancel()
        assert bench.source.ended
        assert bench.source.outcomes.stored() == [0]


def test_marks_do_not_depend_on_demand_when_a_stream_is_long() -> None:
    """The same element gives the same marks under any demand, all different."""
    runs = []
    for demand in (1, 7, 500):
        with StageBench(FlatMapMerge(lambda _: range(200)), keep=True) as bench:
            while bench.sink.received != list(range(200)):
                bench.sink.request(demand)
                if not bench.source.sent:
                    bench.source.send("x")
            runs.append([mark for chunk in bench.sink.held for mark in chunk.marks or ()])
    assert runs[0] == runs[1] == runs[2] == [(0, place) for place in range(200)]


def test_element_is_settled_when_all_of_its_stream_is() -> None:
    """Not before the last element of the stream has its outcome, and the stream its end."""
    with StageBench(FlatMapMerge(lambda _: [1, 2, 3]), keep=True) as bench:
        bench.sink.request(2)
        bench.source.send("x")
        bench.sink.settle_all()
        assert not bench.source.outcomes.by_mark
        bench.sink.request(1)
        assert not bench.source.outcomes.by_mark
        bench.sink.settle_all()
        bench.sink.request(1)
        assert isinstance(bench.source.outcomes.by_mark[0], Stored)


@pytest.mark.parametrize("on_error", ["stop", "resume", "restart"])
def test_element_fails_when_its_stream_fails(on_error: Any) -> None:
    """What the stream gave before is emitted; then it is as if the function had raised."""
    broken = Broken("in the stream")
    streams = {1: Source.from_iterable([1, 0, 1]).map(lambda x: 1 // x), 2: Source.failed(broken), 3: Source.single(3)}
    with StageBench(FlatMapMerge(streams.__getitem__, on_error=on_error)) as bench:
        bench.sink.request(10)
        bench.source.send(2)
        assert bench.source.outcomes.errors()[0].__cause__ is broken
        if on_error == "stop":
            assert bench.sink.expect_error() is broken
            return
        bench.source.send(1)
        bench.source.send(3)
        bench.sink.expect_next(1, 3)
        assert bench.source.outcomes.failed() == [0, 1]
        assert bench.counters["failed_substreams"] == 2


def test_element_fails_when_what_the_function_returns_is_no_stream() -> None:
    """A number is no stream, nor is a flow; strings and lists are."""
    from rt_edge.streams.dsl import Flow

    answers = {"a": 7, "b": Flow().map(str), "c": "xy"}
    with StageBench(FlatMapMerge(answers.__getitem__, on_error="resume")) as bench:
        bench.sink.request(10)
        for key in answers:
            bench.source.send(key)
        bench.sink.expect_next("x", "y")
        assert bench.source.outcomes.failed() == [0, 1]
        assert "is no source" in str(bench.source.outcomes.errors()[0])


def test_receipts_of_both_are_settled_when_the_stream_has_its_own() -> None:
    """What comes from an origin inside the stream is settled there, too."""
    from rt_edge.data.chunk import Chunk
    from rt_edge.data.receipt import Origin, Receipt
    from rt_edge.streams.stage import OUT, Stage, StageLogic
    from rt_edge.testkit.probes import Outcomes

    inner = Outcomes()

    class Logic(StageLogic):
        def on_pull(self, outlet: Any, n: int) -> None:
            self.push(OUT, Chunk([10, 20], Receipt(range(2), inner, Origin("inner", "1"))))
            self.complete_stage()

    class Tracked(Stage, frozen=True):
        inlets = ()  # type: ignore[assignment]

        def create_logic(self) -> StageLogic:
            return Logic()

    with StageBench(FlatMapMerge(lambda _: Tracked()), keep=True) as bench:
        bench.sink.request(9)
        bench.source.send("x")
        bench.sink.expect_next(10, 20)
        first, second = bench.sink.held[0].cut(1)
        first.settle()
        assert inner.stored() == [0]
        assert not bench.source.outcomes.by_mark
        bench.sink.held.clear()
        second.fail(StreamError("late"))
        assert inner.failed() == [1]
        assert isinstance(bench.source.outcomes.by_mark[0], Failed)


def test_each_stream_is_its_own_when_functions_return_different_kinds_after_each_other() -> None:
    """Lists, sources of one stage and of several, under the same names and under others: what one was made of is not the next."""
    kinds: list[Any] = [
        lambda n: [n, n + 1],
        lambda n: (n + 2,),
        lambda n: Source.from_iterable([n]),
        lambda n: Source.from_iterable([n, n]).map(lambda x: x + 3),
        lambda n: Iterate(items=[n], chunk=1),
        Source.single,
        lambda n: Source.from_iterable([n], name="other"),
        lambda n: Source.from_iterable([n]).merge(Source.single(n)),
        lambda n: Source.empty(),
    ]
    expected: list[int] = []
    orders = [*range(9), *range(8, -1, -1), 0, 0, 2, 2, 3, 3, 5, 0, 5, 2, 6, 2, 8, 1]
    for place, kind in enumerate(orders):
        n = 10 * place
        expected += [[n, n + 1], [n + 2], [n], [n + 3, n + 3], [n], [n], [n], [n, n], []][kind]
    with StageBench(FlatMapMerge(lambda n: kinds[orders[n // 10]](n), breadth=1)) as bench:
        bench.sink.request(1000)
        for n in range(len(orders)):
            bench.source.send(10 * n)
        bench.source.complete()
        bench.sink.expect_next(*expected)
        bench.sink.expect_complete()


@pytest.mark.parametrize("stage", [FlatMapMerge, SwitchMap])
def test_generator_is_closed_when_the_stream_of_what_was_read_of_it_is_cut_off_before_its_first_turn(stage: Any) -> None:
    """Some of it was read to see whether that is all: so it has begun, and has something to let go, also when somebody else keeps
    it and nobody has asked for what was read."""
    kept: list[Any] = []
    closed: list[str] = []

    def endless(x: str) -> Any:
        try:
            yield from count()
        finally:
            closed.append(x)

    def function(x: str) -> Any:
        kept.append(endless(x))
        return kept[-1]

    with StageBench(stage(function)) as bench:
        bench.sink.request(5)
        bench.source.send("x", settle=False)
        bench.engine.run()  # not the nest
        assert next(kept[0]) == 5
        bench.sink.cancel()
        assert closed == ["x"]


@pytest.mark.parametrize("made", [list, iter])
def test_no_more_is_read_than_is_wanted_when_streams_are_longer_than_those_before(made: Any) -> None:
    """Of all of them together, not of each."""
    with StageBench(FlatMapMerge(lambda n: made([n] * (10 if n else 1)))) as bench:
        bench.sink.request(20)
        bench.source.send(0)
        bench.source.send(*range(1, 1 + bench.source.expect_request()))
        assert bench.sink.received == [0, *[1] * 10, *[2] * 9]
        assert bench.engine.seats[bench.NAME].logic.out.elements == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("made", [lambda: [1, None, 2], lambda: iter((1, None, 2)), lambda: (y for y in (1, None))])
def test_element_fails_behind_what_came_before_when_none_is_in_its_iterable(made: Any) -> None:
    """None is no element (rule 2.13), also where the iterable is read at once."""
    with StageBench(FlatMapMerge(lambda _: made())) as bench:
        bench.sink.request(10)
        bench.source.send("x")
        bench.sink.expect_next(1)
        assert "None is not an element" in str(bench.sink.expect_error())
