"""What a unit takes, learned from what it refuses and how long it needs: greatest block, gaps, single points, turnaround.

A block that a unit refuses with exception 2 or 3 is cut at its holes; without holes, in halves. That goes on until all parts are
answered or refused one by one, and then it is known why: all parts were answered, so the block was too long (the greatest length
is then searched by bisection, a refused request each time); or points do not exist, which are asked for alone from then on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from statistics import median
from typing import Any

from adapters.modbus.blocks import Block, Limits, Point, merge
from adapters.modbus.timing import Wire

SAMPLES = 15
"""Round trips of which the turnaround is the median; it is looked at again after as many."""

NOTICEABLE = 0.1
"""A hole that would change by less than this part, or by one register, stays: requests are cut anew for it."""

RELEARN = 600.0
"""Seconds after which a point that the unit refused is asked for again."""


class Trial:
    """A refused block and what becomes of its parts.

    Attributes:
        size: the shortest of its parts that was refused.
        most: the longest of its parts that was answered.
        open: parts that are not answered yet.
        failed: a single point was refused: its length was not what was wrong.
    """

    __slots__ = ("failed", "most", "open", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.most = 0
        self.open: set[tuple[int, int, int]] = set()
        self.failed = False


class Learned:
    """Of one unit.

    Args:
        limits: as in the settings; more is never asked at once.
        wire: of the channel, where holes follow from the turnaround; None where one of the two was set.

    Attributes:
        measures: whether `took` is of use.
        version: goes up whenever requests should be cut anew.
        changed: something was learned that is worth keeping over a restart.
    """

    def __init__(self, limits: Limits, wire: Wire | None) -> None:
        self._limits = limits
        self._wire = wire
        self.measures = wire is not None and wire.char > 0
        self._hole = limits.hole
        self._found = {True: (0, limits.bits + 1), False: (0, limits.registers + 1)}
        """For bits and registers: the longest block that was answered, the shortest that was refused for its length."""
        self._cuts: set[tuple[str, int]] = set()
        self._refused: dict[tuple[str, int], float] = {}
        self._forbidden: dict[tuple[int, int, int], float] = {}
        self._samples: deque[float] = deque(maxlen=SAMPLES)
        self._fresh = 0
        self.turnaround: float | None = None
        self.version = 0
        self.changed = False

    @property
    def limits(self) -> Limits:
        """What the next requests may have."""
        return Limits(self._longest(False), self._longest(True), self._hole)

    def _longest(self, bits: bool) -> int:
        most = self._limits.bits if bits else self._limits.registers
        answered, refused = self._found[bits]
        if refused > most:
            return most
        return max(1, answered, (answered + refused) // 2)

    def blocks(self, points: Iterable[Point]) -> list[Block]:
        """The requests for these points."""
        return merge(points, self.limits, self._cuts, self._refused)

    def refuses(self, block: Block, now: float) -> bool:
        """Whether this block need not be asked for: it was refused for good not long ago."""
        if self._refused and self._refused.get((block.table, block.address), 0.0) > now:
            return True
        return bool(self._forbidden) and self._forbidden.get(block.place, 0.0) > now

    def refused(self, block: Block, now: float) -> list[Block]:
        """The unit refused it as too long or not there: what to ask instead; [] if that is nothing."""
        holes = block.runs()
        trial = block.trial
        if trial is None or len(holes) > 1:
            trial = Trial(block.count)
        trial.open.discard(block.place)
        if len(holes) > 1:
            self._cuts |= {(part.table, part.address) for part in holes[1:]}
            self.changed = True
            return holes
        parts = block.halves()
        if not parts:
            self._alone(block, now)
            trial.failed = True
        else:
            trial.size = min(trial.size, block.count)
        for part in parts:
            part.trial = trial
            trial.open.add(part.place)
        self._judge(trial, block.bits)
        return parts

    def forbidden(self, block: Block, now: float) -> None:
        """The unit does not know the function: not asked for until RELEARN."""
        self._forbidden = {place: until for place, until in self._forbidden.items() if until > now}
        self._forbidden[block.place] = now + RELEARN

    def _alone(self, block: Block, now: float) -> None:
        key = (block.table, block.address)
        if key not in self._refused:
            self.version += 1
            self.changed = True
        self._refused[key] = now + RELEARN

    def answered(self, block: Block) -> None:
        """The unit answered it."""
        if self._refused and self._refused.pop((block.table, block.address), None) is not None:
            self.version += 1
            self.changed = True
        trial, block.trial = block.trial, None
        if trial is not None:
            trial.open.discard(block.place)
            trial.most = max(trial.most, block.count)
            self._judge(trial, block.bits)
        elif self._found[block.bits][1] <= (self._limits.bits if block.bits else self._limits.registers):
            self._is_answered(block.bits, block.count)

    def _is_answered(self, bits: bool, count: int) -> None:
        answered, refused = self._found[bits]
        if answered < count < refused:
            self._found[bits] = (count, refused)
            self.version += 1
            self.changed = True

    def _judge(self, trial: Trial, bits: bool) -> None:
        """All its parts are known: it was too long, unless a point was refused by itself."""
        if trial.open:
            return
        self.version += 1
        self.changed = True
        if not trial.failed:
            answered, refused = self._found[bits]
            refused = min(refused, trial.size)
            self._found[bits] = (min(max(answered, trial.most), refused - 1), refused)

    def took(self, request: int, reply: int, seconds: float) -> bool:
        """A request and its reply of so many bytes took so long; True if that changed the turnaround that is reckoned with."""
        if self._wire is None or not self._wire.char:
            return False
        wire = self._wire
        self._samples.append(max(0.0, seconds - wire.airtime(request) - wire.airtime(reply) - wire.silence))
        self._fresh += 1
        if self._fresh < SAMPLES:
            return False
        self._fresh = 0
        self.turnaround = median(self._samples)
        self._set_hole(wire.hole(self.turnaround))
        return True

    def _set_hole(self, hole: int) -> None:
        if abs(hole - self._hole) > max(1.0, NOTICEABLE * self._hole):
            self._hole = hole
            self.version += 1
            self.changed = True

    def save(self) -> dict[str, Any]:
        """What is worth keeping, as JSON values."""
        self.changed = False
        return {
            "registers": list(self._found[False]),
            "bits": list(self._found[True]),
            "cuts": sorted(self._cuts),
            "refused": sorted(self._refused),
            "turnaround_s": self.turnaround,
        }

    def load(self, kept: dict[str, Any]) -> None:
        """Begin with what `save` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        found = {bits: tuple(int(n) for n in kept[name]) for bits, name in ((False, "registers"), (True, "bits"))}
        cuts = {(str(table), int(address)) for table, address in kept["cuts"]}
        refused = {(str(table), int(address)): 0.0 for table, address in kept["refused"]}
        turnaround = kept["turnaround_s"]
        for bits, (answered, too_long) in found.items():
            if 0 <= answered < too_long:
                self._found[bits] = (answered, too_long)
        self._cuts, self._refused = cuts, refused
        if self._wire is not None and turnaround is not None:
            self.turnaround = float(turnaround)
            self._hole = self._wire.hole(self.turnaround)
        self.version += 1
