"""scan_async: each intermediate result of a fold by a coroutine function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stage import OUT, Hold, Outlet, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import UserCode
from rt_edge.streams.stages._stepping import StepLogic


class ScanAsync(UserCode, frozen=True):
    """Emits `zero`, then for each element what a coroutine function makes of the result so far and of it, one after the other.

    Emits when: it is first asked, and when the coroutine of an element has ended.
    Backpressures when: downstream does, or a coroutine is under way.
    Completes when: upstream completes and the last coroutine has ended; `zero` is emitted before that in any case.
    Cancels when: downstream cancels; the coroutine that is under way is cancelled.
    On restart: the state is `zero` again; it is not emitted again.

    Attributes:
        zero: the first state; must not be changed by `function`, as all runs share it.
        function: (state, element) -> awaitable of the state; that is not None.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    comes_again: ClassVar[str] = "goes into the state once more"

    zero: Any
    function: Callable[[Any, Any], Awaitable[Any]]

    def holds(self) -> Hold:
        """The elements that wait for their turn; it does not wait for further elements."""
        return Hold(CHUNK_ELEMENTS, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with the state."""
        return _Logic(self, self.zero, self.function)


class _Logic(StepLogic):
    bound = CHUNK_ELEMENTS + 1

    def on_start(self) -> None:
        super().on_start()
        self._begun = False

    def on_pull(self, outlet: Outlet, n: int) -> None:
        if not self._begun:
            self._begin()
        super().on_pull(outlet, n)

    def _begin(self) -> None:
        self._begun = True
        self.out.put(Chunk([self.state]))
        if not self._over:
            self.pull_again(OUT)  # more may be wanted than the first state

    def stepped(self, piece: Chunk, states: Sequence[Any]) -> None:
        self.out.put(piece.replace(states))

    def done(self) -> None:
        if not self._begun:
            self._begin()
        super().done()
