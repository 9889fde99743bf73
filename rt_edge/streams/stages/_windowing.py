"""What the stages of windows in event time share: their parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.errors import ConfigError
from rt_edge.data.units import Duration
from rt_edge.streams.expression import compile_value
from rt_edge.streams.stage import OUT, Hold, Outlet, ReceiptUse
from rt_edge.streams.stages._common import Settle, at_least
from rt_edge.streams.stages._keys import Keyed
from rt_edge.streams.windows import Folded, ReadingAggregate, Windows, read_aggregates
from rt_edge.streams.windows.assigners import Assigner
from rt_edge.streams.windows.machine import Bounds

WINDOW_UNTIL = "rt_edge.window_until"
"""Tag of a reading that was made of a window: its end, nanoseconds since 1970 UTC; its beginning is the reading's time."""
LATE_OUT = Outlet("late", 1)
Times = str | Callable[[Any], int]
Aggregates = str | list[str] | dict[str, str | list[str]]


class Windowed(NamedTuple):
    """What a window with a fold emits.

    Attributes:
        key: whose window.
        start: nanoseconds since 1970 UTC.
        end: nanoseconds since 1970 UTC.
        value: the last state of the fold.
    """

    key: Any
    start: int
    end: int
    value: Any


class Windowing(Keyed, frozen=True, kw_only=True):
    """Base of the stages of windows in event time.

    Attributes:
        aggregate: field -> aggregate, or several: count, sum, mean, min, max, first, last, stddev. Without fields: of all
            fields that come, at most 256. The results are the fields `<field>_<aggregate>`.
        lateness: how long the watermark of a key stays behind the latest time that the key has shown. A window closes when the
            watermark reaches its end.
        late: drop: what comes for closed windows is dropped, `late`; what is too far ahead, `ahead`. outlet: it goes to the
            outlet `late`.
        idle: a key of which nothing has come for so long, in time that passes here, has its windows closed; 0: never. It
            should be longer than the period of its device, as what comes later for these windows is late.
        max_ahead: a time that is later than now by more than this, and later than its key can be by now, is not believed;
            0: every time is.
        max_windows: open windows, of all keys; the earliest of the key that is silent for longest closes early (counter
            `closed_early`).
        max_elements: elements held in open windows until the windows are settled, not counted under `settle: early`; beyond,
            windows close early, too.
        time: an expression or function for the time of an element, nanoseconds since 1970 UTC.
        zero: first state of `function`; must not be changed by it.
        function: (state, element) -> state, in the place of aggregates; `Windowed` is emitted.
        combine: (state, state) -> state, for sessions that become one.
        settle: end: what is in a window is settled when what came out of it is. early: what comes in is settled at once, and
            the window is volatile.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    combines: ClassVar[bool] = True

    aggregate: Aggregates = "mean"
    lateness: Duration | float = 0.0
    late: Literal["drop", "outlet"] = "drop"
    idle: Duration | float = 0.0
    max_ahead: Duration | float = 3600.0
    max_windows: int = 10_000
    max_elements: int = 100_000
    time: Times = "ts"
    zero: Any = None
    function: Any = None
    combine: Any = None
    settle: Settle = "end"

    def __post_init__(self) -> None:
        """Refuse aggregates that do not exist, and no room."""
        super().__post_init__()
        at_least(0, lateness=self.lateness, idle=self.idle, max_ahead=self.max_ahead)
        at_least(1, max_windows=self.max_windows, max_elements=self.max_elements)
        if isinstance(self.time, str):
            compile_value(self.time)
        if self.function is None:
            read_aggregates(self.aggregate)
        elif not callable(self.function):
            raise ConfigError("function has to be a function", "use aggregate in a configuration")

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """`out`, and `late` if late elements go there."""
        return (OUT, LATE_OUT) if self.late == "outlet" else (OUT,)

    @property
    def credit(self) -> int:
        """Elements asked for at a time."""
        return min(CHUNK_ELEMENTS, self.max_elements)

    def holds(self) -> Hold:
        """What is in open windows, for as long as they are open; and late elements that nobody has asked for so far."""
        late = self.credit if self.late == "outlet" else 0
        return Hold(late, 0.0) if self.settle == "early" else Hold(self.max_elements + late)

    def assigner(self) -> Assigner:
        """Which windows a time is in."""
        raise NotImplementedError

    def make_windows(self) -> Windows:
        """A fresh state machine."""
        wanted = read_aggregates(self.aggregate) if self.function is None else {}

        def make() -> Any:
            return ReadingAggregate(wanted) if self.function is None else Folded(self.zero, self.function, self.combine)

        ahead = nanoseconds(self.max_ahead) or None
        elements = None if self.settle == "early" else self.max_elements
        bounds = Bounds(self.max_keys, self.max_windows, elements, ahead)
        return Windows(self.assigner(), make, nanoseconds(self.lateness), bounds)


def nanoseconds(seconds: float) -> int:
    """The nearest whole number."""
    return round(seconds * 1e9)
