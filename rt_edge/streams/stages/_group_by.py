"""The logic of `group_by`: keys, the flows that run for them, and who has to wait."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import BufferOverflow, StreamError
from rt_edge.streams.nested import NestingLogic, Substream, too_few
from rt_edge.streams.stage import IN, Inlet, Supervision
from rt_edge.streams.stages._common import discard, named
from rt_edge.streams.stages._group_by_dividing import DividingLogic
from rt_edge.streams.stages.buffer import OVERFLOW

if TYPE_CHECKING:
    from rt_edge.streams.stages.group_by import GroupBy

ENDED = "substream_ended"
"""The reason of an element whose key's flow has ended by itself."""

TOO_MANY = "too_many_keys"
"""The reason of an element whose key found no room."""


class _Row:
    """A key: its flow, and when it was used last."""

    __slots__ = ("last", "sub")

    def __init__(self, sub: Substream) -> None:
        self.sub = sub
        self.last = 0.0


class GroupByLogic(NestingLogic, DividingLogic):
    """Divides elements by key among flows.

    Args:
        stage: what it runs.
    """

    def __init__(self, stage: GroupBy) -> None:
        super().__init__(stage)
        self.stage = stage
        self.bound = 2 * CHUNK_ELEMENTS + stage.size + 2 * stage.max_keys  # type: ignore[misc]  # as much is asked for at most
        self._part = stage.part()
        self._idle = float(stage.idle)
        self._waits = stage.overflow == "backpressure"
        self._at_once = self._waits and stage.order == "merge"
        self._rows: OrderedDict[Any, _Row] = OrderedDict()  # by last use
        self._dry: dict[Substream, None] = {}  # may be asked for more

    def on_start(self) -> None:
        """A stage that drops does not wait for demand."""
        super().on_start()
        if not self._waits:
            self.request(IN, min(CHUNK_ELEMENTS, self.stage.size))

    # -- demand ------------------------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Of the flows, and of upstream."""
        wanted = self.credit()
        if wanted <= 0:
            return
        if self._dry:
            self._ask_flows(wanted)
        if self._waits and not self.upstream_done and len(self.nest) < 2 * self.stage.max_keys:
            most = min(wanted, self.stage.size - self.nest.waiting)
            asked = self.requested(IN)
            if too_few(asked, most):
                self.request(IN, most - asked)

    def _ask_flows(self, extra: int) -> None:
        """Each for its share; one in front of which more waits for more, `extra` in all."""
        if self.stage.order == "concat":
            asked = [sub for sub in self.nest.first() if sub in self._dry]
            for sub in asked:
                del self._dry[sub]
        else:
            asked = list(self._dry)
            self._dry.clear()
        each = max(1, CHUNK_ELEMENTS // max(1, len(self.nest)))
        for sub in asked:
            want = each if sub.waiting <= each else min(sub.waiting, each + extra)
            open_ = sub.requested
            if 2 * open_ < want:
                extra -= want - each
                sub.request(want - open_)

    def nest_turned(self, rested: bool) -> None:
        """A stage that drops asks again when all rest: what waits then waits for flows that are slow, not for their turn."""
        super().nest_turned(rested)
        n = min(CHUNK_ELEMENTS, self.stage.size) - self.requested(IN)
        if rested and not self._waits and n > 0 and not self.upstream_done:
            self.request(IN, n)

    # -- elements ----------------------------------------------------------------------------------------------------------

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Divide it."""
        room = self.stage.max_keys - len(self._rows)
        pieces, failures = self.divided(chunk, room if self.stage.when_full == "evict" else None)
        if failures and self._policy is Supervision.RESTART:
            self._forget_all(failures[0][1])
        for key, piece in pieces:
            if self.finished or (self.upstream_done and key not in self._rows):
                piece.fail(named(self, self._error or StreamError("the stage has failed")))
            else:
                self._route(key, piece)
        if failures and self._policy is Supervision.STOP:
            self._wind_up(failures[0][1])
        else:
            self.nest.look()  # its turn asks for more, when what came of these elements is known

    def _route(self, key: Any, piece: Chunk) -> None:
        row = self._rows.get(key)
        if row is None:
            row = self._open(key, piece)
            if row is None:
                return
        else:
            self._rows.move_to_end(key)
        if self._idle:
            row.last = self.ctx.clock.monotonic()
        sub = row.sub
        fit = piece if self._waits else self._fit(sub, piece)
        if fit is None:
            return
        if self._at_once and len(fit.items) > sub.wanted:  # its share is too small: it was not known who would get how many
            sub.request(len(fit.items) + sub.waiting - sub.requested)
        if sub.send(fit, self._at_once):
            self._dry[sub] = None
        else:
            discard(self, fit, ENDED)

    def _open(self, key: Any, piece: Chunk) -> _Row | None:
        if len(self._rows) >= self.stage.max_keys:
            if self.stage.when_full == "drop":
                discard(self, piece, TOO_MANY)
                return None
            if self.stage.when_full == "fail":
                error = StreamError(f"more than {self.stage.max_keys} keys", "raise max_keys, or let keys be evicted")
                piece.fail(named(self, error))
                self._wind_up(error)
                return None
            self._give_up(next(iter(self._rows)))
        if self._idle and not self._rows:
            self.ctx.after(self._idle, "idle")
        row = self._rows[key] = _Row(self.nest.start(self._part, key, inlets=1, room=self.stage.size))
        return row

    def _give_up(self, key: Any) -> None:
        self._rows.pop(key).sub.finish()
        self.ctx.count("evicted")

    def _fit(self, sub: Substream, piece: Chunk) -> Chunk | None:
        """What of `piece` may wait or is wanted, under a policy that drops."""
        excess = len(piece) - sub.wanted - max(0, self.stage.size - self.nest.waiting)
        if excess <= 0:
            return piece
        if self.stage.overflow == "fail":
            error = BufferOverflow(f"{self.ctx.name}: more than {self.stage.size} elements are waiting")
            piece.fail(named(self, error))
            self.fail_after(error)
            return None
        if self.stage.overflow == "drop_head":
            old = min(excess, sub.waiting)
            sub.drop_head(old, OVERFLOW)
            excess -= old
        if excess >= len(piece):
            discard(self, piece, OVERFLOW)
            return None
        if excess > 0:
            keep = excess if self.stage.overflow == "drop_head" else len(piece) - excess
            first, last = piece.cut(keep)
            gone, piece = (first, last) if self.stage.overflow == "drop_head" else (last, first)
            discard(self, gone, OVERFLOW)
        return piece

    def on_timer(self, key: object) -> None:
        """Give up keys that were not used."""
        now = self.ctx.clock.monotonic()
        while self._rows:
            oldest, row = next(iter(self._rows.items()))
            left = row.last + self._idle - now
            if left > 1e-9:
                self.ctx.after(left, "idle")
                return
            self._give_up(oldest)

    # -- ends --------------------------------------------------------------------------------------------------------------

    def sub_pushed(self, sub: Substream, chunk: Chunk) -> None:
        """Emit it; the flow may be asked again."""
        self._dry[sub] = None
        if chunk.receipt is None:  # as in the class above, at no further call
            self._bare += chunk.items
        else:
            super().sub_pushed(sub, chunk)

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        """Its key is known to have ended, or may begin anew after a failure."""
        self._dry.pop(sub, None)
        if error is not None:
            self.ctx.count("failed_substreams")
            row = self._rows.get(sub.key)
            if row is not None and row.sub is sub:
                del self._rows[sub.key]
            if self._policy is Supervision.STOP:
                self._wind_up(error)
                return
            if self._policy is Supervision.RESTART:
                self.ctx.count("restarts")
                self._forget_all(error)
        if self.upstream_done and not self.nest:
            self.finish()
        else:
            self.proceed()

    def _forget_all(self, error: BaseException) -> None:
        for sub in self.nest:
            sub.stop(named(self, error))
        self._rows.clear()
        self._dry.clear()

    def _wind_up(self, error: BaseException | None = None) -> None:
        """End all flows; then complete, or fail with `error`."""
        self.upstream_done = True
        self._error = self._error or error
        if error is not None:
            self.cancel(IN, error)
        for sub in self.nest:
            sub.finish()
        if not self.nest:
            self.finish()
        else:
            self.proceed()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """The flows end in their own time."""
        self._wind_up()
