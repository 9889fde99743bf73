"""flat_map_prefix: a flow made of the first elements, for the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.nested import PipeLogic, flow_part
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import at_least, discard, named, note_failures, settle_rest
from rt_edge.streams.stages.buffer import Buffer

PREFIX = "prefix"
"""The reason of the elements of which a flow was made."""


class FlatMapPrefix(Stage, frozen=True):
    """Takes the first `count` elements, makes a flow of them, and runs the rest through it.

    The elements of the prefix are settled as dropped, `prefix`, when the flow is there. If upstream completes before, the flow
    is made of what came.

    Emits when: the flow does.
    Backpressures when: the flow does.
    Completes when: the flow does, which upstream's end reaches.
    Cancels when: the flow cancels, downstream does, or the function raises.
    On restart: is not restarted: the prefix does not come again.

    Attributes:
        count: elements of the prefix, at least 0.
        function: list of the prefix -> Flow for the rest.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    count: int
    function: Callable[[list[Any]], Any]

    def __post_init__(self) -> None:
        """Refuse a prefix of less than nothing."""
        at_least(0, count=self.count)

    def holds(self) -> Hold:
        """The prefix, then a chunk; what the flow holds is not known before it is made."""
        return Hold(max(self.count, 2 * CHUNK_ELEMENTS), None if self.count > 1 else 0.0)

    def create_logic(self) -> StageLogic:
        """A logic that waits for the prefix."""
        return _Logic(self)


class _Logic(PipeLogic):
    def __init__(self, stage: FlatMapPrefix) -> None:
        self._stage = stage
        self._prefix: list[Chunk] = []
        self._missing = stage.count
        self._made = False

    def ask(self) -> None:
        if self._made:
            super().ask()
        elif not self._missing:
            self._make()
        elif self.demand(OUT) > 0:
            n = min(self._missing, CHUNK_ELEMENTS) - self.requested(IN)
            if n > 0:
                self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        if self._made:
            super().on_push(inlet, chunk)
            return
        self._prefix.append(chunk)
        self._missing -= len(chunk)
        if self._missing:
            self.proceed()
        else:
            self._make()

    def _make(self) -> None:
        self._made = True
        prefix, self._prefix = self._prefix, []
        try:
            part = flow_part(self._stage.function([item for chunk in prefix for item in chunk.items])) or identity()
        except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its elements
            note_failures(self, [(0, error)])
            for chunk in prefix:
                chunk.fail(named(self, error))
            self.fail_after(error)
            return
        for chunk in prefix:
            discard(self, chunk, PREFIX)
        self.begin(part)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        super().on_upstream_finish(inlet)
        if not self._made:
            self._make()

    def on_stop(self, error: BaseException | None) -> None:
        super().on_stop(error)
        settle_rest(self, self._prefix, error)
        self._prefix = []

    def residue(self) -> list[Chunk]:
        """The prefix so far, or what the flow gives at its end."""
        held, self._prefix = self._prefix, []
        return held + super().residue()


def identity() -> Blueprint:
    """A flow that lets everything pass."""
    part = Blueprint()
    part.add(Buffer(size=CHUNK_ELEMENTS))
    return part
