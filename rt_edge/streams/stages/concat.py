"""concat: one stream after the other."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import ConfigError
from rt_edge.streams.stage import OUT, Hold, Inlet, Outlet, ReceiptUse, StageLogic
from rt_edge.streams.stages._fan_in import FanIn


class Concat(FanIn, frozen=True):
    """Emits all elements of one inlet, then all of the next. An inlet is asked only when those before it have completed.

    Emits when: the inlet whose turn it is has an element.
    Backpressures when: downstream does; the inlets whose turn has not come are not asked.
    Completes when: all inlets have completed.
    Cancels when: downstream cancels; all inlets.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        count: inlets, named `in0`, `in1`, ...
        first: index of the inlet that begins; behind the last one comes `in0`.
    """

    kind: ClassVar[str] = "concat"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.PASS

    first: int = 0

    def __post_init__(self) -> None:
        """Refuse inlets that make no sense."""
        super().__post_init__()
        if not 0 <= self.first < self.count:
            raise ConfigError(f"first is {self.first}, it has to be the index of an inlet: 0 to {self.count - 1}")

    def holds(self) -> Hold:
        """Nothing."""
        return Hold(0)

    def create_logic(self) -> StageLogic:
        """A logic that knows whose turn it is."""
        return _Logic(self)


class _Logic(StageLogic):
    def __init__(self, stage: Concat) -> None:
        order = stage.inlets
        self._order = [*order[stage.first :], *order[: stage.first]]

    def on_pull(self, outlet: Outlet, n: int) -> None:
        self._ask()

    def _ask(self) -> None:
        now = self._order[0]
        n = self.demand(OUT) - self.requested(now)
        if n > 0:
            self.request(now, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self.push(OUT, chunk)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        turn_is_over = inlet == self._order[0]
        self._order.remove(inlet)
        if not self._order:
            self.complete_stage()
        elif turn_is_over:
            if self.is_free(OUT):
                self._ask()
            else:
                self.pull_again(OUT)
