"""Modbus slaves for tests and the demo: RTU on a pty, and TCP; several units, changing values, faults by script; no threads.

    bank = SlaveBank({11: SlaveUnit(holding={100: 1, 101: 2}, input={7: wave(clock, low=0, high=500, period=20)})})
    async with RtuSlave(bank) as line:         # line.path is the serial device to open (parity none: a pty has no parity)
        bank[11].dead = True                   # from now on it does not answer
        line.unplug(); line.replug()           # the device disappears and returns under the same path
    async with TcpSlave(bank) as peer:         # peer.host, peer.port

Written from the specifications and independent of `adapters.modbus`, so that each checks the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import struct
import tempfile
import tty
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Self

from rt_edge.data.clock import Clock
from rt_edge.testkit.modbus_values import Register, counter, float_registers, wave
from rt_edge.testkit.modbus_wire import FramingName, crc, frame_of, take_requests

MAX_BUFFER = 4096

__all__ = ["Register", "RtuSlave", "SlaveBank", "SlaveUnit", "TcpSlave", "counter", "crc", "float_registers", "pump", "wave"]


class SlaveUnit:
    """One unit: four tables and what is wrong with it.

    Attributes:
        holding, input: address -> register.
        coil, discrete: address -> 0 or 1.
        dead: it does not answer.
        delay: seconds before it answers.
        exceptions: function code -> exception code it always gives.
        no_holes: it refuses (exception 2) what is not in its tables; otherwise that reads as 0.
        max_registers, max_bits: it refuses (exception 3) to give more at once.
        identity: vendor, product and revision, if it answers Read Device Identification.
        mangle: changes each reply frame on the wire (RTU) or each PDU (TCP); several frames are sent one after the other.
        requests: (function, address, count or value) of every request so far, newest last; the last 10,000.
        asked: how many there were.
    """

    def __init__(
        self,
        holding: Mapping[int, Register] | Iterable[Register] = (),
        input: Mapping[int, Register] | Iterable[Register] = (),  # noqa: A002 the standard's word
        coil: Mapping[int, Register] | Iterable[Register] = (),
        discrete: Mapping[int, Register] | Iterable[Register] = (),
        no_holes: bool = True,
    ) -> None:
        self.holding, self.input, self.coil, self.discrete = (_table(t) for t in (holding, input, coil, discrete))
        self.no_holes = no_holes
        self.dead = False
        self.delay = 0.0
        self.exceptions: dict[int, int] = {}
        self.max_registers = 125
        self.max_bits = 2000
        self.identity: tuple[str, ...] = ()
        self.mangle: Callable[[bytes], Iterable[bytes]] | None = None
        self.requests: list[tuple[int, int, int]] = []
        self.asked = 0

    def answer(self, pdu: bytes) -> bytes:
        """The PDU of the reply."""
        function = pdu[0]
        self.asked += 1
        if len(self.requests) >= 10_000:
            del self.requests[:5_000]
        if len(pdu) >= 5:
            self.requests.append((function, *struct.unpack(">HH", pdu[1:5])))
        try:
            if function in self.exceptions:
                raise _ExceptionReply(self.exceptions[function])
            return self._do(function, pdu)
        except _ExceptionReply as refusal:
            return bytes((function | 0x80, refusal.number))

    def _do(self, function: int, pdu: bytes) -> bytes:
        if function == 43 and self.identity:
            objects = b"".join(bytes((i, len(text))) + text.encode() for i, text in enumerate(self.identity))
            return bytes((43, 14, 1, 1, 0, 0, len(self.identity))) + objects
        if function not in (1, 2, 3, 4, 5, 6, 15, 16, 22) or len(pdu) < 5:
            raise _ExceptionReply(1)
        address, count = struct.unpack(">HH", pdu[1:5])
        if function in (1, 2):
            bits = self._read(self.coil if function == 1 else self.discrete, address, count, self.max_bits)
            packed = sum(bool(bit) << i for i, bit in enumerate(bits)).to_bytes((count + 7) // 8, "little")
            return bytes((function, len(packed))) + packed
        if function in (3, 4):
            words = self._read(self.holding if function == 3 else self.input, address, count, self.max_registers)
            return bytes((function, 2 * count)) + struct.pack(f">{count}H", *words)
        if function in (5, 6):
            if function == 5 and count not in (0, 0xFF00):
                raise _ExceptionReply(3)
            self._write(self.coil if function == 5 else self.holding, address, [int(count != 0) if function == 5 else count])
            return pdu[:5]
        if function == 22:
            (now,) = self._read(self.holding, address, 1, 1)
            keep, put = count, int.from_bytes(pdu[5:7], "big")
            self._write(self.holding, address, [now & keep | put & ~keep])
            return pdu[:7]
        data = pdu[6:]
        if function == 15:
            packed_bits = int.from_bytes(data, "little")
            self._write(self.coil, address, [packed_bits >> i & 1 for i in range(count)])
        else:
            if len(data) != 2 * count:
                raise _ExceptionReply(3)
            self._write(self.holding, address, struct.unpack(f">{count}H", data))
        return pdu[:5]

    def _read(self, table: Mapping[int, Register], address: int, count: int, most: int) -> list[int]:
        if not 1 <= count <= most:
            raise _ExceptionReply(3)
        if self.no_holes and any(at not in table for at in range(address, address + count)):
            raise _ExceptionReply(2)
        found = [table.get(at, 0) for at in range(address, address + count)]
        return [value() if callable(value) else value for value in found]

    def _write(self, table: MutableMapping[int, Register], address: int, values: Iterable[int]) -> None:
        for at, value in enumerate(values, address):
            if at not in table:
                raise _ExceptionReply(2)
            table[at] = value


class _ExceptionReply(Exception):
    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _table(values: Mapping[int, Register] | Iterable[Register]) -> dict[int, Register]:
    return dict(values) if isinstance(values, Mapping) else dict(enumerate(values))


def pump(clock: Clock, phase: float = 0.0) -> SlaveUnit:
    """A unit with values that change by themselves, for demos.

    holding 0..1 pressure (float32, ABCD), 2 speed (uint16, tenths), 3 set point (uint16, writable); input 0 polls so far;
    coil 0 running (writable); discrete 0 door open.
    """
    pressure = float_registers(clock, lambda c: 3.0 + math.sin(2 * math.pi * (c.monotonic() / 30 + phase)))
    speed = wave(clock, 0, 1500, period=20, phase=phase)
    return SlaveUnit(holding=[*pressure, speed, 100], input=[counter()], coil=[1], discrete=[wave(clock, 0, 1, 10, phase)])


class SlaveBank(dict[int, SlaveUnit]):
    """Unit identifier -> unit; who is not in it does not answer."""

    @property
    def requests(self) -> int:
        """Requests that reached a unit so far."""
        return sum(unit.asked for unit in self.values())


class RtuSlave:
    """All units of a bank on one pty, RTU or ASCII; an asynchronous context manager.

    Args:
        bank: the units.
        path: symbolic link to the device, kept over unplug and replug; a temporary one if not given.
        baud: replies take as long as they would on a wire of this speed (11 bits a character); None: at once.
        framing: `rtu` or `ascii`.
    """

    def __init__(self, bank: SlaveBank, path: Path | None = None, baud: int | None = None, framing: FramingName = "rtu") -> None:
        self.bank = bank
        self.baud = baud
        self.framing: FramingName = framing
        self._directory = tempfile.TemporaryDirectory(prefix="modbus-") if path is None else None
        self.path = Path(self._directory.name) / "ttyUSB0" if self._directory else path or Path()
        self._master = -1
        self._buffer = b""
        self._timers: set[asyncio.TimerHandle] = set()
        self.overruns = 0
        """Requests that came while a reply was due or on the wire: the master must never do that."""
        self._busy_until = 0.0

    async def __aenter__(self) -> Self:
        self.replug()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.unplug()
        if self._directory:
            self._directory.cleanup()

    def replug(self) -> None:
        """The device is there (again)."""
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        self.path.symlink_to(os.ttyname(slave))
        self._slave = slave  # kept open: without it the master reads EIO until somebody opens the device
        self._master = master
        asyncio.get_running_loop().add_reader(master, self._readable)

    def unplug(self) -> None:
        """The device disappears: who has it open gets EIO, its path is gone. Idempotent."""
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

    def inject(self, data: bytes) -> None:
        """Put bytes on the line that nobody asked for."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._master, data)

    def _readable(self) -> None:
        try:
            self._buffer = (self._buffer + os.read(self._master, MAX_BUFFER))[-MAX_BUFFER:]
        except (BlockingIOError, OSError):  # nothing there, or nobody has the device open
            return
        requests, self._buffer = take_requests(self.framing, self._buffer)
        for number, pdu in requests:
            self._request(number, pdu)

    def _request(self, number: int, pdu: bytes) -> None:
        unit = self.bank.get(number)
        if unit is None or unit.dead:
            return
        reply = frame_of(self.framing, number, unit.answer(pdu))
        took = len(frame_of(self.framing, number, pdu)) + len(reply)
        parts = list(unit.mangle(reply)) if unit.mangle else [reply]
        delay = unit.delay + took * 11 / self.baud if self.baud else unit.delay
        loop = asyncio.get_running_loop()
        if loop.time() < self._busy_until:
            self.overruns += 1
        self._busy_until = loop.time() + (delay if self.baud else 0.0)
        if delay == 0:
            for part in parts:
                self.inject(part)
            return

        def send() -> None:
            self._timers.discard(timer)
            for part in parts:
                self.inject(part)

        timer = loop.call_later(delay, send)
        self._timers.add(timer)


