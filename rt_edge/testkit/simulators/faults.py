"""What goes wrong with the frames of a simulated line: each kind with a share of the frames, decided by a seeded generator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

import msgspec


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of the frames, 0 to 1; of a frame only the first of them that chance takes happens.

    Attributes:
        silent: nothing is sent.
        late: it is sent `late_s` seconds later.
        garbled: one byte is another one.
        truncated: its end is missing.
        noise: garbage goes before it.
        late_s: seconds.
    """

    silent: float = 0.0
    late: float = 0.0
    garbled: float = 0.0
    truncated: float = 0.0
    noise: float = 0.0
    late_s: float = 1.0

    @property
    def any(self) -> bool:
        """Whether anything ever goes wrong."""
        return bool(self.silent or self.late or self.garbled or self.truncated or self.noise)


NO_FAULTS = Faults()


class FaultyLine:
    """Decides the fate of frames, and counts.

    Args:
        faults: the shares.
        random: decides.

    Attributes:
        counts: fate -> frames.
    """

    def __init__(self, faults: Faults, random: Random) -> None:
        self._faults = faults
        self._random = random
        self.counts: Counter[str] = Counter()

    def fate(self, frame: bytes) -> tuple[float, bytes]:
        """Seconds of delay, and what is sent; empty: nothing is."""
        draw = self._random.random()
        for name, share, change in (
            ("silent", self._faults.silent, _nothing),
            ("late", self._faults.late, _whole),
            ("garbled", self._faults.garbled, self._garbled),
            ("truncated", self._faults.truncated, self._truncated),
            ("noise", self._faults.noise, self._noise),
        ):
            if draw < share:
                self.counts[name] += 1
                return self._faults.late_s if name == "late" else 0.0, change(frame)
            draw -= share
        self.counts["good"] += 1
        return 0.0, frame

    def mangler(self, delay: Callable[[float], None]) -> Callable[[bytes], list[bytes]]:
        """For `SlaveUnit.mangle`; `delay` is told how late the reply is before it is sent."""

        def mangle(frame: bytes) -> list[bytes]:
            late, sent = self.fate(frame)
            delay(late)
            return [sent] if sent else []

        return mangle

    def _garbled(self, frame: bytes) -> bytes:
        at = self._random.randrange(len(frame))
        return frame[:at] + bytes((frame[at] ^ 1 << self._random.randrange(8),)) + frame[at + 1 :]

    def _truncated(self, frame: bytes) -> bytes:
        return frame[: self._random.randrange(len(frame))]

    def _noise(self, frame: bytes) -> bytes:
        return self._random.randbytes(self._random.randint(1, 8)) + frame


def _nothing(_: bytes) -> bytes:
    return b""


def _whole(frame: bytes) -> bytes:
    return frame
