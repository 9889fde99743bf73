"""Random chains of stages against the same chain of functions on lists."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from random import Random
from typing import Any

import pytest

from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.engine import Engine
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages.balance import Balance
from rt_edge.streams.stages.broadcast import Broadcast
from rt_edge.streams.stages.buffer import Buffer
from rt_edge.streams.stages.collect import Collect
from rt_edge.streams.stages.drop import Drop
from rt_edge.streams.stages.filter import Filter
from rt_edge.streams.stages.grouped import Grouped
from rt_edge.streams.stages.map import Map
from rt_edge.streams.stages.map_concat import MapConcat
from rt_edge.streams.stages.merge import Merge
from rt_edge.streams.stages.partition import Partition
from rt_edge.streams.stages.scan import Scan
from rt_edge.streams.stages.take import Take
from rt_edge.streams.stages.throttle import Throttle
from rt_edge.streams.stages.zip import Zip
from rt_edge.testkit.probes import SinkProbe, SourceProbe
from rt_edge.testkit.virtual_clock import VirtualHost

Link = tuple[Callable[[], Stage], Callable[[list[Any]], list[Any]]]


def repeats(x: int) -> int:
    """How often a `map_concat` of these tests repeats an element: seldom more often than its block is long."""
    return 70 if x % 29 == 0 else 1


LINKS: list[Link] = [
    (lambda: Map(lambda x: x + 1), lambda items: [x + 1 for x in items]),
    (lambda: Filter(lambda x: x % 3), lambda items: [x for x in items if x % 3]),
    (lambda: MapConcat(lambda x: range(x % 4)), lambda items: [y for x in items for y in range(x % 4)]),
    (
        lambda: MapConcat(lambda x: [x] * 70 if x % 29 == 0 else [x]),
        lambda items: [x for x in items for _ in range(70 if x % 29 == 0 else 1)],
    ),
    (lambda: Take(150), lambda items: items[:150]),
    (lambda: Drop(5), lambda items: items[5:]),
    (lambda: Buffer(7), lambda items: items),
    (lambda: Throttle(1000, 1.0), lambda items: items),
    (lambda: Scan(0, lambda a, x: (a + x) % 1000), lambda items: list(accumulate(items, lambda a, x: (a + x) % 1000, initial=0))),
]


def chain(blueprint: Blueprint, first: str, links: list[Link], items: list[Any]) -> tuple[str, list[Any]]:
    """Append `links` behind `first`; returns the last graph node and what comes out of it."""
    for make, function in links:
        name = blueprint.add(make())
        blueprint.connect(first, name)
        first, items = name, function(items)
    return first, items


@pytest.mark.parametrize("seed", range(60))
def test_output_is_the_list_functions_when_a_chain_is_random(seed: int) -> None:
    """Up to eight stages in any order do what the functions do, under any chunks, demands and cuts of turns."""
    random = Random(seed)
    host = VirtualHost(seed=seed)
    items = list(range(random.randint(0, 120)))
    source, sink = SourceProbe(host.settle), SinkProbe(host.settle, keep=True)
    blueprint = Blueprint()
    last, expected = chain(blueprint, blueprint.add(source.stage, "source"), random.choices(LINKS, k=random.randint(1, 8)), items)
    blueprint.connect(last, blueprint.add(sink.stage, "sink"))
    engine = Engine(blueprint, host)
    host.attach(engine)
    engine.start()
    host.settle()
    rest = list(items)
    for _ in range(20_000):
        if sink.ended:
            break
        if source.demand and rest and not source.ended:
            n = min(random.choice([1, 5, 64]), source.demand, len(rest))
            source.send(*rest[:n], settle=random.random() < 0.5)
            del rest[:n]
        elif not rest and not source.ended:
            source.complete()
        sink.request(random.choice([1, 3, 40]), settle=random.random() < 0.5)
        if random.random() < 0.3:
            sink.settle_all()
        host.advance(0.02)
    assert sink.received == expected
    sink.expect_next(*expected)
    sink.expect_complete()
    sink.settle_all()
    engine.stop()
    assert not source.outcomes.again
    assert sorted(source.outcomes.by_mark) == list(range(len(source.sent)))


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("split", [Broadcast, Balance, Partition])
def test_nothing_is_lost_or_doubled_when_branches_come_together_again(seed: int, split: type[Stage]) -> None:
    """A fan-out, two random branches and a merge: each element arrives as often as it should, with one outcome."""
    random = Random(seed)
    host = VirtualHost(seed=seed)
    items = list(range(random.randint(0, 200)))
    outcome: list[Any] = []
    source = SourceProbe(host.settle)
    blueprint = Blueprint()
    first = blueprint.add(source.stage, "source")
    fan = blueprint.add(Partition(lambda x: x % 2) if split is Partition else split())
    merge = blueprint.add(Merge(2))
    blueprint.connect(first, fan)
    identity = [LINKS[6], LINKS[7], (lambda: Map(lambda x: x), lambda items: items)]
    for branch in range(2):
        entry = blueprint.add(Buffer(random.randint(1, 9)))
        blueprint.connect(fan, entry, branch, 0)
        last, _ = chain(blueprint, entry, random.choices(identity, k=random.randint(0, 3)), [])
        blueprint.connect(last, merge, 0, branch)
    sink = blueprint.add(Collect(demand=random.choice([1, 7, 1000]), done=lambda result, error: outcome.append((result, error))))
    blueprint.connect(merge, sink)
    engine = Engine(blueprint, host)
    host.attach(engine)
    engine.start()
    rest = list(items)
    for _ in range(5000):
        if outcome:
            break
        host.advance(0.02)
        if rest and source.demand:
            n = min(random.choice([1, 5, 64]), source.demand, len(rest))
            source.send(*rest[:n])
            del rest[:n]
        elif not rest and not source.ended:
            source.complete()
    times = 2 if split is Broadcast else 1
    assert outcome, "the graph does not come to an end"
    assert sorted(outcome[0][0]) == sorted(items * times)
    assert source.outcomes.stored() == list(range(len(items)))
    assert not source.outcomes.again


def test_many_stages_do_not_grow_the_stack_when_they_are_chained() -> None:
    """Three hundred stages run in a loop, not in a recursion."""
    host = VirtualHost()
    outcome: list[Any] = []
    source = SourceProbe(host.settle)
    blueprint = Blueprint()
    last, _ = chain(blueprint, blueprint.add(source.stage, "source"), [LINKS[0]] * 300, [])
    blueprint.connect(last, blueprint.add(Collect(done=lambda result, error: outcome.append(result))))
    engine = Engine(blueprint, host)
    host.attach(engine)
    engine.start()
    host.settle()
    source.send(*range(100))
    source.complete()
    assert outcome == [list(range(300, 400))]


@pytest.mark.parametrize("seed", range(20))
def test_groups_and_tuples_are_complete_when_streams_of_different_pace_are_zipped(seed: int) -> None:
    """zip of a grouped stream and a plain one pairs the right elements."""
    random = Random(seed)
    host = VirtualHost(seed=seed)
    outcome: list[Any] = []
    sources = [SourceProbe(host.settle) for _ in range(2)]
    blueprint = Blueprint()
    for index, source in enumerate(sources):
        blueprint.add(source.stage, f"source{index}")
    blueprint.add(Grouped(3), "groups")
    blueprint.add(Zip(2), "zip")
    blueprint.add(Collect(demand=random.choice([1, 5, 100]), done=lambda result, error: outcome.append(result)), "sink")
    blueprint.connect("source0", "groups")
    blueprint.connect("groups", "zip", 0, 0)
    blueprint.connect("source1", "zip", 0, 1)
    blueprint.connect("zip", "sink")
    engine = Engine(blueprint, host)
    host.attach(engine)
    engine.start()
    host.settle()
    rests = [list(range(random.randint(0, 60))), list("abcdefghijklmnopqrst")]
    expected = list(zip([rests[0][i : i + 3] for i in range(0, len(rests[0]), 3)], rests[1], strict=False))
    for _ in range(2000):
        index = random.randrange(2)
        source, rest = sources[index], rests[index]
        if source.ended:
            continue
        if not rest:
            source.complete()
        elif source.demand:
            n = min(random.choice([1, 4, 30]), source.demand, len(rest))
            source.send(*rest[:n])
            del rest[:n]
    assert outcome == [expected]
    for source in sources:
        assert sorted(source.outcomes.by_mark) == list(range(len(source.sent)))
