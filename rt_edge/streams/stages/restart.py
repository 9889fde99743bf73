"""restart_source, restart_flow, restart_sink: parts that are run again when they have ended, after a wait."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.nested import Nest, NestingLogic, PipeLogic, Substream, flow_part, sink_part, source_part
from rt_edge.streams.stage import IN, Hold, Inlet, Outlet, ReceiptUse, StageLogic
from rt_edge.streams.stages._backoff import Restarting, Series
from rt_edge.streams.stages._common import settle_rest
from rt_edge.streams.stages.flat_map_prefix import identity

log = logging.getLogger(__name__)


class RestartSource(Restarting, frozen=True, kw_only=True):
    """Runs a source, and again after a wait when it has ended.

    Emits when: the source does.
    Backpressures when: downstream does.
    Completes when: the source completes and `only_failures`, or it may not be run again; it fails with the source's error.
    Cancels when: -
    On restart: the source is run again; this stage itself is not restarted.

    Attributes:
        source: a Source, Publisher or iterable, or () -> one of them, called for each run.
    """

    source: Any

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """None."""
        return ()

    def create_logic(self) -> StageLogic:
        """A logic that counts the runs."""
        return _SourceLogic(self)


class RestartFlow(Restarting, frozen=True, kw_only=True):
    """Runs elements through a flow that is run again after a wait when it has ended.

    What a flow held when it ended fails towards its origin, which emits it again; elements without an origin are lost with it.

    Emits when: the flow does.
    Backpressures when: the flow does, or has ended and is not run again so far.
    Completes when: upstream has completed and the flow has; the flow completes and `only_failures`, or may not be run again.
    Cancels when: downstream cancels; the flow has ended for good.
    On restart: the flow is run again; this stage itself is not restarted.

    Attributes:
        flow: a Flow, or () -> Flow, called for each run.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    flow: Any

    def holds(self) -> Hold:
        """A chunk in front of the flow and one behind it; what the flow holds is not known before it is made."""
        return Hold(3 * CHUNK_ELEMENTS, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic that counts the runs."""
        return _FlowLogic(self)


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
        return _SinkLogic(self)


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


class _SourceLogic(_Restarts, NestingLogic):
    def __init__(self, stage: RestartSource) -> None:
        self._source = stage.source
        self._series = Series(stage)

    def on_start(self) -> None:
        super().on_start()
        self.try_run()

    def begin_run(self) -> None:
        self.nest.start(source_part(_made(self._source)))
        self.proceed()

    def ask(self) -> None:
        self.share(list(self.nest))

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        self.run_ended(error)

    def ended_for_good(self, error: BaseException | None) -> None:
        self._error = error
        self.finish()


class _FlowLogic(_Restarts, PipeLogic):
    def __init__(self, stage: RestartFlow) -> None:
        self._flow = stage.flow
        self._series = Series(stage)
        self._early: deque[Chunk] = deque(maxlen=2 * CHUNK_ELEMENTS)  # came while there was no flow

    def on_start(self) -> None:
        super().on_start()
        self.try_run()

    def begin_run(self) -> None:
        sub = self.begin(flow_part(_made(self._flow)) or identity())
        while self._early and sub.send(self._early[0]):
            self._early.popleft()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        if self.sub is None or not self.sub.send(chunk):
            self._early.append(chunk)

    def sub_cancelled(self, sub: Substream, cause: BaseException | None) -> None:
        """The next run may want what this one does not."""

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        self.sub = None
        if self.upstream_done and not self._early:
            self.ended_for_good(error)
        else:
            self.run_ended(error)

    def ended_for_good(self, error: BaseException | None) -> None:
        if error is not None:
            self.fail_after(error)
        else:
            self.cancel(IN)
            self.finish()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        super().on_upstream_finish(inlet)
        if self.sub is None and not self._early:
            self.finish()

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        self.fail_stage(error)

    def on_stop(self, error: BaseException | None) -> None:
        super().on_stop(error)
        settle_rest(self, list(self._early), error)
        self._early.clear()

    def residue(self) -> list[Chunk]:
        held = super().residue() + list(self._early)
        self._early.clear()
        return held


class _SinkLogic(_Restarts, StageLogic):
    def __init__(self, stage: RestartSink) -> None:
        self._sink = stage.sink
        self._series = Series(stage)
        self._sub: Substream | None = None
        self._early: deque[Chunk] = deque(maxlen=2 * CHUNK_ELEMENTS)
        self._done = False

    def on_start(self) -> None:
        self.nest = Nest(self)
        self.try_run()

    def begin_run(self) -> None:
        part: Blueprint = sink_part(_made(self._sink))
        self._sub = sub = self.nest.start(part, inlets=1, outlets=0)
        while self._early and sub.send(self._early[0]):
            self._early.popleft()
        if self._done:
            sub.finish()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        if self._sub is None or not self._sub.send(chunk):
            self._early.append(chunk)

    def sub_pushed(self, sub: Substream, chunk: Chunk) -> None:
        """A sink gives nothing."""

    def sub_pulled(self, sub: Substream) -> None:
        n = min(sub.wanted, CHUNK_ELEMENTS) - self.requested(IN)
        if n > 0 and sub is self._sub and not self.is_closed(IN):
            self.request(IN, n)

    def sub_cancelled(self, sub: Substream, cause: BaseException | None) -> None:
        """The next run may want what this one does not."""

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        self._sub = None
        if self._done and not self._early:
            self.ended_for_good(error)
        else:
            self.run_ended(error)

    def nest_turned(self, rested: bool) -> None:
        """Nothing to do."""

    def ended_for_good(self, error: BaseException | None) -> None:
        if error is not None:
            self.fail_stage(error)
        else:
            self.complete_stage()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._done = True
        if self._sub is not None:
            self._sub.finish()
        elif not self._early:
            self.complete_stage()

    def on_stop(self, error: BaseException | None) -> None:
        self.nest.stop(error)
        settle_rest(self, list(self._early), error)
        self._early.clear()

    def residue(self) -> list[Chunk]:
        held = [chunk for _, chunk in self.nest.residue()] + list(self._early)
        self._early.clear()
        return held
