"""dedupe: contract and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.data.receipt import Origin, Receipt
from rt_edge.data.weave import weave
from rt_edge.streams.stage import OUT
from rt_edge.streams.stages._keys import Laps
from rt_edge.streams.stages.change_of_value import ChangeOfValue
from rt_edge.streams.stages.counter_delta import CounterDelta
from rt_edge.streams.stages.deadband import Deadband
from rt_edge.streams.stages.dedupe import Dedupe
from rt_edge.streams.stages.drop_repeated import DropRepeated
from rt_edge.testkit.probes import Outcomes, StageBench
from rt_edge.testkit.stage_contract import SupervisionContract, raising


class TestDedupe(SupervisionContract):
    drops_again = "another with its id has gone on since"

    def make(self) -> Dedupe:
        return Dedupe(per=lambda n: n % 17)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        first = {n % 17: n for n in reversed(inputs[0])}
        return [[n for n in inputs[0] if first[n % 17] == n]]

    def make_failing(self, on_error: Any) -> Dedupe:
        return Dedupe(per=raising(lambda n: n), on_error=on_error)


def reading(ts: int, **fields: Any) -> Reading:
    return Reading("a", ts, fields)


def test_id_is_an_expression_and_what_has_none_passes() -> None:
    """A missing id is no id, also where false is one."""
    rows = [reading(1, id=1), reading(2, id=1), reading(3), reading(4), reading(5, id=False), reading(6, id=False)]
    with StageBench(Dedupe(per="id")) as bench:
        bench.sink.request(100)
        bench.source.send(*rows, gap_reading("a", "offline", 7, 8), gap_reading("a", "offline", 7, 8))
        assert [r.ts for r in bench.sink.received] == [1, 3, 4, 5, 7, 7]
        assert bench.source.outcomes.dropped("duplicate") == [1, 5]
        assert bench.counters["dropped_duplicate"] == 2


def test_id_is_new_again_when_it_is_old_enough_or_forgotten() -> None:
    """Bounded in time, and in number."""
    with StageBench(Dedupe(per=lambda n: n, within=10.0, max_keys=2)) as bench:
        bench.sink.request(100)
        bench.source.send("a")
        bench.advance(9)
        bench.source.send("a")
        bench.advance(1)
        bench.source.send("a", "b", "c", "a")
        bench.sink.expect_next("a", "a", "b", "c", "a")
        assert bench.counters["evicted"] == 2


def emit(bench: StageBench, receipt: Receipt, *items: Any) -> None:
    """Have the source emit elements with marks of a test's own."""
    push(bench, Chunk(list(items), receipt))


def push(bench: StageBench, chunk: Chunk) -> None:
    """Have the source emit it."""
    logic = bench.source.logic
    bench.engine.enter(logic.seat, lambda: logic.push(OUT, chunk))
    bench.host.settle()


@pytest.mark.parametrize(
    ("stage", "items"),
    [
        (Dedupe(per="id"), [reading(1, id=1), reading(2, id=2)]),
        (ChangeOfValue(), [reading(1, p=1), reading(2, p=2)]),
        (Deadband(field="p", absolute=0.5, max_silence=60.0), [reading(1, p=1), reading(2, p=2)]),
        (DropRepeated("p"), [reading(1, p=1), reading(2, p=2)]),
    ],
    ids=["dedupe", "change_of_value", "deadband", "drop_repeated"],
)
def test_element_passes_when_its_source_emits_it_again(stage: Any, items: list[Reading]) -> None:
    """What failed downstream and comes again, in a later lap of its source, is not taken for what it was before."""
    outcomes, origin = Outcomes(), Origin("plc", "1")
    with StageBench(stage, tracked=False) as bench:
        bench.sink.request(100)
        emit(bench, Receipt([0, 1], outcomes, origin), *items)
        emit(bench, Receipt([1], outcomes, origin.next_lap()), items[1])
        assert bench.sink.received == [*items, items[1]]
        emit(bench, Receipt([2], outcomes, origin.next_lap()), items[1])
        assert bench.sink.received == [*items, items[1]]


