"""partition: each element to one branch."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stage import Hold, Inlet, Outlet, ReceiptUse, StageLogic
from rt_edge.streams.stages._branches import BranchLogic
from rt_edge.streams.stages._common import ReadingCode, outlets, ports
from rt_edge.streams.stages._judging import check_by, judge_of


class Partition(ReadingCode, frozen=True):
    """Sends each element to the outlet whose index a function or an expression gives.

    Under an expression, false and a missing field (counted as `missing_field`) mean `out0`, true means `out1`; a result that
    is no index of an outlet fails its element. Under `stop` the stage fails at once then, and what waits fails with it.

    Emits when: an element arrives and its branch asks.
    Backpressures when: no branch asks, or an element waits for a branch that does not.
    Completes when: upstream completes and what waits has gone out.
    Cancels when: all branches have cancelled (with `eager_cancel`: one has). Until then elements for a branch that has
        cancelled are settled as dropped, `branch_cancelled`.
    On restart: keeps no state between elements; what waits stays.

    Attributes:
        by: expression on a reading, or function of an element, that gives an index.
        count: outlets, named `out0`, `out1`, ...
        eager_cancel: cancel as soon as one branch cancels; the others complete then, or fail with the error that it failed with.
    """

    kind: ClassVar[str] = "partition"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    shorthand: ClassVar[str] = "by"

    by: Any
    count: int = 2
    eager_cancel: bool = False

    def __post_init__(self) -> None:
        """Refuse what is neither an expression that compiles nor a function."""
        ports("count", self.count)
        check_by("by", self.by)

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """`out0`, `out1`, ..."""
        return outlets(self.count)

    def holds(self) -> Hold:
        """What waits for its branch; it does not wait for further elements."""
        return Hold(CHUNK_ELEMENTS, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with what waits for each branch."""
        return _Logic(self)


class _Logic(BranchLogic):
    def __init__(self, stage: Partition) -> None:
        super().__init__(stage, stage.eager_cancel)
        self._run = judge_of(stage.by, stage.supervision)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        indices, missing, failures = self._run(chunk.items)
        if missing:
            self.ctx.count("missing_field", missing)
        failures = [*failures, *self._wrong(indices, {place for place, _ in failures})]
        rest: Chunk | None = chunk
        if failures:
            failures.sort(key=lambda failure: failure[0])
            rest, indices = self.survivors(chunk, indices, failures)
        else:
            self.note_success()
        if rest is not None:
            self._divide(rest, indices)
        if not self.stop_after(failures):
            self.proceed()

    def _wrong(self, indices: list[Any], known: set[int]) -> list[tuple[int, Exception]]:
        n = len(self.ports)
        return [
            (place, ValueError(f"{index!r} is not the index of an outlet (0 to {n - 1})"))
            for place, index in enumerate(indices)
            if not (isinstance(index, int) and 0 <= index < n) and place not in known
        ]

    def _divide(self, chunk: Chunk, indices: list[Any]) -> None:
        for port in self.ports:
            places = [place for place, index in enumerate(indices) if index == port.index]
            if places:
                self.send(port, chunk if len(places) == len(chunk) else chunk.take(places))
