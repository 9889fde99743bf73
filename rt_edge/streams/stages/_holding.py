"""The logic of stages that keep state by key and have an outbox."""

from __future__ import annotations

from rt_edge.streams.stage import Supervision
from rt_edge.streams.stages._common import Failures, fail_behind
from rt_edge.streams.stages._keys import KeyedLogic
from rt_edge.streams.stages._outbox import OutboxLogic


class HoldingLogic(OutboxLogic, KeyedLogic):
    """Finds the key of each element, holds what it has to, and emits by an outbox. Under `stop`, what is ready goes out first."""

    _error: BaseException | None = None

    def stop_after(self, failures: Failures) -> bool:
        """Whether the stage has to fail now. It is arranged: upstream is cancelled, the error follows what is in the outbox."""
        if not failures or self._policy is not Supervision.STOP:
            return False
        self._error = failures[0][1]
        self.finished = True
        for inlet in self.seat.stage.inlets:
            self.cancel(inlet, self._error)
        if not self.out:
            self.complete_stage()
        return True

    def complete_stage(self) -> None:
        """Complete, or fail with what was to follow the outbox."""
        if self._error is None:
            super().complete_stage()
        else:
            fail_behind(self, self._error)
