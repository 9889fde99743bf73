"""The planner refuses what would wait for ever, with both numbers, and lets pass what cannot."""

from __future__ import annotations

from itertools import pairwise

import pytest

from rt_edge.data.units import Duration
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.engine import Engine
from rt_edge.streams.hubs.broadcast_hub import BroadcastHub
from rt_edge.streams.hubs.from_hub import FromHub
from rt_edge.streams.hubs.merge_hub import MergeHub
from rt_edge.streams.hubs.partition_hub import PartitionHub
from rt_edge.streams.hubs.to_hub import ToHub
from rt_edge.streams.planner import Source, analyse
from rt_edge.streams.pubsub.broker import Broker
from rt_edge.streams.pubsub.from_topic import FromTopic
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages.broadcast import Broadcast
from rt_edge.streams.stages.buffer import Buffer
from rt_edge.streams.stages.dead_letters import DeadLetters
from rt_edge.streams.stages.grouped import Grouped
from rt_edge.streams.stages.grouped_within import GroupedWithin
from rt_edge.streams.stages.merge import Merge
from rt_edge.streams.stages.session_window import SessionWindow
from rt_edge.streams.stages.tumbling_window import TumblingWindow
from rt_edge.testkit.probes import SinkProbe, SourceProbe
from rt_edge.testkit.random_stages import item
from rt_edge.testkit.virtual_clock import VirtualHost

POLLED = Source("plc", 100, redelivering=False)


def line(*stages, source=POLLED):
    names = ["src", *(f"s{i}" for i in range(len(stages))), "end"]
    return analyse(dict(zip(names[1:], stages, strict=False)), {"src": source}, list(pairwise(names)))


def test_path_is_refused_when_its_hold_exceeds_the_window():
    """grouped(1000) behind a window of 100 would wait for ever; the message has both numbers and the remedies."""
    (finding,) = line(Grouped(count=1000)).findings
    assert "1,000" in finding.message
    assert "100" in finding.message
    assert "grouped_within" in finding.hint


def test_path_passes_when_its_hold_fits_the_window():
    """grouped(100) behind a window of 100 gets its hundred."""
    assert not line(Grouped(count=100)).findings


def test_holds_of_a_path_add_up_when_there_are_several():
    """Two groups of 60 can hold 120, more than 100."""
    (finding,) = line(Grouped(count=60), Grouped(count=60)).findings
    assert finding.node == "s1"
    assert "120" in finding.message


def test_path_passes_when_a_hold_ends_by_time_or_by_demand():
    """A time limit lets the group go, and a buffer hands on whenever it is asked: neither can stop the stream."""
    assert not line(GroupedWithin(count=1000, within=Duration(1.0)), Buffer(size=5000)).findings


def test_longest_path_counts_when_a_diamond_has_two():
    """Of two ways to the same stage the one that holds more decides."""
    stages = {
        "split": Broadcast(count=2),
        "big": Grouped(count=90),
        "merge": Merge(count=2),
        "last": Grouped(count=20),
    }
    edges = [("src", "split"), ("split", "big"), ("split", "merge"), ("big", "merge"), ("merge", "last"), ("last", "end")]
    (finding,) = analyse(stages, {"src": POLLED}, edges).findings
    assert finding.node == "last"
    assert "110" in finding.message


def test_combining_stage_is_refused_when_the_source_redelivers():
    """What is made of several elements cannot be recognised when it comes again: it needs `settle: early`."""
    source = Source("broker", 2000, redelivering=True)
    (finding,) = line(Grouped(count=10), source=source).findings
    assert "settle: early" in finding.hint
    assert not line(Grouped(count=10, settle="early"), source=source).findings
    assert not line(Grouped(count=10)).findings, "a polled source does not send again"


@pytest.mark.parametrize("overflow", ["backpressure", "drop_head"])
def test_cycle_is_refused_unless_it_has_a_dropping_buffer(overflow):
    """A cycle that can only push back stands still for ever."""
    stages = {"a": Buffer(size=1), "b": Buffer(size=10, overflow=overflow)}
    found = analyse(stages, {"src": POLLED}, [("src", "a"), ("a", "b"), ("b", "a")]).findings
    assert bool(found) == (overflow == "backpressure")


def test_bound_is_the_sum_of_slots_and_holds_when_all_are_bounded():
    """`check` prints how much a graph can hold at most."""
    assert line(Buffer(size=500)).bound == 2 * 1024 + 500


# -- stages that are a window to those behind them ---------------------------------------------------------------------

WIDE = Source("broker", 2000, redelivering=False)


