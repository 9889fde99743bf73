"""Bytes to and from a serial port or a TCP connection, on the asyncio loop; no threads, no polling."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import Protocol

import serial

from rt_edge.sdk import FatalAdapterError, TransientError

CHUNK = 4096
MAX_UNSENT = 1024
"""Bytes that may wait to be written: four frames, of which only one is ever of use."""

TCP_USER_TIMEOUT_MS = 10_000
"""The kernel gives a connection up when sent bytes are not acknowledged for this long (RFC 5482)."""


class Receiver(Protocol):
    """Who gets what comes from a transport."""

    def on_data(self, data: bytes) -> None:
        """Bytes came."""
        ...

    def on_lost(self, error: Exception) -> None:
        """No more bytes will come; called at most once, not after `close`."""
        ...


class Transport(Protocol):
    """An open channel."""

    def write(self, data: bytes) -> None:
        """Send, without waiting."""
        ...

    async def close(self) -> None:
        """Idempotent."""
        ...


class SerialTransport:
    """A serial port, watched by the loop.

    Args:
        port: open, with time-out 0.
        receiver: gets the bytes.
    """

    def __init__(self, port: serial.Serial, receiver: Receiver) -> None:
        self._port = port
        self._fd: int = port.fileno()
        self._receiver: Receiver | None = receiver
        self._unsent = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(error)
            return
        if not data:
            self._lost(OSError(errno.ENODEV, "end of file: the device is gone"))
        elif self._receiver is not None:
            self._receiver.on_data(data)

    def write(self, data: bytes) -> None:
        """See `Transport`."""
        self._unsent += data
        self._writable()

    def _writable(self) -> None:
        if self._receiver is None:
            return
        try:
            sent = os.write(self._fd, self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._lost(error)
            return
        del self._unsent[:sent]
        if len(self._unsent) > MAX_UNSENT:
            self._lost(OSError(errno.EAGAIN, f"{len(self._unsent)} bytes could not be sent"))
        elif self._unsent:
            self._loop.add_writer(self._fd, self._writable)
        else:
            self._loop.remove_writer(self._fd)

    def _lost(self, error: OSError) -> None:
        receiver = self._receiver
        self._detach()
        if receiver is not None:
            # not from inside write(): the caller is in the middle of a turn
            self._loop.call_soon(receiver.on_lost, error)

    def _detach(self) -> None:
        if self._receiver is not None:
            self._receiver = None
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)

    async def close(self) -> None:
        """See `Transport`."""
        self._detach()
        if self._port.is_open:
            self._port.close()


def open_serial(device: str, baud: int, parity: str, stop_bits: int, rs485: bool, receiver: Receiver) -> SerialTransport:
    """Open a serial port for this process alone.

    Raises:
        TransientError: not there, in use, or not permitted (udev may be about to change that).
        FatalAdapterError: the port does not know these settings.
    """
    port = serial.Serial(timeout=0, exclusive=True)
    try:
        port.port = device
        port.baudrate = baud
        port.parity = {"none": "N", "even": "E", "odd": "O"}[parity]
        port.stopbits = stop_bits
        if rs485:
            from serial.rs485 import RS485Settings

            port.rs485_mode = RS485Settings()
        port.open()
    except (serial.SerialException, OSError, ValueError) as error:
        raise _open_error(device, error) from error
    try:
        return SerialTransport(port, receiver)
    except BaseException:
        port.close()
        raise


def _open_error(device: str, error: Exception) -> Exception:
    number = getattr(error, "errno", None)
    text = os.strerror(number) if number else str(error)
    if number in (errno.EINVAL, errno.ENOTTY) or isinstance(error, ValueError):
        return FatalAdapterError(
            f"{device} cannot be opened with these settings: {text}", "check baud, parity, stop_bits and rs485"
        )
    if number == errno.EACCES:
        return TransientError(f"{device}: {text}", "the service's user must be in the group of the device, usually dialout")
    if number == errno.ENOENT:
        return TransientError(f"{device} is not there", "is it plugged in?")
    return TransientError(f"{device} cannot be opened: {text}")


class TcpTransport(asyncio.Protocol):
    """A TCP connection; see `open_tcp`."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver: Receiver | None = receiver
        self._closed = asyncio.Event()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        if self._receiver is not None:
            self._receiver.on_data(data)

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
        raise TransientError(f"{host}:{port}: {error.strerror or error}") from error
    return protocol
