"""Fields that are made of a reading and of what came before it: the same once more for what an origin emits again."""

from __future__ import annotations

from collections import OrderedDict
from itertools import repeat
from typing import Any

import msgspec

from rt_edge.data.chunk import Chunk
from rt_edge.data.reading import Reading
from rt_edge.data.receipt import Mark, Origin, number_of
from rt_edge.data.weave import emitted_again, identities
from rt_edge.streams.stages._keys import MAX_KEYS, ByKey, KeyedPassLogic

MAX_LIVES = 100
"""Lives of sources of whose readings a stage remembers what it made."""


class Made:
    """What a stage has made of elements that may come again, so that the same is made of them then.

    It is kept until the origin says that they do not come again; of too many the oldest is forgotten.
    """

    __slots__ = ("_lives",)

    def __init__(self) -> None:
        self._lives: OrderedDict[tuple[str, str], dict[Mark, dict[str, Any]]] = OrderedDict()

    def find(self, origin: Origin | None, mark: Mark | None) -> dict[str, Any] | None:
        """What was made of an element; None: nothing that is known."""
        if origin is None or mark is None:
            return None
        known = self._lives.get((origin.name, origin.incarnation))
        return None if known is None else known.get(mark)

    def is_behind(self, origin: Origin | None, mark: Mark | None) -> bool:
        """Whether something was made of a later element of this life."""
        if origin is None or mark is None:
            return False
        known = self._lives.get((origin.name, origin.incarnation))
        return bool(known) and number_of(next(reversed(known))) > number_of(mark)  # type: ignore[arg-type]  # it is there

    def keep(self, origin: Origin | None, mark: Mark | None, made: dict[str, Any]) -> None:
        """This was made of an element, the latest of its life so far."""
        if origin is None or mark is None:
            return
        whose = (origin.name, origin.incarnation)
        known = self._lives.get(whose)
        if known is None:
            if len(self._lives) >= MAX_LIVES:
                self._lives.popitem(last=False)
            known = self._lives[whose] = {}
        while known and (len(known) >= MAX_KEYS or number_of(next(iter(known))) < origin.floor):
            del known[next(iter(known))]
        known[mark] = made

    def clear(self) -> None:
        """Forget everything."""
        self._lives.clear()


class AddingLogic(KeyedPassLogic):
    """Adds to each reading fields that are made of it and of what is remembered of its key.

    Args:
        stage: what it runs.
    """

    def __init__(self, stage: ByKey) -> None:
        super().__init__(stage)
        self._made = Made()

    def added(self, reading: Reading, key: Any) -> dict[str, Any]:
        """What is added to a reading, which is remembered then."""
        raise NotImplementedError

    def forget(self) -> None:
        """Begin afresh, after a supervised restart."""
        self._made.clear()

    def note_lap(self, chunk: Chunk) -> None:
        """What is emitted again is known by its mark."""

    def handle(self, chunk: Chunk, keys: list[Any]) -> Chunk | None:
        """All pass."""
        made = self._made
        again = emitted_again(chunk)
        if again is not None:
            self.ctx.count("replayed", sum(again))
        items = []
        rows = zip(chunk.items, keys, identities(chunk), again or repeat(False), strict=False)  # as many as there are elements
        for reading, key, (origin, mark), comes_again in rows:
            if not isinstance(reading, Reading) or not reading.fields:
                items.append(reading)
                continue
            fields = made.find(origin, mark) if comes_again else None
            if fields is None and comes_again and made.is_behind(origin, mark):
                fields = {}  # what has come since knows nothing of it, and goes over it
            if fields is None:
                fields = self.added(reading, key)
                made.keep(origin, mark, fields)
            items.append(msgspec.structs.replace(reading, fields={**reading.fields, **fields}) if fields else reading)
        return chunk.replace(items)
