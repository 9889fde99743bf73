"""latest_per_key: a table of what each key said last, at a period or when asked."""

from __future__ import annotations

from typing import ClassVar, Literal

from rt_edge.data.errors import ConfigError
from rt_edge.data.units import Duration
from rt_edge.streams.stage import IN, Hold, Inlet, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import Settle, at_least
from rt_edge.streams.stages._keys import Keyed
from rt_edge.streams.stages._latest_per_key import TRIGGER, LatestPerKeyLogic


class LatestPerKey(Keyed, frozen=True, kw_only=True):
    """Remembers the latest element of each key, and emits them all: every `every`, at each element of `trigger`, or on demand.

    What was emitted before is sent again as it is, a reading with `held` set; its receipt was settled with the first time.
    What is followed by another element of its key before an emission is settled as dropped, `replaced`. A period that ends
    while the emission before waits for demand is left out (counter `skipped`). Gap records are dropped, `gap`. What an origin
    emits again after a later one of its key has gone out goes out by itself, at once; in a `table` it has no place.

    Emits when: a period ends or a trigger comes, and there is a table; as a `table` without either: when something came.
    Backpressures when: downstream asks for nothing.
    Completes when: upstream completes and what was not emitted so far has gone out. The end of `trigger` ends nothing.
    Cancels when: downstream cancels.
    On restart: forgets the table; what of it was not emitted fails.

    Attributes:
        every: the period; 0: none.
        trigger: whether there is a second inlet, `trigger`, each element of which has the table emitted.
        emit: elements: each by itself. table: as one element, key -> element; it makes one element of several.
        settle: of a `table`; end: what is in it is settled when it is. early: what comes in is settled at once.
    """

    kind: ClassVar[str] = "latest_per_key"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    every: Duration | float = 0.0
    trigger: bool = False
    emit: Literal["elements", "table"] = "elements"
    settle: Settle = "end"

    def __post_init__(self) -> None:
        """Refuse a table that nobody asks for."""
        super().__post_init__()
        at_least(0, every=self.every)
        if not self.every and not self.trigger and self.emit == "elements":
            raise ConfigError("neither every nor trigger says when", "conflate emits the latest of each source on demand")

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """`in`, and `trigger` if there is one."""
        return (IN, TRIGGER) if self.trigger else (IN,)

    @property
    def combines(self) -> bool:  # type: ignore[override]  # a constant of most stages
        """As a table it makes one element of several."""
        return self.emit == "table"

    def holds(self) -> Hold:
        """One element a key, for a period."""
        if self.settle == "early":
            return Hold(0)
        return Hold(self.max_keys, float(self.every) if self.every else None)

    def create_logic(self) -> StageLogic:
        """A logic with the table."""
        return LatestPerKeyLogic(self)