class TcpSlave:
    """All units of a bank on one TCP port of the loopback; an asynchronous context manager.

    Args:
        bank: the units; who is not in it gives exception 11, as a gateway would, unless `silent`.
        silent: units that are not in the bank are not answered for.
    """

    def __init__(self, bank: SlaveBank, silent: bool = False) -> None:
        self.bank = bank
        self.silent = silent
        self.host = "127.0.0.1"
        self.port = 0
        self.connections: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _Mbap(self), self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and cut all connections. Idempotent."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            self.cut()
            await server.wait_closed()

    def cut(self) -> None:
        """Cut all connections; new ones are taken."""
        for transport in list(self.connections):
            transport.abort()


class _Mbap(asyncio.Protocol):
    def __init__(self, slave: TcpSlave) -> None:
        self._slave = slave
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._slave.connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._slave.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        while len(buffer) >= 8:
            number, _, length, unit = struct.unpack_from(">HHHB", buffer)
            if len(buffer) < 6 + length:
                break
            self._request(number, unit, buffer[7 : 6 + length])
            buffer = buffer[6 + length :]
        self._buffer = buffer[-MAX_BUFFER:]

    def _request(self, number: int, unit_id: int, pdu: bytes) -> None:
        unit = self._slave.bank.get(unit_id)
        if unit is None:
            if not self._slave.silent:
                self._send(number, unit_id, bytes((pdu[0] | 0x80, 11)))
            return
        if unit.dead:
            return
        reply = unit.answer(pdu)
        for part in unit.mangle(reply) if unit.mangle else (reply,):
            if unit.delay:
                asyncio.get_running_loop().call_later(unit.delay, self._send, number, unit_id, part)
            else:
                self._send(number, unit_id, part)

    def _send(self, number: int, unit_id: int, pdu: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(struct.pack(">HHHB", number, 0, len(pdu) + 1, unit_id) + pdu)
