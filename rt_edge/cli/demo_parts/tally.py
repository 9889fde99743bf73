"""What has arrived upstream, counted from the store itself: which numbers, which twice, the last values."""

from __future__ import annotations

from pathlib import Path

import msgspec

from rt_edge.cli.demo_parts.publisher import wanted
from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading
from rt_edge.data.record import LaneId
from rt_edge.uplink.stores.query import StoreReader

MOST = 20_000_000
"""Highest number that is counted."""


class Arrived(msgspec.Struct):
    """What has arrived so far.

    Attributes:
        messages: different numbered messages.
        doubled: messages stored more than once, and counted polls stored more than once.
        unwanted: messages that the graph should have filtered out.
        others: readings of all other devices.
        gaps: gap records.
        last: source -> its last reading.
    """

    messages: int = 0
    doubled: int = 0
    unwanted: int = 0
    others: int = 0
    gaps: int = 0
    last: dict[str, Reading] = {}


class Tally:
    """Reads a store on, from where it was last time.

    Args:
        store: its file; may not be there at first.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._after: dict[LaneId, int] = {}
        self._seen = bytearray()
        self._polls: dict[str, int] = {}
        self._count = Arrived()

    def look(self) -> Arrived:
        """Read what is new, and return all counts."""
        if not self._store.exists():
            return self._count
        try:
            with StoreReader(self._store) as reader:
                for row in reader.rows(after=self._after):
                    self._after[row.lane] = row.last
                    if row.reading is not None:
                        self._take(row.reading)
                    elif row.kind == "gap":
                        self._count.gaps += 1
        except ConfigError:
            return self.count  # the upstream node is making it
        return self.count

    @property
    def count(self) -> Arrived:
        """All counts, as of the last look."""
        return msgspec.structs.replace(self._count, last=dict(self._count.last))

    def _take(self, reading: Reading) -> None:
        count = self._count
        count.last[reading.source] = reading
        n = reading.fields.get("n")
        if isinstance(n, int):
            fresh = self._first_time(n)
            count.messages += fresh
            count.doubled += not fresh
            count.unwanted += not wanted(n)
        else:
            count.others += 1
            count.doubled += self._again(reading)

    def missing(self, published: int) -> list[int]:
        """Numbers of 0..published-1 that should be there and are not."""
        return [n for n in range(published) if wanted(n) and not (n < len(self._seen) and self._seen[n])]

    def _first_time(self, n: int) -> bool:
        if not 0 <= n < MOST:
            return False
        if n >= len(self._seen):
            self._seen.extend(bytes(n + 1 - len(self._seen) + 100_000))
        was, self._seen[n] = self._seen[n], 1
        return not was

    def _again(self, reading: Reading) -> bool:
        """Whether a polled reading was stored before: the slaves count their polls, so none can be like another."""
        polls = reading.fields.get("polls")
        if not isinstance(polls, int) or reading.held:
            return False
        last = self._polls.get(reading.source, -1)
        self._polls[reading.source] = polls
        return polls <= last and not (last > 60_000 and polls < 5_000)
