"""What stages share that do something about the failure of what is in front of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import OUT, Inlet, StageLogic
from rt_edge.streams.stages._common import fail_behind
from rt_edge.streams.stages._user_code import PassLogic

log = logging.getLogger(__name__)


class FailureLogic(PassLogic):
    """Passes elements on; `failed` says what a failure becomes."""

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Pass it on."""
        self.push(OUT, chunk)

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        """As `failed` says; what it raises takes the place of the error."""
        try:
            self.failed(error)
        except Exception as worse:  # noqa: BLE001 - what user code raises goes downstream
            self.ctx.count("errors")
            fail_behind(self, worse)

    def failed(self, error: BaseException) -> None:
        """Upstream failed with `error`."""
        raise NotImplementedError


def note_recovery(logic: StageLogic, error: BaseException) -> None:
    """Count an error that goes no further, and log it: nothing is swallowed."""
    logic.ctx.count("recovered")
    log.warning("%s: goes on after %r", logic.ctx.name, error)


def applies(error: BaseException, to: Callable[[BaseException], Any] | None) -> bool:
    """Whether a predicate, if there is one, is true for `error`."""
    return to is None or bool(to(error))
