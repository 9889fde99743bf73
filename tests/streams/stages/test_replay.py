"""What stages do with elements that their origin emits again after a failure: cases of their own, beside `ReplayContract`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rt_edge.data.errors import IslandDied
from rt_edge.data.reading import Reading
from rt_edge.data.receipt import Dropped, Origin
from rt_edge.streams.ledger import Ledger
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages._keys import MAX_KEYS
from rt_edge.streams.stages._made import SMALL, Made
from rt_edge.streams.stages.conflate import Conflate
from rt_edge.streams.stages.counter_delta import CounterDelta
from rt_edge.streams.stages.debounce import Debounce
from rt_edge.streams.stages.dedupe import Dedupe
from rt_edge.streams.stages.drop import Drop
from rt_edge.streams.stages.drop_while import DropWhile
from rt_edge.streams.stages.drop_within import DropWithin
from rt_edge.streams.stages.latest_per_key import LatestPerKey
from rt_edge.streams.stages.merge_sequence import MergeSequence
from rt_edge.streams.stages.rate_of_change import RateOfChange
from rt_edge.streams.stages.sample import Sample
from rt_edge.streams.stages.tumbling_window import TumblingWindow
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.replay_contract import LedgerProbe, Refused

SECOND = 1_000_000_000


@contextmanager
def ledgers(stage: Stage) -> Iterator[StageBench]:
    """A stage behind sources with ledgers, in front of a sink that wants much and keeps it."""
    with StageBench(stage, keep=True, sources=LedgerProbe) as bench:
        bench.sink.request(100)
        yield bench


def probe(bench: StageBench, index: int = 0) -> LedgerProbe:
    source = bench.sources[index]
    assert isinstance(source, LedgerProbe)
    return source


def refuse(bench: StageBench, *items: Any, error: BaseException | None = None) -> None:
    """Let these fail, and store all else that the sink has."""
    held, bench.sink.held = bench.sink.held, []
    for chunk in held:
        for place, item in enumerate(chunk.items):
            piece = chunk.take([place])
            piece.fail(error or Refused("not now")) if item in items else piece.settle()
    bench.host.settle()


def read(ts: int, source: str = "a", **fields: Any) -> Reading:
    return Reading(source, ts, fields)


@pytest.mark.parametrize("stage", [Drop(3), DropWhile(lambda n: n < 100), DropWithin(60.0)], ids=lambda stage: stage.kind)
def test_what_comes_again_passes_when_the_stage_begins_anew(stage: Stage) -> None:
    """The island of the stage has died: what its life before let pass is not discarded as the begin of a stream, nor counted;
    new elements are."""
    before = Ledger(Origin("probe", "1"), 5, lambda _: None, lambda: None, lambda *_: None)
    chunk = before.emit([10, 11])  # through the life before
    chunk.fail(IslandDied("the island of the stage is gone"))
    with ledgers(stage) as bench:
        source = probe(bench)
        source.ledger = before  # type: ignore[assignment]  # it outlives the stage
        assert source.send_again(10)
        assert bench.sink.received == [10, 11]
        source.send(12, 13, 14)
        assert bench.sink.received == [10, 11]
        refuse(bench)
    assert before.outstanding == 0


def test_deltas_are_those_of_before_when_readings_come_again() -> None:
    """What was counted is not lost, nor is a counter taken for one that has begun anew: the sum is what it has counted."""
    with ledgers(CounterDelta(fields="n")) as bench:
        source = probe(bench)
        source.send(*(read(ts, n=1000 + 10 * ts) for ts in range(4)))
        first = list(bench.sink.received)
        refuse(bench, first[1], first[2])
        source.send(read(4, n=1040))
        assert source.send_again(10)
        source.send(read(5, n=1050))
        assert bench.sink.received[5:7] == first[1:3]
        stored = [first[0], first[3], *bench.sink.received[4:]]
        assert sum(reading.fields.get("n_delta", 0) for reading in stored) == 50
        assert "reset" not in bench.counters
        refuse(bench)


@pytest.mark.parametrize("died", [False, True])
def test_delta_is_none_when_a_reading_that_was_never_seen_comes_too_late(died: bool) -> None:
    """It failed in front of the stage: what came since was counted over it already."""
    with ledgers(CounterDelta(fields="n")) as bench:
        source = probe(bench)
        lost = source.ledger.emit([read(0, n=1000), read(1, n=1010)])
        lost.cut(1)[0].settle()
        lost.fail(IslandDied("on its way") if died else Refused("in front"))
        source.send(read(2, n=1020), read(3, n=1030))
        assert source.send_again(1)
        assert [reading.fields.get("n_delta") for reading in bench.sink.received] == [None, 10, None]
        source.send(read(4, n=1040))
        assert bench.sink.received[-1].fields["n_delta"] == 10
        refuse(bench)


def test_rates_are_those_of_before_when_readings_come_again() -> None:
    """And the next one is computed from the one before it, not from what came again."""
    with ledgers(RateOfChange(fields="n")) as bench:
        source = probe(bench)
        source.send(*(read(ts * SECOND, n=float(ts * ts)) for ts in range(4)))
        first = list(bench.sink.received)
        refuse(bench, first[1])
        assert source.send_again(10)
        assert bench.sink.received[-1] == first[1]
        source.send(read(4 * SECOND, n=16.0))
        assert bench.sink.received[-1].fields["n_rate"] == 7.0
        assert "not_later" not in bench.counters
        refuse(bench)


def test_what_was_made_is_forgotten_when_it_cannot_come_again() -> None:
    """What is kept for it is bounded by what is open at the source."""
    with ledgers(CounterDelta(fields="n")) as bench:
        source = probe(bench)
        for ts in range(50):
            source.send(read(ts, n=ts))
            refuse(bench)
        assert len(bench.logic._made) <= 2  # type: ignore[attr-defined]


def test_what_was_made_is_found_in_few_places_when_much_is_open_one_by_one() -> None:
    """A turn with elements that come again is not as long as all that is open; what settles leaves nothing behind."""
    made, origin = Made(), Origin("plc", "1")
    for n in range(5000):
        made.keep(origin, {n: {"n": n}})
    (life,) = made._lives.values()
    assert len(made) == 5000
    assert len(life.chunks) < 50
    assert [made.find(origin, n) for n in range(5000)] == [{"n": n} for n in range(5000)]
    assert made.find(origin, 5000) is None
    origin.floor = 4990
    made.keep(origin, {5000: {"n": 5000}})
    assert len(made) < SMALL
    for n in range(5001, 5001 + 2 * MAX_KEYS):
        made.keep(origin, {n: {"n": n}})
    assert len(made) <= MAX_KEYS


def test_what_was_made_is_kept_when_it_was_made_out_of_order_and_is_open() -> None:
    """As behind several ways that are merged: what was put together is let go when all of it is settled."""
    made, origin = Made(), Origin("plc", "1")
    for n in [*range(20, 40), 45, 41]:
        made.keep(origin, {n: {"n": n}})
    origin.floor = 43
    made.keep(origin, {50: {}})
    assert made.find(origin, 45) == {"n": 45}


@pytest.mark.parametrize("skips", [False, True])
def test_number_that_comes_again_goes_out_at_once_when_its_turn_is_over(skips: bool) -> None:
    """It is not late, and the sequence is not broken by it."""
    stage = MergeSequence(2, number=lambda n: n, when_broken="skip" if skips else "fail")
    with ledgers(stage) as bench:
        probe(bench, 0).send(0, 2, 4)
        probe(bench, 1).send(1, 3)
        refuse(bench, 2, 3)
        assert probe(bench, 0).send_again(10)
        assert probe(bench, 1).send_again(10)
        probe(bench, 1).send(5)
        assert bench.sink.received == [0, 1, 2, 3, 4, 2, 3, 5]
        assert bench.sink.error is None
        refuse(bench)


def test_sequence_goes_on_when_its_island_has_died_and_numbers_between_are_stored() -> None:
    """They do not come again, so nobody waits for them."""
    before = Ledger(Origin("probe", "1"), 5, lambda _: None, lambda: None, lambda *_: None)
    chunk = before.emit([4, 5, 6])
    chunk.take([1]).settle()
    chunk.fail(IslandDied("gone"))
    with ledgers(MergeSequence(1, number=lambda n: n)) as bench:
        source = probe(bench)
        source.ledger = before  # type: ignore[assignment]  # it outlives the stage
        assert source.send_again(10)
        source.send(7)
        assert bench.sink.received == [4, 6, 7]
        assert bench.sink.error is None
        refuse(bench)


@pytest.mark.parametrize("stage", [Sample(every=1.0), Debounce(quiet=1.0)], ids=lambda stage: stage.kind)
def test_older_reading_goes_out_at_once_when_a_newer_one_waits(stage: Stage) -> None:
    """Neither takes the place of the other: both were the latest when their time had come."""
    with ledgers(stage) as bench:
        source = probe(bench)
        source.send(read(1))
        bench.advance(1.5)
        assert bench.sink.received == [read(1)]
        refuse(bench, read(1))
        source.send(read(2))
        assert source.send_again(1)
        assert bench.sink.received == [read(1), read(1)]
        bench.advance(1.5)
        assert bench.sink.received == [read(1), read(1), read(2)]
        refuse(bench)
        assert source.ledger.outstanding == 0
        assert not any(name.startswith("dropped") for name in bench.counters)


def test_newer_reading_stays_when_an_older_one_comes_again() -> None:
    """`conflate` keeps the latest, not what came last."""
    with StageBench(Conflate(), keep=True, sources=LedgerProbe) as bench:
        source = probe(bench)
        bench.sink.request(1)
        source.send(read(1))
        refuse(bench, read(1))
        source.send(read(2), read(1, "b"))
        assert source.send_again(1)
        bench.sink.request(10)
        assert bench.sink.received == [read(1), read(2), read(1, "b")]
        assert bench.counters["dropped_conflated"] == 1
        refuse(bench)
        assert source.ledger.outstanding == 0


def test_row_stays_when_an_older_reading_comes_again() -> None:
    """Also a row that has gone out before."""
    with StageBench(LatestPerKey(every=1.0), keep=True, sources=LedgerProbe) as bench:
        source = probe(bench)
        bench.sink.request(1)
        source.send(read(1), read(1, "b"))
        bench.advance(1.0)
        refuse(bench, *bench.sink.received)
        bench.sink.request(100)
        source.send(read(2))
        bench.advance(1.0)
        while source.send_again(5):
            pass
        bench.advance(1.0)
        assert [reading.ts for reading in bench.sink.received if reading.source == "a"][-1] == 2
        refuse(bench)
        assert source.ledger.outstanding == 0


def test_row_that_has_gone_out_goes_out_again_when_a_later_one_has_too() -> None:
    """Each period's row is one that was chosen: only what waits takes the place of another."""
    with StageBench(LatestPerKey(every=1.0), keep=True, sources=LedgerProbe) as bench:
        source = probe(bench)
        bench.sink.request(100)
        for ts in (1, 2):
            source.send(read(ts))
            bench.advance(1.0)
        refuse(bench, *bench.sink.received)
        del bench.sink.received[:]
        assert source.send_again(5)
        assert [(reading.ts, reading.held) for reading in bench.sink.received] == [(1, False)]
        bench.advance(1.0)
        assert [(reading.ts, reading.held) for reading in bench.sink.received] == [(1, False), (2, False)]
        refuse(bench)
        assert source.ledger.outstanding == 0


