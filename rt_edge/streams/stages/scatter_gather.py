"""scatter_gather: each element replaced by the first answer of several functions."""

from __future__ import annotations

from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._ask_stage import AskStage
from rt_edge.streams.stages._asking import AskLogic


class ScatterGather(AskStage, frozen=True):
    """Asks all functions about each element at once; the first answer goes on, the other calls are cancelled.

    When the first function answers without waiting, the others are not called.

    Emits when: a function has answered for the next element, in order.
    Backpressures when: downstream does, or `parallelism` elements are asked about; while answers come at once, up to 256 wait.
    Completes when: upstream completes and the last answer has gone out.
    Cancels when: downstream cancels; calls under way are cancelled.
    On restart: only the element concerned fails: when all functions have failed, or none has answered `within`.
    """

    def create_logic(self) -> StageLogic:
        """A logic with the open questions."""
        return AskLogic(self)
