"""What listening and asking need of a port and of an event loop: tests have others, under time wound by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Port(Protocol):
    """What a poller needs of a port."""

    def write(self, data: bytes) -> None:
        """Send, without waiting."""
        ...

    def forget_unsent(self) -> None:
        """What is not sent yet need not be."""
        ...


class Line(Protocol):
    """What a listener needs of a port."""

    def pause(self) -> None:
        """Read nothing."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...

    def write(self, data: bytes) -> None:
        """Send, without waiting."""
        ...


class Handle(Protocol):
    """A call to come."""

    def cancel(self) -> None:
        """Let it not happen."""
        ...


class Timers(Protocol):
    """What is needed of an event loop; tests have one under time wound by hand."""

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Handle:
        """Call it in `delay` seconds."""
        ...
