"""throttle: so many elements in so much time."""

from __future__ import annotations

from collections import deque
from typing import ClassVar, Literal

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import StreamError
from rt_edge.data.units import Duration
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, Outlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import at_least, fail_behind, named, settle_rest

GRAIN = 0.01
"""Elements of one grain of time (seconds) go out together: a timer each would cost more than it smooths."""


class RateExceeded(StreamError):
    """Elements came faster than an enforcing throttle allows."""

    code: ClassVar[str] = "RTE610"


class Throttle(Stage, frozen=True):
    """Lets pass at most `elements` in `per`, by a token bucket that holds `burst`.

    Emits when: an element is there and a token is.
    Backpressures when: downstream does, or there is no token (`shaping`).
    Completes when: upstream completes and what waits has gone out.
    Cancels when: downstream cancels, or the rate is exceeded (`enforcing`).
    On restart: calls no user code, so it is not restarted.

    Attributes:
        elements: how many.
        per: in how long.
        burst: tokens the bucket holds; it is full at the start. 0: one for each 10 ms of the rate, at least 1.
        mode: shaping: wait for tokens. enforcing: fail when an element finds none.
    """

    kind: ClassVar[str] = "throttle"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    elements: int
    per: Duration | float = 1.0
    burst: int = 0
    mode: Literal["shaping", "enforcing"] = "shaping"

    def __post_init__(self) -> None:
        """Refuse a rate of nothing."""
        at_least(1, elements=self.elements)
        at_least(0.001, per=self.per)
        at_least(0, burst=self.burst)

    @property
    def capacity(self) -> int:
        """Tokens the bucket holds."""
        return self.burst or max(1, int(self.elements / float(self.per) * GRAIN))

    def holds(self) -> Hold:
        """What has no token so far; it does not wait for further elements."""
        return Hold(self.capacity, self.capacity * float(self.per) / self.elements)

    def create_logic(self) -> StageLogic:
        """A logic with the bucket."""
        return _Logic(self)


class _Logic(StageLogic):
    def __init__(self, stage: Throttle) -> None:
        self._rate = stage.elements / float(stage.per)
        self._capacity = stage.capacity
        self._enforcing = stage.mode == "enforcing"
        self._tokens = float(stage.capacity)
        self._held: deque[Chunk] = deque(maxlen=stage.capacity)
        self._elements = 0
        self._timed = False
        self._finished = False

    def on_start(self) -> None:
        self._since = self.ctx.clock.monotonic()

    def on_pull(self, outlet: Outlet, n: int) -> None:
        self._advance()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        if self._enforcing:
            self._enforce(chunk)
            return
        self._held.append(chunk)
        self._elements += len(chunk)
        self._advance()

    def on_timer(self, key: object) -> None:
        self._timed = False
        self._advance()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._finished = True
        self._advance()

    def _fill(self) -> None:
        now = self.ctx.clock.monotonic()
        self._tokens = min(float(self._capacity), self._tokens + (now - self._since) * self._rate)
        self._since = now

    def _advance(self) -> None:
        """Push what has tokens and is wanted; ask for more; set the timer for the next tokens."""
        self._fill()
        if self._finished and not self._held:
            self.complete_stage()
            return
        if not self.is_free(OUT):
            self.pull_again(OUT)
            return
        wanted = self.demand(OUT)
        if wanted <= 0:
            return
        most = wanted if self._enforcing else min(wanted, self._capacity)
        ask = most - self._elements - self.requested(IN)
        if ask > 0 and not self._finished:
            self.request(IN, ask)
        if self._held:
            self._release(wanted)

    def _release(self, wanted: int) -> None:
        n = min(len(self._held[0]), wanted, int(self._tokens + 1e-9))
        if n:
            chunk = self._held.popleft()
            if n < len(chunk):
                chunk, rest = chunk.cut(n)
                self._held.appendleft(rest)
            self._tokens -= n
            self._elements -= n
            self.push(OUT, chunk)
            self.pull_again(OUT)
        elif not self._timed:
            self._timed = True
            grain = min(max(1.0, self._rate * GRAIN), self._elements, self._capacity)
            self.ctx.after((grain - self._tokens) / self._rate, "token")

    def _enforce(self, chunk: Chunk) -> None:
        self._fill()
        good = int(self._tokens + 1e-9)
        if good >= len(chunk):
            self._tokens -= len(chunk)
            self.push(OUT, chunk)
            return
        error = RateExceeded(f"{self.ctx.name}: faster than {self._rate:g} elements/s with a burst of {self._capacity}")
        bad = chunk
        if good:
            first, bad = chunk.cut(good)
            self.push(OUT, first)
        bad.fail(named(self, error))
        fail_behind(self, error)

    def on_stop(self, error: BaseException | None) -> None:
        settle_rest(self, list(self._held), error)
        self._held.clear()

    def residue(self) -> list[Chunk]:
        held = list(self._held)
        self._held.clear()
        return held
