"""Bytes to and from a serial port or a TCP connection, on the asyncio loop; no threads, no polling."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any, Protocol

from adapters.modbus.address import data_bits_of
from rt_edge.sdk import TransientError
from rt_edge.sdk.serial_port import Line, Receiver, open_port, rs485_of

MAX_UNSENT = 1024
"""Bytes that may wait to be written: four frames, of which only one is ever of use."""

CHUNK = 4096
"""Bytes of one read: more than a dozen of the longest frames."""

TCP_USER_TIMEOUT_MS = 10_000
"""The kernel gives a connection up when sent bytes are not acknowledged for this long (RFC 5482)."""


class Transport(Protocol):
    """An open channel."""

    def write(self, data: bytes) -> None:
        """Send, without waiting."""
        ...

    async def close(self) -> None:
        """Idempotent."""
        ...


def open_serial(channel: Any, receiver: Receiver) -> Transport:
    """Open a serial port for this process alone.

    Args:
        channel: as in the settings.
        receiver: gets the bytes.

    Raises:
        TransientError: not there, in use, or not permitted (udev may be about to change that).
        FatalAdapterError: the port does not know these settings.
    """
    line = Line(
        port=channel.serial,
        baud=channel.baud,
        data_bits=data_bits_of(channel),
        parity=channel.parity,
        stop_bits=channel.stop_bits,
        rs485=rs485_of(channel.rs485),
    )
    return open_port(line, receiver, max_unsent=MAX_UNSENT)


class TcpTransport(asyncio.BufferedProtocol):
    """A TCP connection; see `open_tcp`.

    Replies are read into one buffer: asyncio would make a new one of 256 KiB for each.
    """

    def __init__(self, receiver: Receiver) -> None:
        self._receiver: Receiver | None = receiver
        self._buffer = memoryview(bytearray(CHUNK))
        self._closed = asyncio.Event()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Called by asyncio."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Called by asyncio."""
        if self._receiver is not None:
            self._receiver.on_data(bytes(self._buffer[:nbytes]))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        receiver, self._receiver = self._receiver, None
        self._closed.set()
        if receiver is not None:
            receiver.on_lost(exc or ConnectionResetError("the peer closed the connection"))

    def write(self, data: bytes) -> None:
        """See `Transport`."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > MAX_UNSENT:
            self._transport.abort()

    async def close(self) -> None:
        """See `Transport`."""
        self._receiver = None
        if self._transport is not None:
            self._transport.abort()
            await self._closed.wait()


async def open_tcp(host: str, port: int, limit: float, receiver: Receiver) -> TcpTransport:
    """Connect within `limit` seconds.

    Raises:
        TransientError: it did not work.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(limit):
            _, protocol = await loop.create_connection(lambda: TcpTransport(receiver), host, port)
    except TimeoutError as error:
        raise TransientError(f"{host}:{port} did not accept a connection within {limit:g} s") from error
    except OSError as error:
        # asyncio's own words are "Connect call failed ('127.0.0.1', 502)"
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else error.strerror or error
        raise TransientError(f"{host}:{port}: {reason}") from error
    return protocol
