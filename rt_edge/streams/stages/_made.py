"""Fields that are made of a reading and of what came before it: the same once more for what an origin emits again."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Any

import msgspec

from rt_edge.data.chunk import Chunk
from rt_edge.data.reading import Reading
from rt_edge.data.receipt import Mark, Origin, number_of
from rt_edge.data.weave import emitted_again, identities, is_woven
from rt_edge.streams.stages._keys import MAX_KEYS, ByKey, KeyedPassLogic

Fields = dict[str, Any]
"""What is added to a reading."""

NOTHING: Fields = {}
"""Added to what is no reading, or has no fields; never changed."""

MAX_LIVES = 100
"""Lives of sources of whose readings a stage remembers what it made."""


FEW = 16
"""Chunks from which on small ones are put together: who looks for an element looks at each of them."""

SMALL = 256
"""Elements of what is put together, at most."""


class _Life:
    """What was made of the readings of one life of a source, chunk by chunk: the last number of each, and what was made."""

    __slots__ = ("chunks", "elements")

    def __init__(self) -> None:
        self.chunks: deque[tuple[int, dict[Mark, Fields]]] = deque(maxlen=MAX_KEYS)
        self.elements = 0


class Made:
    """What a stage has made of readings that may come again, so that the same is made of them then.

    It is kept until the origin says that they do not come again; of too many the oldest is forgotten.
    """

    __slots__ = ("_lives",)

    def __init__(self) -> None:
        self._lives: OrderedDict[tuple[str, str], _Life] = OrderedDict()

    def __len__(self) -> int:
        return sum(life.elements for life in self._lives.values())

    def find(self, origin: Origin | None, mark: Mark | None) -> Fields | None:
        """What was made of a reading: nothing, if more was made of later ones of its life; None: it has its turn now."""
        life = self._lives.get((origin.name, origin.incarnation)) if origin is not None else None
        if life is None or mark is None:
            return None
        for _, made in life.chunks:
            if mark in made:
                return made[mark]
        last = life.chunks[-1][0] if life.chunks else -1
        return NOTHING if number_of(mark) < last else None  # what has come since knows nothing of it, and goes over it

    def keep(self, origin: Origin, made: dict[Mark, Fields]) -> None:
        """This was made of some readings, the latest of their life so far, in order."""
        whose = (origin.name, origin.incarnation)
        life = self._lives.get(whose)
        if life is None:
            if len(self._lives) >= MAX_LIVES:
                self._lives.popitem(last=False)
            life = self._lives[whose] = _Life()
        chunks, floor = life.chunks, origin.floor
        while chunks and (chunks[0][0] < floor or life.elements + len(made) > MAX_KEYS):
            life.elements -= len(chunks.popleft()[1])
        last = number_of(next(reversed(made)))
        if len(chunks) > FEW and len(chunks[-1][1]) + len(made) <= SMALL:
            before, known = chunks.pop()
            life.elements -= len(known)
            known.update(made)
            last, made = max(before, last), known
        chunks.append((last, made))
        life.elements += len(made)

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

    def added(self, reading: Reading, key: Any) -> Fields:
        """What is added to a reading, which is remembered then."""
        raise NotImplementedError

    def forget(self) -> None:
        """Begin afresh, after a supervised restart."""
        self._made.clear()

    def note_lap(self, chunk: Chunk) -> None:
        """What is emitted again is known by its mark."""

    def handle(self, chunk: Chunk, keys: list[Any]) -> Chunk | None:
        """All pass."""
        again = emitted_again(chunk)
        origin = chunk.receipt.origin if chunk.receipt is not None else None
        if again is None and not is_woven(origin):
            items, made = self._add(zip(chunk.items, keys, strict=True))
            if origin is not None and chunk.marks is not None:
                self._made.keep(origin, dict(zip(chunk.marks, made, strict=True)))
            return chunk.replace(items)
        return chunk.replace(self._add_each(chunk, keys, again or [False] * len(chunk)))

    def _add(self, rows: Iterable[tuple[Any, Any]]) -> tuple[list[Any], list[Fields]]:
        items, made = [], []
        for reading, key in rows:
            fields = self.added(reading, key) if isinstance(reading, Reading) and reading.fields else NOTHING
            made.append(fields)
            items.append(msgspec.structs.replace(reading, fields={**reading.fields, **fields}) if fields else reading)
        return items, made

    def _add_each(self, chunk: Chunk, keys: list[Any], again: list[bool]) -> list[Any]:
        """Elements of several origins, or some that come again."""
        if any(again):
            self.ctx.count("replayed", sum(again))
        items = []
        for reading, key, (origin, mark), comes_again in zip(chunk.items, keys, identities(chunk), again, strict=False):
            known = self._made.find(origin, mark) if comes_again else None
            if known is None:
                (item,), (made,) = self._add([(reading, key)])
                items.append(item)
                if origin is not None and mark is not None:
                    self._made.keep(origin, {mark: made})
            else:
                items.append(msgspec.structs.replace(reading, fields={**reading.fields, **known}) if known else reading)
        return items