def test_window_is_made_once_more_when_it_was_not_stored() -> None:
    """Its elements come too late for it, but they were in it: nothing is dropped, and what it says is the same."""
    stage = TumblingWindow(size=10.0, aggregate={"n": "sum"})
    with ledgers(stage) as bench:
        source = probe(bench)
        source.send(*(read(ts * SECOND, n=ts) for ts in range(25)))
        made = list(bench.sink.received)
        assert len(made) == 2
        refuse(bench, made[0])
        assert source.send_again(100)
        assert bench.sink.received[2] == made[0]
        assert "dropped_late" not in bench.counters
        refuse(bench)
        assert source.ledger.outstanding == 5, "the last window is open"


def test_id_is_new_when_its_element_has_failed() -> None:
    """And it is a duplicate as soon as another has taken its place: each id goes out once."""
    with ledgers(Dedupe(per=lambda n: n % 10)) as bench:
        source = probe(bench)
        source.send(1)
        source.send(11)
        assert bench.sink.received == [1], "while the first is on its way, its source would emit it again"
        refuse(bench, 1)
        source.send(21)
        assert source.send_again(5)
        assert bench.sink.received == [1, 21]
        refuse(bench)
        assert source.ledger.outstanding == 0


def test_copy_that_gives_way_settles_nothing_when_its_origin_has_gone_back() -> None:
    """Of two copies of an element the one of the present lap counts: else the older is dropped for it, and it is lost."""
    settled: list[int] = []
    ledger = Ledger(Origin("plc", "1"), 5, settled.append, lambda: None, lambda *_: None)
    waits, lost = ledger.emit(["held in a stage"]), ledger.emit(["lost"])
    lost.fail(IslandDied("with its island"))
    again = ledger.retry(10)
    assert again is not None
    assert again.items == ["held in a stage", "lost"]
    waits.outcome(Dropped("conflated"))
    assert ledger.outstanding == 2
    again.fail(IslandDied("once more"))
    last = ledger.retry(10)
    assert last is not None
    assert last.items == ["held in a stage", "lost"]
    last.settle()
    assert (ledger.outstanding, settled[-1]) == (0, 2)


def test_origin_forgets_what_it_has_emitted_again_when_that_is_settled() -> None:
    """What is known of it does not grow."""
    ledger = Ledger(Origin("plc", "1"), 5, lambda _: None, lambda: None, lambda *_: None)
    chunk = ledger.emit([1, 2, 3])
    chunk.take([1]).fail(Refused("not now"))
    chunk.settle()
    again = ledger.retry(10)
    assert again is not None
    assert ledger.origin.again == {1}
    again.settle()
    assert ledger.origin.again == set()
