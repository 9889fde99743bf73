"""Until when each unit's readings are known to be stored, over the death of the process: where the next life's gap begins.

For adapters whose devices do not send again: polled and volatile ones.
"""

from __future__ import annotations

from collections import deque

import msgspec

from rt_edge.sdk.adapter import AdapterContext

FILE = "seen.json"
"""In the adapter's own directory."""

SAVE_EVERY = 5.0
"""Seconds between writes, without fsync: it is for the death of the process; after a power cut the gap may begin earlier. The
first reading of each source in a life is written down at once: else lives shorter than this would leave holes unsaid."""

MAX_UNSETTLED = 16_384
"""Readings whose settlement is waited for; of older ones only the number is kept: a gap begins earlier then, never later."""


class Seen:
    """Time of the newest stored reading of each source. What is wrong with its file is counted (`seen_problems`) and logged.

    Args:
        context: of the adapter.
    """

    __slots__ = ("_context", "_dirty", "_first", "_known", "_path", "_saved", "_times", "_waiting")

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._path = context.data / FILE
        self._times: dict[str, int] = {}
        self._waiting: deque[tuple[str, int]] = deque(maxlen=MAX_UNSETTLED)
        self._first = 0  # number of the first in _waiting, counted from the first reading ever emitted
        self._saved = context.clock.monotonic()
        self._dirty = False
        self._known: set[str] = set()  # sources of which this life has written down a time

    def load(self) -> dict[str, int]:
        """What the life before left: source -> ns since 1970."""
        try:
            self._times = msgspec.json.decode(self._path.read_bytes(), type=dict[str, int])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError) as error:
            self._complain(f"{FILE} cannot be read, gaps begin with this life: {error}")
            return {}
        return dict(self._times)

    def emitted(self, source: str, ts: int) -> None:
        """One more reading was emitted."""
        if len(self._waiting) == MAX_UNSETTLED:
            self._first += 1
        self._waiting.append((source, ts))

    def settled(self, through: int) -> None:
        """The first `through` readings are stored."""
        fresh = False
        while self._waiting and self._first < through:
            source, ts = self._waiting.popleft()
            self._first += 1
            self._times[source] = ts
            self._dirty = True
            if source not in self._known:
                self._known.add(source)
                fresh = True
        now = self._context.clock.monotonic()
        if now - self._saved >= SAVE_EVERY or fresh:
            self._saved = now
            self.save()

    def save(self) -> None:
        """Write what is not yet written."""
        if not self._dirty:
            return
        self._dirty = False
        new = self._path.with_suffix(".new")
        try:
            new.write_bytes(msgspec.json.encode(self._times))
            new.replace(self._path)
        except OSError as error:
            self._complain(f"{FILE} cannot be written, the next gap may begin too early: {error}")

    def _complain(self, problem: str) -> None:
        self._context.count("seen_problems")
        self._context.log("warning", problem)
