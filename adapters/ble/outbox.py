"""Outbox: what was received and not asked for yet. The newest advertisement of each device, a ring of notifications a device, and
polls that wait for a credit; demand takes from them in turn.

Bounds: one reading a device and frame (`max_devices`), `ring` readings a notifying device, one waiting poll a device.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

from rt_edge.sdk import AdapterContext, Reading
from rt_edge.sdk.presence import Presence

BATCH = 256
"""Readings handed on in one go."""

RING = 256
"""Notifications kept a device, unless the settings say otherwise."""

Entry = tuple[Presence, Reading, int]
"""Whose, what, and in which epoch of the presence it was received."""


class Ring:
    """The last notifications of one device; older ones make room, are counted, and are said as a gap.

    Args:
        size: readings.
        context: for the counter and the gap.
    """

    __slots__ = ("_context", "_entries", "_first", "_last", "_size", "_source")

    def __init__(self, size: int, context: AdapterContext) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)
        self._size = size
        self._context = context
        self._first = self._last = 0
        self._source = ""

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: Entry) -> None:
        """One more."""
        if len(self._entries) == self._size:
            presence, oldest, _ = self._entries[0]
            self._source, self._last = presence.source, oldest.ts
            self._first = self._first or oldest.ts
            self._context.count("notifications_dropped_overflow")
        self._entries.append(entry)

    def take(self) -> Entry:
        """The oldest; what was dropped before it is said first."""
        if self._first:
            self._context.gap(self._source, "overflow", min(self._first, self._last), self._last)
            self._first = self._last = 0
        return self._entries.popleft()

    def clear(self) -> int:
        """Forget all; how many there were."""
        n = len(self._entries)
        self._entries.clear()
        self._first = self._last = 0
        return n


class Outbox:
    """Of one adapter.

    Args:
        context: where readings go.
        ring: notifications kept a device.
        on_emitted: told the source and time of each reading handed on.
        on_hunger: told True when there is demand again, False when all of it is served.
    """

    def __init__(
        self,
        context: AdapterContext,
        ring: int,
        on_emitted: Callable[[str, int], None],
        on_hunger: Callable[[bool], None],
    ) -> None:
        self._context = context
        self._ring = ring
        self._on_emitted = on_emitted
        self._on_hunger = on_hunger
        self._adverts: OrderedDict[tuple[str, str], Entry] = OrderedDict()
        self._rings: OrderedDict[str, Ring] = OrderedDict()
        self._waiting: OrderedDict[str, Callable[[], None]] = OrderedDict()
        self.credits = 0
        self.open = False

    def demand(self, n: int) -> None:
        """So many more readings may be emitted."""
        hungry = self.credits > 0
        self.credits += n
        if not self.open:
            return
        if not hungry:
            self._on_hunger(True)
        self._drain()

    def start(self) -> None:
        """The connection is there: readings may go."""
        self.open = True
        if self.credits:
            self._on_hunger(True)

    def stop(self) -> None:
        """The connection is gone, and with it what waits; gaps begin at the last reading that was handed on."""
        self.open = False
        lost = len(self._adverts) + sum(ring.clear() for ring in self._rings.values())
        if lost:
            self._context.count("dropped_closed", lost)
        self._adverts.clear()
        self._waiting.clear()

    def advert(self, frame: str, presence: Presence, reading: Reading) -> None:
        """An advertisement: it takes the place of an older one of the same source and frame."""
        key = (presence.source, frame)
        if key in self._adverts:
            self._context.count("adverts_conflated")
        self._adverts[key] = (presence, reading, presence.epoch)
        self._drain()

    def notification(self, presence: Presence, reading: Reading) -> None:
        """A notification: all of them go, in order, as far as the ring holds."""
        ring = self._rings.get(presence.source)
        if ring is None:
            ring = self._rings[presence.source] = Ring(self._ring, self._context)
        ring.put((presence, reading, presence.epoch))
        self._drain()

    def ask(self, source: str, granted: Callable[[], None]) -> None:
        """Call `granted` when there is a credit for one reading of `source`: it is taken until `polled` or `refund`."""
        self._waiting[source] = granted
        self._drain()

    def forget(self, source: str) -> None:
        """`source` no longer waits for a credit."""
        self._waiting.pop(source, None)

    def polled(self, presence: Presence, reading: Reading) -> None:
        """Hand on a reading for which a credit was granted."""
        if self.open:
            self._emit([(presence, reading, presence.epoch)])
        else:
            self.credits += 1

    def refund(self) -> None:
        """A credit that was granted is not used."""
        self.demand(1)

    def _drain(self) -> None:
        if not self.open or not self.credits:
            return
        entries: list[Entry] = []
        while self.credits and self._one(entries):
            if len(entries) >= BATCH:
                self._emit(entries)
                entries = []
        if entries:
            self._emit(entries)
        if not self.credits:
            self._on_hunger(False)

    def _one(self, entries: list[Entry]) -> bool:
        """Serve one of each kind that has something, as far as the credit goes; whether there was one."""
        served = False
        if self._waiting and self.credits:
            _, granted = self._waiting.popitem(last=False)
            self.credits -= 1
            granted()
            served = True
        if self.credits:
            for source, ring in self._rings.items():
                if ring:
                    self._rings.move_to_end(source)
                    self._flushed(entries)
                    entries.append(ring.take())
                    self.credits -= 1
                    served = True
                    break
        if self._adverts and self.credits:
            _, entry = self._adverts.popitem(last=False)
            entries.append(entry)
            self.credits -= 1
            served = True
        return served

    def _flushed(self, entries: list[Entry]) -> None:
        """A ring may say a gap, which must not come before what is in `entries`."""
        if entries:
            self._emit(entries)
            entries.clear()

    def _emit(self, entries: list[Entry]) -> None:
        readings: list[Reading] = []
        for presence, reading, epoch in entries:
            if readings and presence.ends(epoch):
                self._context.emit(readings)
                readings = []
            presence.spoke(reading.ts, epoch)
            readings.append(reading)
        self._context.emit(readings)
        for presence, reading, _ in entries:
            self._on_emitted(presence.source, reading.ts)
