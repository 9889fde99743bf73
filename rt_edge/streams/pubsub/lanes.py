"""Lanes: which member of a group has unsettled messages of a key, so that no later one of that key overtakes them.

And laps: which messages died with a subscriber, so that none that comes behind them overtakes what comes again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rt_edge.data.receipt import Origin, Receipt

if TYPE_CHECKING:
    from rt_edge.streams.hubs.ports import Port


ORIGINS_MOST = 4096
"""Origins of which it is known that messages were lost."""


class Lane:
    """Messages of one key in one group that have no outcome.

    Attributes:
        port: the member that has them.
        held: how many it has, waiting or given out.
        astray: how many nobody has any more, since their member has gone.
    """

    __slots__ = ("_key", "_lanes", "astray", "held", "port")

    def __init__(self, lanes: Lanes, key: tuple[str, str], port: Port) -> None:
        self._lanes = lanes
        self._key = key
        self.port = port
        self.held = 0
        self.astray = 0

    def give(self, port: Port, n: int) -> None:
        """These go to a member; if it is another one, that has all from now on."""
        self.port = port
        self.held += n

    def done(self, n: int) -> None:
        """These have their outcome."""
        self.held -= n
        if not self.held:
            self._lanes.empty(self._key, self)

    def wait(self) -> None:
        """A publisher has something for it that cannot go now."""
        self._lanes.wait()

    def lost(self, n: int) -> None:
        """The member that had these has gone."""
        self.held -= n
        self.astray += n

    def found(self, n: int) -> None:
        """These are handed on, or get an outcome."""
        self.held += n
        self.astray -= n


class Lanes:
    """All lanes of a broker; as many as there are keys with unsettled messages."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._waited = False
        self._emptied = False

    def __len__(self) -> int:
        return len(self._lanes)

    def of(self, group: str, key: str) -> Lane | None:
        """The lane of a key, if there is something in it."""
        return self._lanes.get((group, key))

    def give(self, group: str, key: str, port: Port, n: int) -> Lane:
        """So many messages of a key go to a member."""
        lane = self._lanes.get((group, key))
        if lane is None:
            lane = self._lanes[group, key] = Lane(self, (group, key), port)
        lane.give(port, n)
        return lane

    def empty(self, key: tuple[str, str], lane: Lane) -> None:
        """Its member has none of it."""
        self._emptied |= self._waited
        if not lane.astray:
            self._lanes.pop(key, None)

    def wait(self) -> None:
        """A publisher waits for a lane: `has_room` will say so."""
        self._waited = True

    def has_room(self) -> bool:
        """Whether a lane has become empty while a publisher waited; asked once."""
        if not self._emptied:
            return False
        self._emptied = self._waited = False
        return True


class LostLaps:
    """Origins of which messages were lost, and the last lap of which."""

    def __init__(self) -> None:
        self._laps: dict[tuple[str, str], int] = {}  # name and incarnation -> lap

    def __bool__(self) -> bool:
        return bool(self._laps)

    def note(self, origin: Origin) -> None:
        """Messages of this lap were lost."""
        known = (origin.name, origin.incarnation)
        lap = self._laps.pop(known, -1)
        if len(self._laps) >= ORIGINS_MOST:
            del self._laps[next(iter(self._laps))]
        self._laps[known] = max(origin.lap, lap)

    def has(self, receipt: Receipt | None) -> bool:
        """Whether these are of such a lap: they, too, come again in a later one."""
        origin = None if receipt is None else receipt.origin
        return origin is not None and origin.lap <= self._laps.get((origin.name, origin.incarnation), -1)
