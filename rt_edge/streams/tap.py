"""Tap: a look at any wire of a running engine; bounded, without demand of its own, and nothing the stream would wait for.

A tap keeps the latest elements that passed, up to a bound; what nobody took before newer ones came is counted and forgotten. It
has no receipt of them: whatever becomes of them in the tap changes nothing. The engine's part is one loop over an empty tuple for
each chunk of a wire that has no tap.

    with open_tap(engine, "filter -> to hq") as tap:
        ...
        print(tap.take(10), tap.dropped)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rt_edge.data.errors import ConfigError

if TYPE_CHECKING:
    from rt_edge.streams.engine import Engine
    from rt_edge.streams.wire import Wire

MOST = 1024
"""Elements that a tap keeps, at most."""

TAPS = 16
"""Taps of one wire, at most."""


class Tap:
    """One look at one wire; made by `open_tap`, used in the engine's thread.

    Args:
        wire: of a running engine.
        most: elements kept.

    Attributes:
        passed: elements that have passed since it was opened.
        dropped: of these, those that were forgotten before anybody took them.
    """

    __slots__ = ("_kept", "_wire", "dropped", "passed")

    def __init__(self, wire: Wire, most: int) -> None:
        self._wire: Wire | None = wire
        self._kept: deque[Any] = deque(maxlen=most)
        self.passed = 0
        self.dropped = 0

    def saw(self, items: Sequence[Any]) -> None:
        """From the engine: these pass."""
        kept = self._kept
        self.passed += len(items)
        self.dropped += max(0, len(kept) + len(items) - (kept.maxlen or 0))
        kept.extend(items)

    def take(self, n: int = MOST) -> list[Any]:
        """The oldest `n` that are kept, or as many as there are."""
        kept = self._kept
        return [kept.popleft() for _ in range(min(n, len(kept)))]

    def close(self) -> None:
        """Look no more; may be called twice."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.taps = tuple(tap for tap in wire.taps if tap is not self)
        self._kept.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_tap(engine: Engine, wire: str, most: int = 256) -> Tap:
    """Look at the wire of that name.

    Raises:
        ConfigError: there is no such wire (the error names those there are), `most` is not 1 to 1,024, or 16 look already.
    """
    if not 1 <= most <= MOST:
        raise ConfigError(f"a tap keeps 1 to {MOST} elements, not {most}")
    found = next((one for one in engine.wires if one.name == wire), None)
    if found is None:
        raise ConfigError(f"there is no wire {wire!r}", "wires: " + ", ".join(repr(one.name) for one in engine.wires))
    if len(found.taps) >= TAPS:
        raise ConfigError(f"{TAPS} taps look at {wire!r} already", "end one of them")
    tap = Tap(found, most)
    found.taps = (*found.taps, tap)
    return tap
