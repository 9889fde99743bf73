"""merge_rated: the elements of several streams, asked for and emitted in proportion to what each yields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.units import Duration
from rt_edge.streams.routing.rated import HALF_LIFE_S, Credits
from rt_edge.streams.stage import Hold, Inlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import at_least, inlets, ports
from rt_edge.streams.stages._weighted import WeightedLogic


class MergeRated(Stage, frozen=True, kw_only=True):
    """Emits the elements of all inlets; asks each for as much as it is good for, and serves them in that proportion.

    An inlet that sent all it was asked for is asked for twice as much, up to the demand; one that does not is asked for less
    and less, but always for something.

    Emits when: an element arrives at any inlet.
    Backpressures when: downstream does; each inlet is asked for as much ahead as downstream has asked for at once.
    Completes when: all inlets have completed (with `eager_complete`: one has) and what is held has gone out.
    Cancels when: downstream cancels; all inlets.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        count: inlets, named `in0`, `in1`, ...
        half_life: an inlet that does not send all it was asked for is asked for half as much after so long.
        eager_complete: complete as soon as one inlet completes; what the others still send is cancelled.
    """

    kind: ClassVar[str] = "merge_rated"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    count: int = 2
    half_life: Duration | float = HALF_LIFE_S
    eager_complete: bool = False

    def __post_init__(self) -> None:
        """Refuse ports and times that make no sense."""
        ports("count", self.count)
        at_least(0.001, half_life=self.half_life)

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """`in0`, `in1`, ..."""
        return inlets(self.count)

    def holds(self) -> Hold:
        """What was asked of all inlets and came at once; it does not wait for further elements."""
        return Hold(self.count * CHUNK_ELEMENTS, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic that measures."""
        return _Logic(self)


class _Logic(WeightedLogic):
    def __init__(self, stage: MergeRated) -> None:
        super().__init__(stage.inlets, stage.eager_complete)
        self._credits = Credits(CHUNK_ELEMENTS, float(stage.half_life))

    def weights(self) -> Mapping[int, int]:
        now = self.ctx.clock.monotonic()
        return {inlet.index: self._credits.of(inlet.name, now) for inlet in self.inlets}

    def credit(self, inlet: Inlet, wanted: int) -> int:
        return self._credits.of(inlet.name, self.ctx.clock.monotonic())

    def arrived(self, inlet: Inlet, n: int) -> None:
        self._credits.arrived(inlet.name, self.ctx.clock.monotonic(), all_of_it=not self.requested(inlet))
