"""Random graphs of random stages: chains and trees, now and then with branches that meet again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.stage import Stage
from rt_edge.testkit.list_functions import LISTS
from rt_edge.testkit.random_stages import Maker, fits, played, sort_after

Lists = Callable[[list[list[Any]]], list[Any]]
"""What all sources send -> what comes out at a place."""

UNORDERED = {
    "MapAsyncUnordered", "MapAsyncPartitioned", "FlatMapMerge", "GroupBy", "SplitWhen", "LatestPerKey", "Debounce",
    "Sample", "Conflate", "MergeSequence", "RetryFlow", "Join", "Downsample", "TumblingWindow", "SlidingWindow",
    "SessionWindow", "DeadLetters",
}  # fmt: skip
"""Stages that may let an element overtake another of its source."""

SHARING = {"Sliding", "SlidingWindow", "MapConcat", "StatefulMapConcat"}
"""Stages that make several elements of one: it may have the outcome of those that went out before."""

ABANDONING = {
    "CobsDecode", "DelimiterDecode", "LengthFieldDecode", "SlipDecode", "Downsample", "SwitchMap", "FlatMapMerge",
    "GroupBy", "SplitWhen",
}  # fmt: skip
"""Stages that may give some of what they hold its outcome when they are taken out, as they would when upstream completes."""

UNENDING = {"RestartSource", "RestartFlow", "RestartSink", "DeadLetters"}
"""Stages that may run again without end, or wait for outcomes that others wait to give."""

REGROUPING = {
    "MapAsync", "MapAsyncUnordered", "MapAsyncPartitioned", "Map", "Grouped", "GroupedWithin", "GroupedWeighted",
    "GroupedAdjacentBy", "GroupedAdjacentByWeighted", "GroupedWeightedWithin", "Delay", "DelayWith", "InitialDelay",
    "Merge", "MergePrioritized", "MergeRated", "MergeSorted", "Concat", "Interleave", "Balance", "Partition",
    "RouteRoundRobin", "RouteRandom", "RouteMostDemand", "RouteRated", "RoutePrioritized", "RouteByKey", "LazyFlow",
    "DoOnFirst", "DoOnCancel", "Log", "Detach", "Monitor", "KillSwitched", "WatchTermination", "ScatterGather", "TailChop",
}  # fmt: skip
"""Stages that neither lose nor add an element, as they are drawn here; groups of them count as their elements."""


SORTS = [("numbers",), ("numbers",), ("readings",), ("readings",), ("bytes",), ("numbers", "readings")]
"""Sorts of elements in one graph: see `item`."""

PORTS = 6
"""Sources of a graph, at most, and sinks."""


class Start(NamedTuple):
    """A source of a graph: the sort of its elements, and the number of the first."""

    node: str
    elements: str
    first: int


class End(NamedTuple):
    """An outlet that nothing is wired to yet, and in the end a sink.

    Attributes:
        elements: their sort.
        ordered: every stage on the way keeps the order.
        repeats: branches meet again on the way, so an element may come twice.
        expected: what has to come out, if every stage on the way has a function on lists.
    """

    node: str
    outlet: int
    elements: str
    ordered: bool
    repeats: bool
    expected: Lists | None

    def __repr__(self) -> str:
        return f"{self.node}.{self.outlet}"


class RandomGraph:
    """Draws a graph.

    Args:
        random: of the seed.
        faulty: whether user code raises now and then.
        only: classes of stages of which one is drawn at first.
    """

    def __init__(self, random: Random, faulty: bool, only: Sequence[str] = ()) -> None:
        self.random, self.faulty = random, faulty
        self.blueprint = Blueprint()
        self.starts: list[Start] = []
        self.ends: list[End] = []
        self.steps: list[str] = []
        """Graph nodes of one inlet and one outlet."""
        self.is_tree = self.regroups = True
        self._maker = Maker(random, faulty)
        self._sorts = random.choice(SORTS)
        self._start()
        stages = played()
        first = [stage for stage in stages if stage.__name__ in only]
        length = random.choice([1, 2, 3, 4, 6])
        for step in range(length):
            self._step(random.choice(first) if first and step == length // 2 else random.choice(stages))

    def wired(self, sources: Sequence[Stage], sinks: Sequence[Stage]) -> Blueprint:
        """The whole, with these at its starts and ends."""
        for start, stage in zip(self.starts, sources, strict=True):
            self.blueprint.nodes[start.node] = stage
        for index, (end, stage) in enumerate(zip(self.ends, sinks, strict=True)):
            name = self.blueprint.add(stage, f"sink{index}")
            self.blueprint.connect(end.node, name, end.outlet, 0)
        return self.blueprint

    def __str__(self) -> str:
        nodes = [f"  {name}: {stage!r}" for name, stage in self.blueprint.nodes.items() if "Probe" not in type(stage).__name__]
        return "\n".join([*nodes, *(f"  {edge.name}" for edge in self.blueprint.edges)])

    def _start(self) -> End:
        sort = self.random.choice(self._sorts)
        index = len(self.starts)
        name = self.blueprint.add(_Any(), f"source{index}")
        self.starts.append(Start(name, sort, index * 100_000))
        end = End(name, 0, sort, True, False, lambda inputs: inputs[index])
        self.ends.append(end)
        return end

    def _step(self, kind: type[Stage]) -> None:
        place = self.random.randrange(len(self.ends))
        if not fits(kind, self.ends[place].elements) and self.random.random() < 0.95:
            return
        stage = self._maker.stage(kind, self.ends[place].elements)
        if (
            stage is None
            or not stage.inlets
            or len(stage.outlets) + len(self.ends) > 6
            or len(stage.inlets) + len(self.starts) > 6
        ):
            return
        if not stage.outlets and len(self.ends) == 1:
            return
        into = [self.ends.pop(place)]
        for _ in stage.inlets[1:]:
            meets = self.ends and self.random.random() < 0.3
            if meets:
                into.append(self.ends.pop(self.random.randrange(len(self.ends))))
                self.is_tree = False
            else:
                into.append(self._start())
                self.ends.pop()
        node = self.blueprint.add(stage)
        for index, end in enumerate(into):
            self.blueprint.connect(end.node, node, end.outlet, index)
        self.is_tree &= kind.__name__ not in UNENDING
        if len(stage.inlets) == len(stage.outlets) == 1:
            self.steps.append(node)
        self.regroups &= kind.__name__ in REGROUPING and not _discards(stage)
        self.ends += [self._after(stage, node, outlet, into) for outlet in range(len(stage.outlets))]

    def _after(self, stage: Stage, node: str, outlet: int, into: list[End]) -> End:
        name = type(stage).__name__
        lists = LISTS.get(name)
        expected = None
        before = [end.expected for end in into]
        if lists is not None and not _discards(stage):
            expected = _composed(lists, stage, outlet, before)
        kinds = {end.elements for end in into}
        sort = sort_after(type(stage), kinds.pop() if len(kinds) == 1 else "anything")
        repeats = any(end.repeats for end in into) or (len(into) > 1 and not self.is_tree)
        ordered = all(end.ordered for end in into) and name not in UNORDERED and not repeats
        return End(node, outlet, sort, ordered, repeats, expected)


def _discards(stage: Any) -> bool:
    eager = getattr(stage, "eager_complete", False) or getattr(stage, "eager_cancel", False)
    return eager or getattr(stage, "overflow", "backpressure") != "backpressure"


def _composed(lists: Any, stage: Stage, outlet: int, before: list[Lists | None]) -> Lists | None:
    known = [lists_before for lists_before in before if lists_before is not None]
    if len(known) < len(before):
        return None

    def expected(inputs: list[list[Any]]) -> list[Any]:
        return list(lists(stage, [of(inputs) for of in known])[outlet])

    return expected


class _Any(Stage, frozen=True):
    """The place of a source."""

    @property
    def inlets(self) -> tuple[Any, ...]:
        """None."""
        return ()
