"""coupled: two streams that end together."""

from __future__ import annotations

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import Inlet, Outlet, Stage, StageLogic
from rt_edge.streams.stages._common import inlets, outlets


class Coupled(Stage, frozen=True):
    """Two streams side by side: what comes at `in0` goes out at `out0`, what comes at `in1` at `out1`. Each ends with the other.

    Emits when: an element arrives, at the outlet of the same number.
    Backpressures when: the outlet of the same number does.
    Completes when: either upstream completes; it fails when either fails.
    Cancels when: either downstream cancels; both inlets.
    On restart: calls no user code, so it is not restarted.
    """

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """`in0`, `in1`."""
        return inlets(2)

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """`out0`, `out1`."""
        return outlets(2)

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return _Logic(self)


class _Logic(StageLogic):
    def __init__(self, stage: Coupled) -> None:
        self._inlets, self._outlets = stage.inlets, stage.outlets

    def on_pull(self, outlet: Outlet, n: int) -> None:
        inlet = self._inlets[outlet.index]
        missing = self.demand(outlet) - self.requested(inlet)
        if missing > 0:
            self.request(inlet, missing)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self.push(self._outlets[inlet.index], chunk)
