"""expand: more elements where downstream is faster than upstream."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.streams.stage import Hold, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import UserCode
from rt_edge.streams.stages._extrapolating import ExtrapolateLogic


class Expand(UserCode, frozen=True):
    """Makes an iterable of each element and emits its first; the others as long as downstream asks and no further element comes.

    What is added has no receipt; an element with an empty iterable is settled as dropped, `filtered`. Additions go out one at a
    time, and between two of them upstream has its turn; an endless iterable and unbounded demand make an endless stream.

    Emits when: an element arrives, and when downstream asks for more than has come, as long as the last iterable lasts.
    Backpressures when: downstream does.
    Completes when: upstream completes and the first of the last iterable has gone out.
    Cancels when: downstream cancels.
    On restart: keeps no state but the last iterable, and that is given up.

    Attributes:
        function: element -> iterable of elements, may be infinite; None: the element again and again.
        initial: what to emit by its iterable until the first element comes; None: nothing.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    function: Callable[[Any], Iterable[Any]] | None = None
    initial: Any = None

    def holds(self) -> Hold:
        """What was asked for and finds its demand used up by what was added; it does not wait for further elements."""
        return Hold(CHUNK_ELEMENTS, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with the last iterable."""
        return ExtrapolateLogic(self)
