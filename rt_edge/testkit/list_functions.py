"""What stages do, as functions on whole lists: (stage, what comes into each inlet) -> what goes out at each outlet.

Only for stages whose output does not depend on time, demand or user code that fails.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, count, dropwhile, groupby, zip_longest
from typing import Any

import msgspec

from rt_edge.data.reading import Reading, is_gap
from rt_edge.streams.stage import Stage

Function = Callable[[Any, list[list[Any]]], list[list[Any]]]


class Fails(Exception):
    """There is no list: the stage fails, and what stages behind it make of that depends on them."""


def one(function: Callable[[Any, list[Any]], list[Any]]) -> Function:
    """For a stage of one inlet and one outlet."""
    return lambda stage, inputs: [function(stage, inputs[0])]


def _same(_stage: Stage, items: list[Any]) -> list[Any]:
    return items


def _take_while(stage: Any, items: list[Any]) -> list[Any]:
    taken: list[Any] = []
    for x in items:
        if not stage.predicate(x):
            return [*taken, x] if stage.inclusive else taken
        taken.append(x)
    return taken


def _take_until(stage: Any, items: list[Any]) -> list[Any]:
    taken: list[Any] = []
    for x in items:
        taken.append(x)
        if stage.predicate(x):
            break
    return taken


def _drop_repeated(stage: Any, items: list[Any]) -> list[Any]:
    key = stage.by or (lambda x: x)
    return [next(group) for _, group in groupby(items, key)]


def _fold(stage: Any, items: list[Any]) -> list[Any]:
    return [list(accumulate(items, stage.function, initial=stage.zero))[-1]]


def _sliding(stage: Any, items: list[Any]) -> list[Any]:
    count, step = stage.count, stage.step
    made = [items[at : at + count] for at in range(0, len(items) - count + 1, step)]
    begins = len(made) * step
    fresh = len(items) > (begins - step + count if made else 0)
    return [*made, items[begins:]] if fresh and items[begins:] else made


def _intersperse(stage: Any, items: list[Any]) -> list[Any]:
    made = [y for x in items for y in (stage.between, x)][1:]
    return [*([stage.start] if stage.start is not None else []), *made, *([stage.end] if stage.end is not None else [])]


def _zip_with_index(stage: Any, items: list[Any]) -> list[Any]:
    if not stage.field:
        return list(zip(items, count(), strict=False))
    numbers = count()
    return [
        msgspec.structs.replace(x, fields={**x.fields, stage.field: next(numbers)})
        if isinstance(x, Reading) and not is_gap(x)
        else x
        for x in items
    ]


def _reduce(stage: Any, items: list[Any]) -> list[Any]:
    if not items:
        raise Fails
    return list(accumulate(items, stage.function))[-1:]


def _interleave(stage: Any, inputs: list[list[Any]]) -> list[list[Any]]:
    rests, made = [list(items) for items in inputs], []
    while any(rests):
        for rest in rests:
            made += rest[: stage.segment]
            del rest[: stage.segment]
    return [made]


def _concat(stage: Any, inputs: list[list[Any]]) -> list[list[Any]]:
    turned = [*inputs[stage.first :], *inputs[: stage.first]]
    return [[x for items in turned for x in items]]


def _partition(stage: Any, inputs: list[list[Any]]) -> list[list[Any]]:
    return [[x for x in inputs[0] if stage.by(x) == branch] for branch in range(stage.count)]


def _adjacent(stage: Any, items: list[Any]) -> list[Any]:
    groups = [list(group) for _, group in groupby(items, stage.by)]
    return [group[at : at + stage.most] for group in groups for at in range(0, len(group), stage.most)]


LISTS: dict[str, Function] = {
    "Map": one(lambda stage, items: [stage.function(x) for x in items]),
    "Filter": one(lambda stage, items: [x for x in items if stage.predicate(x)]),
    "MapConcat": one(lambda stage, items: [y for x in items for y in stage.function(x)]),
    "Take": one(lambda stage, items: items[: stage.count]),
    "TakeLast": one(lambda stage, items: items[-stage.count :]),
    "TakeWhile": one(_take_while),
    "TakeUntil": one(_take_until),
    "Drop": one(lambda stage, items: items[stage.count :]),
    "DropLast": one(lambda stage, items: items[: -stage.count]),
    "DropWhile": one(lambda stage, items: list(dropwhile(stage.predicate, items))),
    "DropRepeated": one(_drop_repeated),
    "Grouped": one(lambda stage, items: [items[at : at + stage.count] for at in range(0, len(items), stage.count)]),
    "GroupedAdjacentBy": one(_adjacent),
    "Sliding": one(_sliding),
    "Scan": one(lambda stage, items: list(accumulate(items, stage.function, initial=stage.zero))),
    "FlatMapPrefix": one(lambda stage, items: items[stage.count :]),
    "Fold": one(_fold),
    "Reduce": one(_reduce),
    "ZipWithIndex": one(_zip_with_index),
    "Intersperse": one(_intersperse),
    "Broadcast": lambda stage, inputs: [inputs[0]] * stage.count,
    "Partition": _partition,
    "Concat": _concat,
    "Interleave": _interleave,
    "Zip": lambda _stage, inputs: [list(zip(*inputs, strict=False))],
    "ZipAll": lambda stage, inputs: [list(zip_longest(*inputs, fillvalue=stage.fill))],
    **dict.fromkeys(
        ["MapAsync", "LazyFlow", "DoOnFirst", "DoOnCancel", "Log", "Monitor", "KillSwitched", "WatchTermination",
         "Delay", "DelayWith", "InitialDelay", "ScatterGather", "TailChop"],
        one(_same),
    ),
}  # fmt: skip
"""Name of a stage's class -> its function."""
