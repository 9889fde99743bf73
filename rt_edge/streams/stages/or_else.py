"""or_else: another stream instead of an empty one."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stage import OUT, Inlet, Outlet, Stage, StageLogic

PRIMARY = Inlet("in0", 0)
SECONDARY = Inlet("in1", 1)


class OrElse(Stage, frozen=True):
    """Emits the elements of `in0`, or those of `in1` if `in0` completes without any. `in1` is asked for nothing before.

    Emits when: the inlet that counts has an element.
    Backpressures when: downstream does.
    Completes when: the inlet that counts does.
    Cancels when: downstream cancels; `in1` when the first element of `in0` comes.
    On restart: calls no user code, so it is not restarted.
    """

    kind: ClassVar[str] = "or_else"

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """`in0`, `in1`."""
        return (PRIMARY, SECONDARY)

    def create_logic(self) -> StageLogic:
        """A logic that knows which inlet counts."""
        return _Logic()


class _Logic(StageLogic):
    def __init__(self) -> None:
        self._inlet = PRIMARY
        self._decided = False
        self._other_done = False

    def on_pull(self, outlet: Outlet, n: int) -> None:
        missing = min(self.demand(OUT), CHUNK_ELEMENTS) - self.requested(self._inlet)
        if missing > 0:
            self.request(self._inlet, missing)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        if not self._decided:
            self._decided = True
            self.cancel(SECONDARY)  # the first element is of `in0`: the other is not asked before that has ended
        self.push(OUT, chunk)
        self.pull_again(OUT)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        if inlet.index == self._inlet.index:
            if self._decided or inlet.index == 1 or self._other_done:
                self.complete_stage()
                return
            self._inlet, self._decided = SECONDARY, True
            if self.is_free(OUT) and self.demand(OUT) > 0:
                self.request(SECONDARY, min(self.demand(OUT), CHUNK_ELEMENTS))
        else:
            self._other_done = True
