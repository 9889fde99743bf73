"""head_option: the first element, if there is one."""

from __future__ import annotations

from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._head import HeadLogic
from rt_edge.streams.stages._sink import SinkStage


class HeadOption(SinkStage, frozen=True):
    """Takes the first element, settles it, and cancels. What it came to is the element, or None if the stream had none.

    Emits when: -
    Backpressures when: never; it asks for one element.
    Completes when: an element has come, or upstream completes.
    Cancels when: an element has come.
    """

    def create_logic(self) -> StageLogic:
        """A logic for one element."""
        return HeadLogic(self, optional=True)
