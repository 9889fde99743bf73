"""Which messages may be acknowledged, and since when the broker is known to have it. No I/O.

MQTT 5, 4.6: acknowledgements go out in the order in which the messages came in, so only the settled prefix is acknowledged.
"""

from __future__ import annotations

from collections import deque


class AckWindow:
    """Messages handed on and not acknowledged, in order of arrival. One per connection.

    Its length is bounded by the Readings asked for and the messages without Readings between them; `most` is the hard bound.

    Args:
        through: Readings acknowledged in earlier connections.
        most: messages it may hold.
        arrived: messages that had arrived when the connection began.

    Attributes:
        through: all of the first `through` Readings are settled and their messages acknowledged.
    """

    def __init__(self, through: int, most: int, arrived: int = 0) -> None:
        self._open: deque[tuple[int, int, int, int]] = deque(maxlen=most)
        self._arrived = arrived
        self._most = most
        self.through = through

    def __len__(self) -> int:
        return len(self._open)

    @property
    def full(self) -> bool:
        """Whether nothing may be added until something is settled."""
        return len(self._open) >= self._most

    @property
    def arrivals(self) -> int:
        """All messages up to this arrival number are acknowledged (or need it not)."""
        return self._open[0][3] - 1 if self._open else self._arrived

    def add(self, last: int, mid: int, qos: int, arrival: int) -> None:
        """A message is handed on whole.

        Args:
            last: how many Readings were ever emitted up to its end; it may have none itself.
            mid: packet identifier.
            qos: 0 for one that is not to be acknowledged and only counts for `through`.
            arrival: number of its arrival, growing.
        """
        self._arrived = arrival
        if not qos and self._open and not self._open[-1][2]:
            self._open[-1] = (last, 0, 0, self._open[-1][3])
        else:
            self._open.append((last, mid, qos, arrival))

    def settled(self, through: int) -> list[tuple[int, int]]:
        """The first `through` Readings are settled: (mid, qos) of what may be acknowledged now, in order."""
        opened = self._open
        ready = []
        while opened and opened[0][0] <= through:
            last, mid, qos, _ = opened.popleft()
            self.through = last
            if qos:
                ready.append((mid, qos))
        return ready


class ForgetGate:
    """Holds back `forget` after a reconnect, until what the broker sends again has been through.

    A Reading stored in an earlier connection, whose PUBACK was lost with it, comes again with DUP. Its key must live until the
    copy has been compared and the broker has the acknowledgement of the copy. So after a connect that found the session, nothing
    is forgotten before there was an answer (PINGRESP) with no DUP message between it and the answer before, everything that had
    arrived by then is acknowledged, and the broker is known to have these acknowledgements.
    """

    def __init__(self, session_present: bool) -> None:
        self._holding = session_present
        self._again = False
        self._barrier: int | None = None
        self._need: int | None = None

    def saw_dup(self) -> None:
        """A message marked as sent again came in."""
        self._again = True
        self._barrier = self._need = None

    def answered(self, arrivals: int, window: AckWindow, confirmed: int) -> bool:
        """The broker answered; returns whether `forget` may be passed on.

        Args:
            arrivals: messages that had arrived when the answer came.
            window: what is acknowledged.
            confirmed: how many Readings the broker is known to have acknowledgements for.
        """
        if self._holding:
            if self._again:
                self._again = False
                return False
            if self._barrier is None:
                self._barrier = arrivals
            if self._need is None and window.arrivals >= self._barrier:
                self._need = window.through
            self._holding = self._need is None or confirmed < self._need
        return not self._holding
