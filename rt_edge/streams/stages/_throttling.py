"""Throttling: the logics of `throttle`, for elements of one token each and for others."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import StreamError
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Stage, StageLogic, Supervision
from rt_edge.streams.stages._common import fail_behind, named, settle_rest
from rt_edge.streams.stages._judging import Judge
from rt_edge.streams.stages._user_code import ElementLogic

if TYPE_CHECKING:
    from rt_edge.streams.stages.throttle import Throttle

GRAIN = 0.01
"""Elements of one grain of time (seconds) go out together: a timer each would cost more than it smooths."""

EXACT = 1e-6
"""Tokens that rounding may have taken: clocks that have run for months are exact to a nanosecond."""

SHORTEST = 1e-6
"""Seconds to wait for tokens, at least: with less, a clock that has run for long would not move at all."""


class RateExceeded(StreamError):
    """Elements came faster than an enforcing throttle allows."""

    code: ClassVar[str] = "RTE610"


class BucketLogic(StageLogic):
    """A bucket of tokens, one for each element.

    Args:
        stage: rate and bucket.
    """

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
        """The bucket is full now."""
        self._since = self.ctx.clock.monotonic()

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Let pass what has tokens."""
        self._advance()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """It takes tokens, or waits for them."""
        if self._enforcing:
            self._enforce(chunk)
            return
        self._held.append(chunk)
        self._elements += len(chunk)
        self._advance()

    def on_timer(self, key: object) -> None:
        """There are tokens."""
        self._timed = False
        self._advance()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete when nothing waits."""
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
        n = min(len(self._held[0]), wanted, int(self._tokens + EXACT))
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
            self.ctx.after(max(SHORTEST, (grain - self._tokens) / self._rate), "token")

    def _enforce(self, chunk: Chunk) -> None:
        self._fill()
        good = int(self._tokens + EXACT)
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
        """Settle what waits."""
        settle_rest(self, list(self._held), error)
        self._held.clear()

    def residue(self) -> list[Chunk]:
        """What waits."""
        held = list(self._held)
        self._held.clear()
        return held


class CostLogic(ElementLogic):
    """A bucket of tokens; an element passes when it finds its tokens, or a full bucket, and may leave a debt.

    Args:
        stage: whose `supervision` counts.
        weigh: elements -> what they cost.
        rate: tokens a second.
        capacity: of the bucket; as many elements wait at most, and at most a chunk.
        enforcing: fail instead of waiting.
    """

    def __init__(self, stage: Stage, weigh: Judge, rate: float, capacity: int, enforcing: bool) -> None:
        super().__init__(stage)
        self._weigh = weigh
        self._rate = rate
        self._capacity = float(capacity)
        self._most = min(capacity, CHUNK_ELEMENTS)
        self._enforcing = enforcing
        self._tokens = float(capacity)
        self._held: deque[Chunk] = deque(maxlen=CHUNK_ELEMENTS)
        self._costs: deque[float] = deque(maxlen=CHUNK_ELEMENTS)
        self._finished = False
        self._failure: BaseException | None = None

    def on_start(self) -> None:
        """The bucket is full now."""
        self._since = self.ctx.clock.monotonic()

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Let pass what has its tokens."""
        self._advance()

    def on_timer(self, key: object) -> None:
        """There are tokens for the next."""
        self._advance()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Weigh it."""
        costs, missing, failures = self._weigh(chunk.items)
        if missing:
            self.ctx.count("missing_field", missing)
        rest: Chunk | None = chunk
        if failures:
            rest, costs = self.survivors(chunk, costs, failures)
        else:
            self.note_success()
        if rest is not None and self._enforcing:
            rest = self._enforced(rest, costs)
        if rest is not None:
            self._held.append(rest)
            self._costs.extend(costs[: len(rest)])
        if failures and self._policy is Supervision.STOP and self._failure is None:
            self._fail(failures[0][1])
        self._advance()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete when nothing waits."""
        self._finished = True
        self._advance()

    def _fail(self, error: BaseException) -> None:
        """The error follows what waits."""
        self._failure = error
        self.cancel(IN, error)

    def _fill(self) -> None:
        now = self.ctx.clock.monotonic()
        self._tokens = min(self._capacity, self._tokens + (now - self._since) * self._rate)
        self._since = now

    def _enforced(self, chunk: Chunk, costs: list[Any]) -> Chunk | None:
        """What finds its tokens, which it takes; what does not fails, and with it the stage."""
        self._fill()
        for place, cost in enumerate(costs):
            if self._tokens + EXACT < cost:
                error = RateExceeded(f"{self.ctx.name}: more than {self._rate:g}/s with a burst of {self._capacity:g}")
                good, bad = chunk.cut(place) if place else (None, chunk)
                bad.fail(named(self, error))
                self._fail(error)
                return good
            self._tokens -= cost
        return chunk

    def _advance(self) -> None:
        self._fill()
        if not self._held and self._failure is not None:
            fail_behind(self, self._failure)
        elif not self._held and self._finished:
            self.complete_stage()
        elif not self.is_free(OUT):
            self.pull_again(OUT)
        elif self.demand(OUT) > 0:
            ask = min(self.demand(OUT), CHUNK_ELEMENTS if self._enforcing else self._most) - len(self._costs) - self.requested(IN)
            if ask > 0 and not self._finished and self._failure is None:
                self.request(IN, ask)
            if self._held:
                self._release(min(self.demand(OUT), len(self._held[0])))

    def _release(self, most: int) -> None:
        """Push what has its tokens, or come back when the first has."""
        n = most if self._enforcing else self._paid(most)
        if n:
            chunk = self._held.popleft()
            if n < len(chunk):
                chunk, rest = chunk.cut(n)
                self._held.appendleft(rest)
            for _ in range(n):
                self._costs.popleft()
            self.push(OUT, chunk)
            self.pull_again(OUT)
            return
        need = min(self._costs[0], self._capacity)
        grain = max(need, min(self._rate * GRAIN, sum(self._costs), self._capacity))
        self.ctx.after(max(SHORTEST, (grain - self._tokens) / self._rate), "token")

    def _paid(self, most: int) -> int:
        """How many of the first find their tokens, which they take."""
        n = 0
        for cost in self._costs:
            if n == most or self._tokens + EXACT < min(cost, self._capacity):
                break
            self._tokens -= cost
            n += 1
        return n

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what waits."""
        settle_rest(self, list(self._held), error)
        self._held.clear()
        self._costs.clear()

    def residue(self) -> list[Chunk]:
        """What waits."""
        held = list(self._held)
        self._held.clear()
        self._costs.clear()
        return held
