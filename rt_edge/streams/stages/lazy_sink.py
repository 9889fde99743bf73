"""lazy_sink: a sink that is made when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._lazy import LazySinkLogic
from rt_edge.streams.stages._sink import SinkStage


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
