"""The planner: refuses graphs that would wait for ever or lose what they promise, before they run (design 5).

It looks at what every stage does with receipts:

- A stage may hold elements until others arrive (`grouped(1000)`). Behind a source that emits at most a window of unsettled
  elements it would wait for ever if the holds on the path can exceed the window. Only holds without a time limit count: what is
  let go by itself, or as soon as there is demand, cannot stop the stream.
- A stage that lets out a number of elements and waits for their outcomes (`dead_letters`, `from_hub`) is to all behind its first
  outlet a source with that window.
- A stage that makes one element of several, between a source whose peer sends again and the first durable end, makes elements
  that cannot be recognised when they come again: it has to settle early, by name.
- A cycle needs a buffer that drops.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.streams.stage import ReceiptUse, Stage

UNLIMITED = 2**62
"""A hold without a bound, in sums."""


class Source(msgspec.Struct, frozen=True):
    """What feeds a graph.

    Attributes:
        name: for messages.
        window: most unsettled elements; None: no bound of its own.
        redelivering: its peer sends again what was not settled.
    """

    name: str
    window: int | None
    redelivering: bool


class Finding(msgspec.Struct, frozen=True):
    """Something wrong with a graph.

    Attributes:
        node: name of the graph node concerned.
        message: one sentence, with the numbers.
        hint: the remedies.
    """

    node: str
    message: str
    hint: str


class Analysis(msgspec.Struct, frozen=True):
    """What the planner found.

    Attributes:
        findings: errors; empty if the graph may run.
        bound: elements of sources that can be in the graph at once, at most: slots of all wires and holds of all stages; where
            stages make one element of several, those that the made ones stand for; None: no bound.
    """

    findings: tuple[Finding, ...]
    bound: int | None


def analyse(
    stages: dict[str, Stage], sources: dict[str, Source], edges: Sequence[tuple[str, str]], outlets: Sequence[str] = ()
) -> Analysis:
    """Check a graph.

    Args:
        stages: by node name; ends of wires to other members are left out.
        sources: by name of the graph node that they feed.
        edges: from node to node, ends of wires included.
        outlets: name of the outlet that each edge begins at; "" or nothing: the first one.
    """
    order = _ordered(edges, {*stages, *sources})
    if order is None:
        return Analysis(tuple(_cycles(stages, edges)), None)
    after: dict[str, list[str]] = {}
    for start, target in edges:
        after.setdefault(start, []).append(target)
    findings: list[Finding] = []
    for node, source in sources.items():
        if source.window is not None:
            findings += _waits(node, source, source.window, stages, after, order)
        if source.redelivering:
            findings += _combines(node, source, stages, after)
    for node, stage in stages.items():
        window = stage.lets_out()
        if window is not None:
            behind = {**after, node: _behind_first(node, stage, edges, outlets)}
            findings += _waits(node, Source(node, window, redelivering=False), window, stages, behind, order)
    return Analysis(tuple(dict.fromkeys(findings)), _bound(stages, sources, edges, order))


def waiting_hold(stage: Stage) -> int:
    """Elements that a stage may keep until others arrive, without a time limit."""
    if stage.receipts is not ReceiptUse.HOLD:
        return 0
    hold = stage.holds()
    if hold.seconds is not None:
        return 0
    return UNLIMITED if hold.elements is None else hold.elements


def _bound(
    stages: dict[str, Stage], sources: dict[str, Source], edges: Sequence[tuple[str, str]], order: list[str]
) -> int | None:
    total = len(edges) * CHUNK_ELEMENTS
    for stage in stages.values():
        hold = _held(stage)
        if hold is None:
            return None
        total += hold
    windows = [source.window for source in sources.values()]
    more = _behind_made(stages, edges, order)
    if windows and all(window is not None for window in windows):
        more = min(more, sum(window or 0 for window in windows))  # sources keep to their windows, whatever is made of it
    return total + more


def _held(stage: Stage) -> int | None:
    """Elements that it may keep, of what comes in; a fan-out may hold what its branches do not want yet."""
    return stage.holds().elements if stage.receipts in (ReceiptUse.HOLD, ReceiptUse.SPLIT) else 0


def _behind_made(stages: dict[str, Stage], edges: Sequence[tuple[str, str]], order: Sequence[str]) -> int:
    """What elements that are made of several stand for, beyond what was counted for them as elements.

    One of them may stand for all that its stage may hold, and so may each of those that a stage further on holds: twenty windows
    of a thousand elements in a buffer are twenty thousand. What a stage makes at once stands for what it held and a chunk.
    """
    weight: dict[str, int] = {}  # node -> elements that one of those that come in may stand for
    load: dict[str, int] = {}  # node -> elements that a chunk that comes in may stand for
    more = 0
    for node in order:
        here, chunk = weight.get(node, 1), load.get(node, CHUNK_ELEMENTS)
        stage = stages.get(node)
        hold = (_held(stage) or 0) if stage is not None else 0
        more += hold * (here - 1)
        if stage is not None and stage.combines and hold:
            here, chunk = here * hold, here * (hold + CHUNK_ELEMENTS)
        elif stage is not None and stage.receipts is ReceiptUse.INTAKE:
            here, chunk = 1, CHUNK_ELEMENTS
        elif stage is None or stage.receipts is not ReceiptUse.PASS:  # it may make one chunk of several
            chunk = min(here * CHUNK_ELEMENTS, chunk + here * min(hold, CHUNK_ELEMENTS))
        for source, target in edges:
            if source == node:
                more += chunk - CHUNK_ELEMENTS
                weight[target] = max(weight.get(target, 1), here)
                load[target] = max(load.get(target, 0), chunk)
    return more


def _waits(
    start: str, source: Source, window: int, stages: dict[str, Stage], after: dict[str, list[str]], order: list[str]
) -> list[Finding]:
    """The longest sum of waiting holds from `start` to each node; findings where it exceeds the window."""
    most: dict[str, int] = {start: 0}
    via: dict[str, str] = {}
    found = []
    for node in order:
        if node not in most:
            continue
        here = most[node]
        hold = waiting_hold(stages[node]) if node in stages else 0
        if hold and here + hold > window:
            path = " > ".join([source.name, *_path(via, start, node)])
            holds = "any number of" if hold >= UNLIMITED else f"up to {here + hold:,}"
            found.append(
                Finding(
                    node,
                    f"the path {path} can hold {holds} unsettled elements, but {source.name} sends at most {window:,} before it "
                    "must see some of them settled: it would wait for ever",
                    f"hold fewer than {window:,}, add a time limit (grouped_within), write `settle: early`, or raise the window "
                    f"of {source.name}",
                )
            )
            continue  # one message a path is enough
        for target in after.get(node, ()):
            if here + hold > most.get(target, -1):
                most[target] = here + hold
                via[target] = node
    return found


def _behind_first(node: str, stage: Stage, edges: Sequence[tuple[str, str]], outlets: Sequence[str]) -> list[str]:
    first = {"", *(outlet.name for outlet in stage.outlets[:1])}
    named = outlets or [""] * len(edges)
    return [target for (source, target), outlet in zip(edges, named, strict=True) if source == node and outlet in first]


def _path(via: dict[str, str], start: str, node: str) -> list[str]:
    path = [node]
    while path[-1] in via and via[path[-1]] != start:
        path.append(via[path[-1]])
    return path[::-1]


def _combines(start: str, source: Source, stages: dict[str, Stage], after: dict[str, list[str]]) -> list[Finding]:
    found, seen, todo = [], {start}, [start]
    while todo:
        node = todo.pop()
        stage = stages.get(node)
        if stage is not None and stage.receipts is ReceiptUse.INTAKE:
            continue
        if stage is not None and stage.combines:
            if getattr(stage, "settle", "end") != "early":
                found.append(
                    Finding(
                        node,
                        f"{node} makes one element of several, and {source.name} sends again after a crash: what it made could "
                        "not be recognised and would be stored twice",
                        "write `settle: early` on it, which makes what it holds volatile",
                    )
                )
            continue
        for target in after.get(node, ()):
            if target not in seen:
                seen.add(target)
                todo.append(target)
    return found


def _ordered(edges: Sequence[tuple[str, str]], nodes: set[str]) -> list[str] | None:
    """Nodes with every source before its targets; None if there is a cycle."""
    incoming = dict.fromkeys(nodes, 0)
    after: dict[str, list[str]] = {}
    for source, target in edges:
        incoming.setdefault(source, 0)
        incoming[target] = incoming.get(target, 0) + 1
        after.setdefault(source, []).append(target)
    ready = [node for node, count in incoming.items() if not count]
    order = []
    while ready:
        node = ready.pop()
        order.append(node)
        for target in after.get(node, ()):
            incoming[target] -= 1
            if not incoming[target]:
                ready.append(target)
    return order if len(order) == len(incoming) else None


def _cycles(stages: dict[str, Stage], edges: Sequence[tuple[str, str]]) -> list[Finding]:
    """One finding a cycle without a dropping buffer, at one of its nodes."""
    dropping = {name for name, stage in stages.items() if drops(stage)}
    kept = [(s, t) for s, t in edges if s not in dropping and t not in dropping]
    left = _in_cycles(kept)
    if not left:
        return []
    nodes = ", ".join(sorted(left))
    return [Finding(min(left), f"{nodes} form a cycle", "put a buffer with a dropping strategy (drop_head, drop_tail) into it")]


def drops(stage: Stage) -> bool:
    """Whether it is a buffer that drops when it is full."""
    return str(getattr(stage, "overflow", "")).startswith("drop")


def _in_cycles(edges: Sequence[tuple[str, str]]) -> set[str]:
    left = {node for edge in edges for node in edge}
    while True:
        sources = {s for s, t in edges if s in left and t in left}
        targets = {t for s, t in edges if s in left and t in left}
        still = left & sources & targets
        if still == left:
            return left
        left = still
