"""What `merge_sorted` does with the keys of what it holds: how far each inlet can go out, and in which order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import repeat
from operator import is_, lt
from typing import Any

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stages._fan_in import FanInLogic, KeyedFanIn, KeyedFanInLogic
from rt_edge.streams.stages._keys import Runner

RUN = 16
"""Elements of one inlet in a row that travel as they came, and not woven with those of others."""


class MergeSortedLogic(KeyedFanInLogic):
    """Compares the last keys of whole chunks to know how far they can go out, and sorts that, which is a few ascending runs.

    Here what comes out of order, or has no key, has the greatest key before it: so it goes out behind that.

    Args:
        stage: whose inlets these are.
        runner: gives a key for each element, or None.
    """

    def __init__(self, stage: KeyedFanIn, runner: Runner) -> None:
        super().__init__(stage, runner)
        self._keys: list[deque[list[Any]]] = [deque(maxlen=CHUNK_ELEMENTS) for _ in self.inlets]  # in step with `held`
        self._leads: list[deque[int]] = [deque(maxlen=CHUNK_ELEMENTS) for _ in self.inlets]
        """Leading elements of each chunk without a key, which belong to what came before."""
        self._last: list[Any] = [None] * stage.count

    def know(self, index: int, said: list[Any]) -> tuple[int, Exception | None]:
        """Keep the keys, ascending; one that cannot be compared fails the stage."""
        keys, wrong = ascending(said, self._last[index])
        if keys:
            self._last[index] = keys[-1]
            self._keys[index].append(keys)
            self._leads[index].append(next((place for place, key in enumerate(said) if key is not None), len(said)))
        return len(keys), wrong

    def take(self, index: int, most: int) -> Chunk:
        """Forget the keys of a chunk that is taken to its end, too."""
        chunk = FanInLogic.take(self, index, most)
        if not self._gone[index]:
            self._keys[index].popleft()
            self._leads[index].popleft()
        return chunk

    def take_held(self) -> list[Chunk]:
        """Nothing is known afterwards."""
        for keys, leads in zip(self._keys, self._leads, strict=True):
            keys.clear()
            leads.clear()
        return super().take_held()

    def next_piece(self, most: int) -> Chunk | None:
        """What belongs to what went out, else what is known to be next."""
        heads = [index for index, n in enumerate(self.n) if n]
        for index in heads:
            lead = self._leads[index][0] - self._gone[index]
            if lead > 0:
                return self.take(index, min(lead, most))
        if not heads or any(not n and not self.is_closed(inlet) for n, inlet in zip(self.n, self.inlets, strict=True)):
            return None
        if len(heads) == 1:
            return self.take(heads[0], most)
        try:
            order = self._order(heads, most)
        except Exception as error:  # noqa: BLE001 - keys of the user's, that cannot be compared
            self.ctx.count("errors")
            self.give_up(error)
            return None
        return self.take_woven(order)

    def _order(self, heads: list[int], most: int) -> Sequence[int]:
        """From which inlet each of the next elements comes."""
        keys = [known[0] if known else [] for known in self._keys]
        first, rival = self._smallest(heads, [keys[index][self._gone[index]] for index in heads])
        run = self._end(keys[first], first, keys[rival][self._gone[rival]], rival) - self._gone[first]
        if run >= RUN:
            return [first] * min(run, most)
        # Who has the smallest last key, and may have more, is the first of which the next element is not known.
        open_ = [index for index in heads if len(self.held[index]) > 1 or not self.is_closed(self.inlets[index])]
        last = min(open_, key=lambda index: keys[index][-1]) if open_ else -1
        merged: list[Any] = []
        whose: list[int] = []
        for index in heads:
            start = self._gone[index]
            end = self._end(keys[index], index, keys[last][-1], last) if open_ else len(keys[index])
            part = keys[index][start : min(end, start + most)]
            merged += part
            whose += [index] * len(part)
        places = sorted(range(len(merged)), key=merged.__getitem__)[:most]
        return list(map(whose.__getitem__, places))

    def _smallest(self, heads: list[int], keys: list[Any]) -> tuple[int, int]:
        first = min(range(len(heads)), key=keys.__getitem__)
        rival = min((place for place in range(len(heads)) if place != first), key=keys.__getitem__)
        return heads[first], heads[rival]

    def _end(self, keys: list[Any], index: int, limit: Any, of: int) -> int:
        """Up to where keys of one inlet go before, or with, the key `limit` of the inlet `of`."""
        return (bisect_right if index <= of else bisect_left)(keys, limit, self._gone[index])


def ascending(said: Sequence[Any], last: Any) -> tuple[list[Any], Exception | None]:
    """Keys, each at least as great as the one before, after `last`; up to the first that cannot be compared, and why not."""
    keys: list[Any] = []
    try:
        if not any(map(is_, said, repeat(None))) and not any(map(lt, said[1:], said)) and (last is None or not said[0] < last):
            return list(said), None
    except Exception:  # noqa: BLE001 - it comes again, and then is told with its place
        keys = []
    try:
        for key in said:
            if key is not None and (last is None or not key < last):
                last = key
            keys.append(last)
    except Exception as error:  # noqa: BLE001 - keys of the user's
        return keys, error
    return keys, None
