"""Rate: operators for who is faster than whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Self

from rt_edge.data.units import Duration
from rt_edge.streams.dsl.operators.continuation import A, Continuation, builds
from rt_edge.streams.stages._common import OnError
from rt_edge.streams.stages.buffer import Buffer, Overflow
from rt_edge.streams.stages.conflate import Conflate
from rt_edge.streams.stages.throttle import Throttle


class Rate(Continuation[A]):
    """Operators for who is faster than whom."""

    @builds(Buffer)
    def buffer(self, size: int, overflow: Overflow = "backpressure", name: str = "") -> Self:
        """Up to `size` elements wait here; `overflow` says what happens to one too many."""
        return self.via(Buffer(size=size, overflow=overflow), name)

    @builds(Conflate)
    def conflate(
        self,
        per: Literal["source", "stream"] = "source",
        aggregate: Callable[[A, A], A] | None = None,
        max_sources: int = 10_000,
        on_error: OnError = "stop",
        name: str = "",
    ) -> Self:
        """What comes while nobody asks becomes one element, or one a source."""
        return self.via(Conflate(per=per, aggregate=aggregate, max_sources=max_sources, on_error=on_error), name)

    @builds(Throttle)
    def throttle(
        self,
        elements: int,
        per: Duration | float = 1.0,
        burst: int = 0,
        mode: Literal["shaping", "enforcing"] = "shaping",
        name: str = "",
    ) -> Self:
        """At most `elements` in `per` seconds."""
        return self.via(Throttle(elements=elements, per=per, burst=burst, mode=mode), name)
