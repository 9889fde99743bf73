"""How `group_by` divides a chunk among keys: in one pass, in which each element's key is found and used."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import StreamError
from rt_edge.streams.stage import Supervision
from rt_edge.streams.stages._common import Failures
from rt_edge.streams.stages._keys import ByKey, KeyedLogic


class DividingLogic(KeyedLogic):
    """Divides chunks among keys.

    Args:
        stage: what it runs.
    """

    def __init__(self, stage: ByKey) -> None:
        super().__init__(stage)
        self._key_of = stage.per if callable(stage.per) else None

    def divided(self, chunk: Chunk, room: int | None) -> tuple[list[tuple[Any, Chunk]], Failures]:
        """A piece of `chunk` for each key, in the order in which the keys came, and the failures of elements without one.

        Args:
            chunk: what came; elements without a key fail.
            room: where there are more keys than that, their order is that of their last elements: a table of keys of which
                the one used least recently has to go then gives up the right one. None: that does not matter.
        """
        n = len(chunk.items)
        by_place = chunk.receipt is not None or (room is not None and n > room)
        groups: defaultdict[Any, list[Any]] = defaultdict(list)
        rest: Chunk | None = chunk
        failures: Failures = ()
        key_of = self._key_of
        if key_of is None:
            rest, keys, failures = self.keyed(chunk)
            _add(groups, rest, keys, 0, by_place)
        else:
            try:
                if by_place:
                    for place, item in enumerate(chunk.items):
                        groups[key_of(item)].append(place)
                else:
                    for item in chunk.items:
                        groups[key_of(item)].append(item)
            except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
                done = sum(map(len, groups.values()))
                rest, keys, failures = self._keyed_behind(chunk, done, error)
                _add(groups, rest, keys, done, by_place)
        if rest is None:
            return [], failures
        if not by_place:
            return [(key, Chunk(items)) for key, items in groups.items()], failures
        order = list(groups.items())
        if room is not None and len(order) > room:
            order.sort(key=lambda group: group[1][-1])
        n = len(rest.items)
        return [(key, rest if len(places) == n else rest.take(places)) for key, places in order], failures

    def _keyed_behind(self, chunk: Chunk, place: int, error: Exception) -> tuple[Chunk | None, list[Any], Failures]:
        """As `keyed`, where all elements in front of `place` have a key, which need not be known, and that one has none."""
        if isinstance(error, StopIteration):
            error = StreamError("user code raised StopIteration")
        keys: list[Any] = [None] * (place + 1)
        failures = [(place, error)]
        if self._policy is not Supervision.STOP:
            more, _, failed = self._keys(chunk.items[place + 1 :])
            keys += more
            failures += [(place + 1 + behind, error) for behind, error in failed]
        rest, keys = self.survivors(chunk, keys, failures)
        return rest, keys, failures


def _add(groups: defaultdict[Any, list[Any]], rest: Chunk | None, keys: list[Any], start: int, by_place: bool) -> None:
    """Add the elements from `start` on, or their places."""
    if rest is not None:
        for key, what in zip(keys[start:], range(start, len(rest.items)) if by_place else rest.items[start:], strict=True):
            groups[key].append(what)
