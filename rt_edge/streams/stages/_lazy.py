"""The logics of `lazy_source`, `lazy_flow` and `lazy_sink`: the part is made when the first demand, or element, comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.nested import Nest, NestingLogic, PipeLogic, Substream, flow_part, sink_part, source_part
from rt_edge.streams.stage import IN, OUT, Inlet, StageLogic
from rt_edge.streams.stages._common import named, note_failures
from rt_edge.streams.stages._sink import SinkStage
from rt_edge.streams.stages.flat_map_prefix import identity

if TYPE_CHECKING:
    from rt_edge.streams.stages.lazy_sink import LazySink


class LazySourceLogic(NestingLogic):
    """Makes its source with the first demand."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._sub: Substream | None = None

    def ask(self) -> None:
        """Make the source, at the first demand, and ask it."""
        if self._sub is None:
            self._sub = self.nest.start(source_part(self._function()))  # what it raises fails the stage
        self.share([self._sub])

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        """End with it."""
        self._error = error
        self.finish()


class LazyFlowLogic(PipeLogic):
    """Makes its flow with the first element."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function

    def ask(self) -> None:
        """What is wanted, as long as there is no flow; then what the flow wants."""
        if self.sub is not None:
            super().ask()
        elif self.demand(OUT) > 0 and not self.requested(IN):
            self.request(IN, min(self.demand(OUT), CHUNK_ELEMENTS))

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Make the flow with the first element."""
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
        """Without an element there was no flow: complete."""
        super().on_upstream_finish(inlet)
        if self.sub is None:
            self.finish()


class LazySinkLogic(StageLogic):
    """Makes its sink with the first element."""

    def __init__(self, stage: LazySink) -> None:
        self._stage = stage
        self._sub: Substream | None = None
        self._result: Any = None

    def on_start(self) -> None:
        """Ask as a sink does; there is none yet."""
        self.nest = Nest(self)
        self.request(IN, self._stage.demand)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Make the sink with the first element."""
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
        """End the sink; without an element there is none, and nothing to wait for."""
        if self._sub is not None:
            self._sub.finish()
        else:
            self._end(None)

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        """The sink fails, too, if there is one."""
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
        """Settle what is held."""
        self.nest.stop(error)
        if error is not None:
            self._stage.done(self._result, error)

    def residue(self) -> list[Chunk]:
        """What the sink did not take."""
        return [chunk for _, chunk in self.nest.residue()]

    def sub_pushed(self, sub: Substream, chunk: Chunk) -> None:
        """A sink gives nothing."""

    def sub_pulled(self, sub: Substream) -> None:
        """Ask for what the sink wants."""
        n = min(sub.wanted, CHUNK_ELEMENTS) - self.requested(IN)
        if n > 0 and not self.is_closed(IN):
            self.request(IN, n)

    def sub_cancelled(self, sub: Substream, cause: BaseException | None) -> None:
        """The sink wants nothing more."""
        self.cancel(IN, cause)

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        """End with the sink."""
        self._end(error)

    def nest_turned(self, rested: bool) -> None:
        """Nothing to do."""
