"""Signals of the main process as something to poll."""

from __future__ import annotations

import os
import signal
from types import FrameType

CAUGHT = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def has_terminal() -> bool:
    """Whether this process has a controlling terminal that is still there (tty(4); after a hangup it has none)."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


class SignalPipe:
    """Readable when one of `CAUGHT` came in; restores the old handlers when closed. SIGHUP that is ignored (nohup) stays so."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._old_fd = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        taken = [n for n in CAUGHT if n != signal.SIGHUP or signal.getsignal(n) is not signal.SIG_IGN]
        self._old = {number: signal.signal(number, _nothing) for number in taken}

    def fileno(self) -> int:
        """The read end."""
        return self._read

    def take(self) -> set[int]:
        """The signals that came in since the last call."""
        try:
            return set(os.read(self._read, 64)) & set(CAUGHT)
        except BlockingIOError:
            return set()

    def close(self, deaf: bool = False) -> None:
        """Put everything back.

        Args:
            deaf: ignore the signals from now on instead: a process that ends anyway must not die of a second request to end.
        """
        signal.set_wakeup_fd(self._old_fd)
        for number, handler in self._old.items():
            signal.signal(number, signal.SIG_IGN if deaf else handler)
        os.close(self._read)
        os.close(self._write)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """The wake-up descriptor is enough."""
