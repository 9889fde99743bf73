"""What a fuzzed graph is watched with: sinks that check what they get, and an ear on the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.data.receipt import number_of
from rt_edge.data.weave import runs
from rt_edge.testkit.probes import SinkProbe
from rt_edge.testkit.random_graphs import End
from rt_edge.testkit.random_stages import Broken


class FuzzSink(SinkProbe):
    """A sink that checks what it gets; the engine would take an AssertionError for one of the stage, so they are noted."""

    def __init__(self, settle: Callable[[], None], keep: bool, end: End) -> None:
        super().__init__(settle, keep)
        self.end = end
        self.asked = 0
        self.wrong: list[str] = []
        self._seen: dict[str, tuple[set[Any], list[int]]] = {}

    def request(self, n: int, settle: bool = True) -> None:
        """Ask for `n` more."""
        self.asked += n
        super().request(n, settle)

    def take(self, chunk: Chunk) -> None:
        """Check it, and keep it."""
        if self.ended:
            self.wrong.append("an element after the end")
        if None in chunk.items:
            self.wrong.append("None is no element")
        for origin, marks in runs(chunk):
            if origin is not None:
                self._check_marks(origin.name, marks)
        super().take(chunk)
        if len(self.received) > self.asked:
            self.wrong.append(f"{len(self.received)} elements where {self.asked} were asked for")

    def _check_marks(self, origin: str, marks: list[Any]) -> None:
        seen, last = self._seen.setdefault(origin, (set(), [-1]))
        if not self.end.repeats and (seen & set(marks) or len(set(marks)) < len(marks)):
            self.wrong.append(f"elements of {origin} came twice: {marks}")
        seen.update(marks)
        if self.end.ordered:
            numbers = [*last, *map(number_of, marks)]
            if numbers != sorted(numbers):
                self.wrong.append(f"elements of {origin} overtook each other: {numbers}")
            last[0] = numbers[-1]


class Trouble(logging.Handler):
    """Hears of stages that are broken, or raise while they stop."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        if record.exc_info and not isinstance(record.exc_info[1], Broken):
            self.found.append(f"{record.getMessage()}: {record.exc_info[1]!r}")
