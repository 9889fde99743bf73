"""prefix_and_tail: the first elements, and a source of the rest."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.units import Duration
from rt_edge.streams.stage import Hold, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._prefix_and_tail import PrefixAndTailLogic


class PrefixAndTail(Stage, frozen=True):
    """Emits one pair: a list of the first `count` elements, and a source of the rest, which is run once, in the same thread,
    as by `flat_map_concat`.

    The elements of the prefix are settled as dropped, `prefix`, when the pair goes out, those of the rest by what becomes of
    them.

    Emits when: `count` elements have arrived, or upstream has completed.
    Backpressures when: the source of the rest does, or does not run.
    Completes when: the pair was emitted; the source completes when upstream does.
    Cancels when: downstream cancels before the pair, the source is cancelled, or was not run within `timeout`.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        count: elements of the prefix; fewer if upstream completes before.
        timeout: how long the source may wait for being run.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    count: int
    timeout: Duration | float = 5.0

    def __post_init__(self) -> None:
        """Refuse a prefix of less than nothing."""
        at_least(0, count=self.count)
        at_least(0.001, timeout=self.timeout)

    def holds(self) -> Hold:
        """The prefix, then a chunk."""
        return Hold(max(self.count, CHUNK_ELEMENTS), None if self.count > 1 else 0.0)

    def create_logic(self) -> StageLogic:
        """A logic that waits for the prefix."""
        return PrefixAndTailLogic(self)
