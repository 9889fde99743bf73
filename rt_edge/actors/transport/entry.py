"""A descriptor of ours in Thespian's select loop.

Thespian waits on the sockets in its table `_incomingSockets`. What is put there has to look like one of its incoming sockets;
this class is that look, and `NodeTransport` calls `ready` and `tick` instead of reading from it.
"""

from __future__ import annotations

from datetime import timedelta

_FOREVER = timedelta(hours=1)
_AT_ONCE = timedelta(milliseconds=1)  # Thespian drops a zero from its list of delays, and would wait for the next one


class LoopEntry:
    """Base of everything that the transport watches beside Thespian's sockets.

    Thespian builds a selector on each turn and knows one direction per descriptor, so an entry is read-only; whoever needs
    more (the hub of links) nests an epoll.
    """

    fromAddress: object = None  # noqa: N815 - Thespian reads it of an incoming socket

    @property
    def socket(self) -> LoopEntry:
        """Itself: Thespian asks for `entry.socket.fileno()`."""
        return self

    def fileno(self) -> int:
        """The descriptor to wait for."""
        raise NotImplementedError

    def ready(self) -> None:
        """The descriptor is readable."""
        raise NotImplementedError

    def tick(self) -> None:
        """Called on every turn of the loop; must be cheap."""

    def deadline_in(self) -> float | None:
        """Seconds until `tick` has something to do; None: nothing is planned."""
        return None

    def release(self) -> None:
        """The transport closes."""

    # -- the look of an incoming socket --------------------------------------------------------------------------------

    def backoffPause(self, _start: bool = False) -> bool:
        """Never pauses."""
        return False

    def delay(self, _now: object = None) -> timedelta:
        """How long the loop may sleep for this entry's sake."""
        seconds = self.deadline_in()
        return _FOREVER if seconds is None else max(_AT_ONCE, min(_FOREVER, timedelta(seconds=seconds)))

    def close(self) -> None:
        """Thespian closes its incoming sockets."""
        self.release()
