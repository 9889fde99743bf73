"""Window: a span of event time of one key, and what has come into it so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Content(Protocol):
    """What a window makes of its elements."""

    def merge(self, other: Any) -> None:
        """Take over what `other`, of the same kind, has; two sessions became one."""
        ...


class Window:
    """A span of event time of one key; `start` <= time < `end`.

    Args:
        key: whose.
        start: nanoseconds since 1970 UTC.
        end: nanoseconds since 1970 UTC.
        content: what its elements become.

    Attributes:
        n: elements in it.
        parts: what the stage keeps for it: the receipts of its elements.
        into: the window that took this one over, where two sessions became one.
    """

    __slots__ = ("content", "end", "into", "key", "n", "parts", "start")

    def __init__(self, key: Any, start: int, end: int, content: Content) -> None:
        self.key = key
        self.start = start
        self.end = end
        self.content = content
        self.n = 0
        self.parts: list[Any] = []
        self.into: Window | None = None

    def absorb(self, other: Window) -> None:
        """Take over another window of the same key."""
        self.start = min(self.start, other.start)
        self.end = max(self.end, other.end)
        self.n += other.n
        self.parts += other.parts
        self.content.merge(other.content)
        other.parts = []
        other.into = self

    def final(self) -> Window:
        """The window in which this one is now."""
        window = self
        while window.into is not None:
            window = window.into
        return window

    def __repr__(self) -> str:
        return f"Window({self.key!r} {self.start}..{self.end} n={self.n})"


MakeContent = Callable[[], Content]
