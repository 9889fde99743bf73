"""A `ScanReport` that keeps everything, for tests of `DeviceAdapter.scan`."""

from __future__ import annotations

from random import Random

from rt_edge.data.clock import Clock, SystemClock
from rt_edge.sdk.discovery import Found


class RecordingReport:
    """What a scan said.

    Args:
        clock: for the scan; default: the system's.

    Attributes:
        seen: name -> what was said last.
        told: every report, in order.
        notes: in order.
        steps: (done, total, doing) of each `progress`.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.random = Random(1)  # noqa: S311  # a test repeats
        self.seen: dict[str, Found] = {}
        self.told: list[Found] = []
        self.notes: list[str] = []
        self.steps: list[tuple[float, float, str]] = []

    def found(self, found: Found) -> None:
        """See `ScanReport`."""
        self.seen[found.name] = found
        self.told.append(found)

    def note(self, text: str) -> None:
        """See `ScanReport`."""
        self.notes.append(text)

    def progress(self, done: float, total: float, doing: str) -> None:
        """See `ScanReport`."""
        self.steps.append((done, total, doing))
