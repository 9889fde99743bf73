"""WireOut: the producing end of a wire between islands, as a sink stage.

It keeps each chunk until every element of it has an outcome, and its bytes until the consumer has received them. When the
consumer comes back as another incarnation, what was under way fails with `IslandDied`: the origin emits it again, and the durable
end drops what it had already stored (design 5).
"""

from __future__ import annotations

import logging
from collections import deque
from typing import Any, ClassVar

import msgspec

from rt_edge.data.chunk import CHUNK_BYTES, CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import CodecError, IslandDied, StreamError
from rt_edge.data.ids import new_incarnation
from rt_edge.data.receipt import STORED, Dropped, Failed, Origin, Outcome
from rt_edge.data.weave import Share, identities, is_woven, shares
from rt_edge.protocol.signals import (
    AnySignal,
    Cancel,
    OnComplete,
    OnError,
    OnNext,
    OnSubscribe,
    Request,
    Resubscribe,
    Seen,
    Settled,
    Subscribe,
)
from rt_edge.streams.boundary.parts import part_of, places_of
from rt_edge.streams.boundary.post import READINGS, RESEND_S, Codec
from rt_edge.streams.stage import IN, Inlet, Outlet, ReceiptUse, Stage, StageLogic

log = logging.getLogger(__name__)

SEEN_S = 0.1
"""That outcomes were heard is said with the next chunk, or after this."""

DIED = 3
"""Code of an outcome, see `Settled`."""

MAX_HELD = 4096
"""Chunks under way on one wire, at most; the consumer's window is in elements, so small chunks could be many."""


