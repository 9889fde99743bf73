"""flat_map_merge: a stream for each element, several of them at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.streams.stage import Hold, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import UserCode, at_least
from rt_edge.streams.stages._flat_map import FlatMapLogic

MOST = 1024
"""Streams at a time, at most."""


class FlatMapMerge(UserCode, frozen=True):
    """Makes a stream of each element and emits the elements of up to `breadth` of them at a time, as they come; with a breadth
    of 1 one stream after the other, in order.

    A function may return a Source, a Publisher, or an iterable; an iterable, alone or as a Source, is read at once if it has no
    more elements than are wanted, and then as many elements are asked for as give what is wanted. An element is settled when all
    that its stream gave is; one whose stream gave nothing is settled as dropped, `filtered`.

    Emits when: a stream has an element.
    Backpressures when: downstream does, or `breadth` streams run.
    Completes when: upstream completes and all streams have.
    Cancels when: downstream cancels: all streams are cancelled.
    On restart: the streams that run are stopped, and their elements fail.

    Attributes:
        function: element -> stream of elements; may be endless.
        breadth: streams that run at a time.
        on_error: what to do when the function raises or a stream fails. stop: fail, behind what was emitted before. resume:
            the element fails. restart: so do all whose streams run.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    function: Callable[[Any], Any]
    breadth: int = 1

    def __post_init__(self) -> None:
        """Refuse a breadth of nothing, and too many streams."""
        at_least(1, breadth=self.breadth)
        at_least(self.breadth, most_streams=MOST)

    def holds(self) -> Hold:
        """The elements whose streams run, and what came of them at once; it does not wait for further elements."""
        return Hold(CHUNK_ELEMENTS + 2 * self.breadth, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with the streams that run."""
        return FlatMapLogic(self, self.function, self.breadth)
