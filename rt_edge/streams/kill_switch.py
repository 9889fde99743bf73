"""KillSwitch: ends streams from outside, from any thread."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

Ender = Callable[[BaseException | None], None]
"""Ends one stream: without an error it completes, with one it fails. Any thread may call it."""

MOST = 100_000
"""Streams on one switch, at most."""


class KillSwitch:
    """Ends every stream that runs through it (`kill_switch` of the DSL), one or many; those that start later end at once.

    All methods may be called from any thread, any number of times; the first of `shutdown` and `abort` counts.

    Args:
        name: for messages.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name
        self._lock = Lock()
        self._enders: dict[int, Ender] = {}
        self._next = 0
        self._ended = False
        self._error: BaseException | None = None

    @property
    def ended(self) -> bool:
        """Whether it was used."""
        return self._ended

    @property
    def error(self) -> BaseException | None:
        """What it was aborted with."""
        return self._error

    @property
    def streams(self) -> int:
        """How many streams run through it now."""
        return len(self._enders)

    def shutdown(self) -> None:
        """Complete all streams: downstream hears the end, upstream is cancelled."""
        self._end(None)

    def abort(self, error: BaseException) -> None:
        """Fail all streams with `error`.

        Raises:
            TypeError: it is no error.
        """
        if not isinstance(error, BaseException):
            raise TypeError(f"a stream fails with an error, not with {error!r}")
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended, self._error = True, error
            enders = list(self._enders.values())
            self._enders.clear()
        for end in enders:
            end(error)

    def add(self, end: Ender) -> Callable[[], None]:
        """A stream starts; returns what it calls at its end. For the stage, which looks at `ended` first.

        Raises:
            OverflowError: too many streams.
        """
        with self._lock:
            if len(self._enders) >= MOST:
                raise OverflowError(f"more than {MOST} streams on the kill switch {self.name!r}")
            self._next += 1
            key = self._next
            late = self._ended
            if not late:
                self._enders[key] = end
        if late:
            end(self._error)

        def remove() -> None:
            with self._lock:
                self._enders.pop(key, None)

        return remove
