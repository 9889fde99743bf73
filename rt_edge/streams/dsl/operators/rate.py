"""Rate: operators for who is faster than whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, Literal, Self, TypeVar

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.units import Duration
from rt_edge.streams.drop_policy import DropPolicy
from rt_edge.streams.dsl.operators.continuation import A, B, Continuation, builds
from rt_edge.streams.stages._common import OnError, Settle
from rt_edge.streams.stages.aggregate_with_boundary import AggregateWithBoundary
from rt_edge.streams.stages.batch import Batch
from rt_edge.streams.stages.batch_weighted import BatchWeighted
from rt_edge.streams.stages.buffer import Buffer, Overflow
from rt_edge.streams.stages.conflate import Conflate
from rt_edge.streams.stages.conflate_with_seed import ConflateWithSeed
from rt_edge.streams.stages.expand import Expand
from rt_edge.streams.stages.throttle import Throttle

C = TypeVar("C")
"""What elements are added to."""


class Rate(Continuation[A]):
    """Operators for who is faster than whom."""

    @builds(Buffer)
    def buffer(self, size: int, overflow: Overflow = "backpressure", control: DropPolicy | None = None, name: str = "") -> Self:
        """Up to `size` elements wait here; `overflow`, or `control` while it runs, says what happens to one too many."""
        return self.via(Buffer(size=size, overflow=overflow, control=control), name)

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

    @builds(ConflateWithSeed)
    def conflate_with_seed(
        self, seed: Callable[[A], B], aggregate: Callable[[B, A], B], on_error: OnError = "stop", name: str = ""
    ) -> Continuation[B]:
        """What comes while nobody asks becomes one element of another kind."""
        return self._becomes(ConflateWithSeed(seed=seed, aggregate=aggregate, on_error=on_error), name)

    @builds(Batch)
    def batch(
        self,
        count: int = CHUNK_ELEMENTS,
        seed: Callable[[A], Any] | None = None,
        aggregate: Callable[[Any, A], Any] | None = None,
        settle: Settle = "end",
        on_error: OnError = "stop",
        name: str = "",
    ) -> Continuation[Any]:
        """What comes while nobody asks becomes one element (a list, unless functions are given), up to `count`; then upstream
        waits."""
        return self._becomes(Batch(count=count, seed=seed, aggregate=aggregate, settle=settle, on_error=on_error), name)

    @builds(BatchWeighted)
    def batch_weighted(
        self,
        weight: float,
        cost: str | Callable[[A], float],
        count: int = CHUNK_ELEMENTS,
        seed: Callable[[A], Any] | None = None,
        aggregate: Callable[[Any, A], Any] | None = None,
        settle: Settle = "end",
        on_error: OnError = "resume",
        name: str = "",
    ) -> Continuation[Any]:
        """`batch`, as long as it weighs `weight` at most."""
        stage = BatchWeighted(
            weight=weight, cost=cost, count=count, seed=seed, aggregate=aggregate, settle=settle, on_error=on_error
        )
        return self._becomes(stage, name)

    @builds(AggregateWithBoundary)
    def aggregate_with_boundary(
        self,
        allocate: Callable[[], C],
        aggregate: Callable[[C, A], tuple[C, bool]],
        harvest: Callable[[C], B],
        most: int = CHUNK_ELEMENTS,
        is_due: Callable[[C], bool] | None = None,
        every: Duration | float = 0.0,
        settle: Settle = "end",
        on_error: OnError = "stop",
        name: str = "",
    ) -> Continuation[B]:
        """One element of many, as long as `aggregate` says, or until `is_due`, which is asked `every` so many seconds."""
        stage = AggregateWithBoundary(
            allocate=allocate,
            aggregate=aggregate,
            harvest=harvest,
            most=most,
            is_due=is_due,
            every=every,
            settle=settle,
            on_error=on_error,
        )
        return self._becomes(stage, name)

    @builds(Expand)
    def expand(
        self,
        function: Callable[[A], Iterable[B]] | None = None,
        initial: Any = None,
        on_error: OnError = "stop",
        name: str = "",
    ) -> Continuation[B]:
        """The first of an iterable made of each element, and more of the last one while downstream asks and nothing comes."""
        return self._becomes(Expand(function=function, initial=initial, on_error=on_error), name)

    def extrapolate(
        self, function: Callable[[A], Iterable[A]], initial: Any = None, on_error: OnError = "stop", name: str = ""
    ) -> Self:
        """Each element, and more made of the last one while downstream asks and nothing comes: `expand`, the element first."""
        return self.via(Expand(function=lambda item: chain([item], function(item)), initial=initial, on_error=on_error), name)

    @builds(Throttle)
    def throttle(
        self,
        elements: int,
        per: Duration | float = 1.0,
        burst: int = 0,
        mode: Literal["shaping", "enforcing"] = "shaping",
        cost: str | Callable[[A], float] | None = None,
        on_error: OnError = "resume",
        name: str = "",
    ) -> Self:
        """At most `elements` in `per` seconds, or as many as `cost` so much."""
        return self.via(Throttle(elements=elements, per=per, burst=burst, mode=mode, cost=cost, on_error=on_error), name)
