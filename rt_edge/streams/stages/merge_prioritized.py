"""merge_prioritized: the elements of several streams, the important ones first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.streams.routing.weights import Priorities
from rt_edge.streams.stage import Hold, Inlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import inlets, ports
from rt_edge.streams.stages._weighted import WeightedLogic
from rt_edge.streams.stages.route_prioritized import priorities_of


class MergePrioritized(Stage, frozen=True, kw_only=True):
    """Emits the elements of all inlets; while several have some, in proportion to their priorities, or the highest first.

    Emits when: an element arrives at any inlet.
    Backpressures when: downstream does; each inlet is asked for as much ahead as downstream has asked for at once.
    Completes when: all inlets have completed (with `eager_complete`: one has) and what is held has gone out.
    Cancels when: downstream cancels; all inlets.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        count: inlets, named `in0`, `in1`, ...
        priorities: of the inlets, in order, whole numbers from 0, more is more important; those left out have 1. 3 and 1:
            three elements of the one to one of the other.
        strict: the most important inlet alone as long as it has elements; equals take turns. The others may starve.
        control: `Priorities` by the inlets' names, in place of `priorities`: to change them while it runs.
        eager_complete: complete as soon as one inlet completes; what the others still send is cancelled.
    """

    kind: ClassVar[str] = "merge_prioritized"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    count: int = 2
    priorities: tuple[int, ...] = ()
    strict: bool = False
    control: Any = None
    eager_complete: bool = False

    def __post_init__(self) -> None:
        """Refuse ports and priorities that make no sense."""
        ports("count", self.count)
        priorities_of(self.priorities, self.control, [port.name for port in self.inlets])

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """`in0`, `in1`, ..."""
        return inlets(self.count)

    def holds(self) -> Hold:
        """What was asked of all inlets and came at once; it does not wait for further elements."""
        return Hold(self.count * CHUNK_ELEMENTS, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with what waits at each inlet."""
        return _Logic(self)


class _Logic(WeightedLogic):
    def __init__(self, stage: MergePrioritized) -> None:
        super().__init__(stage.inlets, stage.eager_complete, stage.strict)
        self._priorities: Priorities = priorities_of(stage.priorities, stage.control, [port.name for port in stage.inlets])

    def weights(self) -> Mapping[int, int]:
        return {inlet.index: self._priorities.of(inlet.name) for inlet in self.inlets}
