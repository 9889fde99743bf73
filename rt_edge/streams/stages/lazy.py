"""lazy_source, lazy_flow, lazy_sink: parts that are made when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.streams.stage import Hold, Inlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._lazy import LazyFlowLogic, LazySinkLogic, LazySourceLogic
from rt_edge.streams.stages.sinks import SinkStage


class LazySource(Stage, frozen=True):
    """Runs a source that is made when the first element is wanted.

    Emits when: the source does.
    Backpressures when: downstream does.
    Completes when: the source does; it fails when the function raises.
    Cancels when: -

    Attributes:
        function: () -> Source, Publisher, or iterable.
    """

    function: Callable[[], Any]

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """None."""
        return ()

    def create_logic(self) -> StageLogic:
        """A logic that waits for demand."""
        return LazySourceLogic(self.function)


class LazyFlow(Stage, frozen=True):
    """Runs a flow that is made when the first element comes.

    Emits when: the flow does.
    Backpressures when: the flow does.
    Completes when: the flow does; upstream completes before an element came.
    Cancels when: the flow cancels, downstream does, or the function raises.
    On restart: is not restarted.

    Attributes:
        function: () -> Flow.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    function: Callable[[], Any]

    def holds(self) -> Hold:
        """A chunk in front of the flow and one behind it; what the flow holds is not known before it is made."""
        return Hold(2 * CHUNK_ELEMENTS, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic that waits for an element."""
        return LazyFlowLogic(self.function)


class LazySink(SinkStage, frozen=True, kw_only=True):
    """Runs a sink that is made when the first element comes; comes to what the sink comes to, to None without an element.

    Emits when: -
    Backpressures when: the sink does.
    Completes when: the sink does; upstream completes before an element came.
    Cancels when: the sink cancels, or the function raises.
    On restart: is not restarted.

    Attributes:
        function: () -> Sink.
        demand: elements asked for before there is a sink.
        on_error: stop; the sink has its own.
    """

    function: Callable[[], Any]
    demand: int = 1

    def create_logic(self) -> StageLogic:
        """A logic that waits for an element."""
        return LazySinkLogic(self)
