"""switch_map: the stream of the latest element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.receipt import Dropped
from rt_edge.streams.stage import IN, Hold, Inlet, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import UserCode, discard
from rt_edge.streams.stages._flat_map import FlatMapLogic

SWITCHED = "switched"
"""The reason of an element whose stream was cut off by a later one."""


class SwitchMap(UserCode, frozen=True):
    """Makes a stream of each element and emits its elements until the next element comes, whose stream takes its place.

    What a stream gave before it was cut off is emitted; an element whose stream had given nothing is settled as dropped,
    `switched`. Functions return a Source, a Publisher, or an iterable.

    Emits when: the latest stream has an element.
    Backpressures when: never; the streams are, when downstream does.
    Completes when: upstream completes and the latest stream has.
    Cancels when: downstream cancels: the stream is cancelled.
    On restart: the stream that runs is stopped, and its element fails.

    Attributes:
        function: element -> stream of elements; may be endless.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    comes_again: ClassVar[str] = "takes the place of the one before"

    function: Callable[[Any], Any]

    def holds(self) -> Hold:
        """The element whose stream runs, and what came of streams at once; it does not wait for further elements."""
        return Hold(CHUNK_ELEMENTS + 2, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with the stream that runs."""
        return _Logic(self)


class _Logic(FlatMapLogic):
    def __init__(self, stage: SwitchMap) -> None:
        super().__init__(stage, stage.function, 1)

    def on_start(self) -> None:
        super().on_start()
        self.request(IN, 1)

    def ask_upstream(self) -> None:
        """The next element is asked for when one has come."""

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        for late in self.take_raw():
            discard(self, late, SWITCHED)
        for sub in self.nest:
            self.ctx.count(f"dropped_{SWITCHED}", 0 if sub.key.made else 1)
            self.end_sub(sub, Dropped(SWITCHED))
        super().on_push(inlet, chunk)
        self.request(IN, len(chunk))
