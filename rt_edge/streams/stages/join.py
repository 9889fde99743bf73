"""join: pairs of elements of two streams that have one key and come together in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from rt_edge.data.errors import ConfigError
from rt_edge.data.units import Duration
from rt_edge.streams.stage import Hold, Inlet, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import Settle, at_least
from rt_edge.streams.stages._join import LEFT, RIGHT, JoinLogic
from rt_edge.streams.stages._keys import ByKey


class Join(ByKey, frozen=True, kw_only=True):
    """Makes one reading of one of `left` and one of `right` that have the same key and whose times differ by at most `within`.

    Each is paired once, with the nearest in time that waits on the other side. The result has the source of the left one, the
    later time, all fields and tags (where both have one, the left's), and the worse quality. Gap records pass at once.

    Emits when: an element arrives whose partner waits; when the wait of one without a partner is over, if `unpaired` says so.
    Backpressures when: downstream does.
    Completes when: both inlets have completed and what is held has gone out.
    Cancels when: downstream cancels; both inlets.
    On restart: what waits fails.

    Attributes:
        within: greatest difference of the times of a pair.
        wait: how long an element waits for a partner, in time that passes here; 0: as long as `within`.
        unpaired: whose elements go out alone when no partner came; the others are settled as dropped, `unpaired`.
        right_prefix: put before the names of the right's fields.
        max_waiting: elements that wait for a partner, of all keys; beyond, the one that waits for longest waits no longer
            (counter `given_up`).
        function: (left, right) -> element, in the place of what is said above; elements that are no readings need it, and
            are paired whatever their times.
        settle: end: both are settled when their pair is. early: at once.
    """

    kind: ClassVar[str] = "join"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    combines: ClassVar[bool] = True

    within: Duration | float
    wait: Duration | float = 0.0
    unpaired: Literal["drop", "left", "right", "both"] = "drop"
    right_prefix: str = ""
    max_waiting: int = 1000
    function: Callable[[Any, Any], Any] | None = None
    settle: Settle = "end"

    def __post_init__(self) -> None:
        """Refuse no time and no room."""
        super().__post_init__()
        at_least(0.001, within=self.within)
        at_least(0, wait=self.wait)
        at_least(1, max_waiting=self.max_waiting)
        if self.function is not None and not callable(self.function):
            raise ConfigError("function has to be a function", "leave it out in a configuration")

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """`left`, `right`."""
        return (LEFT, RIGHT)

    def holds(self) -> Hold:
        """What waits for a partner, not longer than it may."""
        return Hold(0 if self.settle == "early" else self.max_waiting, float(self.wait or self.within))

    def create_logic(self) -> StageLogic:
        """A logic with what waits for a partner."""
        return JoinLogic(self)
