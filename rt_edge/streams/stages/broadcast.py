"""broadcast: every element to every branch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, Inlet, Outlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import end_branches, outlets, ports


class Broadcast(Stage, frozen=True):
    """Emits each element at every outlet. Its receipt is settled when all branches have settled theirs.

    Emits when: an element arrives and every branch has asked for it.
    Backpressures when: any branch does: the slowest sets the pace.
    Completes when: upstream completes.
    Cancels when: all branches have cancelled (with `eager_cancel`: one has).

    Attributes:
        count: outlets, named `out0`, `out1`, ...
        eager_cancel: cancel as soon as one branch cancels; the others complete then, or fail with the error that it failed with.
    """

    kind: ClassVar[str] = "broadcast"
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
        return BroadcastLogic(self.outlets, self.eager_cancel)


class BroadcastLogic(StageLogic):
    """Asks for what every open branch wants.

    Args:
        branches: the outlets.
        eager: cancel as soon as one branch cancels.
    """

    def __init__(self, branches: Sequence[Outlet], eager: bool) -> None:
        self._eager = eager
        self._wanted = dict.fromkeys(branches, 0)  # open branches: asked for and not pushed

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Ask as soon as every branch does."""
        if outlet in self._wanted:
            self._wanted[outlet] = self.demand(outlet)
            self._ask()

    def _ask(self) -> None:
        n = min(self._wanted.values()) - self.requested(IN)
        if n > 0:
            self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """The same to every branch."""
        n = len(chunk)
        branches = list(self._wanted)
        copies = chunk.fork(len(branches)) if len(branches) > 1 else [chunk]
        for branch, copy in zip(branches, copies, strict=True):
            self._wanted[branch] -= n
            self.push(branch, self.share(branch, copy))

    def share(self, branch: Outlet, copy: Chunk) -> Chunk:
        """What `branch` gets of a chunk."""
        return copy

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        """Go on with the others, if there are any and it is not eager."""
        self._wanted.pop(outlet, None)
        if self._eager or not self._wanted:
            end_branches(self, self._wanted, cause)
        else:
            self._ask()
