"""Neighbours: the direct way between the loops of two islands of a node, a Unix stream socket for each direction.

Thespian's wire on loopback is a TCP connection, a pickle and two changes of thread for every message; this is one write and one
read on the loops themselves. Everything else (who there is, life and death, commands, status) stays with the actors, and so do
signals for an island that cannot be reached this way.

Sockets lie in Linux's abstract name space, so there is no path that is too long and no file that is left behind. Their names
are not protected by file modes: both ends ask the kernel for the user at the other end, and the dialling end says first which
guardian it belongs to, so that an island of another node, which got the port of one that died, is refused.

On the wire, after the guardian's name: 4 bytes length, little-endian, then one batch of signals; both with the same framing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Callable, Coroutine

from rt_edge.data.errors import InternalError

log = logging.getLogger(__name__)

MAX_FRAME = 32_000_000
"""Bytes of one batch: several times what a post office makes; a longer one ends the connection."""

HIGH_WATER = 1_000_000
"""Bytes that may wait in this process for a neighbour that does not read; then its batch counts as under way."""

_HEADER = struct.Struct("<I")
_CREDENTIALS = struct.Struct("3i")


def path_of(port: int) -> bytes:
    """The abstract name of the island whose actor has this port on loopback."""
    return b"\0rt-edge/%d" % port


class Neighbours:
    """The direct connections of one island; all calls on its loop.

    Args:
        guardian: names the node: equal in all of its islands, and in no other node of this host.
        receive: is handed each batch that arrives.
        sent: is told the island whose batch was under way and has gone.
    """

    def __init__(self, guardian: str, receive: Callable[[bytes], None], sent: Callable[[str], None]) -> None:
        self._hello = guardian.encode()
        self._receive = receive
        self._sent = sent
        self._out: dict[str, _Outgoing] = {}
        self._known: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.counters = {"refused": 0}

    def listen(self, port: int) -> None:
        """Accept the others: who connects from now on is served. An error leaves this island to Thespian's wire."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(path_of(port))
            sock.listen()
        except OSError as error:
            sock.close()
            log.warning("this island cannot be reached directly: %s", error)
            return
        self._spawn(self._serve(sock))

    async def _serve(self, sock: socket.socket) -> None:
        self._server = await asyncio.get_running_loop().create_unix_server(lambda: _Incoming(self), sock=sock)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def peers(self, ports: dict[str, int]) -> None:
        """Where the other islands are now: island -> port; the new ones are dialled."""
        for island, port in ports.items():
            if self._known.get(island) != port:
                self._known[island] = port
                self._spawn(self._dial(island, port))

    async def _dial(self, island: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, path_of(port))
            if not trusted(sock):
                raise PermissionError("another user listens there")
            _, outgoing = await loop.create_unix_connection(lambda: _Outgoing(self, island), sock=sock)
        except OSError as error:
            sock.close()
            log.warning("island %s is not reached directly: %s", island, error)
            return
        if self._known.get(island) != port:
            outgoing.close()  # another process is that island by now
            return
        before, self._out[island] = self._out.get(island), outgoing
        outgoing.write(self._hello)
        if before is not None:
            before.close()
            self._sent(island)  # what waited there is lost

    @property
    def reached(self) -> int:
        """How many islands are reached directly."""
        return len(self._out)

    def send(self, island: str, data: bytes) -> bool | None:
        """Write a batch.

        Returns:
            True: gone. False: it waits; `sent` will be told. None: there is no way to this island here.
        """
        outgoing = self._out.get(island)
        return None if outgoing is None else outgoing.write(data)

    def lost(self, outgoing: _Outgoing) -> None:
        """From a connection: it has ended."""
        if self._out.get(outgoing.island) is outgoing:
            del self._out[outgoing.island]
            self._sent(outgoing.island)

    def resumed(self, outgoing: _Outgoing) -> None:
        """From a connection: it takes more."""
        if self._out.get(outgoing.island) is outgoing:
            self._sent(outgoing.island)

    def greeted(self, hello: bytes) -> bool:
        """From a connection: whether these are the first words of an island of this node."""
        if hello == self._hello:
            return True
        self.counters["refused"] += 1
        return False

    def arrived(self, data: bytes) -> None:
        """From a connection: a batch."""
        self._receive(data)

    def close(self) -> None:
        """End all connections."""
        if self._server is not None:
            self._server.close()
        out, self._out = self._out, {}
        for outgoing in out.values():
            outgoing.close()


def trusted(sock: socket.socket) -> bool:
    """Whether the process at the other end of a Unix socket belongs to our user, or to root."""
    _, user, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return user in (os.geteuid(), 0)


class _Outgoing(asyncio.Protocol):
    """Our batches to one island."""

    def __init__(self, neighbours: Neighbours, island: str) -> None:
        self._neighbours = neighbours
        self.island = island
        self._transport: asyncio.WriteTransport | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        transport.set_write_buffer_limits(HIGH_WATER, 0)

    def write(self, data: bytes) -> bool:
        """False: it waits here, `resumed` follows."""
        if self._transport is None:
            raise InternalError("a batch was written before there was a connection")
        self._transport.writelines((_HEADER.pack(len(data)), data))
        return not self._paused

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._neighbours.resumed(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._neighbours.lost(self)

    def close(self) -> None:
        """End it; what waits is lost."""
        if self._transport is not None:
            self._transport.abort()


class _Incoming(asyncio.Protocol):
    """The batches of one island to us."""

    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._greeted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if not trusted(transport.get_extra_info("socket")):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= _HEADER.size:
            (length,) = _HEADER.unpack_from(buffer, at)
            if length > MAX_FRAME:
                self._refuse(f"a batch of {length} bytes")
                return
            end = at + _HEADER.size + length
            if len(buffer) < end:
                break
            frame = bytes(memoryview(buffer)[at + _HEADER.size : end])
            at = end
            if self._greeted:
                self._neighbours.arrived(frame)
            elif self._neighbours.greeted(frame):
                self._greeted = True
            else:
                self._refuse("it belongs to another node")
                return
        if at:
            del buffer[:at]

    def _refuse(self, reason: str) -> None:
        log.warning("a direct connection to this island is refused: %s", reason)
        self._buffer.clear()
        if self._transport is not None:
            self._transport.abort()
