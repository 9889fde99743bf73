"""Bytes to and from a serial port on the asyncio loop: no thread, no polling; for the `transport.py` of adapters.

Reading can pause, and an unplugged port is noticed even then. Imports pyserial: only a `transport.py` imports this, and its
adapter names pyserial in its extra.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import select
import termios
from typing import Any, Literal, Protocol

import msgspec
import serial

from rt_edge.data.errors import FatalAdapterError, TransientError

CHUNK = 4096
"""Bytes of one read; the kernel's own buffer of a line is as long."""
MAX_UNSENT = 65_536
"""Bytes that may wait to be written, if nothing else is said."""

_PARITY = {"none": "N", "even": "E", "odd": "O", "mark": "M", "space": "S"}


class Rs485(msgspec.Struct, frozen=True, kw_only=True):
    """How the kernel switches an RS-485 driver by RTS (Linux, serial/serial-rs485); a UART's driver may know only a part of it.

    Attributes:
        rts_on_send, rts_after_send: level of RTS while sending, and while not.
        delay_before_send_s, delay_after_send_s: between switching and the bits; the kernel has whole milliseconds.
        receive_while_sending: the receiver stays on.
    """

    rts_on_send: bool = True
    rts_after_send: bool = False
    delay_before_send_s: float = 0.0
    delay_after_send_s: float = 0.0
    receive_while_sending: bool = False


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A port and how it is set.

    Attributes:
        port: path of the device.
        baud: bits a second. data_bits: 5 to 8. stop_bits: 1, 1.5 or 2.
        flow_control: by two wires, by characters in the data, or none.
        dtr, rts: level of the two wires while the port is open.
        rs485: the driver is switched by the kernel (RS-485 on a UART without a converter of its own); True: in the usual way.
    """

    port: str
    baud: int
    data_bits: int = 8
    parity: Literal["none", "even", "odd", "mark", "space"] = "none"
    stop_bits: float = 1
    flow_control: Literal["none", "rts_cts", "xon_xoff"] = "none"
    dtr: bool = True
    rts: bool = True
    rs485: bool | Rs485 = False


class Receiver(Protocol):
    """Who gets what comes from a port."""

    def on_data(self, data: bytes) -> None:
        """Bytes came."""
        ...

    def on_lost(self, error: Exception) -> None:
        """No more bytes will come; called at most once, not after `close`."""
        ...


class SerialPort:
    """An open port, watched by the loop; reads from the start unless paused.

    Args:
        port: open, with time-out 0.
        receiver: gets the bytes.
        paused: whether it begins without reading.
        max_unsent: bytes that may wait to be written.
    """

    def __init__(self, port: serial.Serial, receiver: Receiver, paused: bool = False, max_unsent: int = MAX_UNSENT) -> None:
        self._port = port
        self._max_unsent = max_unsent
        self._fd: int = port.fileno()
        self._receiver: Receiver | None = receiver
        self._unsent = bytearray()
        self._emptied: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._watch: select.epoll | None = None
        self._reading = False
        if paused:
            self.pause()
        else:
            self.resume()

    def resume(self) -> None:
        """Read (again)."""
        if self._receiver is None or self._reading:
            return
        self._unwatch()
        self._reading = True
        self._loop.add_reader(self._fd, self._readable)

    def pause(self) -> None:
        """Read nothing: the kernel's buffer fills, and with flow control the instrument is stopped by it."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._fd)
        if self._receiver is None or self._watch is not None:
            return
        # Edge-triggered, and for output: it wakes when the line hangs up, and not for what arrives meanwhile. Only for HUP
        # would not do: a driver announces a hang-up as "writable", and epoll passes on only what was asked for.
        self._watch = select.epoll()
        self._watch.register(self._fd, select.EPOLLOUT | select.EPOLLET)
        self._loop.add_reader(self._watch.fileno(), self._hung_up)

    def _unwatch(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            self._loop.remove_reader(watch.fileno())
            watch.close()

    def _hung_up(self) -> None:
        if self._watch is not None and any(events & (select.EPOLLHUP | select.EPOLLERR) for _, events in self._watch.poll(0)):
            self._lost(OSError(errno.ENODEV, "the device is gone"))

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
        """Send, without waiting; more than `max_unsent` that cannot be sent is a lost line."""
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
        if len(self._unsent) > self._max_unsent:
            self._lost(OSError(errno.EAGAIN, f"{len(self._unsent)} bytes could not be sent"))
        elif self._unsent:
            self._loop.add_writer(self._fd, self._writable)
        else:
            self._loop.remove_writer(self._fd)
            self._settle_sent(True)

    def forget_unsent(self) -> None:
        """What could not be sent yet never will be: the answer to it is no longer waited for."""
        self._unsent.clear()
        self._settle_sent(False)
        if self._receiver is not None:
            self._loop.remove_writer(self._fd)

    async def sent(self) -> None:
        """Return when the kernel has taken all that was written; with flow control that may be when the instrument lets it.

        Raises:
            TransientError: the port was closed or lost before that, or it was forgotten: a part of it may have been sent.
        """
        if not self._unsent and self._receiver is not None:
            return
        if self._receiver is None:
            raise TransientError(f"{self._port.port} is closed")
        if self._emptied is None:
            self._emptied = self._loop.create_future()
        await asyncio.shield(self._emptied)

    def _settle_sent(self, done: bool) -> None:
        emptied, self._emptied = self._emptied, None
        if emptied is None:
            return
        if done:
            emptied.set_result(None)
        else:
            emptied.set_exception(TransientError(f"{self._port.port}: not all that was written could be sent"))
            emptied.exception()  # whoever waited may have gone

    def set_wire(self, wire: Literal["dtr", "rts", "break"], active: bool) -> None:
        """Raise or lower DTR or RTS, or hold the line in the break condition, until it is told otherwise.

        Raises:
            FatalAdapterError: the port has no such wire, or cannot hold a break (a pseudo-terminal, some USB converters).
            TransientError: the port is lost.
        """
        name = "break_condition" if wire == "break" else wire
        try:
            setattr(self._port, name, active)
        except (OSError, serial.SerialException, termios.error) as error:
            number = getattr(error, "errno", None) or (error.args[0] if error.args else None)
            what = "cannot send a break" if wire == "break" else f"has no {wire.upper()} wire"
            if number in (errno.ENOTTY, errno.EINVAL):
                raise FatalAdapterError(f"{self._port.port} {what}", "remove it from the settings of this port") from None
            raise TransientError(f"{self._port.port} is lost: {error}") from error

    def discard(self) -> None:
        """What has come and was not read is thrown away."""
        with contextlib.suppress(OSError, termios.error):  # unplugged: the next read says so
            termios.tcflush(self._fd, termios.TCIFLUSH)

    def _lost(self, error: OSError) -> None:
        receiver = self._receiver
        self._detach()
        if receiver is not None:
            # not from inside write(): the caller is in the middle of a turn
            self._loop.call_soon(receiver.on_lost, error)

    def _detach(self) -> None:
        if self._receiver is not None:
            self._receiver = None
            self._reading = False
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._settle_sent(False)
        self._unwatch()

    async def close(self) -> None:
        """Give the port back; idempotent."""
        self._detach()
        if self._port.is_open:
            with contextlib.suppress(OSError):  # unplugged: nothing is left to be released
                fcntl.ioctl(self._fd, termios.TIOCNXCL)
            self._port.close()


def open_port(line: Line, receiver: Receiver, paused: bool = False, max_unsent: int = MAX_UNSENT) -> SerialPort:
    """Open a port for this process alone: flock, which others who lock see, and TIOCEXCL, which the kernel enforces.

    What came before is thrown away (pyserial does it): nobody knows when that was, and it may begin in the middle of a frame.

    Args:
        line: the port.
        receiver: gets the bytes.
        paused: whether reading begins with `resume`.
        max_unsent: bytes that may wait to be written; more is a lost line.

    Raises:
        TransientError: not there, in use, or not permitted (udev may be about to change that).
        FatalAdapterError: the port does not know these settings.
    """
    port = serial.Serial(timeout=0, exclusive=True)
    try:
        port.port = line.port
        port.baudrate = line.baud
        port.bytesize = line.data_bits
        port.parity = _PARITY[line.parity]
        port.stopbits = line.stop_bits
        port.rtscts = line.flow_control == "rts_cts"
        port.xonxoff = line.flow_control == "xon_xoff"
        port.dtr, port.rts = line.dtr, line.rts
        if line.rs485:
            port.rs485_mode = _rs485_mode(Rs485() if line.rs485 is True else line.rs485)
        port.open()
    except (serial.SerialException, OSError, ValueError, termios.error) as error:
        raise _open_error(line.port, error) from error
    try:
        fcntl.ioctl(port.fileno(), termios.TIOCEXCL)
        return SerialPort(port, receiver, paused, max_unsent)
    except (OSError, termios.error) as error:
        port.close()
        raise TransientError(f"{line.port} was lost while it was opened: {error}") from error
    except BaseException:
        port.close()
        raise


def rs485_of(settings: Any) -> bool | Rs485:
    """What the settings say about RS-485, as the port takes it."""
    if isinstance(settings, bool):
        return settings
    return Rs485(
        rts_on_send=settings.rts_on_send == "high",
        rts_after_send=settings.rts_after_send == "high",
        delay_before_send_s=settings.delay_before_send,
        delay_after_send_s=settings.delay_after_send,
        receive_while_sending=settings.receive_while_sending,
    )


def _rs485_mode(wanted: Rs485) -> Any:
    from serial.rs485 import RS485Settings

    def seconds(delay: float) -> float:
        return (round(1000 * delay) + 0.5) / 1000  # pyserial cuts to whole milliseconds, and a float may be just below one

    return RS485Settings(
        rts_level_for_tx=wanted.rts_on_send,
        rts_level_for_rx=wanted.rts_after_send,
        loopback=wanted.receive_while_sending,
        delay_before_tx=seconds(wanted.delay_before_send_s),
        delay_before_rx=seconds(wanted.delay_after_send_s),
    )


def _open_error(device: str, error: Exception) -> Exception:
    number = getattr(error, "errno", None) or (error.args[0] if isinstance(error, termios.error) and error.args else None)
    text = os.strerror(number) if number else str(error)
    if isinstance(error.__context__, termios.error) and error.__context__.args[:1] == (errno.ENOTTY,):  # pyserial hides it
        return TransientError(f"{device} is not a serial port", "`rt-edge scan serial` lists those of this machine")
    if number in (errno.EINVAL, errno.ENOTTY) or isinstance(error, ValueError):
        hint = "check baud, parity, stop_bits, flow_control and rs485"
        return FatalAdapterError(f"{device} cannot be opened with these settings: {text}", hint)
    if number == errno.EACCES:
        return TransientError(
            f"{device}: {text}", "its user must be in the group of the device: sudo usermod -aG dialout USER, and log in again"
        )
    if number == errno.ENOENT:
        return TransientError(f"{device} is not there", "is it plugged in?")
    if number in (errno.EAGAIN, errno.EBUSY):
        return TransientError(f"{device} is in use by another program", "fuser names it")
    return TransientError(f"{device} cannot be opened: {text}")
