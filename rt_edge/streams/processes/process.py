"""Process: one process of a pool, and the socket to it, on the running asyncio loop."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Callable

from rt_edge.data.errors import CodecError, StreamError
from rt_edge.streams.processes.frames import Unpacker, pack
from rt_edge.streams.processes.worker import READY


class Process:
    """Starts at once; says what it answers, and when it has ended.

    Args:
        function: `package.module:name`.
        answered: told (number, element, error) of each answer.
        died: told once, (this, reason); not from inside `kill`, but soon after.

    Attributes:
        open: numbers of what it has.
        pid: of the process.
    """

    def __init__(self, function: str, answered: Callable[[int, object, str], None], died: Callable[[Process, str], None]) -> None:
        self.open: set[int] = set()
        self._answered = answered
        self._died = died
        self._loop = asyncio.get_running_loop()
        self._unpacker = Unpacker()
        self._unsent = bytearray()
        self._reason = ""
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "rt_edge.streams.processes.worker", function]
            self._popen = subprocess.Popen(command, stdin=theirs.fileno())  # noqa: S603 - our own module
        self.pid = self._popen.pid
        ours.setblocking(False)
        self._socket: socket.socket | None = ours
        self._loop.add_reader(ours, self._readable)

    def send(self, number: int, element: object) -> None:
        """Give it an element.

        Raises:
            StreamError: the element cannot be encoded.
        """
        try:
            self._unsent += pack(number, element)
        except CodecError as error:
            raise StreamError(str(error)) from error
        self._write()

    def kill(self) -> None:
        """End it; `died` is told."""
        if self._popen.poll() is None:
            self._popen.kill()
        self._reason = self._reason or "it was killed"
        self._loop.call_soon(self._end)

    def _write(self) -> None:
        if self._socket is None:
            return
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._reason = self._reason or str(error)
            self._loop.call_soon(self._end)
            return
        del self._unsent[:sent]
        if self._unsent:
            self._loop.add_writer(self._socket, self._write)
        else:
            self._loop.remove_writer(self._socket)

    def _readable(self) -> None:
        if self._socket is None:
            return
        try:
            data = self._socket.recv(65_536)
            pieces = list(self._unpacker.feed(data))
        except BlockingIOError:
            return
        except (OSError, CodecError) as error:
            data, pieces = b"", []
            self._reason = self._reason or str(error)
        for piece in pieces:
            if piece.number != READY:
                self._answered(piece.number, piece.element, piece.error)
            elif piece.error:
                self._reason = piece.error
        if not data:
            self._end()

    def _end(self) -> None:
        connection, self._socket = self._socket, None
        if connection is None:
            return
        self._loop.remove_reader(connection)
        self._loop.remove_writer(connection)
        connection.close()
        self._popen.kill() if self._popen.poll() is None else None
        # The kernel may take a moment; a process that nobody waits for stays in its table.
        threading.Thread(target=self._popen.wait, name=f"wait-{self.pid}", daemon=True).start()
        self._died(self, self._reason or "it closed its socket")
