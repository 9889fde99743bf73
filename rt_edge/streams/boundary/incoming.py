"""WireIn: the consuming end of a wire between islands, as a source stage. It dials, reorders, and reports outcomes."""

from __future__ import annotations

from collections import deque
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import CodecError, IslandDied, StreamError
from rt_edge.data.ids import new_incarnation
from rt_edge.data.receipt import Dropped, Failed, Mark, Marks, Origin, Outcome, Receipt
from rt_edge.data.weave import rewoven
from rt_edge.protocol.signals import (
    AnySignal,
    Cancel,
    OnComplete,
    OnError,
    OnNext,
    OnSubscribe,
    Part,
    Request,
    Resubscribe,
    Seen,
    Settled,
    Subscribe,
)
from rt_edge.streams.boundary.parts import marks_of, shares_of
from rt_edge.streams.boundary.post import READINGS, RESEND_S, Codec, pack_places, unpack_places
from rt_edge.streams.stage import OUT, Inlet, Outlet, ReceiptUse, Stage, StageLogic

MAX_SILENCE_S = 30.0
"""Longest time between two repetitions of a demand that has not changed."""

LATE_S = 0.02
"""What the producer does not wait for (demand while it has plenty, outcomes of a small part of what it has under way) goes with
what it waits for, or after this: each message wakes a process."""

MAX_AHEAD = 4096
"""Chunks that may wait for one that is late, or for the outlet."""


class WireIn(Stage, frozen=True, kw_only=True):
    """The consuming end of a wire from another island; elements are Readings, or what `codec` is for.

    Emits when: the producer has sent the next chunk.
    Backpressures when: there is no demand: then nothing is asked of the producer.
    Completes when: the producer completes.
    Cancels when: downstream cancels: the producer is told.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.PASS

    wire: str
    post: Any
    codec: Codec = READINGS
    outlives: bool = False
    """A producer that fails is started again by somebody: wait for its next life instead of failing with it."""

    @property
    def label(self) -> str:
        """`from <wire>`."""
        return f"from {self.wire}"

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """None in this island."""
        return ()

    def create_logic(self) -> StageLogic:
        """One incarnation of the end."""
        return _Logic(self)


class _Listener:
    """Listener of one chunk's receipt."""

    __slots__ = ("_index", "_logic", "_number", "_producer")

    def __init__(self, logic: _Logic, producer: str, number: int, marks: Marks) -> None:
        self._logic = logic
        self._producer = producer
        self._number = number
        self._index: dict[Mark, int] | int = marks.start if isinstance(marks, range) else {m: i for i, m in enumerate(marks)}

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        """Report it to the producer."""
        index = self._index
        if isinstance(index, dict):
            places = [index[m] for m in marks]
        elif isinstance(marks, range):
            self._logic.report(self._producer, self._number, (marks.start - index, marks.stop - 1 - index), outcome)
            return
        else:
            places = [m - index for m in marks]  # type: ignore[operator]  # a range holds numbers only
        self._logic.report(self._producer, self._number, pack_places(sorted(places)), outcome)


def _forget(origin: Origin, floor: int) -> None:
    """Move the floor, and drop what is below it; what that costs is what has come, not what is kept."""
    keys = origin.keys
    gone = range(origin.floor, floor)
    far = floor - origin.floor > len(keys)  # a large step, as at the begin
    gone_keys = [n for n in keys if n < floor] if far else [n for n in gone if n in keys]
    for number in gone_keys:
        del keys[number]
    if origin.redelivered:
        origin.redelivered.difference_update(gone_keys)
    if floor - origin.floor > len(origin.again):
        origin.again = {n for n in origin.again if n >= floor}
    else:
        origin.again.difference_update(gone)
    origin.floor = floor


