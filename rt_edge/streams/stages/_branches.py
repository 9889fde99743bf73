"""What the stages share that decide for each element where it goes: what waits for each branch, and whom to ask when."""

from __future__ import annotations

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stage import IN, Inlet, Outlet, Stage
from rt_edge.streams.stages._common import discard, end_branches
from rt_edge.streams.stages._outbox import Outbox
from rt_edge.streams.stages._user_code import ElementLogic

CANCELLED = "branch_cancelled"
"""The reason of what was only for branches that nobody listens to any more."""


class BranchLogic(ElementLogic):
    """Holds what waits for each outlet, and asks as soon as nothing waits and somebody wants.

    Args:
        stage: whose outlets these are.
        eager: the first branch that cancels ends all.
    """

    def __init__(self, stage: Stage, eager: bool) -> None:
        super().__init__(stage)
        self.ports = stage.outlets
        self._eager = eager
        self._finished = False

    def on_start(self) -> None:
        """Nothing waits."""
        self._boxes = [Outbox(self, port) for port in self.ports]

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Hand on what waits for it; go on."""
        self._boxes[outlet.index].flush()
        self.proceed()

    def proceed(self) -> None:
        """Ask, or complete when all is over."""
        for port in self.ports:
            if not self.is_free(port):
                self.pull_again(port)
        if any(self._boxes):
            return
        if self._finished:
            self.complete_stage()
            return
        n = min(max(self.demand(port) for port in self.ports), CHUNK_ELEMENTS) - self.requested(IN)
        if n > 0:
            self.request(IN, n)

    def send(self, port: Outlet, piece: Chunk) -> None:
        """This goes to that branch; dropped if it has cancelled."""
        if self.is_closed(port):
            discard(self, piece, CANCELLED)
        else:
            self._boxes[port.index].put(piece)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete when what waits has gone out."""
        self._finished = True
        self.proceed()

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        """Go on with the others, if there are any and one is not enough to end."""
        self._boxes[outlet.index].discard(CANCELLED)
        left = [port for port in self.ports if not self.is_closed(port)]
        if self._eager or not left:
            end_branches(self, left, cause)
        else:
            self.proceed()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what waits."""
        for box in self._boxes:
            box.settle_rest(error)

    def residue(self) -> list[Chunk]:
        """What waits for branches, branch by branch."""
        return [chunk for box in self._boxes for chunk in box.take_all()]