@pytest.mark.parametrize(
    "stage",
    [ChangeOfValue(), Deadband(field="p", absolute=0.5, max_silence=60.0), DropRepeated("p")],
    ids=lambda stage: stage.kind,
)
def test_next_element_passes_when_its_source_begins_a_new_life(stage: Any) -> None:
    """What passed before may have been lost with the old life: its peer sends it again, or what it polls has not moved."""
    outcomes = [Outcomes() for _ in range(3)]
    with StageBench(stage, tracked=False) as bench:
        bench.sink.request(100)
        for life, passes in [("1", 1), ("1", 1), ("2", 2), ("2", 2)]:
            mark = bench.source.logic.seat.outs[0].passed  # another one each time
            emit(bench, Receipt([mark], outcomes[0], Origin("plc", life)), reading(1, p=1))
            assert len(bench.sink.received) == passes
        emit(bench, Receipt([0], outcomes[1], Origin("rtu", "1")), reading(1, p=1))
        assert len(bench.sink.received) == 2, "another source has no earlier life"


def test_counter_goes_on_when_its_source_begins_a_new_life() -> None:
    """Nothing is left out by it, and the step over the restart counts."""
    with StageBench(CounterDelta(fields="p"), tracked=False) as bench:
        bench.sink.request(100)
        for life in "12":
            emit(bench, Receipt([0], Outcomes(), Origin("plc", life)), reading(1, p=10 * int(life)))
        assert bench.sink.received[1].fields["p_delta"] == 10


@pytest.mark.parametrize(
    ("name", "session", "again", "passes"),
    [
        ("plc", "s", True, True),
        ("plc", "s", False, False),
        ("plc", "t", True, False),
        ("plc", "", True, False),
        ("rtu", "s", True, False),
    ],
)
def test_element_passes_when_its_peer_says_that_it_sends_it_again(name: str, session: str, again: bool, passes: bool) -> None:
    """To a later life of the source, in the same session: the first copy may have been lost with the old life, and the durable
    end knows the key. Others are duplicates."""
    first, later = Origin("plc", "1", session=session and "s"), Origin(name, "2", session=session)
    if again:
        later.redelivered.add(7)
    with StageBench(Dedupe(per="id"), tracked=False) as bench:
        bench.sink.request(100)
        emit(bench, Receipt([3], Outcomes(), first), reading(1, id=1))
        emit(bench, Receipt([7], Outcomes(), later), reading(1, id=1))
        assert len(bench.sink.received) == (2 if passes else 1)


@pytest.mark.parametrize(
    "stage", [Dedupe(per="p"), Deadband(field="p", absolute=0.5, max_silence=60.0)], ids=["dedupe", "deadband"]
)
def test_element_passes_when_its_source_emits_it_again_among_those_of_another(stage: Any) -> None:
    """Elements of several sources in one chunk are each known by their own."""
    outcomes = [Outcomes(), Outcomes()]
    one, two = Origin("plc", "1"), Origin("rtu", "1")
    items = [reading(n, p=n) for n in range(4)]
    with StageBench(stage, tracked=False) as bench:
        bench.sink.request(100)
        parts = [
            Chunk(items[index::2], Receipt([0, 1], heard, origin))
            for index, (heard, origin) in enumerate(zip(outcomes, (one, two), strict=True))
        ]
        push(bench, weave(parts, [0, 1, 0, 1]))
        assert bench.sink.received == items
        again = [
            Chunk([items[3]], Receipt([1], Outcomes(), two.next_lap())),
            Chunk([reading(9, p=9)], Receipt([2], Outcomes(), one)),
        ]
        push(bench, weave(again, [0, 1]))
        assert bench.sink.received == [*items, items[3], reading(9, p=9)]
    assert [heard.stored() for heard in outcomes] == [[0, 1], [0, 1]]


def test_settings_are_refused_when_there_is_no_id() -> None:
    """An expression or a function."""
    with pytest.raises(ConfigError):
        Dedupe(per="a.b")


def test_each_source_of_a_chunk_is_noted_when_several_have_gone_back() -> None:
    """Else the next chunk of one of them would be taken for another turn, and what passed would pass again."""
    laps, origins = Laps(), [Origin("plc", "1").next_lap(), Origin("rtu", "1").next_lap()]
    parts = [Chunk([n], Receipt([0], Outcomes(), origin)) for n, origin in enumerate(origins)]
    woven = weave(parts, [0, 1])
    assert laps.have_turned(woven)
    assert not any(laps.have_turned(part) for part in parts)
    woven.settle()