class WireOut(Stage, frozen=True, kw_only=True):
    """The producing end of a wire to another island; elements are Readings, or what `codec` is for; of a group, its members.

    Emits when: the consumer has demand.
    Backpressures when: the consumer has none, or is not there.
    Completes when: upstream completes and every element has an outcome.
    Cancels when: the consumer cancels.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.PASS

    wire: str
    post: Any
    codec: Codec = READINGS

    @property
    def label(self) -> str:
        """`to <wire>`."""
        return f"to {self.wire}"

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """None in this island."""
        return ()

    def create_logic(self) -> StageLogic:
        """One incarnation of the end."""
        return _Logic(self)


class _Held:
    """A chunk under way."""

    __slots__ = ("chunk", "open", "sent_at", "signal")

    def __init__(self, chunk: Chunk, signal: OnNext, sent_at: float) -> None:
        self.chunk = chunk
        self.signal: OnNext | None = signal
        self.open = len(chunk)
        self.sent_at = sent_at


class _Logic(StageLogic):
    def __init__(self, stage: WireOut) -> None:
        self._wire = stage.wire
        self._post = stage.post
        self._encode = stage.codec.encode
        self._me = new_incarnation()
        self._consumer = ""
        self._given_up = ""  # a consumer that cancelled before it had heard of this end
        self._total = 0  # elements the consumer has asked for
        self._sent = 0  # elements sent to it
        self._number = 0
        self._received = 0
        self._applied = 0  # outcomes heard without a gap
        self._held: dict[int, _Held] = {}
        # Arrived beyond the demand of a new consumer, or while too much was under way; less than twice of what is asked for.
        self._waiting: deque[Chunk] = deque(maxlen=2 * MAX_HELD)
        self._finished: BaseException | bool = False
        self._timing = False
        self._seen_due = False
        self._lost_in: dict[str, tuple[str, int]] = {}  # origin -> its life, and the last lap of which elements were lost here

    # -- from the island ---------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        self._post.register(self._wire, self.ctx.callback_here(self._receive))
        self._post.send(Resubscribe(self._wire, self._me, ""))  # to whoever was the consumer of an earlier life

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        if isinstance(chunk.items[0], (list, tuple)):
            flat = chunk.expand([group if isinstance(group, (list, tuple)) else [group] for group in chunk.items])
            if flat is None:
                return
            chunk = flat
        kept = self._fail_overtaking(chunk, IslandDied(f"elements before it were lost on {self._wire}"))
        if kept is None:
            self._ask()
            return
        self._waiting.append(kept)
        self._send_waiting()
        self._ask()  # it may have taken less room than was kept for it

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._finished = True
        self._say_end()

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        self._finished = error
        self._say_end()

    def on_timer(self, key: object) -> None:
        if key == "seen":
            self._say_seen()
            return
        self._timing = False
        now = self.ctx.clock.monotonic()
        for held in self._held.values():
            if held.signal is not None and now - held.sent_at >= RESEND_S:
                held.sent_at = now
                self.ctx.count("sent_again")
                self._post.send(held.signal)
        self._say_end()
        self._keep_time()

    def on_stop(self, error: BaseException | None) -> None:
        reason = error or StreamError(f"wire {self._wire} ended")
        for chunk in [*(held.chunk for held in self._held.values()), *self._waiting]:
            chunk.drop("cancelled") if error is None else chunk.fail(reason)
        self._held.clear()
        self._waiting.clear()

    # -- from the consumer -------------------------------------------------------------------------------------------

    def _receive(self, signal: AnySignal) -> None:
        if isinstance(signal, Subscribe):
            self._subscribe(signal.consumer)
            return
        if isinstance(signal, Resubscribe):  # our own post: the consumer's island can be reached from now on
            self._post.send(Resubscribe(self._wire, self._me, ""))
            return
        if isinstance(signal, Cancel) and not signal.producer:
            self._given_up = signal.consumer
            if self._consumer == self._given_up:
                self.cancel_stage(None)
            return  # else its Subscribe is still on its way, or it is of long ago
        if signal.producer != self._me or signal.consumer != self._consumer:
            # Of an earlier life of this end, or of a consumer that a late Subscribe has pushed aside: let it dial again if it
            # is alive; a dead one does not hear this.
            self.ctx.count("stale_signals")
            self._post.send(Resubscribe(self._wire, self._me, signal.consumer))
            return
        if isinstance(signal, Request):
            self._request(signal)
        elif isinstance(signal, Settled):
            self._settle(signal)
        elif isinstance(signal, Cancel):
            self.cancel_stage(None)
        else:
            self.ctx.count("stale_signals")

    def _subscribe(self, consumer: str) -> None:
        if consumer == self._given_up:
            self.cancel_stage(None)
            return
        if consumer != self._consumer:
            self._consumer = consumer
            self._total = self._sent = self._number = self._received = self._applied = 0
            held, self._held = list(self._held.values()), {}
            if held:
                self.ctx.count("taken_along", sum(h.open for h in held))
            error = IslandDied(f"the consumer of {self._wire} came back as another incarnation")
            for each in held:
                self._lost(each.chunk)
            waiting = list(self._waiting)
            self._waiting.clear()
            for each in held:
                each.chunk.fail(error)
            for chunk in waiting:
                kept = self._fail_overtaking(chunk, error)
                if kept is not None:
                    self._waiting.append(kept)
        self._post.send(OnSubscribe(self._wire, self._me, self._consumer))
        self._say_end()

    def _request(self, signal: Request) -> None:
        if signal.received > self._received:
            for number in range(self._received + 1, min(signal.received, self._number) + 1):
                held = self._held.get(number)
                if held is not None:
                    held.signal = None
                    if not held.open:
                        del self._held[number]
            self._received = signal.received
        self._total = max(self._total, signal.total)
        self._send_waiting()
        self._ask()
        self._end()

    def _settle(self, signal: Settled) -> None:
        try:
            self._apply(signal)
        except CodecError as error:
            self.ctx.count("undecodable")  # as a message that does not decode: the consumer says it again
            log.warning("wire %s: %s", self._wire, error)
            return
        if signal.sequence - len(signal.outcomes) <= self._applied < signal.sequence:
            self._applied = signal.sequence  # only without a gap: what came before may still be on its way, or lost
        if not self._seen_due:
            self._seen_due = True
            self.ctx.after(SEEN_S, "seen")
        self._send_waiting()
        self._ask()
        self._end()

    def _apply(self, signal: Settled) -> None:
        for number, code, reason, places in signal.outcomes:
            held = self._held.get(number)
            if held is None:
                continue
            marks = held.chunk.marks
            receipt = held.chunk.receipt
            run = places_of(places, len(held.chunk))
            if receipt is not None and marks is not None:
                before = receipt.unsettled
                if code == DIED:
                    self._lost(held.chunk)
                some = marks[run.start : run.stop] if isinstance(run, range) else [marks[i] for i in run]
                receipt.outcome(_outcome(code, reason), some)
                held.open -= before - receipt.unsettled
            else:
                held.open -= len(run)
            if held.open <= 0 and held.signal is None:
                del self._held[number]

    def _lost(self, chunk: Chunk) -> None:
        """Elements of this chunk are lost beyond this end: what their origins emitted after them must not overtake them."""
        receipt = chunk.receipt
        if receipt is None or not receipt.unsettled or receipt.origin is None:
            return
        lost: set[Origin] = {receipt.origin}
        if is_woven(receipt.origin):
            opened = set(receipt.open_marks())
            known = zip(identities(chunk), chunk.marks or (), strict=True)
            lost = {origin for (origin, _), mark in known if origin is not None and mark in opened}
        for origin in lost:
            incarnation, lap = self._lost_in.get(origin.name, ("", 0))
            self._lost_in[origin.name] = (origin.incarnation, max(origin.lap, lap if incarnation == origin.incarnation else 0))

    def _fail_overtaking(self, chunk: Chunk, error: IslandDied) -> Chunk | None:
        """Fail those elements before which others were lost; what is left."""
        if not self._lost_in:
            return chunk
        places = [place for place, (origin, _) in enumerate(identities(chunk)) if not self._overtakes(origin)]
        if len(places) == len(chunk):
            return chunk
        kept = chunk.take(places) if places else None
        (chunk.take(sorted(set(range(len(chunk))).difference(places))) if places else chunk).fail(error)
        return kept

    def _overtakes(self, origin: Origin | None) -> bool:
        """Whether elements before those of this origin were lost, and come again in a later lap."""
        if origin is None or origin.name not in self._lost_in:
            return False
        incarnation, lap = self._lost_in[origin.name]
        return origin.incarnation == incarnation and origin.lap <= lap

    # -- sending -----------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Ask upstream for what the consumer wants and is neither here nor asked for; each element may come as a chunk."""
        asked = self.requested(IN)
        room = MAX_HELD - len(self._held) - len(self._waiting) - asked
        if self.is_closed(IN) or room <= 0:
            return
        waiting = sum(map(len, self._waiting))
        n = min(room, self._total - self._sent - waiting - asked)
        if n > 0:
            self.request(IN, n)

    def _send_waiting(self) -> None:
        while self._waiting and self._consumer and self._total > self._sent and len(self._held) < MAX_HELD:
            chunk = self._waiting.popleft()
            most = min(self._total - self._sent, CHUNK_ELEMENTS)
            if len(chunk) > most:
                chunk, rest = chunk.cut(most)
                self._waiting.appendleft(rest)
            self._send(chunk)

    def _send(self, chunk: Chunk) -> None:
        receipt = chunk.receipt
        order, parts = shares(chunk) if receipt is not None and is_woven(receipt.origin) else (b"", [])
        if parts and len(order) < len(chunk):  # of more origins than a signal tells apart
            chunk, rest = chunk.cut(len(order))
            self._waiting.appendleft(rest)
        try:
            payload = self._encode(chunk.items)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            if len(chunk) > 1:  # the others can leave
                self._halve(chunk)
                return
            self._sent += len(chunk)  # it used up demand
            self.ctx.count("errors")
            chunk.fail(CodecError(f"an element cannot leave its island: {error}"))
            return
        if len(payload) > CHUNK_BYTES and len(chunk) > 1:
            self._halve(chunk)
            return
        self._number += 1
        self._sent += len(chunk)
        signal = self._on_next(chunk, payload, order, parts)
        self._held[self._number] = _Held(chunk, signal, self.ctx.clock.monotonic())
        self._post.send(signal)
        self._say_seen()
        if not self._timing:
            self._timing = True
            self.ctx.after(RESEND_S, "resend")

    def _halve(self, chunk: Chunk) -> None:
        head, tail = chunk.cut(len(chunk) // 2)
        self._waiting.appendleft(tail)
        self._waiting.appendleft(head)

    def _on_next(self, chunk: Chunk, payload: bytes, order: bytes, parts: list[Share]) -> OnNext:
        origin = chunk.receipt.origin if chunk.receipt is not None else None
        marks = range(len(chunk)) if chunk.marks is None else chunk.marks
        whole = part_of(None, None) if parts else part_of(origin, marks)
        about: list[Any] = [*msgspec.structs.astuple(whole), [part_of(*part) for part in parts], order]  # in the order of OnNext
        return OnNext(self._wire, self._me, self._consumer, self._number, payload, *about)

    def _say_seen(self) -> None:
        if self._seen_due:
            self._seen_due = False
            self.ctx.cancel_timer("seen")
            self._post.send(Seen(self._wire, self._me, self._consumer, self._applied))

    def _say_end(self) -> None:
        if self._finished is False or not self._consumer or self._waiting:
            return
        last = self._number
        if self._finished is True:
            self._post.send(OnComplete(self._wire, self._me, self._consumer, last))
        else:
            self._post.send(OnError(self._wire, self._me, self._consumer, last, str(self._finished)))
        self._keep_time()
        self._end()

    def _end(self) -> None:
        """Stop when the end was said, everything has arrived (the end counts as a number) and everything has an outcome."""
        if self._finished is not False and not self._held and not self._waiting and self._received > self._number:
            if isinstance(self._finished, BaseException):
                self.fail_stage(self._finished)
            else:
                self.complete_stage()

    def _keep_time(self) -> None:
        unreceived = any(held.signal is not None for held in self._held.values())
        if unreceived or self._finished is not False:
            self._timing = True
            self.ctx.after(RESEND_S, "resend")


def _outcome(code: int, reason: str) -> Outcome:
    if code == 0:
        return STORED
    if code == 1:
        return Dropped(reason)
    return Failed(IslandDied(reason) if code == DIED else StreamError(reason))
