"""do_on_cancel: a function called when downstream cancels."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import OUT, Inlet, Outlet, Stage, StageLogic
from rt_edge.streams.stages._user_code import PassLogic

log = logging.getLogger(__name__)


class DoOnCancel(Stage, frozen=True):
    """Calls a function when downstream cancels, before upstream is cancelled. All elements pass.

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels; what the function raises is logged and counted, and upstream is cancelled all the same.

    Attributes:
        function: called with the cause: the error that downstream cancels with, or None.
    """

    function: Callable[[BaseException | None], Any]

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return _Logic(self)


class _Logic(PassLogic):
    def __init__(self, stage: DoOnCancel) -> None:
        self._function = stage.function

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self.push(OUT, chunk)

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        try:
            self._function(cause)
        except Exception:
            self.ctx.count("errors")
            log.exception("%s: the function raised", self.ctx.name)
        self.cancel_stage(cause)
