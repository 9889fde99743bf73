"""Windows: operators that make one element of what came in a span of time, by the elements' own times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Self

from rt_edge.data.units import Duration
from rt_edge.streams.dsl.operators.continuation import A, Continuation, builds
from rt_edge.streams.stages._common import OnError, Settle
from rt_edge.streams.stages._keys import MAX_KEYS, Per
from rt_edge.streams.stages._windowing import Aggregates, Times
from rt_edge.streams.stages.downsample import Downsample
from rt_edge.streams.stages.session_window import SessionWindow
from rt_edge.streams.stages.sliding_window import SlidingWindow
from rt_edge.streams.stages.tumbling_window import TumblingWindow


class Windows(Continuation[A]):
    """Operators that make one element of what came in a span of time, by the elements' own times.

    With `late="outlet"` a stage has two outlets: add it to a `Graph`, these methods make linear streams.
    """

    @builds(TumblingWindow)
    def tumbling_window(
        self,
        size: Duration | float,
        offset: Duration | float = 0.0,
        aggregate: Aggregates = "mean",
        lateness: Duration | float = 0.0,
        late: Literal["drop", "outlet"] = "drop",
        idle: Duration | float = 0.0,
        max_ahead: Duration | float = 3600.0,
        max_windows: int = 10_000,
        max_elements: int = 100_000,
        time: Times = "ts",
        zero: Any = None,
        function: Callable[[Any, A], Any] | None = None,
        combine: Callable[[Any, Any], Any] | None = None,
        settle: Settle = "end",
        per: Per = "source",
        max_keys: int = MAX_KEYS,
        on_error: OnError = "resume",
        name: str = "",
    ) -> Continuation[Any]:
        """Aggregates, or a fold, of each span of `size`, of each key."""
        stage = TumblingWindow(
            size=size,
            offset=offset,
            aggregate=aggregate,
            lateness=lateness,
            late=late,
            idle=idle,
            max_ahead=max_ahead,
            max_windows=max_windows,
            max_elements=max_elements,
            time=time,
            zero=zero,
            function=function,
            combine=combine,
            settle=settle,
            per=per,
            max_keys=max_keys,
            on_error=on_error,
        )
        return self._becomes(stage, name)

    @builds(SlidingWindow)
    def sliding_window(
        self,
        size: Duration | float,
        every: Duration | float,
        aggregate: Aggregates = "mean",
        lateness: Duration | float = 0.0,
        late: Literal["drop", "outlet"] = "drop",
        idle: Duration | float = 0.0,
        max_ahead: Duration | float = 3600.0,
        max_windows: int = 10_000,
        max_elements: int = 100_000,
        time: Times = "ts",
        zero: Any = None,
        function: Callable[[Any, A], Any] | None = None,
        combine: Callable[[Any, Any], Any] | None = None,
        settle: Settle = "end",
        per: Per = "source",
        max_keys: int = MAX_KEYS,
        on_error: OnError = "resume",
        name: str = "",
    ) -> Continuation[Any]:
        """Aggregates, or a fold, of each span of `size`, every `every`, of each key."""
        stage = SlidingWindow(
            size=size,
            every=every,
            aggregate=aggregate,
            lateness=lateness,
            late=late,
            idle=idle,
            max_ahead=max_ahead,
            max_windows=max_windows,
            max_elements=max_elements,
            time=time,
            zero=zero,
            function=function,
            combine=combine,
            settle=settle,
            per=per,
            max_keys=max_keys,
            on_error=on_error,
        )
        return self._becomes(stage, name)

    @builds(SessionWindow)
    def session_window(
        self,
        gap: Duration | float,
        aggregate: Aggregates = "mean",
        lateness: Duration | float = 0.0,
        late: Literal["drop", "outlet"] = "drop",
        idle: Duration | float = 0.0,
        max_ahead: Duration | float = 3600.0,
        max_windows: int = 10_000,
        max_elements: int = 100_000,
        time: Times = "ts",
        zero: Any = None,
        function: Callable[[Any, A], Any] | None = None,
        combine: Callable[[Any, Any], Any] | None = None,
        settle: Settle = "end",
        per: Per = "source",
        max_keys: int = MAX_KEYS,
        on_error: OnError = "resume",
        name: str = "",
    ) -> Continuation[Any]:
        """Aggregates, or a fold, of what comes without a longer gap, of each key."""
        stage = SessionWindow(
            gap=gap,
            aggregate=aggregate,
            lateness=lateness,
            late=late,
            idle=idle,
            max_ahead=max_ahead,
            max_windows=max_windows,
            max_elements=max_elements,
            time=time,
            zero=zero,
            function=function,
            combine=combine,
            settle=settle,
            per=per,
            max_keys=max_keys,
            on_error=on_error,
        )
        return self._becomes(stage, name)

    @builds(Downsample)
    def downsample(
        self,
        fields: str | list[str],
        count: int = 0,
        every: Duration | float = 0.0,
        method: Literal["mean", "min_max", "lttb", "first", "last"] = "mean",
        keep: int = 2,
        max_wait: Duration | float = 0.0,
        max_elements: int = 10_000,
        settle: Settle = "end",
        per: Per = "source",
        on_error: OnError = "resume",
        name: str = "",
    ) -> Self:
        """Few readings of each `count`, or of each span of `every`: means, extremes, or what an eye would see."""
        stage = Downsample(
            fields=fields,
            count=count,
            every=every,
            method=method,
            keep=keep,
            max_wait=max_wait,
            max_elements=max_elements,
            settle=settle,
            per=per,
            on_error=on_error,
        )
        return self.via(stage, name)
