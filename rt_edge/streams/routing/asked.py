"""Asked: the seam between a stream and whoever answers questions and has room for so many: a router, an actor elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Told = Callable[[Any, BaseException | None], None]
"""Called once with (answer, error), in the thread of the stream; also before `ask` has returned."""


class Asked(Protocol):
    """Answers questions; all calls from the thread of the stream."""

    def credit(self) -> int:
        """Questions that can be asked now: of a router, what its routees have room for."""
        ...

    def ask(self, question: Any, told: Told) -> Callable[[], None]:
        """Ask. Exactly one answer comes, in time, or an error.

        Returns:
            What gives the question up: `told` is not called then.
        """
        ...

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` when `credit` may have become more. Returns what ends this."""
        ...
