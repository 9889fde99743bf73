"""monitor: state and counters of a stream at a place."""

from __future__ import annotations

from rt_edge.data.chunk import Chunk
from rt_edge.streams.monitoring import StreamMonitor
from rt_edge.streams.stage import OUT, Inlet, Outlet, Stage, StageLogic
from rt_edge.streams.stages._user_code import PassLogic


class Monitor(Stage, frozen=True):
    """Passes elements and counts them.

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        monitor: where the state is read.
    """

    monitor: StreamMonitor

    def create_logic(self) -> StageLogic:
        """A logic that counts."""
        return _Logic(self.monitor)


class _Logic(PassLogic):
    def __init__(self, monitor: StreamMonitor) -> None:
        self._monitor = monitor

    def on_start(self) -> None:
        self._monitor.runs += 1
        self._monitor.state = "initialized"
        self._monitor.error = ""

    def on_pull(self, outlet: Outlet, n: int) -> None:
        super().on_pull(outlet, n)
        self._monitor.wanted = self.demand(OUT)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        monitor = self._monitor
        monitor.state = "running"
        monitor.elements += len(chunk)
        monitor.chunks += 1
        monitor.last_ns = self.ctx.clock.wall_ns()
        monitor.wanted = max(0, monitor.wanted - len(chunk))
        self.push(OUT, chunk)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._monitor.state = "completed"
        self.complete_stage()

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        self._monitor.state = "failed"
        self._monitor.error = repr(error)
        self.fail_stage(error)

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        self._monitor.state = "cancelled" if cause is None else "failed"
        self._monitor.error = "" if cause is None else repr(cause)
        self.cancel_stage(cause)

    def on_stop(self, error: BaseException | None) -> None:
        self._monitor.wanted = 0
        if self._monitor.state in {"initialized", "running"}:
            self._monitor.state = "cancelled" if error is None else "failed"
            self._monitor.error = "" if error is None else repr(error)
