"""Tally: what an upstream store holds, read on from where it was last time, and held against what was published."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import msgspec

from rt_edge.data.errors import RtEdgeError
from rt_edge.data.record import Gap, LaneId
from rt_edge.uplink.stores.query import StoreReader


class Verdict(msgspec.Struct):
    """What is wrong, and the counts.

    Attributes:
        published, acknowledged, stored: numbered messages; stored counts each once.
        doubled: stored more often than once. lost: acknowledged and not stored.
        disordered: places at which a device's next message was not a later one.
        first_disorder: of the first of those: device, number before, number.
    """

    published: int
    acknowledged: int
    stored: int
    doubled: int
    lost: int
    disordered: int
    first_disorder: tuple[str, int, int] | None = None


class Tally:
    """Reads a store; messages are numbered per device by the field `n`.

    Args:
        store: its file; may not be there at first.

    Attributes:
        messages: device -> numbers, as stored.
        polls: source -> (source time, registers' request count) of polled readings, as stored.
        gaps: every gap record.
        tombstones: how many, and unreadable records: none are expected.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._after: dict[LaneId, int] = {}
        self.messages: dict[str, list[int]] = {}
        self.polls: dict[str, list[tuple[int, int]]] = {}
        self.gaps: list[Gap] = []
        self.tombstones = 0
        self.lanes = 0

    def look(self) -> int:
        """Read what is new; returns how many numbered messages are stored, repetitions included."""
        if self._store.exists():
            try:
                self._read()
            except RtEdgeError:
                return self.count  # it is being made, or busy: the next look reads on
        return self.count

    @property
    def count(self) -> int:
        """Numbered messages stored, repetitions included."""
        return sum(map(len, self.messages.values()))

    def _read(self) -> None:
        with StoreReader(self._store) as reader:
            for row in reader.rows(after=dict(self._after)):
                self._after[row.lane] = row.last
                reading = row.reading
                if row.gap is not None:
                    self.gaps.append(row.gap)
                elif reading is None:
                    self.tombstones += 1
                elif "n" in reading.fields:
                    self.messages.setdefault(reading.source, []).append(int(reading.fields["n"]))
                else:
                    self.polls.setdefault(reading.source, []).append((reading.ts, int(reading.fields.get("polls", -1))))
            self.lanes = len(self._after)

    def verdict(self, published: dict[str, int], acknowledged: dict[str, int]) -> Verdict:
        """The messages 0..n-1 of each device, against what is stored."""
        found = Verdict(sum(published.values()), sum(acknowledged.values()), 0, 0, 0, 0)
        for device, n in acknowledged.items():
            numbers = self.messages.get(device, [])
            once = set(numbers)
            found.stored += len(once)
            found.doubled += len(numbers) - len(once)
            found.lost += len(set(range(n)) - once)
            for before, number in pairwise(numbers):
                if number <= before:
                    found.disordered += 1
                    found.first_disorder = found.first_disorder or (device, before, number)
        return found

    def doubled_polls(self) -> int:
        """Polled readings stored more than once."""
        return sum(n - 1 for readings in self.polls.values() for n in Counter(readings).values() if n > 1)

    def uncovered(self, source: str, longest: float, slack: float) -> list[tuple[int, int]]:
        """Stretches of more than `longest` seconds without a reading of `source` that its gap records leave uncovered by more
        than `slack` seconds; wall ns."""
        gaps = sorted((gap.start, gap.end) for gap in self.gaps if gap.source == source)
        times = sorted(ts for ts, _ in self.polls.get(source, []))
        found = []
        for start, end in pairwise(times):
            if end - start <= longest * 1e9:
                continue
            at = start
            for first, last in gaps:
                if first - at > slack * 1e9:
                    continue
                at = max(at, last)
            if end - at > slack * 1e9:
                found.append((start, end))
        return found