def test_path_is_refused_when_more_is_held_behind_dead_letters_than_they_let_out() -> None:
    """However large the source's window: the message has both numbers and names the stage; `size` is in the sum of bounds."""
    (finding,) = line(DeadLetters(size=100), Grouped(count=500), source=WIDE).findings
    assert finding.node == "s1"
    assert "500" in finding.message
    assert "s0 sends at most 100" in finding.message
    assert not line(DeadLetters(size=500), Grouped(count=500), source=WIDE).findings
    assert not line(Grouped(count=500), DeadLetters(size=100), source=WIDE).findings
    small, large = (analyse({"d": DeadLetters(size=size)}, {}, []).bound for size in (1, 5000))
    assert small is not None
    assert large == small + 4999


def test_path_passes_when_it_is_behind_the_dead_letters_and_not_behind_what_goes_on() -> None:
    """What waits at `dead` is under way no more."""
    stages = {"dead": DeadLetters(size=100), "batch": Grouped(count=500)}
    edges = [("src", "dead"), ("dead", "end"), ("dead", "batch")]
    assert not analyse(stages, {"src": WIDE}, edges, ["", "out", "dead"]).findings
    assert analyse(stages, {"src": WIDE}, edges, ["", "dead", "out"]).findings


def test_path_is_refused_when_more_is_held_behind_a_hub_than_it_lets_out() -> None:
    """A hub's window is that of a source to its consumers; what is in it is in the sum of bounds."""
    for hub in (
        BroadcastHub(window=100, unsettled=700),
        MergeHub(window=100, unsettled=700),
        PartitionHub(window=100, unsettled=700),
    ):
        (finding,) = analyse({"hub": FromHub(hub=hub), "batch": Grouped(count=500)}, {}, [("hub", "batch")]).findings
        assert "hub sends at most 100" in finding.message
        assert not analyse({"hub": FromHub(hub=hub), "batch": Grouped(count=100)}, {}, [("hub", "batch")]).findings
        assert not line(ToHub(hub=hub)).findings, "it waits for no further elements"
        assert analyse({"into": ToHub(hub=hub)}, {}, []).bound == 700 + 1024
    broker = Broker(window=100)
    assert analyse(
        {"topic": FromTopic(broker=broker, topics="#"), "batch": Grouped(count=500)}, {}, [("topic", "batch")]
    ).findings


# -- what is inside behind stages that make one element of several -----------------------------------------------------


def test_bound_counts_what_made_elements_stand_for_when_they_are_held_further_on() -> None:
    """Twenty lists of a hundred in a buffer are two thousand elements; no more than the windows of all sources is inside."""
    free = {"groups": Grouped(count=100), "buffer": Buffer(size=20)}
    chain = [("src", "groups"), ("groups", "buffer"), ("buffer", "end")]
    plain = 3 * 1024 + 100 + 20
    behind_groups, in_buffer, behind_buffer = 100, 20 * 99, 100 + 20 * 100  # beyond the 1,024 of a slot, and the 20
    assert analyse(free, {}, chain).bound == plain + behind_groups + in_buffer + behind_buffer
    assert analyse(free, {"src": POLLED}, chain).bound == plain + 100
    early = {"groups": Grouped(count=100, settle="early"), "buffer": Buffer(size=20)}
    assert analyse(early, {}, chain).bound == 3 * 1024 + 20
    assert analyse({"buffer": Buffer(size=20)}, {}, chain[1:]).bound == 2 * 1024 + 20


@pytest.mark.parametrize(
    "stages",
    [
        (SessionWindow(gap=2.0, max_elements=1000), Buffer(size=20)),
        (TumblingWindow(size=50.0, max_elements=1000), Buffer(size=200)),
        (Grouped(count=1000), Buffer(size=20)),
        (Grouped(count=100), Broadcast(count=1), Buffer(size=90)),
        (Grouped(count=20), Grouped(count=20), Buffer(size=40)),
        (SessionWindow(gap=0.3, max_elements=1000),),
    ],
    ids=lambda stages: " > ".join(stage.label for stage in stages),
)
def test_no_more_is_inside_than_planned_when_nothing_is_taken(stages: tuple[Stage, ...]) -> None:
    """All that is asked for comes in: what has no outcome stays within the bound."""
    host = VirtualHost(seed=1)
    source, sink = SourceProbe(host.settle), SinkProbe(host.settle)
    parts = [source.stage, *stages, sink.stage]
    blueprint = Blueprint()
    for place, stage in enumerate(parts):
        blueprint.add(stage, f"s{place}")
        if place:
            blueprint.connect(f"s{place - 1}", f"s{place}", 0, 0)
    bound = analyse(blueprint.nodes, {}, [(edge.source, edge.target) for edge in blueprint.edges]).bound
    assert bound is not None
    engine = Engine(blueprint, host)
    host.attach(engine)
    engine.start()
    sink.request(1)
    while source.demand and len(source.sent) < 60_000:
        first = len(source.sent)
        source.send(*(item("readings", n) for n in range(first, first + min(source.demand, 1024))))
        assert len(source.sent) - len(source.outcomes.by_mark) <= bound
    assert len(source.sent) >= 1000
    engine.stop()
