"""group_by: contract and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import BufferOverflow, ConfigError
from rt_edge.data.reading import Reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.dsl import Flow, Source
from rt_edge.streams.stage import OUT, Inlet, Stage, StageLogic
from rt_edge.streams.stages._group_by import GroupByLogic
from rt_edge.streams.stages._user_code import PassLogic
from rt_edge.streams.stages.group_by import GroupBy
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract, SupervisionContract, raising


def groups(inputs: list[int], keys: int, size: int) -> list[list[int]]:
    """Lists of `size` elements of one key."""
    made = []
    for key in range(keys):
        of = [x for x in inputs if x % keys == key]
        made += [of[i : i + size] for i in range(0, len(of), size)]
    return made


class TestGroupBy(SupervisionContract):
    ordered = False

    def make(self) -> GroupBy:
        return GroupBy(per=lambda x: x % 7, flow=Flow().map(lambda x: x + 1).filter(lambda x: x % 5))

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[x + 1 for x in inputs[0] if (x + 1) % 5]]

    def make_failing(self, on_error: Any) -> GroupBy:
        return GroupBy(per=raising(lambda x: 0), flow=Flow().map(lambda x: x), on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: str) -> list[Any] | None:
        return None if on_error == "restart" else super().after_failure(inputs, on_error)  # type: ignore[arg-type]


class TestGroupByOfOneKey(StageContract):
    """Order is kept within a key, and what is taken out is what would come."""

    def make(self) -> GroupBy:
        return GroupBy(per=lambda x: "all", flow=Flow().grouped(4))

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [groups(inputs[0], 1, 4)]


class TestGroupByThatDrops(StageContract):
    eager = True
    ordered = False

    def make(self) -> GroupBy:
        return GroupBy(per=lambda x: x % 3, flow=Flow().map(str), overflow="drop_new", size=5000)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[str(x) for x in inputs[0]]]


class TestGroupByConcat(StageContract):
    residue_differs = "what waits for its turn is handed on raw, not sorted by key"

    def make(self) -> GroupBy:
        return GroupBy(per=lambda x: x % 3, flow=Flow().grouped(2), order="concat", size=10_000)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        first = list(dict.fromkeys(x % 3 for x in inputs[0]))
        return [[group for key in first for group in groups([x for x in inputs[0] if x % 3 == key], 1, 2)]]


def test_each_key_has_a_flow_of_its_own() -> None:
    """State of one key does not mix with that of another; all is settled through the flows."""
    flow = Flow().scan(0, lambda total, x: total + x).drop(1)
    with StageBench(GroupBy(per=lambda x: x > 0, flow=flow)) as bench:
        bench.sink.request(9)
        bench.source.send(1, -1, 10, -10, 100)
        assert sorted(bench.sink.received) == [-11, -1, 1, 11, 111]
        bench.source.complete()
        bench.sink.expect_next(*bench.sink.received)
        bench.sink.expect_complete()


def test_flow_ends_when_its_key_is_the_one_used_least_recently_of_too_many() -> None:
    """The fold of a key that is evicted gives its result; the key begins anew with its next element."""
    with StageBench(GroupBy(per=lambda x: x[0], flow=Flow().fold("", lambda s, x: s + x), max_keys=2)) as bench:
        bench.sink.request(9)
        bench.source.send("a1", "b1", "a2", "c1")
        bench.sink.expect_next("b1")
        bench.source.send("b2")
        bench.sink.expect_next("a1a2")
        assert bench.counters["evicted"] == 2
        bench.source.complete()
        assert sorted(bench.sink.received) == ["a1a2", "b1", "b2", "c1"]


def test_flow_ends_when_its_key_is_idle() -> None:
    """A key that was not used for so long gives what it holds; others stay."""
    with StageBench(GroupBy(per=lambda x: x[0], flow=Flow().fold("", lambda s, x: s + x), idle=10.0)) as bench:
        bench.sink.request(9)
        bench.source.send("a1", "b1")
        bench.advance(6.0)
        bench.source.send("b2")
        bench.advance(5.0)
        bench.sink.expect_next("a1")
        bench.sink.expect_no_next()
        bench.advance(6.0)
        bench.sink.expect_next("b1b2")
        bench.source.send("a2")
        bench.advance(10.0)
        bench.sink.expect_next("a2")


@pytest.mark.parametrize("when_full", ["drop", "fail"])
def test_element_of_a_key_too_many_is_dropped_or_fails_the_stage(when_full: Any) -> None:
    """Elements of known keys go on under `drop`."""
    with StageBench(GroupBy(per=lambda x: x, flow=Flow().map(str), max_keys=2, when_full=when_full)) as bench:
        bench.sink.request(9)
        bench.source.send(1, 2, 3, 1)
        if when_full == "fail":
            assert "more than 2 keys" in str(bench.sink.error)
            assert 2 in bench.source.outcomes.failed()
        else:
            assert sorted(bench.sink.received) == ["1", "1", "2"]
            assert bench.source.outcomes.dropped("too_many_keys") == [2]
            assert bench.counters["dropped_too_many_keys"] == 1


def test_elements_are_dropped_when_the_flow_of_their_key_has_ended() -> None:
    """A flow that takes two elements of each key lets no third one pass."""
    with StageBench(GroupBy(per=lambda x: x[0], flow=Flow().take(2))) as bench:
        bench.sink.request(9)
        bench.source.send("a1", "a2", "a3", "b1")
        bench.source.send("a4", "b2")
        assert sorted(bench.sink.received) == ["a1", "a2", "b1", "b2"]
        assert len(bench.source.outcomes.dropped()) == 2
        bench.source.complete()
        bench.sink.expect_next(*bench.sink.received)
        bench.sink.expect_complete()


def blocked(x: Any) -> str:
    return "slow" if x < 0 else "fast"


def test_all_wait_when_one_flow_does_not_go_on_under_backpressure() -> None:
    """No more is asked for than `size`: the bound is one of all flows together."""
    flow = Flow().throttle(1, per=100.0)
    with StageBench(GroupBy(per=blocked, flow=flow, size=5)) as bench:
        bench.sink.request(100)
        bench.source.expect_request(5)
        bench.source.send(-1, -2, -3, -4, 1)
        while bench.source.demand:
            bench.source.send(*[-9] * bench.source.demand)
            assert len(bench.source.sent) < 50
        assert len(bench.sink.received) == 2
        bench.advance(10_000.0)
        assert len(bench.sink.received) == len(bench.source.sent)
        bench.source.expect_request()


@pytest.mark.parametrize(("overflow", "kept"), [("drop_new", [-1, -2, -3, -4]), ("drop_head", [-1, -2, -6, -7])])
def test_elements_are_dropped_when_one_flow_does_not_go_on(overflow: Any, kept: list[int]) -> None:
    """Under a policy that drops, the others go on; what is lost is counted."""
    flow = Flow().throttle(1, per=100.0)
    with StageBench(GroupBy(per=blocked, flow=flow, size=2, overflow=overflow)) as bench:
        bench.sink.request(100)
        for n in range(1, 8):
            bench.source.send(-n)
        bench.source.send(1)
        bench.advance(10_000.0)
        assert [x for x in bench.sink.received if x < 0] == kept
        dropped = bench.source.outcomes.dropped("overflow")
        assert bench.counters["dropped_overflow"] == len(dropped) == 4


def test_stage_fails_when_one_element_too_many_waits_under_fail() -> None:
    """With overflow: fail."""
    flow = Flow().throttle(1, per=100.0)
    with StageBench(GroupBy(per=blocked, flow=flow, size=2, overflow="fail")) as bench:
        bench.sink.request(100)
        for n in range(1, 8):
            if not bench.source.ended:
                bench.source.send(-n)
        assert isinstance(bench.sink.error, BufferOverflow)


@pytest.mark.parametrize("on_error", ["resume", "stop", "restart"])
def test_key_begins_anew_when_its_flow_fails(on_error: Any) -> None:
    """Under resume the flow of that key alone; under stop the stage fails; under restart all begin anew."""
    flow = Flow().map(lambda x: 10 // x[1]).scan(0, lambda a, b: a + b)
    with StageBench(GroupBy(per=lambda x: x[0], flow=flow, on_error=on_error)) as bench:
        bench.sink.request(99)
        bench.source.send(("a", 1), ("b", 2))
        bench.source.send(("a", 0))
        assert bench.source.outcomes.failed() == [2]
        assert "tested/map" in str(bench.source.outcomes.errors()[0])
        if on_error == "stop":
            assert isinstance(bench.sink.error, ZeroDivisionError)
            return
        before = len(bench.sink.received)
        bench.source.send(("a", 1), ("b", 2))
        assert sorted(bench.sink.received[before:]) == ([0, 10, 10] if on_error == "resume" else [0, 0, 5, 10])
        assert bench.counters["failed_substreams"] == 1


def test_element_fails_when_its_key_cannot_be_one() -> None:
    """A list is no key."""
    with StageBench(GroupBy(per=lambda x: [x], flow=Flow().map(str), on_error="resume")) as bench:
        bench.sink.request(9)
        bench.source.send(1)
        assert "unhashable" in str(bench.source.outcomes.errors()[0])


def test_flows_that_speak_by_themselves_are_bounded_when_nobody_asks() -> None:
    """What comes out of flows without demand at the outlet: at most what was asked of each."""
    with StageBench(GroupBy(per=lambda x: x, flow=Flow().merge(Source.tick(1.0)))) as bench:
        bench.sink.request(10)
        bench.source.send(*range(5))
        bench.advance(100.0)
        assert len(bench.sink.received) == 10
        bench.advance(1_000.0)
        logic = bench.logic
        assert isinstance(logic, GroupByLogic)
        assert 1000 < logic.out.elements <= 1024 + 5
        bench.sink.request(50)
        assert len(bench.sink.received) == 60


class _Noting(PassLogic):
    def __init__(self, lengths: list[int]) -> None:
        self._lengths = lengths

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self._lengths.append(len(chunk))
        self.push(OUT, chunk)


class Noting(Stage, frozen=True):
    """Notes how long chunks are."""

    lengths: list[int]

    def create_logic(self) -> StageLogic:
        return _Noting(self.lengths)


def test_pieces_arrive_whole_when_keys_get_more_than_an_equal_share() -> None:
    """One flow of a hundred gets most of a chunk, far more than it was asked for in advance: in one piece all the same."""
    lengths: list[int] = []
    with StageBench(GroupBy(per=lambda x: x if x < 100 else 0, flow=Flow(Noting(lengths)))) as bench:
        bench.sink.request(1000)
        bench.source.send(*range(100))
        lengths.clear()
        bench.source.send(*range(50, 600))
        assert sorted(lengths) == [*[1] * 50, 500]
        assert len(bench.sink.received) == 650


def test_more_flows_than_fit_a_turn_each_have_theirs_in_few() -> None:
    """A turn is measured by the wires that were visited, not by those that each flow might have had: 200 flows in two turns."""
    turns = 0

    class Counting(GroupByLogic):
        def nest_turned(self, rested: bool) -> None:
            nonlocal turns
            turns += 1
            super().nest_turned(rested)

    class Counted(GroupBy, frozen=True):
        def create_logic(self) -> StageLogic:
            return Counting(self)

    with StageBench(Counted(per=lambda x: x % 200, flow=Flow().map(lambda x: x))) as bench:
        bench.sink.request(2000)
        bench.source.send(*range(200))
        turns = 0
        bench.source.send(*range(800))
        assert len(bench.sink.received) == 1000
        assert turns <= 4


def test_chunks_of_one_element_find_room_when_several_flows_give_them_at_once() -> None:
    """Each flow is asked for a share at least, one in front of which more waits for more: all of it may come a chunk each."""
    stage = GroupBy(per=lambda x: max(0, x % 10 - 7), flow=Flow().grouped(1), overflow="drop_head")
    with StageBench(stage, keep=True) as bench:
        bench.source.send(*range(1024))
        bench.sink.request(1)
        for first in range(1024, 10_000, 1024):
            bench.source.send(*range(first, first + 1024))
        assert not bench.sink.ended
        inside = len(bench.source.sent) - len(bench.source.outcomes.by_mark) - len(bench.sink.received)
        assert inside <= (stage.holds().elements or 0)


def test_steps_are_the_flow_when_it_comes_from_a_configuration() -> None:
    """In a configuration a group has steps; mistakes in them are named with their place."""
    catalogue = Catalogue.built_in()
    given = {"per": "source", "steps": [{"deadband": {"field": "t", "absolute": 1.0}}, {"take": 2}], "idle": "10min"}
    stage, errors = catalogue.check("group_by", given)
    assert not errors
    assert stage is not None
    with StageBench(stage) as bench:
        bench.sink.request(99)
        bench.source.send(*(Reading(s, n, {"t": float(n // 2)}) for n in range(10) for s in ("a", "b")))
        assert [(r.source, r.fields["t"]) for r in sorted(bench.sink.received, key=lambda r: (r.source, r.ts))] == [
            ("a", 0.0),
            ("a", 2.0),
            ("b", 0.0),
            ("b", 2.0),
        ]
    for steps, message in (
        ([{"take": 0.5}], "steps[0]: count"),
        (["take", 5], "steps[0]: `count` is missing"),
        ([{"take": 1}, 5], "steps[1] is 5"),
        ([{"merge": 2}], "has not one inlet"),
        ([{"nonsense": 2}], "there is no stage"),
        ([], "a group has no flow"),
    ):
        _, errors = catalogue.check("group_by", {"steps": steps})
        assert len(errors) == 1
        assert message in str(errors[0])


def test_declares_what_its_flows_hold() -> None:
    """Holds and combinations of the flow are the stage's, for each key."""
    assert GroupBy(per=str, flow=Flow().grouped(10), max_keys=5, size=7).holds().elements == 7 + 1024 + 10 + 2 * 5 * 10
    assert GroupBy(per=str, flow=Flow().grouped(10)).holds().seconds is None
    assert GroupBy(per=str, flow=Flow().map(str)).holds().seconds == 0.0
    assert GroupBy(per=str, flow=Flow().grouped(10)).combines
    assert not GroupBy(per=str, flow=Flow().grouped(10, settle="early")).combines
    with pytest.raises(ConfigError):
        GroupBy(per=str, flow=7)
    with pytest.raises(ConfigError):
        GroupBy(per=str, flow=Flow().map(str), steps=["take"])
