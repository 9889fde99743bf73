"""What the ends of a stream share: how they ask, how they settle, and how they say what they came to.

A sink says what it came to by calling `done(result, error)` once, when it stops: the error is None after completion.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stage import IN, Inlet, Outlet, ReceiptUse, StageLogic, Supervision
from rt_edge.streams.stages._common import Failures, UserCode, at_least, named, note_failures

Done = Callable[[Any, BaseException | None], None]


def unheard(result: Any, error: BaseException | None) -> None:
    """Nobody asked what the sink came to."""


class SinkStage(UserCode, frozen=True, kw_only=True):
    """Base of sinks.

    Attributes:
        demand: elements asked for at a time.
        done: called with what the sink came to.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.END

    demand: int = CHUNK_ELEMENTS
    done: Done = unheard

    def __post_init__(self) -> None:
        """Refuse a sink that asks for nothing."""
        at_least(1, demand=self.demand)

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """None."""
        return ()


class SinkLogic(StageLogic):
    """Asks for `demand` elements, and again for each that was consumed."""

    result: Any = None

    def __init__(self, stage: SinkStage) -> None:
        self.stage = stage
        self._failing = False

    def on_start(self) -> None:
        """Ask."""
        self.request(IN, self.stage.demand)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Consume; ask again."""
        self.consume(chunk)
        self.request(IN, len(chunk.items))

    def consume(self, chunk: Chunk) -> None:
        """Do with the elements what the sink does, and settle them."""
        raise NotImplementedError

    def settle_but(self, chunk: Chunk, failures: Failures) -> None:
        """Settle `chunk` except what failed; under `stop` fail the stage."""
        if not failures:
            chunk.settle()
            self._failing = False
            return
        note_failures(self, failures)
        self._failing = True
        stops = self.stage.supervision is Supervision.STOP
        first, error = failures[0]
        bad = dict(failures) if not stops else dict.fromkeys(range(first, len(chunk)), error)
        good = [place for place in range(len(chunk)) if place not in bad]
        if good:
            chunk.take(good).settle()
        for place, reason in bad.items():
            chunk.take([place]).fail(named(self, reason))
        if self.stage.supervision is Supervision.RESTART:
            self.ctx.count("restarts", len(failures))
        if stops:
            self.fail_stage(error)

    def end(self) -> None:
        """Say what it came to, and cancel upstream if it has not ended."""
        self.stage.done(self.result, None)
        self.complete_stage()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Say what it came to."""
        self.end()

    def on_stop(self, error: BaseException | None) -> None:
        """Say why it ended, if not by completion."""
        if error is not None:
            self.stage.done(self.result, error)
