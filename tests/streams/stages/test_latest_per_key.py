"""latest_per_key: contract and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.stages.latest_per_key import LatestPerKey
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract


class TestTableOnDemand(StageContract):
    """The last table has the last of each key."""

    lossless = False

    def make(self) -> LatestPerKey:
        return LatestPerKey(emit="table")

    def item(self, n: int) -> Reading:
        return Reading(f"plc/{n % 5}", n, {"p": n})


class TestElementsAtAPeriod(StageContract):
    lossless = False
    drops_again = "a later one of its key waits, or there are too many keys"

    def make(self) -> LatestPerKey:
        return LatestPerKey(every=60.0, max_keys=3)

    def item(self, n: int) -> Reading:
        return Reading(f"plc/{n % 5}", n, {"p": n})


class TestTableWithTrigger(TestTableOnDemand):
    eager = True  # the trigger is always listened to

    def make(self) -> LatestPerKey:
        return LatestPerKey(emit="table", trigger=True, settle="early")


def reading(ts: int, source: str = "a", held: bool = False) -> Reading:
    return Reading(source, ts, {"p": ts}, held=held)


def test_table_is_sent_again_when_each_period_ends() -> None:
    """What is new comes as it is, what was sent before is marked as held, both with their own time."""
    with StageBench(LatestPerKey(every=10.0)) as bench:
        bench.sink.request(100)
        bench.advance(10)
        bench.source.send(reading(1), reading(2, "b"), reading(3))
        bench.sink.expect_no_signal()
        bench.advance(10)
        bench.sink.expect_next(reading(2, "b"), reading(3))
        assert bench.source.outcomes.dropped("replaced") == [0]
        bench.source.send(reading(4, "b"))
        bench.advance(10)
        bench.sink.expect_next(reading(3, held=True), reading(4, "b"))
        bench.advance(10)
        bench.sink.expect_next(reading(3, held=True), reading(4, "b", held=True))
        assert bench.counters["held"] == 3


def test_period_is_left_out_when_the_one_before_still_waits() -> None:
    """Nothing piles up while nobody asks."""
    with StageBench(LatestPerKey(every=10.0)) as bench:
        bench.sink.request(1)
        bench.source.send(reading(1), reading(2, "b"))
        bench.advance(35)
        bench.sink.expect_next(reading(1))
        assert bench.counters["skipped"] == 2
        bench.sink.request(10)
        bench.sink.expect_next(reading(2, "b"))


def test_table_is_emitted_when_a_trigger_comes() -> None:
    """Each trigger asks once; an empty table is not emitted; what the triggers are does not matter."""
    with StageBench(LatestPerKey(trigger=True)) as bench:
        data, trigger = bench.sources
        bench.sink.request(100)
        trigger.send("now")
        data.send(reading(1), reading(2, "b"))
        bench.sink.expect_no_signal()
        trigger.send("now")
        bench.sink.expect_next(reading(1), reading(2, "b"))
        trigger.complete()
        data.send(reading(3))
        data.complete()
        bench.sink.expect_next(reading(3))
        bench.sink.expect_complete()
        assert trigger.outcomes.stored() == [0, 1]


def test_table_is_one_element_when_asked_for_on_demand() -> None:
    """One mapping for each demand if something has come since; its receipt is that of what is new in it."""
    with StageBench(LatestPerKey(emit="table"), keep=True) as bench:
        bench.sink.request(1)
        bench.source.send(reading(1), reading(2, "b"))
        bench.sink.expect_next({"a": reading(1), "b": reading(2, "b")})
        bench.sink.settle_all()
        assert bench.source.outcomes.stored() == [0, 1]
        bench.sink.request(1)
        bench.sink.expect_no_signal()
        bench.source.send(reading(3))
        bench.sink.expect_next({"a": reading(3), "b": reading(2, "b")})
        assert bench.source.outcomes.stored() == [0, 1]
        bench.sink.settle_all()
        assert bench.source.outcomes.stored() == [0, 1, 2]


def test_key_that_spoke_least_recently_is_forgotten_when_there_are_too_many() -> None:
    """The table is bounded, and says when it forgets."""
    with StageBench(LatestPerKey(every=1.0, max_keys=2)) as bench:
        bench.sink.request(100)
        bench.source.send(reading(1, "a"), reading(2, "b"), reading(3, "a"), reading(4, "c"))
        bench.advance(1)
        bench.sink.expect_next(reading(3, "a"), reading(4, "c"))
        assert bench.counters["evicted"] == 1
        assert bench.source.outcomes.dropped("evicted") == [1]


def test_settings_are_refused_when_nothing_says_when() -> None:
    """Without a period, a trigger or a table there is conflate."""
    with pytest.raises(ConfigError, match="conflate"):
        LatestPerKey()
    stage: Any = Catalogue.built_in().check("latest_per_key", {"every": "1min", "per": "tags['line']"}).stage
    assert stage == LatestPerKey(every=60.0, per="tags['line']")
