"""zip_with_index: each element with its number."""

from __future__ import annotations

from itertools import count
from typing import Any, ClassVar

import msgspec

from rt_edge.data.chunk import Chunk
from rt_edge.data.reading import Reading, is_gap
from rt_edge.streams.stage import OUT, Inlet, Stage, StageLogic
from rt_edge.streams.stages._user_code import PassLogic


class ZipWithIndex(Stage, frozen=True):
    """Replaces each element by a tuple of it and of its number in this run, from 0; or gives each reading its number as a field.

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        field: of a reading, that gets the number; empty: tuples. Gap records and what is no reading pass without a number.
    """

    kind: ClassVar[str] = "zip_with_index"
    comes_again: ClassVar[str] = "has another number than before"

    field: str = ""

    def create_logic(self) -> StageLogic:
        """A logic that counts."""
        return _Logic(self.field)


class _Logic(PassLogic):
    def __init__(self, field: str) -> None:
        self._field = field
        self._numbers = count()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        if self._field:
            self.push(OUT, chunk.replace([self._numbered(item) for item in chunk.items]))
        else:
            self.push(OUT, chunk.replace(list(zip(chunk.items, self._numbers, strict=False))))

    def _numbered(self, item: Any) -> Any:
        if not isinstance(item, Reading) or is_gap(item):
            return item
        return msgspec.structs.replace(item, fields={**item.fields, self._field: next(self._numbers)})
