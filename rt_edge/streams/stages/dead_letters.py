"""dead_letters: what fails further on comes out at a port of its own."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading
from rt_edge.streams.stage import OUT, Hold, Outlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._dead_letters import DEAD, DeadLettersLogic

MOST = 1_000_000
"""Elements under way, at most."""

NODE_TAG, ERROR_TAG = "dead.node", "dead.error"
"""Tags of a reading that is a dead letter."""


class DeadLetter(msgspec.Struct, frozen=True):
    """An element that failed.

    Attributes:
        element: as it went into the part of the graph in which it failed.
        node: graph node that had it last.
        error: why it failed.
    """

    element: Any
    node: str
    error: str


class DeadLetters(Stage, frozen=True):
    """Passes elements on at `out`; those that fail in what is behind it come out at `dead`, instead of failing towards their
    origin.

    A reading comes as a reading with the tags `dead.node` and `dead.error`; any other element as a `DeadLetter`. It carries the
    receipt of its element: what is stored behind `dead` counts as stored. What failed because an island died is no dead letter:
    its origin emits it again.

    Emits when: `out`: an element arrives. `dead`: an element that went out at `out` has failed.
    Backpressures when: `out` does, or `size` elements are under way or wait at `dead`.
    Completes when: `out`: upstream completes. `dead`: when besides all that went out has an outcome.
    Cancels when: `out` is cancelled; dead letters still go out.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        size: elements under way behind `out`, at most: what is behind it must not hold more (`check` says so).
    """

    kind: ClassVar[str] = "dead_letters"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    size: int = CHUNK_ELEMENTS

    def __post_init__(self) -> None:
        """Refuse no room."""
        at_least(1, size=self.size)
        if self.size > MOST:
            raise ConfigError(f"size is {self.size}, at most {MOST} elements can be under way")

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """`out`, `dead`."""
        return (OUT, DEAD)

    def holds(self) -> Hold:
        """The dead letters; it does not wait for further elements."""
        return Hold(self.size, 0.0)

    def lets_out(self) -> int:
        """What is behind `out` may hold no more, or nothing would go on."""
        return self.size

    def create_logic(self) -> StageLogic:
        """A logic that knows what is under way."""
        return DeadLettersLogic(self.size, dead_letter)


def dead_letter(element: Any, node: str, error: str) -> Any:
    """The record of an element that failed: a reading stays one."""
    if isinstance(element, Reading):
        return msgspec.structs.replace(element, tags={**element.tags, NODE_TAG: node, ERROR_TAG: error})
    return DeadLetter(element, node, error)