class _Logic(StageLogic):
    def __init__(self, stage: WireIn) -> None:
        self._wire = stage.wire
        self._post = stage.post
        self._decode = stage.codec.decode
        self._outlives = stage.outlives
        self._me = new_incarnation()
        self._producer = ""
        self._failed = ""
        self._total = 0  # asked of this producer
        self._arrived = 0  # elements that arrived from it, in order
        self._received = 0
        self._ahead: dict[int, OnNext] = {}
        self._ready: deque[Chunk] = deque(maxlen=MAX_AHEAD)
        self._origins: dict[str, Origin] = {}
        self._unseen: list[tuple[int, tuple[int, int, str, Any]]] = []  # (sequence, outcome)
        self._sequence = 0
        self._wanted = 0  # pulled and not pushed
        self._end: tuple[int, str | None] | None = None
        self._open = 0  # elements that arrived from this producer and have no outcome
        self._unsaid = 0  # elements with an outcome that was not said
        self._saying = False
        self._late = False
        self._stopped = False
        self._said: tuple[str, int, int, int] = ("", 0, 0, 0)
        self._silence = RESEND_S

    # -- from the island ---------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        self._post.register(self._wire, self.ctx.callback_here(self._receive))
        self._post.send(Subscribe(self._wire, "", self._me))
        self.ctx.after(RESEND_S, "repeat")

    def on_pull(self, outlet: Outlet, n: int) -> None:
        self._wanted = self.demand(OUT)  # all that is open, also what was announced before `pull_again`
        self._push_ready()
        self._say_soon()

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        if cause is None:
            self._post.send(Cancel(self._wire, self._producer, self._me))
        self.cancel_stage(cause)

    def on_stop(self, error: BaseException | None) -> None:
        for chunk in self._ready:  # what was not even looked at is not at fault
            chunk.drop("cancelled") if error is None else chunk.fail(IslandDied(f"the consumer of {self._wire} failed: {error}"))
        self._ready.clear()
        self._ahead.clear()
        self._stopped = True
        self._say()

    def on_timer(self, key: object) -> None:
        if key == "late":
            self._late = False
            self._say()
            return
        if not self._producer:
            self._post.send(Subscribe(self._wire, "", self._me))
        else:
            self._say(again=True)
        if key == "repeat":  # less and less often while nothing changes: an idle wire must cost nothing
            self._silence = min(self._silence * 2, MAX_SILENCE_S)
            self.ctx.after(self._silence, "repeat")

    # -- from the producer -------------------------------------------------------------------------------------------

    def _receive(self, signal: AnySignal) -> None:
        if isinstance(signal, Resubscribe) and not signal.consumer:
            self._producer_is(signal.producer)
        elif signal.consumer != self._me:
            self.ctx.count("stale_signals")
        elif isinstance(signal, OnSubscribe):
            self._subscribed(signal.producer)
        elif isinstance(signal, Resubscribe):
            self.reconnect()
        elif signal.producer != self._producer:
            self.ctx.count("stale_signals")
        elif isinstance(signal, OnNext):
            self._next(signal)
        elif isinstance(signal, Seen):
            self._unseen = [(s, o) for s, o in self._unseen if s > signal.sequence]
        elif isinstance(signal, OnComplete):
            self._end = (signal.number, None)
            self._in_order()
        elif isinstance(signal, OnError):
            self._end = (signal.number, signal.error)
            self._in_order()

    def _producer_is(self, producer: str) -> None:
        """A life of the producer has begun, or (without a name) its island may not have heard what was said."""
        if producer and self._producer and producer != self._producer:
            self.reconnect()
        elif self._producer:
            self._say(again=True)
        else:
            self._post.send(Subscribe(self._wire, "", self._me))

    def reconnect(self) -> None:
        """The producer does not know us (any more): dial it, as another incarnation, since numbers start again."""
        self._me = new_incarnation()
        self._producer = ""
        self._post.send(Subscribe(self._wire, "", self._me))

    def _subscribed(self, producer: str) -> None:
        if producer != self._producer:  # outcomes for an earlier producer have nobody to hear them
            self._producer = producer
            self._received = self._arrived = self._total = self._open = self._unsaid = 0
            self._ahead.clear()
            self._unseen.clear()
            self._sequence = 0
            self._end = None
        self._say()

    def _next(self, signal: OnNext) -> None:
        if signal.number <= self._received or signal.number in self._ahead:
            self.ctx.count("repeated")
            return
        if signal.number > self._received + MAX_AHEAD:
            self.ctx.count("dropped_ahead")  # the producer sends it again; it has no more under way than that
            return
        if signal.number != self._received + 1:
            self.ctx.count("reordered")
        self._ahead[signal.number] = signal
        self._in_order()

    def _in_order(self) -> None:
        while (signal := self._ahead.pop(self._received + 1, None)) is not None:
            self._received += 1
            self._accept(signal)
        self._push_ready()
        if self._end is not None and self._received == self._end[0]:
            self._received += 1  # the end counts as a number: the producer knows that it has arrived
        self._finish()
        self._say_soon()

    def _accept(self, signal: OnNext) -> None:
        marks: Marks = ()
        shares: list[Marks] = []
        items: list[Any] = []
        refused: CodecError | None = None
        try:
            shares = shares_of(signal)
            marks = range(len(signal.order)) if shares else marks_of(signal)
        except CodecError as error:
            refused = error
        try:
            items = self._decode(signal.payload)
        except CodecError as error:
            refused = error
        if refused is None and len(items) != len(marks):
            refused = CodecError(f"a signal has {len(items)} elements and {len(marks)} marks")
        n = len(items) or min(len(marks), CHUNK_ELEMENTS)
        self._arrived += n or 1  # refused or not, they have used up demand
        if refused is not None:
            self.ctx.count("errors")
            n = n or CHUNK_ELEMENTS  # all, however many these are
            self._open += n
            self.report(signal.producer, signal.number, (0, n - 1), Failed(refused))
            return
        self._open += n
        if shares:
            own = zip(signal.parts, shares, strict=True)
            origin: Origin | None = rewoven(signal.order, [(self._origin(part), share) for part, share in own])
        else:
            origin = self._origin(signal)
        self._ready.append(Chunk(items, Receipt(marks, _Listener(self, signal.producer, signal.number, marks), origin)))

    def _origin(self, signal: OnNext | Part) -> Origin | None:
        if not signal.origin:
            return None
        origin = self._origins.get(signal.origin)
        if origin is None or (origin.incarnation, origin.lap) != (signal.incarnation, signal.lap):
            origin = self._origins[signal.origin] = Origin(signal.origin, signal.incarnation)
            origin.lap = signal.lap
        if origin.session != signal.session:
            origin.session = signal.session
            origin.keys = {}
            origin.redelivered = set()
        if signal.floor > origin.floor:
            _forget(origin, signal.floor)
        origin.keys.update(signal.keys)
        origin.redelivered.update(signal.redelivered)
        origin.again.update(signal.again)
        return origin

    def _push_ready(self) -> None:
        if self._ready and self._wanted > 0 and self.is_free(OUT):
            chunk = self._ready.popleft()
            if len(chunk) > self._wanted:
                chunk, rest = chunk.cut(self._wanted)
                self._ready.appendleft(rest)
            self._wanted -= len(chunk)
            self.push(OUT, chunk)
        if self._ready and self._wanted > 0:
            self.pull_again(OUT)  # the slot is not empty: go on as soon as it is
        self._finish()

    def _finish(self) -> None:
        if self._end is None or self._ready or self._received <= self._end[0]:
            return
        self._say()
        error = self._end[1]
        self._end = None
        if error is None:
            self.complete_stage()
        elif self._outlives:
            if self._failed != self._producer:  # it says so until it hears that we know; its next life announces itself
                self._failed = self._producer
                self.ctx.count("producer_failures")
        else:
            self.fail_stage(StreamError(error))

    # -- to the producer ---------------------------------------------------------------------------------------------

    def report(self, producer: str, number: int, places: Any, outcome: Outcome) -> None:
        """An element of `OnNext` `number` has its outcome."""
        if producer != self._producer:
            return
        code, reason = 0, ""
        if isinstance(outcome, Dropped):
            code, reason = 1, outcome.reason
        elif isinstance(outcome, Failed):
            code, reason = (3 if isinstance(outcome.error, IslandDied) else 2), str(outcome.error)[:200]
        n = len(unpack_places(places))
        self._open -= n
        self._unsaid += n
        self._sequence += 1
        self._unseen.append((self._sequence, (number, code, reason, places)))
        self._say_soon()

    def _say_soon(self) -> None:
        if not self._saying:
            self._saying = True
            self._engine.host.soon(self._say_now)

    def _say_now(self) -> None:
        self._saying = False
        if self._is_waited_for():
            self._say()
        elif not self._late:
            self._late = True
            self.ctx.after(LATE_S, "late")

    def _is_waited_for(self) -> bool:
        """Whether the producer may be held up by what was not said so far."""
        producer, total, _, _ = self._said
        if self._stopped or self._end is not None or producer != self._producer:
            return True
        fresh = self._demand() - total
        return fresh >= max(1, total - self._arrived) or (self._unsaid > 0 and 4 * self._unsaid >= self._open)

    def _demand(self) -> int:
        """All that may be asked of the producer by now."""
        waiting = sum(map(len, self._ready))
        return max(self._total, self._arrived + max(0, self._wanted - waiting))

    def _say(self, again: bool = False) -> None:
        if not self._producer:
            return
        self._total = self._demand()
        self._unsaid = 0
        said = (self._producer, self._total, self._received, self._sequence)
        if said == self._said and not again:
            return
        if self._unseen and (again or self._sequence != self._said[3]):
            unsaid = self._unseen if again else [each for each in self._unseen if each[0] > self._said[3]]
            outcomes = [outcome for _, outcome in unsaid]
            self._post.send(Settled(self._wire, self._producer, self._me, self._unseen[-1][0], outcomes))
        self._post.send(Request(self._wire, self._producer, self._me, self._total, self._received))
        if said != self._said:
            self._said = said
            if self._silence > RESEND_S and not self._stopped:
                self._silence = RESEND_S
                self.ctx.after(RESEND_S, "repeat")
