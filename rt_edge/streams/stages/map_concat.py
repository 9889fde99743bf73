"""map_concat: several elements, or none, for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.streams.stage import Hold, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import UserCode
from rt_edge.streams.stages._expanding import ExpandLogic


class MapConcat(UserCode, frozen=True):
    """Replaces each element by the elements of an iterable made of it; none for an empty one (settled as dropped, `filtered`).

    Expansion is lazy: iterators are advanced as far as there is demand. Marks do not depend on it.

    Emits when: an element arrives, and as long as its iterable has elements.
    Backpressures when: downstream does, or the iterable has elements left.
    Completes when: upstream completes and the last iterable is exhausted.
    Cancels when: downstream cancels; a generator is closed then.
    On restart: what is left of the iterable fails with its element.

    Attributes:
        function: element -> iterable of elements; may be infinite.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    function: Callable[[Any], Iterable[Any]]

    def holds(self) -> Hold:
        """The elements that wait for being expanded; it does not wait for further elements."""
        return Hold(CHUNK_ELEMENTS, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with the chunk that is being expanded."""
        return ExpandLogic(self, self.function)
