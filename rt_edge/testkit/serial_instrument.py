"""An instrument on a pty, for tests and trials: it talks, answers by script, is unplugged and returns under the same path.

    with plugged(tmp_path / "tty", lambda line: [(0.0, b"+21.5\\r")]) as instrument:   # in a running event loop
        ...                                    # instrument.path is the serial device to open
        instrument.say(b"ST,+  12.345 kg\\r\\n")
        instrument.unplug(); instrument.plug()

A pty is no wire: it has no speed (but `byte_s` makes replies wait for it), no parity and no modem lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from rt_edge.testkit.waiting import Bell

Answer = Callable[[bytes], list[tuple[float, bytes]]]
"""Request line -> what is sent, each after so many seconds."""


class Instrument:
    """One end of a pty; `path` is the other, for the adapter.

    Args:
        path: symbolic link to the device, kept over unplug and replug.
        answer: what it answers to a line; None: it only talks.
        delimiter: of requests.
        echo: whether it returns what it gets.
        byte_s: seconds that a byte takes on its line, both ways: a reply is there when its last byte would be; 0: a pty's.

    Attributes:
        got: requests so far, the newest 10,000.
        bell: rung when a request came.
    """

    def __init__(
        self, path: Path, answer: Answer | None = None, delimiter: bytes = b"\r", echo: bool = False, byte_s: float = 0.0
    ) -> None:
        self.path = path
        self.answer = answer
        self.delimiter = delimiter
        self.echo = echo
        self.byte_s = byte_s
        self.got: deque[bytes] = deque(maxlen=10_000)
        self.bell = Bell()
        self._master = self._slave = -1
        self._buffer = b""
        self._timers: set[asyncio.TimerHandle] = set()
        self._free_at = 0.0  # loop time from which on its line to us is free

    def plug(self) -> None:
        """It is there (again)."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._slave))
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    def unplug(self) -> None:
        """It is pulled: whoever has it open gets EIO, its path is gone. Idempotent."""
        if self._master < 0:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)
        self._master = -1
        self.path.unlink(missing_ok=True)
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._buffer = b""

    def say(self, data: bytes) -> int:
        """Send; returns how many bytes the line took (fewer than there are: it is full)."""
        if self._master < 0:
            return 0
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < len(data):
                sent += os.write(self._master, data[sent:])
        return sent

    async def say_all(self, data: bytes, within: float = 20.0) -> None:
        """Send all of it, waiting for the line where it is full."""
        loop = asyncio.get_running_loop()
        free = asyncio.Event()
        async with asyncio.timeout(within):
            while data:
                data = data[self.say(data) :]
                if data:
                    free.clear()
                    loop.add_writer(self._master, free.set)
                    try:
                        await free.wait()
                    finally:
                        loop.remove_writer(self._master)

    def talk(self, every: float, make: Callable[[], bytes]) -> None:
        """Say `make()` every so many seconds, until it is unplugged; what the line does not take is lost."""

        def again() -> None:
            self._timers.discard(timer)
            if self.byte_s:
                self._later(0.0, make())
            else:
                self.say(make())
            self.talk(every, make)

        timer = asyncio.get_running_loop().call_later(every, again)
        self._timers.add(timer)

    def _readable(self) -> None:
        try:
            data = os.read(self._master, 4096)
        except OSError:  # nobody has the other end open
            return
        if self.echo:
            self.say(data)
        *lines, self._buffer = (self._buffer + data).split(self.delimiter)
        for line in lines:
            self.got.append(line)
            asked_s = (len(line) + len(self.delimiter)) * self.byte_s
            for delay, reply in self.answer(line) if self.answer else []:
                self._later(asked_s + delay, reply)
        self.bell.ring()

    def _later(self, delay: float, reply: bytes) -> None:
        if self.byte_s:
            now = asyncio.get_running_loop().time()
            self._free_at = max(self._free_at, now + delay) + len(reply) * self.byte_s
            delay = self._free_at - now

        def send() -> None:
            self._timers.discard(timer)
            self.say(reply)

        timer = asyncio.get_running_loop().call_later(delay, send)
        self._timers.add(timer)


@contextlib.contextmanager
def plugged(path: Path, answer: Answer | None = None, delimiter: bytes = b"\r", echo: bool = False) -> Iterator[Instrument]:
    """An instrument that is there, and gone at the end."""
    instrument = Instrument(path, answer, delimiter, echo)
    instrument.plug()
    try:
        yield instrument
    finally:
        instrument.unplug()
