"""sample: the latest element of each key, at a period."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, ClassVar

from rt_edge.data.units import Duration
from rt_edge.streams.stage import Hold, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._keys import Keyed
from rt_edge.streams.stages._latest import LatestLogic

SAMPLED = "sampled"
"""The reason of what was followed by another within the period."""

GRAIN = 0.001
"""Shortest period, seconds."""


class Sample(Keyed, frozen=True, kw_only=True):
    """Emits every `every` the latest element of each key of which something has come since.

    What is followed by another element of its key before that is settled as dropped, `sampled`; with too many keys the one that
    waits for longest is dropped, `evicted`. Time is that of arrival, the periods begin when the graph does. Gap records pass
    at once, and what an origin emits again.

    Emits when: a period ends, for each key of which an element came.
    Backpressures when: downstream asks for nothing; what is due then is still replaced by what comes.
    Completes when: upstream completes and what waits has gone out, without waiting longer.
    Cancels when: downstream cancels.
    On restart: what waits fails.

    Attributes:
        every: the period.
    """

    kind: ClassVar[str] = "sample"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    shorthand: ClassVar[str] = "every"

    every: Duration | float

    def __post_init__(self) -> None:
        """Refuse no time."""
        super().__post_init__()
        at_least(GRAIN, every=self.every)

    def holds(self) -> Hold:
        """One element a key, for a period."""
        return Hold(self.max_keys, float(self.every))

    def create_logic(self) -> StageLogic:
        """A logic with what waits."""
        return _Logic(self)


class _Logic(LatestLogic):
    def __init__(self, stage: Sample) -> None:
        super().__init__(stage, SAMPLED)
        self._every = float(stage.every)
        self._due: dict[Any, None] = {}
        self._timed = False

    def on_start(self) -> None:
        super().on_start()
        self._start = self.ctx.clock.monotonic()

    def note_gone(self, key: Any) -> None:
        self._due.pop(key, None)

    def due(self) -> Iterator[Any]:
        return islice(self._due, None)

    def set_timer(self) -> None:
        if not self._timed and len(self.waiting) > len(self._due):
            self._timed = True
            passed = self.ctx.clock.monotonic() - self._start
            self.ctx.after(max(GRAIN / 2, self._every - passed % self._every), "period")

    def on_timer(self, key: object) -> None:
        self._timed = False
        self._due = dict.fromkeys(self.waiting)
        super().on_timer(key)
