"""delay_with: each element later, by a time of its own."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any, ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import StreamError
from rt_edge.streams.stage import Hold, Inlet, ReceiptUse, StageLogic, Supervision
from rt_edge.streams.stages._common import UserCode, at_least, named
from rt_edge.streams.stages._delaying import SIZE, DelayLogic, DelayOverflow, most_held
from rt_edge.streams.stages._judging import check_by, weights_of
from rt_edge.streams.stages._user_code import ElementLogic


class DelayWith(UserCode, frozen=True):
    """Emits each element so long after it arrived as a function of it says, in order: it waits for those in front of it.

    It asks for elements as long as it has room, so that their time runs whether they are wanted or not.

    Emits when: the time of the oldest element has come and downstream asks.
    Backpressures when: `backpressure` or `emit_early`, and `size` elements wait or are on their way; with the others never.
    Completes when: upstream completes and all that waits has gone out, each at its time.
    Cancels when: downstream cancels, or one too many comes under `fail`.
    On restart: what waits stays.

    Attributes:
        function: element -> seconds, at least 0: a function, or an expression on a reading, for which gap records and readings
            without the field (counter `missing_field`) have to wait for nothing but those in front of them.
        size: elements that wait at most.
        overflow: what to do with an element too many. backpressure: do not ask for it. emit_early: let the oldest go before its
            time, if downstream asks. drop_head: drop the oldest. drop_tail: drop the youngest that waits. drop_buffer: drop all
            that wait. drop_new: drop it. fail: fail the stage. What is dropped is settled as dropped, `overflow`.
    """

    kind: ClassVar[str] = "delay_with"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    function: str | Callable[[Any], float]
    size: int = SIZE
    overflow: DelayOverflow = "backpressure"

    def __post_init__(self) -> None:
        """Refuse no room, and what is neither a function nor an expression."""
        at_least(1, size=self.size)
        check_by("function", self.function)

    def holds(self) -> Hold:
        """What waits, and under `emit_early` as much that has to go; it does not wait for further elements."""
        return Hold(most_held(self), 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with what waits, and a timer."""
        return _Logic(self)


class _Logic(DelayLogic, ElementLogic):
    def __init__(self, stage: DelayWith) -> None:
        ElementLogic.__init__(self, stage)
        DelayLogic.__init__(self, stage)
        self._delays = weights_of(stage.function, stage.supervision)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        delays, missing, failures = self._delays(chunk.items)
        if missing:
            self.ctx.count("missing_field", missing)
        rest: Chunk | None = chunk
        if failures:
            rest, delays = self.survivors(chunk, delays, failures)
        else:
            self.note_success()
        for delay, group in groupby(delays):
            if rest is None:
                break
            n = sum(1 for _ in group)
            piece, rest = rest.cut(n) if n < len(rest) else (rest, None)
            self.hold(piece, delay)
            if rest is not None and self.seat.stopped:  # one too many, under `fail`
                rest.fail(named(self, StreamError("an element in front of it was too many")))
                return
        if failures and self._policy is Supervision.STOP:
            self.fail_after_all(failures[0][1])
        else:
            self.advance()
