"""debounce: the latest element of a key when the key has been quiet."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, ClassVar

from rt_edge.data.units import Duration
from rt_edge.streams.stage import Hold, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._keys import Keyed
from rt_edge.streams.stages._latest import LatestLogic

DEBOUNCED = "debounced"
"""The reason of what was followed too soon by another."""

GRAIN = 0.001
"""Seconds by which a timer may be early."""


class Debounce(Keyed, frozen=True, kw_only=True):
    """Emits the latest element of a key once nothing has come of that key for `quiet`.

    What is followed by another element of its key in less than that is settled as dropped, `debounced`; with too many keys the
    one that has been quiet for longest is dropped, `evicted`. Time is that of arrival. Gap records pass at once, and
    what an origin emits again.

    Emits when: a key has been quiet for `quiet`, or has had an element waiting for `max_wait`.
    Backpressures when: downstream asks for nothing; what is due then is still replaced by what comes.
    Completes when: upstream completes and what waits has gone out, without waiting longer.
    Cancels when: downstream cancels.
    On restart: what waits fails.

    Attributes:
        quiet: how long nothing may have come.
        max_wait: a key that is never quiet emits its latest element this long after the first one that waited; at least
            `quiet`; 0: it waits until the key is quiet.
    """

    kind: ClassVar[str] = "debounce"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    quiet: Duration | float
    max_wait: Duration | float = 0.0

    def __post_init__(self) -> None:
        """Refuse no time."""
        super().__post_init__()
        at_least(GRAIN, quiet=self.quiet)
        if self.max_wait:
            at_least(float(self.quiet), max_wait=self.max_wait)

    def holds(self) -> Hold:
        """One element a key; each is replaced or due within `quiet`."""
        return Hold(self.max_keys, float(self.quiet))

    def create_logic(self) -> StageLogic:
        """A logic with what waits."""
        return _Logic(self)


class _Logic(LatestLogic):
    def __init__(self, stage: Debounce) -> None:
        super().__init__(stage, DEBOUNCED)
        self._quiet = float(stage.quiet)
        self._max_wait = float(stage.max_wait)
        self._last: dict[Any, float] = {}
        self._first: OrderedDict[Any, float] = OrderedDict()
        self._timed = False

    def note_arrived(self, key: Any, is_new: bool) -> None:
        now = self.ctx.clock.monotonic()
        self.waiting.move_to_end(key)  # so the first is the one that is quiet for longest
        self._last[key] = now
        if is_new and self._max_wait:
            self._first[key] = now

    def note_gone(self, key: Any) -> None:
        self._last.pop(key, None)
        self._first.pop(key, None)

    def due(self) -> Iterator[Any]:
        now = self.ctx.clock.monotonic()
        quiet = set()
        for key in self.waiting:
            if now - self._last[key] < self._quiet - GRAIN:
                break
            quiet.add(key)
            yield key
        for key, since in self._first.items():
            if now - since < self._max_wait - GRAIN:
                break
            if key not in quiet:
                yield key

    def set_timer(self) -> None:
        if self._timed or not self.waiting:
            return
        now = self.ctx.clock.monotonic()
        at = self._last[next(iter(self.waiting))] + self._quiet
        if self._first:
            at = min(at, next(iter(self._first.values())) + self._max_wait)
        if at - now > GRAIN / 2:  # what is due already waits for demand
            self._timed = True  # later arrivals only move it away
            self.ctx.after(at - now, "quiet")

    def on_timer(self, key: object) -> None:
        self._timed = False
        super().on_timer(key)
