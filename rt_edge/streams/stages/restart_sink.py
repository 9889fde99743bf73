"""restart_sink: a sink that is run again when it has ended, after a wait."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.streams.stage import Outlet, ReceiptUse, StageLogic
from rt_edge.streams.stages._backoff import Restarting
from rt_edge.streams.stages._restart import RestartSinkLogic


class RestartSink(Restarting, frozen=True, kw_only=True):
    """Runs elements into a sink that is run again after a wait when it has ended.

    What a sink held when it ended fails towards its origin, which emits it again; elements without an origin are lost with it.

    Emits when: -
    Backpressures when: the sink does, or has ended and is not run again so far.
    Completes when: upstream completes and the sink has ended.
    Cancels when: the sink has ended for good.
    On restart: the sink is run again; this stage itself is not restarted.

    Attributes:
        sink: a Sink, or () -> Sink, called for each run.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.END

    sink: Any

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """None."""
        return ()

    def create_logic(self) -> StageLogic:
        """A logic that counts the runs."""
        return RestartSinkLogic(self)
