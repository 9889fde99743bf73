"""A timer of the kernel for the silence between frames: the loop's own is a millisecond too late.

asyncio waits with epoll, whose time-outs are whole milliseconds: the 1.75 ms of silence of a fast line became 2 ms and more, a
twentieth of a short transaction at 115,200 baud. timerfd (Linux) wakes the loop as a file descriptor does, never early. Python's
own binding came with 3.13, so the C library is called.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable

_NANO = 1_000_000_000
_CLOCK_MONOTONIC = 1
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC  # TFD_NONBLOCK and TFD_CLOEXEC are these (timerfd_create(2))


class _Spec(ctypes.Structure):
    """struct itimerspec: interval, then first expiry, each in seconds and nanoseconds."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("first_s", ctypes.c_long),
        ("first_ns", ctypes.c_long),
    )


class FineTimer:
    """See `adapters.modbus.link.Alarm`; made by `fine_timer`.

    Args:
        fd: of the timer; closed by `close`.
        settime: the C library's timerfd_settime.
        loop: who watches it.
    """

    __slots__ = ("_callback", "_fd", "_loop", "_settime", "_spec")

    def __init__(self, fd: int, settime: Callable[..., int], loop: asyncio.AbstractEventLoop) -> None:
        self._fd = fd
        self._settime = settime
        self._loop = loop
        self._spec = _Spec(0, 0, 0, 0)
        self._callback: Callable[[], None] | None = None

    def start(self, callback: Callable[[], None]) -> None:
        """See `Alarm`."""
        self._callback = callback
        self._loop.add_reader(self._fd, self._fired)

    def set(self, delay: float) -> None:
        """See `Alarm`."""
        if self._fd < 0:
            return
        self._spec.first_s, self._spec.first_ns = divmod(max(1, round(delay * _NANO)), _NANO)
        self._settime(self._fd, 0, ctypes.byref(self._spec), None)

    def _fired(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:  # set anew meanwhile
            return
        if self._callback is not None:
            self._callback()

    def close(self) -> None:
        """See `Alarm`."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self._loop.remove_reader(fd)
            os.close(fd)


def fine_timer(loop: asyncio.AbstractEventLoop) -> FineTimer | None:
    """A timer on `loop`; None where the system has none, or no file descriptor is left: the loop's own does, less exactly."""
    library = ctypes.CDLL(None, use_errno=True)
    try:
        create, settime = library.timerfd_create, library.timerfd_settime
    except AttributeError:
        return None
    fd = create(_CLOCK_MONOTONIC, _FLAGS)
    return FineTimer(fd, settime, loop) if fd >= 0 else None
