"""What stages share that pass elements one for one and have a second outlet for what is not as it should be."""

from __future__ import annotations

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, StageLogic
from rt_edge.streams.stages._common import discard
from rt_edge.streams.stages._outbox import Outbox

CANCELLED = "branch_cancelled"
"""The reason of what was for an outlet that nobody listens to any more."""


class SideLogic(StageLogic):
    """Hands elements to `out` and to a second outlet; nothing is asked for while anything waits for either.

    Args:
        side: the second outlet.
    """

    def __init__(self, side: Outlet) -> None:
        self._side_port = side
        self._finished = False

    def on_start(self) -> None:
        """Make the outboxes."""
        self._main = Outbox(self, OUT)
        self._side = Outbox(self, self._side_port)

    def divide(self, chunk: Chunk) -> tuple[Chunk | None, Chunk | None]:
        """What of `chunk` goes to `out` and what to the second outlet; the rest is settled."""
        raise NotImplementedError

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Hand on what waits."""
        (self._side if outlet.index else self._main).flush()
        self._go_on()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Divide it."""
        main, side = self.divide(chunk)
        if main is not None:
            self._main.put(main)
        if side is not None and self.is_closed(self._side_port):
            discard(self, side, CANCELLED)
        elif side is not None:
            self._side.put(side)
        self._go_on()

    def _go_on(self) -> None:
        if self._main or self._side:
            return
        if self._finished:
            self.complete_stage()
            return
        if not self.is_free(OUT):
            self.pull_again(OUT)
            return
        n = min(self.demand(OUT), CHUNK_ELEMENTS) - self.requested(IN)
        if n > 0:
            self.request(IN, n)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete as soon as what waits has gone out."""
        self._finished = True
        self._go_on()

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        """Without `out` there is nothing to do; without the other, what goes there is dropped."""
        if not outlet.index:
            self.cancel_stage(cause)
            return
        self._side.discard(CANCELLED)
        self._go_on()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what waits."""
        self._main.settle_rest(error)
        self._side.settle_rest(error)

    def residue(self) -> list[Chunk]:
        """What waits, outlet by outlet."""
        return [*self._main.take_all(), *self._side.take_all()]
