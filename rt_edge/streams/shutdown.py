"""Ordered shutdown: parts end phase by phase, each phase with a deadline, and at the end it is known what was left.

A state machine without I/O: who drives it has the clock and the parts, hands in what happens, and does what comes out.

    sources   nothing more comes in: they ask their devices for nothing, and what they emitted is settled
    graphs    what is still in them goes through, and they end
    spools    durable ends write what they hold
    uplinks   what is stored is delivered for a moment, then connections are closed

A node's guardian uses these phases (`rt_edge.actors.stopping`); another program may have its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

import msgspec

from rt_edge.data.errors import ConfigError

PhaseName = Literal["sources", "graphs", "spools", "uplinks"]
NAMES: tuple[PhaseName, ...] = get_args(PhaseName)

PARTS = 10_000
"""Parts of a phase, at most."""


class Phase(msgspec.Struct, frozen=True):
    """One step of a shutdown.

    Attributes:
        name: short word.
        seconds: how long it may take; then the next begins without those that are late.
    """

    name: str
    seconds: float


class Begin(msgspec.Struct, frozen=True):
    """To be done: tell these parts that the phase has begun for them; they answer with `done`.

    Attributes:
        phase: its name.
        parts: in the order in which they were given.
        deadline: monotonic seconds; `tick` is to be called then.
    """

    phase: str
    parts: tuple[str, ...]
    deadline: float


class PhaseReport(msgspec.Struct, frozen=True):
    """How a phase ended.

    Attributes:
        phase: its name.
        seconds: how long it took.
        left: part -> elements it had to leave where they were; parts that left none are not named.
        late: parts that had not answered at the deadline.
    """

    phase: str
    seconds: float
    left: dict[str, int]
    late: tuple[str, ...]

    def __str__(self) -> str:
        left = "".join(f", {n} elements left in {part}" for part, n in self.left.items())
        late = f", no answer from {', '.join(self.late)}" if self.late else ""
        return f"{self.phase} ended after {self.seconds:.3g} s{left}{late}"


class Shutdown:
    """One shutdown.

    Args:
        phases: in order.
        parts: phase -> its parts; a part may stand in several phases. A phase without parts ends at once.

    Raises:
        ConfigError: parts of a phase that is none, two phases of one name, no time, or too many parts.
    """

    def __init__(self, phases: Sequence[Phase], parts: Mapping[str, Iterable[str]]) -> None:
        names = [phase.name for phase in phases]
        if len(set(names)) < len(names):
            raise ConfigError("two phases have one name")
        if unknown := set(parts) - set(names):
            raise ConfigError(f"there is no phase {', '.join(sorted(unknown))}", f"there are {', '.join(names)}")
        if any(not phase.seconds > 0 for phase in phases):
            raise ConfigError("a phase has no time")
        self._phases = tuple(phases)
        self._parts = {name: tuple(dict.fromkeys(parts.get(name, ()))) for name in names}
        if any(len(of) > PARTS for of in self._parts.values()):
            raise ConfigError(f"a phase has more than {PARTS} parts")
        self._at = -1
        self._began = 0.0
        self._waiting: dict[str, None] = {}
        self._left: dict[str, int] = {}
        self._reports: list[PhaseReport] = []

    @property
    def begun(self) -> bool:
        """Whether `begin` was called."""
        return self._at >= 0

    @property
    def finished(self) -> bool:
        """Whether all phases have ended."""
        return self._at >= len(self._phases)

    @property
    def phase(self) -> str:
        """The phase of now; "" before and after."""
        return self._phases[self._at].name if 0 <= self._at < len(self._phases) else ""

    @property
    def deadline(self) -> float | None:
        """When `tick` is to be called, monotonic seconds; None before and after."""
        return self._began + self._phases[self._at].seconds if self.phase else None

    @property
    def reports(self) -> tuple[PhaseReport, ...]:
        """Of the phases that have ended."""
        return tuple(self._reports)

    @property
    def left(self) -> int:
        """Elements left in all phases that have ended."""
        return sum(sum(report.left.values()) for report in self._reports)

    def begin(self, now: float) -> tuple[Begin, ...]:
        """Begin with the first phase; nothing happens if it has begun: a second signal changes nothing."""
        return () if self.begun else self._next(now)

    def done(self, part: str, now: float, left: int = 0, phase: str = "") -> tuple[Begin, ...]:
        """`part` has ended its part of a phase (of `phase`, if it says so: late answers to an earlier one count for nothing)."""
        if part not in self._waiting or (phase and phase != self.phase):
            return ()
        del self._waiting[part]
        if left:
            self._left[part] = left
        return () if self._waiting else self._over(now)

    def gone(self, part: str, now: float) -> tuple[Begin, ...]:
        """`part` has died: nobody waits for it any more, in this phase and in later ones."""
        self._parts = {name: tuple(p for p in of if p != part) for name, of in self._parts.items()}
        return self.done(part, now)

    def tick(self, now: float) -> tuple[Begin, ...]:
        """Time has passed: a phase whose deadline is over ends without those that are late."""
        deadline = self.deadline
        return () if deadline is None or now < deadline else self._over(now)

    def _over(self, now: float) -> tuple[Begin, ...]:
        self._reports.append(PhaseReport(self.phase, now - self._began, dict(self._left), tuple(self._waiting)))
        return self._next(now)

    def _next(self, now: float) -> tuple[Begin, ...]:
        self._began = now
        self._left, self._waiting = {}, {}
        self._at += 1
        while not self.finished:
            phase = self._phases[self._at]
            parts = self._parts[phase.name]
            if parts:
                self._waiting = dict.fromkeys(parts)
                return (Begin(phase.name, parts, now + phase.seconds),)
            self._reports.append(PhaseReport(phase.name, 0.0, {}, ()))
            self._at += 1
        return ()
