"""A simulated link between two nodes that delays, cuts, stays half open, and on demand loses, repeats and reorders.

It keeps what `rt_edge`'s real link promises (frames in order within a connection, whole or not at all) unless `Faults` says
otherwise: then it is worse than the real one, which the delivery protocol has to stand as well.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from random import Random
from typing import NamedTuple, Protocol

import msgspec

from rt_edge.testkit.simulated_time import SimulatedTime


class Frame(NamedTuple):
    """What travels."""

    kind: str
    number: int
    data: bytes


class Side(enum.IntEnum):
    """The two ends."""

    EDGE = 0
    INGRESS = 1

    @property
    def other(self) -> Side:
        """The one across."""
        return Side(1 - self)


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """How bad it is.

    Attributes:
        delay: seconds a frame travels, at least and at most.
        loss: share of frames that vanish within a living connection (the real link never does that).
        repeat: share of frames delivered twice.
        reorder: share of frames that others may overtake.
        detect: seconds until a side learns of a cut, at most; the sides learn it apart.
    """

    delay: tuple[float, float] = (0.001, 0.02)
    loss: float = 0.0
    repeat: float = 0.0
    reorder: float = 0.0
    detect: float = 15.0


class End(Protocol):
    """What a side does with its end of the link."""

    def frame(self, frame: Frame) -> None:
        """A frame came."""
        ...

    def down(self, reason: str) -> None:
        """The connection is gone; called once, unless this side closed it."""
        ...


class FaultyLink:
    """One connection.

    Args:
        time: of the simulation.
        random: seeded.
        faults: how bad it is.
        edge, ingress: the ends.
    """

    KEPT = 8
    """Frames of each direction that are remembered for `replay`."""

    def __init__(self, time: SimulatedTime, random: Random, faults: Faults, edge: End, ingress: End) -> None:
        self.faults = faults
        self.frames = [0, 0]
        """Frames sent by each side."""
        self._time, self._random = time, random
        self._ends = (edge, ingress)
        self._told = [False, False]
        self._cut = False
        self._last = [0.0, 0.0]
        self._recent: tuple[list[Frame], list[Frame]] = ([], [])

    def send(self, side: Side, frame: Frame) -> None:
        """Take a frame from `side`; on a cut link it vanishes, as it would in a socket's buffer."""
        self.frames[side] += 1
        recent = self._recent[side]
        recent.append(frame)
        del recent[: -self.KEPT]
        if self._cut or self._told[side] or self._random.random() < self.faults.loss:
            return
        self._carry(side, frame)
        if self._random.random() < self.faults.repeat:
            self._carry(side, frame)

    def replay(self, into: FaultyLink) -> None:
        """Deliver the last frames of this connection again, on another one: what a confused carrier might do."""
        for side in Side:
            for frame in self._recent[side]:
                into._carry(side, frame)

    def close(self, side: Side, reason: str) -> None:
        """`side` hangs up: what it sent before still arrives, then the other side learns it."""
        if self._told[side]:
            return
        self._told[side] = True
        if not self._cut:
            other = side.other
            at = max(self._last[side], self._time.now) + self.faults.delay[0]
            self._time.call_at(at, lambda: self._tell(other, reason))

    def cut(self, reason: str = "cut") -> None:
        """Everything under way vanishes, and each side learns it in its own time."""
        if self._cut:
            return
        self._cut = True
        for side in Side:
            self._time.call_later(self._random.uniform(0.0, self.faults.detect), self._teller(side, reason))

    def vanish(self, side: Side, at_once: bool) -> None:
        """The process on `side` is gone; the other learns it at once (its kernel says so) or late (its power is gone)."""
        self._told[side] = True
        if at_once:
            other = side.other
            self._time.call_later(self.faults.delay[0], lambda: self._tell(other, "reset"))
        else:
            self.cut("power")

    def _teller(self, side: Side, reason: str) -> Callable[[], None]:
        return lambda: self._tell(side, reason)

    def _tell(self, side: Side, reason: str) -> None:
        self._cut = True
        if not self._told[side]:
            self._told[side] = True
            self._ends[side].down(reason)
        other = side.other
        if not self._told[other]:
            self._time.call_later(self._random.uniform(0.0, self.faults.detect), self._teller(other, reason))

    def _carry(self, side: Side, frame: Frame) -> None:
        low, high = self.faults.delay
        at = self._time.now + self._random.uniform(low, high)
        if self._random.random() >= self.faults.reorder:
            at = self._last[side] = max(at, self._last[side])
        self._time.call_at(at, lambda: self._deliver(side.other, frame))

    def _deliver(self, side: Side, frame: Frame) -> None:
        if not self._cut and not self._told[side]:
            self._ends[side].frame(frame)
