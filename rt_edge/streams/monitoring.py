"""StreamMonitor: the state of a stream at a place, to be read from any thread."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["initialized", "running", "completed", "failed", "cancelled"]


class MonitorSnapshot(msgspec.Struct, frozen=True):
    """What a monitor saw.

    Attributes:
        state: initialized: no element so far. running: elements came. completed, failed, cancelled: it has ended so.
        elements: that came, over all runs.
        chunks: in which they came.
        runs: streams that began.
        last_ns: wall time of the last element, nanoseconds since 1970 UTC; 0: there was none.
        wanted: elements that downstream asked for and that have not come.
        error: what the last run failed with, as text.
    """

    state: State = "initialized"
    elements: int = 0
    chunks: int = 0
    runs: int = 0
    last_ns: int = 0
    wanted: int = 0
    error: str = ""


class StreamMonitor:
    """Counts what passes a place of a stream (`monitor` of the DSL). One stream writes; any thread may read `snapshot`.

    Args:
        name: for whoever shows it.
    """

    __slots__ = ("chunks", "elements", "error", "last_ns", "name", "runs", "state", "wanted")

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.state: State = "initialized"
        self.elements = self.chunks = self.runs = self.last_ns = self.wanted = 0
        self.error = ""

    def snapshot(self) -> MonitorSnapshot:
        """How it stands."""
        return MonitorSnapshot(self.state, self.elements, self.chunks, self.runs, self.last_ns, self.wanted, self.error)
