"""Writing: bytes of one turn of the loop go out in one call, what the socket does not take waits for it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

CHUNK = 262_144
"""Most bytes of one call to `send`."""


class Writer:
    """One connected, non-blocking socket: plain, TLS, or what looks like one.

    What waits here is bounded by who writes: acknowledgements by the window, messages by who awaits `written` or an answer.

    Args:
        sock: the socket.
        failed: called once when it takes no more, with the reason.
    """

    def __init__(self, sock: Any, failed: Callable[[OSError], None]) -> None:
        self._sock = sock
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._data = bytearray()
        self._total = 0
        self._due = False
        self._watching = False
        self._closed = False
        self._waiting: dict[int, asyncio.Future[None]] = {}  # bytes ever written -> those who wait for that; in order

    @property
    def waiting(self) -> int:
        """Bytes that are not written so far."""
        return len(self._data)

    def write(self, data: bytes | bytearray) -> None:
        """Send `data` at the end of this turn."""
        if self._closed or not data:
            return
        self._data += data
        self._total += len(data)
        if not self._due and not self._watching:
            self._due = True
            self._loop.call_soon(self.flush)

    async def written(self) -> None:
        """Return when the socket has taken all that was written up to now, or nothing is written any more."""
        if self._closed or not self._data:
            return
        done = self._waiting.get(self._total)
        if done is None:
            done = self._waiting[self._total] = self._loop.create_future()
        await asyncio.shield(done)  # others may wait for it, too

    def flush(self) -> None:
        """Send what there is, as far as it goes."""
        self._due = False
        if self._closed:
            return
        try:
            while self._data:
                # TLS wants the same bytes again after it was blocked, or more of them: the beginning never moves
                with memoryview(self._data) as view, view[:CHUNK] as piece:
                    sent = self._sock.send(piece)
                del self._data[:sent]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            self._watch()
        except OSError as error:
            self.close()
            self._failed(error)
            return
        else:
            self._unwatch()
        if self._waiting:
            self._wake(self._total - len(self._data))

    def close(self) -> None:
        """Write no more; idempotent; the socket stays open. Who awaits `written` goes on and finds the connection gone."""
        self._closed = True
        self._unwatch()
        self._wake(self._total)

    def _wake(self, gone: int) -> None:
        for at in [at for at in self._waiting if at <= gone]:
            self._waiting.pop(at).set_result(None)

    def _watch(self) -> None:
        if not self._watching:
            self._watching = True
            self._loop.add_writer(self._sock, self.flush)

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            self._loop.remove_writer(self._sock)
