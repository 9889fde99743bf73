"""Bases of logics that run substreams."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.nested.nest import Nest
from rt_edge.streams.nested.substream import Substream
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet
from rt_edge.streams.stages._common import fail_behind
from rt_edge.streams.stages._outbox import OutboxLogic

FEW = 64
"""Elements below which it is always asked for what is missing."""


def too_few(asked: int, most: int) -> bool:
    """Whether to ask for more where `asked` are asked for and `most` are wanted: not for each one that goes out another one, as
    chunks would become as small as that."""
    return asked < most and (asked < FEW or 2 * asked < most)


class NestingLogic(OutboxLogic):
    """A logic with one outlet and a nest; what comes out of substreams waits in its outbox.

    Attributes:
        nest: the substreams.
        upstream_done: nothing more will come in.
    """

    bound: ClassVar[int] = 16 * CHUNK_ELEMENTS
    """`share` asks one after the other that is started for 1, 1/2, 1/3 ... of a chunk: for that much together, of any number."""

    nest: Nest
    upstream_done: bool
    _error: BaseException | None
    _bare: list[Any]

    def on_start(self) -> None:
        """Make the nest."""
        super().on_start()
        self.upstream_done = False
        self._error = None
        self._bare = []
        self.nest = Nest(self, type(self).sub_pulled is not NestingLogic.sub_pulled)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Ask first, since `demand` says 0 once something was pushed."""
        if not self.finished:
            self.ask()
        self.out.flush()
        self._end_if_empty()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held, here and in substreams."""
        super().on_stop(error)
        self.nest.stop(error)

    def residue(self) -> list[Chunk]:
        """What is ready to go out, and what the substreams hold."""
        self._put_bare()
        return [*super().residue(), *(chunk for _, chunk in self.nest.residue())]

    def credit(self) -> int:
        """Elements that substreams may be asked for, all together; `demand(OUT)` has to be valid."""
        return min(self.demand(OUT), CHUNK_ELEMENTS) - self.out.elements - len(self._bare)

    def share(self, subs: list[Substream]) -> None:
        """Ask `subs` for what is wanted, each for as much as the others, at least one element."""
        credit = self.credit()
        if credit <= 0 or not subs:
            return
        each = max(1, credit // len(subs))
        for sub in subs:
            sub.request(each - sub.requested)

    def finish(self) -> None:
        """Complete as soon as what is held has gone out."""
        self.finished = True
        self._end_if_empty()

    def fail_after(self, error: BaseException) -> None:
        """Stop upstream and substreams, and fail as soon as what is held has gone out."""
        self._error = error
        self.cancel(IN, error)
        self.nest.stop(error)
        self.finish()

    def _put_bare(self) -> None:
        bare = self._bare
        if bare:
            self._bare = []
            self.out.put(Chunk(bare))

    def _end_if_empty(self) -> None:
        self._put_bare()
        if self.finished and not self.out:
            if self._error is not None:
                fail_behind(self, self._error)
            else:
                self.complete_stage()

    # -- from substreams ---------------------------------------------------------------------------------------------------

    def sub_pushed(self, sub: Substream, chunk: Chunk) -> None:
        """Emit it, at the end of the turn; what came without receipts as one chunk, however many substreams gave it."""
        if chunk.receipt is None:
            self._bare += chunk.items
        else:
            self._put_bare()
            self.out.put(chunk)

    def sub_pulled(self, sub: Substream) -> None:
        """It is asked for at the end of the turn."""

    def sub_cancelled(self, sub: Substream, cause: BaseException | None) -> None:
        """It takes nothing more."""

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        """It has ended."""
        raise NotImplementedError

    def nest_turned(self, rested: bool) -> None:
        """Emit, and ask again."""
        if not self.seat.stopped:
            self._put_bare()
            self.proceed()


class PipeLogic(NestingLogic):
    """Feeds one flow at a time and emits what comes out of it. Its inlet asks for what the flow wants.

    Attributes:
        sub: the flow that runs; None before `begin`.
    """

    sub: Substream | None

    def on_start(self) -> None:
        """There is no flow so far."""
        super().on_start()
        self.sub = None

    def begin(self, part: Blueprint) -> Substream:
        """Run this flow from now on."""
        self.sub = sub = self.nest.start(part, inlets=1)
        if self.upstream_done:
            sub.finish()
        self.proceed()
        return sub

    def ask(self) -> None:
        """As much of the flow as is wanted."""
        if self.sub is not None:
            self.share([self.sub])

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Into the flow, which has asked for it."""
        if self.sub is None or not self.sub.send(chunk):
            chunk.drop("cancelled")

    def sub_pulled(self, sub: Substream) -> None:
        """What the flow wants is asked for."""
        n = min(sub.wanted, CHUNK_ELEMENTS) - self.requested(IN)
        if n > 0 and sub is self.sub and not self.is_closed(IN):
            self.request(IN, n)

    def sub_cancelled(self, sub: Substream, cause: BaseException | None) -> None:
        """Upstream is cancelled with the flow's cause."""
        self.cancel(IN, cause)

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        """End with the flow."""
        self.sub = None
        if error is not None:
            self.fail_after(error)
        else:
            self.cancel(IN)
            self.finish()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """The flow ends in its own time."""
        self.upstream_done = True
        if self.sub is not None:
            self.sub.finish()

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        """The flow may know what to do about it."""
        self.upstream_done = True
        if self.sub is not None:
            self.sub.finish(error)
        else:
            self.fail_stage(error)
