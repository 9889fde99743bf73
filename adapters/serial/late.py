"""Replies that did not come in time and may still come: they must not be taken for the answer to something else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

MAX_LATE = 256
"""Replies that are waited for at a time; as many are only reached by commands, which wait then."""


class _Late(NamedTuple):
    begins: tuple[bytes, ...]
    until: float
    reads: Callable[[bytes], bool]


def alike(ours: Sequence[bytes], theirs: Sequence[bytes]) -> bool:
    """Whether some reply can begin as both say."""
    return any(a.startswith(b) or b.startswith(a) for a in ours for b in theirs)


class Lates:
    """The replies that are still to come on one line."""

    def __init__(self) -> None:
        self._lates: list[_Late] = []

    def expect(self, begins: tuple[bytes, ...], until: float, reads: Callable[[bytes], bool]) -> None:
        """A reply that begins like one of `begins`, and which `reads` takes for one, may come up to `until`."""
        self._lates.append(_Late(begins, until, reads))

    def awaited(self, now: float) -> bool:
        """Whether any of them may still come."""
        return any(late.until > now for late in self._lates)

    def take(self, payload: bytes) -> bool:
        """Whether this is one of them; it is waited for no longer then."""
        for late in self._lates:
            if payload.startswith(late.begins) and late.reads(payload):
                self._lates.remove(late)
                return True
        return False

    def free_at(self, begins: Sequence[bytes], now: float) -> float:
        """From when on something may be asked whose reply begins like one of `begins`; `now` or earlier if it may be."""
        self._lates = [late for late in self._lates if late.until > now]
        if len(self._lates) >= MAX_LATE:
            return self._lates[0].until
        return max((late.until for late in self._lates if alike(begins, late.begins)), default=now)
