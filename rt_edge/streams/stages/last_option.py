"""last_option: the last element, if there is one."""

from __future__ import annotations

from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._last import LastLogic
from rt_edge.streams.stages._sink import SinkStage


class LastOption(SinkStage, frozen=True):
    """Settles all elements. What it came to is the last, or None if the stream had none.

    Emits when: -
    Backpressures when: never.
    Completes when: upstream completes.
    Cancels when: never.
    """

    def create_logic(self) -> StageLogic:
        """A logic with the last element."""
        return LastLogic(self, optional=True)
