"""lazy_source, lazy_flow, lazy_sink: parts that are made when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.nested import Nest, NestingLogic, PipeLogic, Substream, flow_part, sink_part, source_part
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import named, note_failures
from rt_edge.streams.stages.flat_map_prefix import identity
from rt_edge.streams.stages.sinks import SinkStage


class LazySource(Stage, frozen=True):
    """Runs a source that is made when the first element is wanted.

    Emits when: the source does.
    Backpressures when: downstream does.
    Completes when: the source does; it fails when the function raises.
    Cancels when: -

    Attributes:
        function: () -> Source, Publisher, or iterable.
    """

    function: Callable[[], Any]

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """None."""
        return ()

    def create_logic(self) -> StageLogic:
        """A logic that waits for demand."""
        return _SourceLogic(self.function)


class LazyFlow(Stage, frozen=True):
    """Runs a flow that is made when the first element comes.

    Emits when: the flow does.
    Backpressures when: the flow does.
    Completes when: the flow does; upstream completes before an element came.
    Cancels when: the flow cancels, downstream does, or the function raises.
    On restart: is not restarted.

    Attributes:
        function: () -> Flow.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    function: Callable[[], Any]

    def holds(self) -> Hold:
        """A chunk in front of the flow and one behind it; what the flow holds is not known before it is made."""
        return Hold(2 * CHUNK_ELEMENTS, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic that waits for an element."""
        return _FlowLogic(self.function)


class LazySink(SinkStage, frozen=True, kw_only=True):
    """Runs a sink that is made when the first element comes; comes to what the sink comes to, to None without an element.

    Emits when: -
    Backpressures when: the sink does.
    Completes when: the sink does; upstream completes before an element came.
    Cancels when: the sink cancels, or the function raises.
    On restart: is not restarted.

    Attributes:
        function: () -> Sink.
        demand: elements asked for before there is a sink.
        on_error: stop; the sink has its own.
    """

    function: Callable[[], Any]
    demand: int = 1

    def create_logic(self) -> StageLogic:
        """A logic that waits for an element."""
        return _SinkLogic(self)


class _SourceLogic(NestingLogic):
    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._sub: Substream | None = None

    def ask(self) -> None:
        if self._sub is None:
            self._sub = self.nest.start(source_part(self._function()))  # what it raises fails the stage
        self.share([self._sub])

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        self._error = error
        self.finish()


class _FlowLogic(PipeLogic):
    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function

    def ask(self) -> None:
        if self.sub is not None:
            super().ask()
        elif self.demand(OUT) > 0 and not self.requested(IN):
            self.request(IN, min(self.demand(OUT), CHUNK_ELEMENTS))

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        if self.sub is None and not self.finished:
            try:
                part = flow_part(self._function()) or identity()
            except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
                note_failures(self, [(0, error)])
                chunk.fail(named(self, error))
                self.fail_after(error)
                return
            self.begin(part)
        super().on_push(inlet, chunk)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        super().on_upstream_finish(inlet)
        if self.sub is None:
            self.finish()


class _SinkLogic(StageLogic):
    def __init__(self, stage: LazySink) -> None:
        self._stage = stage
        self._sub: Substream | None = None
        self._result: Any = None

    def on_start(self) -> None:
        self.nest = Nest(self)
        self.request(IN, self._stage.demand)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        if self._sub is None:
            try:
                self._sub = self.nest.start(self._heard(sink_part(self._stage.function())), inlets=1, outlets=0)
            except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
                note_failures(self, [(0, error)])
                chunk.fail(named(self, error))
                self.fail_stage(error)
                return
        if not self._sub.send(chunk):
            chunk.drop("cancelled")

    def _heard(self, part: Blueprint) -> Blueprint:
        """`part`, with what its only sink comes to told to this one's listener."""
        whole = Blueprint()
        names = whole.absorb(part)
        sinks = [name for name in names.values() if isinstance(whole.nodes[name], SinkStage)]
        if len(sinks) == 1:
            stage = whole.nodes[sinks[0]]
            assert isinstance(stage, SinkStage)
            inner = stage.done

            def done(result: Any, error: BaseException | None) -> None:
                inner(result, error)
                self._result = result

            whole.nodes[sinks[0]] = msgspec.structs.replace(stage, done=done)
        return whole

    def on_upstream_finish(self, inlet: Inlet) -> None:
        if self._sub is not None:
            self._sub.finish()
        else:
            self._end(None)

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        if self._sub is not None:
            self._sub.finish(error)
        else:
            self.fail_stage(error)

    def _end(self, error: BaseException | None) -> None:
        if error is not None:
            self.fail_stage(error)
        else:
            self._stage.done(self._result, None)
            self.complete_stage()

    def on_stop(self, error: BaseException | None) -> None:
        self.nest.stop(error)
        if error is not None:
            self._stage.done(self._result, error)

    def residue(self) -> list[Chunk]:
        return [chunk for _, chunk in self.nest.residue()]

    def sub_pushed(self, sub: Substream, chunk: Chunk) -> None:
        """A sink gives nothing."""

    def sub_pulled(self, sub: Substream) -> None:
        n = min(sub.wanted, CHUNK_ELEMENTS) - self.requested(IN)
        if n > 0 and not self.is_closed(IN):
            self.request(IN, n)

    def sub_cancelled(self, sub: Substream, cause: BaseException | None) -> None:
        self.cancel(IN, cause)

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        self._end(error)

    def nest_turned(self, rested: bool) -> None:
        """Nothing to do."""
