"""unzip: tuples taken apart, a branch for each place."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, Inlet, Outlet, ReceiptUse, StageLogic, Supervision
from rt_edge.streams.stages._common import UserCode, outlets, ports
from rt_edge.streams.stages._user_code import ElementLogic, attempt
from rt_edge.streams.stages.broadcast import BroadcastLogic


class Unzip(UserCode, frozen=True, kw_only=True):
    """Takes elements apart that are tuples or lists of `count`: the first of each goes to the first outlet, and so on.

    A receipt is settled when all branches have settled theirs. An element of another length, or with None in it, fails.

    Emits when: an element arrives and every branch has asked for it.
    Backpressures when: any branch does: the slowest sets the pace.
    Completes when: upstream completes.
    Cancels when: all branches have cancelled (with `eager_cancel`: one has).

    Attributes:
        count: outlets, named `out0`, `out1`, ...
        eager_cancel: cancel as soon as one branch cancels; the others complete then, or fail with the error that it failed with.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.SPLIT

    count: int = 2
    eager_cancel: bool = False

    def __post_init__(self) -> None:
        """Refuse a number of ports that makes no sense."""
        ports("count", self.count)

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """`out0`, `out1`, ..."""
        return outlets(self.count)

    def create_logic(self) -> StageLogic:
        """A logic with what each branch has asked for."""
        return _Logic(self)


class _Logic(BroadcastLogic, ElementLogic):
    def __init__(self, stage: Unzip) -> None:
        ElementLogic.__init__(self, stage)
        BroadcastLogic.__init__(self, stage.outlets, stage.eager_cancel)
        self._count = stage.count
        self._stops = stage.supervision is Supervision.STOP

    def _row(self, element: Any) -> Any:
        if len(element) != self._count:
            raise ValueError(f"it has {len(element)} parts, not {self._count}")
        if any(part is None for part in element):
            raise TypeError("None is not an element (rule 2.13)")
        return element

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        rows, failures = attempt(self._row, chunk.items, self._policy)
        rest: Chunk | None = chunk
        if failures:
            rest, rows = self.survivors(chunk, rows, failures)
        else:
            self.note_success()
        if rest is not None:
            super().on_push(inlet, rest.replace(rows))
        if failures and not self._stop(failures[0][1]):
            self.request(IN, len(failures))

    def _stop(self, error: Exception) -> bool:
        if self._stops:
            for branch in self._wanted:
                self.fail_behind(branch, error)
            self.fail_stage(error)
        return self._stops

    def share(self, branch: Outlet, copy: Chunk) -> Chunk:
        return copy.replace([row[branch.index] for row in copy.items])
