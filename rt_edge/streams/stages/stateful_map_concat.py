"""stateful_map_concat: several elements, or none, for each, by a function that is made anew in each run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stage import Hold, ReceiptUse, StageLogic, Supervision
from rt_edge.streams.stages._common import UserCode
from rt_edge.streams.stages._expanding import ExpandLogic
from rt_edge.streams.stages._unfolding import Unfolding


class StatefulMapConcat(UserCode, frozen=True):
    """Replaces each element by the elements of an iterable made by a function with a memory of its own.

    Expansion is lazy, as that of `map_concat`.

    Emits when: an element arrives, and as long as its iterable has elements.
    Backpressures when: downstream does, or the iterable has elements left.
    Completes when: upstream completes and the last iterable is exhausted.
    Cancels when: downstream cancels.
    On restart: what is left of the iterable fails with its element, and `create` makes a new function.

    Attributes:
        create: -> (element -> iterable of elements); called when a run starts, so that what the function remembers is of one run.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    comes_again: ClassVar[str] = "goes into the state once more"

    create: Callable[[], Callable[[Any], Iterable[Any]]]

    def holds(self) -> Hold:
        """The elements that wait for being expanded; it does not wait for further elements."""
        return Hold(CHUNK_ELEMENTS, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with the chunk that is being expanded."""
        return _Logic(self)


class _Logic(ExpandLogic):
    def __init__(self, stage: StatefulMapConcat) -> None:
        super().__init__(stage, stage.create())
        self._create = stage.create

    def fail_element(self, guilty: Chunk | Unfolding, error: Exception) -> None:
        super().fail_element(guilty, error)
        if self._policy is Supervision.RESTART:
            self._function = self._create()
