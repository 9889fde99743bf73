"""Plain streams: sources that are only an iterable, which need no engine to be run inside a stage."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from itertools import islice
from typing import Any

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages._common import has_none
from rt_edge.streams.stages._given import GivenReading
from rt_edge.streams.stages.empty import Empty
from rt_edge.streams.stages.iterate import Iterate
from rt_edge.streams.stages.single import Single

KNOWN = (list, tuple, range)
"""What says how much it has, and runs no code of a user while it is read."""

PEEK = 64
"""Elements of other iterables that are read to see whether that is all; never more than are wanted."""


def plain_items(value: Any) -> Iterable[Any] | None:
    """The elements of a stream that is nothing but an iterable; None: it has to be run (see `source_part`)."""
    if value.__class__ in KNOWN:
        return value
    stage = value
    if not isinstance(value, Stage):
        blueprint = value if isinstance(value, Blueprint) else getattr(value, "blueprint", None)
        if blueprint is None:
            return value if isinstance(value, Iterable) and not hasattr(value, "subscribe") else None
        if not isinstance(blueprint, Blueprint) or len(blueprint.nodes) != 1:
            return None
        (stage,) = blueprint.nodes.values()
    if stage.__class__ is Iterate and stage.chunk == CHUNK_ELEMENTS:
        return stage.items
    if stage.__class__ is Single and stage.element.__class__ is not GivenReading:
        return (stage.element,)
    return () if stage.__class__ is Empty else None


def read_all(items: Iterable[Any], most: int) -> tuple[list[Any] | None, Iterable[Any]]:
    """All of `items`, if these are at most `most` elements and nothing is wrong with them; else None, and what has to be run in
    their place: some of them may have been read."""
    if items.__class__ in KNOWN:
        if len(items) > most:
            return None, items
        group = list(items)
        return (None, items) if has_none(group) else (group, ())
    most = min(most, PEEK)
    group = []
    iterator: Iterator[Any] = iter(())
    raised: Exception | None = None
    try:
        iterator = iter(items)
        group.extend(islice(iterator, most))
    except Exception as error:  # noqa: BLE001 - it is what the stream fails with, behind these
        raised = error
    if raised is None and len(group) < most and not has_none(group):
        return group, ()
    rest = _rest(group, iterator, raised)
    next(rest)  # a generator that has not begun would run nothing of its end when it is closed
    return None, rest


def _rest(group: list[Any], iterator: Iterator[Any], raised: Exception | None) -> Generator[Any, None, None]:
    try:
        yield None
        yield from group
        if raised is not None:
            raise raised
        yield from iterator
    finally:
        if isinstance(iterator, Generator):
            iterator.close()  # what it holds is let go now, not when somebody collects it
