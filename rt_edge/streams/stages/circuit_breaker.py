"""circuit_breaker: a call for each element, which is not made while what it calls keeps failing."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, ClassVar, Literal

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.errors import ConfigError
from rt_edge.data.units import Duration
from rt_edge.streams.breaker import BreakerLimits, Listener
from rt_edge.streams.stage import Hold, ReceiptUse, StageLogic
from rt_edge.streams.stages._breaking import BreakerLogic
from rt_edge.streams.stages._common import OnError, UserCode, at_least

Rejected = Literal["hold", "fail", "drop"]


class CircuitBreaker(UserCode, frozen=True, kw_only=True):
    """Replaces each element by what a function makes of it, which may fail for a while: a database, a service, a device.

    After `failures` calls in a row that raised or took longer than `call_timeout`, it is not called any more (open). After
    `reset_min` one call is made as a probe (half open): if it succeeds all is as before (closed), if not it is left alone for
    longer, up to `reset_max`. The state is in the counters: open if `breaker_opened` is more than `breaker_closed`, and half
    open if, besides, `breaker_probing` is as much as `breaker_opened` and `breaker_reopened` together.

    Emits when: the call for the next element, in order, has returned.
    Backpressures when: downstream does, or `parallelism` elements are inside; under `hold` those wait while it is open.
    Completes when: upstream completes and the last call has returned.
    Cancels when: downstream cancels; calls under way are cancelled.
    On restart: only the element concerned fails.

    Attributes:
        function: element -> awaitable of the element that takes its place; None is a failure (rule 2.13). A plain function may
            be given to the stage itself; its time cannot be limited.
        rejected: what becomes of elements while it is open. hold: they wait, and upstream is not asked, which no element is
            lost by. fail: they fail with `CircuitOpen`, and their origin emits them again. drop: dropped as `circuit_open`.
        failures: calls in a row that fail, until it opens.
        call_timeout: seconds a call may take; then it is cancelled and has failed.
        reset_min: seconds until the first probe.
        reset_max: longest time between two probes.
        growth: factor between the waits before two probes that fail.
        jitter: part of a wait that is drawn by lot.
        parallelism: calls under way at most; what comes out keeps the order of the elements.
        seed: of the lot; None: another one in each run.
        listener: called with (state before, state) at every change, in the stream's thread: it must not block.
        on_error: resume (the default): an element whose call fails fails alone. stop: the stream ends with the first.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    function: Callable[[Any], Any]
    rejected: Rejected = "hold"
    failures: int = 5
    call_timeout: Duration | float = 10.0
    reset_min: Duration | float = 1.0
    reset_max: Duration | float = 60.0
    growth: float = 2.0
    jitter: float = 0.25
    parallelism: int = 1
    seed: int | None = None
    listener: Listener | None = None
    on_error: OnError = "resume"

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        at_least(1, parallelism=self.parallelism)
        at_least(0.001, call_timeout=self.call_timeout)
        at_least(self.reset_min, reset_max=self.reset_max)
        if self.parallelism > CHUNK_ELEMENTS:
            raise ConfigError(f"parallelism is {self.parallelism}, it has to be at most {CHUNK_ELEMENTS}")
        _ = self.limits

    @property
    def limits(self) -> BreakerLimits:
        """Of its state machine."""
        return BreakerLimits(self.failures, float(self.reset_min), float(self.reset_max), self.growth, self.jitter)

    def holds(self) -> Hold:
        """What is called for; under `hold` each of them may wait for a probe of its own."""
        wait = float(self.reset_max) if self.rejected == "hold" else 0.0
        return Hold(self.parallelism, self.parallelism * (float(self.call_timeout) + wait))

    def create_logic(self) -> StageLogic:
        """A logic with a breaker."""
        return BreakerLogic(self, Random(self.seed))  # noqa: S311 - spreads probes
