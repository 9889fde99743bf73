"""What a tree of processes costs, by /proc: CPU seconds, memory (PSS), processes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

TICK = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> set[int]:
    """A process and all below it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def cpu_by_pid(pids: set[int]) -> dict[int, float]:
    """User and system seconds of each process that lives."""
    found = {}
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[pid] = (int(fields[11]) + int(fields[12])) / TICK
    return found


def pss_mib(pids: set[int]) -> float:
    """Proportional set size of all of them."""
    total = 0
    for pid in pids:
        try:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except OSError:
            continue
    return total / 1024


@dataclass
class Used:
    """What was used between two looks."""

    seconds: float
    cpu: float
    by_pid: dict[int, float]

    @property
    def percent(self) -> float:
        """Of one core."""
        return 100 * self.cpu / self.seconds if self.seconds else 0.0


class Meter:
    """Counts from its creation on.

    Args:
        pid: the process on top.
    """

    def __init__(self, pid: int) -> None:
        self._pids = family(pid)
        self._before = cpu_by_pid(self._pids)
        self._start = monotonic()

    def used(self) -> Used:
        """Since the start; processes that have ended meanwhile are not in it."""
        seconds = monotonic() - self._start
        by_pid = {pid: cpu - self._before.get(pid, 0.0) for pid, cpu in cpu_by_pid(self._pids).items()}
        return Used(seconds, sum(by_pid.values()), by_pid)


def percentile(values: list[float], part: float) -> float:
    """The value below which `part` of them lie; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def load() -> str:
    """The machine's load average, to be printed beside every figure."""
    return " ".join(f"{each:.1f}" for each in os.getloadavg())
