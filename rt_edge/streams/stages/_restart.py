"""The logics of `restart_source`, `restart_flow` and `restart_sink`: a part that is run again, with what waits meanwhile."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.nested import Nest, NestingLogic, PipeLogic, Substream, flow_part, sink_part, source_part
from rt_edge.streams.stage import IN, Inlet, StageLogic
from rt_edge.streams.stages._backoff import Series
from rt_edge.streams.stages._common import settle_rest
from rt_edge.streams.stages.flat_map_prefix import identity

if TYPE_CHECKING:
    from rt_edge.streams.stages.restart_flow import RestartFlow
    from rt_edge.streams.stages.restart_sink import RestartSink
    from rt_edge.streams.stages.restart_source import RestartSource

log = logging.getLogger(__name__)


def _made(part: Any) -> Any:
    return part() if callable(part) and not hasattr(part, "blueprint") else part


class _Restarts:
    """The part that restart_source and restart_flow share, of a logic with `nest` and `_series`."""

    _series: Series
    ctx: Any

    def begin_run(self) -> None:
        raise NotImplementedError

    def ended_for_good(self, error: BaseException | None) -> None:
        raise NotImplementedError

    def try_run(self) -> None:
        """What the making of a part raises counts as its failure."""
        self._series.began = self.ctx.clock.monotonic()
        try:
            self.begin_run()
        except Exception as error:  # noqa: BLE001 - whatever user code raises is a reason to try again
            self.ctx.count("errors")
            self.run_ended(error)

    def run_ended(self, error: BaseException | None) -> None:
        """Wait and run again, or end."""
        seconds = self._series.wait(error, self.ctx.clock.monotonic())
        if seconds is None:
            self.ended_for_good(error)
            return
        self.ctx.count("restarts")
        log.warning("%s: %s, again in %.3g s", self.ctx.name, "has completed" if error is None else repr(error), seconds)
        self.ctx.after(seconds, "restart")

    def on_timer(self, key: object) -> None:
        """The wait is over."""
        self.try_run()


class RestartSourceLogic(_Restarts, NestingLogic):
    """Runs its source again."""

    def __init__(self, stage: RestartSource) -> None:
        self._source = stage.source
        self._series = Series(stage)

    def on_start(self) -> None:
        """Run the source."""
        super().on_start()
        self.try_run()

    def begin_run(self) -> None:
        """One run of the source."""
        self.nest.start(source_part(_made(self._source)))
        self.proceed()

    def ask(self) -> None:
        """Ask the run for what is wanted."""
        self.share(list(self.nest))

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        """Wait and run again, or end."""
        self.run_ended(error)

    def ended_for_good(self, error: BaseException | None) -> None:
        """Complete, or fail."""
        self._error = error
        self.finish()


class RestartFlowLogic(_Restarts, PipeLogic):
    """Runs its flow again; what comes meanwhile waits."""

    def __init__(self, stage: RestartFlow) -> None:
        self._stage = stage
        self._series = Series(stage)
        self._early: deque[Chunk] = deque(maxlen=2 * CHUNK_ELEMENTS)  # came while there was no flow

    def on_start(self) -> None:
        """Run the flow."""
        super().on_start()
        self.try_run()

    def begin_run(self) -> None:
        """One run of the flow; what waits goes first."""
        stage = self._stage
        part = flow_part(_made(stage.flow)) if stage.flow is not None else stage.known()
        sub = self.begin(part or identity())
        while self._early and sub.send(self._early[0]):
            self._early.popleft()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Send it through the run, or let it wait for the next one."""
        if self.sub is None or not self.sub.send(chunk):
            self._early.append(chunk)

    def sub_cancelled(self, sub: Substream, cause: BaseException | None) -> None:
        """The next run may want what this one does not."""

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        """Wait and run again, or end."""
        self.sub = None
        if self.upstream_done and not self._early:
            self.ended_for_good(error)
        else:
            self.run_ended(error)

    def ended_for_good(self, error: BaseException | None) -> None:
        """Complete, or fail."""
        if error is not None:
            self.fail_after(error)
        else:
            self.cancel(IN)
            self.finish()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """End the run behind what waits."""
        super().on_upstream_finish(inlet)
        if self.sub is None and not self._early:
            self.finish()

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        """Upstream's failure is not the flow's: it passes on."""
        self.fail_stage(error)

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
        super().on_stop(error)
        settle_rest(self, list(self._early), error)
        self._early.clear()

    def residue(self) -> list[Chunk]:
        """What is in the run, and what waits."""
        held = super().residue() + list(self._early)
        self._early.clear()
        return held


class RestartSinkLogic(_Restarts, StageLogic):
    """Runs its sink again; what comes meanwhile waits."""

    def __init__(self, stage: RestartSink) -> None:
        self._stage = stage
        self._series = Series(stage)
        self._sub: Substream | None = None
        self._early: deque[Chunk] = deque(maxlen=2 * CHUNK_ELEMENTS)
        self._done = False

    def on_start(self) -> None:
        """Run the sink."""
        self.nest = Nest(self)
        self.try_run()

    def begin_run(self) -> None:
        """One run of the sink; what waits goes first."""
        part: Blueprint = self._stage.known() or sink_part(_made(self._stage.sink))
        self._sub = sub = self.nest.start(part, inlets=1, outlets=0)
        while self._early and sub.send(self._early[0]):
            self._early.popleft()
        if self._done:
            sub.finish()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Send it into the run, or let it wait for the next one."""
        if self._sub is None or not self._sub.send(chunk):
            self._early.append(chunk)

    def sub_pushed(self, sub: Substream, chunk: Chunk) -> None:
        """A sink gives nothing."""

    def sub_pulled(self, sub: Substream) -> None:
        """Ask for what the run wants."""
        n = min(sub.wanted, CHUNK_ELEMENTS) - self.requested(IN)
        if n > 0 and sub is self._sub and not self.is_closed(IN):
            self.request(IN, n)

    def sub_cancelled(self, sub: Substream, cause: BaseException | None) -> None:
        """The next run may want what this one does not."""

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        """Wait and run again, or end."""
        self._sub = None
        if self._done and not self._early:
            self.ended_for_good(error)
        else:
            self.run_ended(error)

    def nest_turned(self, rested: bool) -> None:
        """Nothing to do."""

    def ended_for_good(self, error: BaseException | None) -> None:
        """Complete, or fail."""
        if error is not None:
            self.fail_stage(error)
        else:
            self.complete_stage()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """End the run behind what waits."""
        self._done = True
        if self._sub is not None:
            self._sub.finish()
        elif not self._early:
            self.complete_stage()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
        self.nest.stop(error)
        settle_rest(self, list(self._early), error)
        self._early.clear()

    def residue(self) -> list[Chunk]:
        """What is in the run, and what waits."""
        held = [chunk for _, chunk in self.nest.residue()] + list(self._early)
        self._early.clear()
        return held
