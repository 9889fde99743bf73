"""downsample: fewer readings that look like many."""

from __future__ import annotations

from typing import ClassVar, Literal

from rt_edge.data.errors import ConfigError
from rt_edge.data.units import Duration
from rt_edge.streams.stage import Hold, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import Settle, at_least
from rt_edge.streams.stages._downsample import DownsampleLogic
from rt_edge.streams.stages._keys import ByKey


class Downsample(ByKey, frozen=True, kw_only=True):
    """Makes few readings of each `count` consecutive ones of a source, or of those of each span of `every`, by their own times.

    Except for `mean` readings go on as they are, with their own times, and the others are settled as dropped, `downsampled`.
    With several fields each has its say, so more may stay. Where no value is a number the last reading stays. Readings are
    taken in the order of arrival; one that is older than its span is in the span that is open. Gap records pass at once.

    Emits when: `count` readings are there, or one of a later span comes, or `max_wait` is over.
    Backpressures when: downstream does.
    Completes when: upstream completes and what is held has gone out.
    Cancels when: downstream cancels.
    On restart: what is held fails.

    Attributes:
        fields: the fields to look at.
        count: so many readings at a time; 0: see `every`.
        every: the readings of so much time; 0: see `count`.
        method: mean: one reading, of the first one's time, with the means of the fields and the last of all others. min_max:
            those with the least and the greatest value. lttb: largest triangle three buckets. first, last: one.
        keep: points that stay by lttb.
        max_wait: what is held goes out so long after its first reading arrived, in time that passes here; 0: it waits.
        max_elements: readings held, of all sources; beyond, the source that was silent for longest is not waited for (counter
            `closed_early`).
        settle: of `mean`; end: what went in is settled when the mean is. early: at once.
    """

    kind: ClassVar[str] = "downsample"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    fields: str | list[str]
    count: int = 0
    every: Duration | float = 0.0
    method: Literal["mean", "min_max", "lttb", "first", "last"] = "mean"
    keep: int = 2
    max_wait: Duration | float = 0.0
    max_elements: int = 10_000
    settle: Settle = "end"

    def __post_init__(self) -> None:
        """Refuse neither, and both."""
        super().__post_init__()
        at_least(0, count=self.count, every=self.every, max_wait=self.max_wait)
        at_least(1, max_elements=self.max_elements, fields=len(self.fields))
        at_least(2, keep=self.keep)
        if bool(self.count) == bool(self.every):
            raise ConfigError("either count or every has to be given", "like: {every: 1min}")
        if self.count > self.max_elements:
            raise ConfigError(f"count is {self.count}, more than max_elements, {self.max_elements}")
        if self.settle == "early" and self.method != "mean":
            raise ConfigError(f"{self.method} cannot settle early", "its readings go on as they are")

    @property
    def combines(self) -> bool:  # type: ignore[override]  # a constant of most stages
        """A mean is made of several."""
        return self.method == "mean"

    def holds(self) -> Hold:
        """What is collected."""
        return Hold(0 if self.settle == "early" else self.max_elements, float(self.max_wait) or None)

    def create_logic(self) -> StageLogic:
        """A logic with what is collected."""
        return DownsampleLogic(self)
