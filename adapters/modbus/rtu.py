"""RTU frames from a stream of bytes, without I/O: CRC, expected length, resynchronisation, attribution of late replies.

Modbus RTU has no transaction number: a reply carries unit, function and length, nothing else. So a reply that comes after its
time-out could be taken for the reply to a later request. What keeps that from happening here:

- The frame that is waited for is known exactly (unit, function, length, or an exception of that function); all else is noise.
- A request that was given up stays in a ledger. Its frame is still recognised, whole, when it comes, and thrown away.
- As long as the ledger knows a request of a unit, none that would have the same reply may go to that unit. The bus first asks it
  something with a reply of another shape; since a unit answers in order, that reply proves that nothing older can still come, and
  the ledger forgets the unit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from adapters.modbus.pdu import EXCEPTION, MAX_REGISTERS, Request

MAX_FRAME = 256
"""Bytes of the longest RTU frame (MODBUS over Serial Line V1.02, 2.5.1)."""

BUFFER = 2 * MAX_FRAME
"""Bytes kept while looking for a frame; older ones are noise."""

LATE_SHAPES = 16
"""Given-up requests remembered of one unit; with more, the unit is left alone until one expires."""


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_TABLE = _crc_table()


def crc16(data: bytes | bytearray) -> int:
    """CRC-16/MODBUS (serial line specification, 6.2.2); it goes on the wire low byte first."""
    crc = 0xFFFF
    table = _TABLE
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc


class Shape(NamedTuple):
    """All that tells one reply from another on the wire."""

    function: int
    length: int


class Ledger:
    """Requests that were given up and may still be answered, for each unit.

    Args:
        limit: seconds after which a reply cannot come any more.
    """

    __slots__ = ("_late", "_limit")

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._late: dict[int, dict[Shape, float]] = {}

    def __bool__(self) -> bool:
        return bool(self._late)

    def add(self, unit: int, shape: Shape, now: float) -> None:
        """`unit` was asked and has not answered in time."""
        self._late.setdefault(unit, {})[shape] = now + self._limit

    def of(self, unit: int, now: float) -> dict[Shape, float]:
        """What `unit` may still answer, with the time at which that ends."""
        late = self._late.get(unit)
        if late is None:
            return {}
        for shape in [shape for shape, end in late.items() if end <= now]:
            del late[shape]
        if not late:
            del self._late[unit]
        return late

    def functions(self, unit: int, now: float) -> set[int]:
        """Functions of the requests that `unit` may still answer."""
        return {shape.function for shape in self.of(unit, now)}

    def synced(self, unit: int) -> None:
        """`unit` answered something newer: it answers in order, so nothing older will come."""
        self._late.pop(unit, None)

    def seen(self, unit: int, shape: Shape) -> None:
        """The late reply came: it and what is older is done with."""
        late = self._late.get(unit, {})
        for older in list(late):
            del late[older]
            if older == shape:
                break
        if not late:
            self._late.pop(unit, None)

    def headers(self) -> dict[tuple[int, int], list[int]]:
        """(unit, function) -> lengths of the PDUs that may still come."""
        found: dict[tuple[int, int], list[int]] = {}
        for unit, late in self._late.items():
            for shape in late:
                found.setdefault((unit, shape.function), []).append(shape.length)
        return found


class Framing(Protocol):
    """What the bus needs of RTU and of MBAP framing."""

    def begin(self, unit: int, request: Request, now: float) -> bytes:
        """The bytes of a request; its reply is waited for from now on."""
        ...

    def feed(self, data: bytes, now: float) -> bytes | None:
        """Take bytes from the wire; the PDU of the reply that is waited for, as soon as it is complete."""
        ...

    def give_up(self, now: float) -> bytes | None:
        """The time is over: a last look for the reply in what came; otherwise it counts as late from now on."""
        ...

    def late(self, unit: int, now: float) -> dict[Shape, float]:
        """Replies of `unit` that may still come and could be taken for another; empty where frames are numbered."""
        ...


class RtuFraming:
    """One RTU line; also RTU over TCP.

    Args:
        count: counters: `late_frames`, `noise_bytes`, `crc_errors`, `ambiguous_exceptions`.
        late_limit: seconds after which a reply to a given-up request cannot come any more.
        local_echo: whether the line driver returns what we send.
    """

    __slots__ = ("_buffer", "_count", "_echo", "_echoes", "_ledger", "_pending")

    def __init__(self, count: Callable[[str, int], None], late_limit: float = 30.0, local_echo: bool = False) -> None:
        self._count = count
        self._ledger = Ledger(late_limit)
        self._buffer = bytearray()
        self._pending: tuple[int, Shape] | None = None
        self._echoes = local_echo
        self._echo = b""

    def begin(self, unit: int, request: Request, now: float) -> bytes:
        """See `Framing`."""
        head = bytes((unit,)) + request.pdu
        frame = head + crc16(head).to_bytes(2, "little")
        self._pending = (unit, Shape(request.function, request.reply))
        self._echo = frame if self._echoes else b""
        return frame

    def feed(self, data: bytes, now: float) -> bytes | None:
        """See `Framing`."""
        if self._pending and not self._buffer and not self._echo and not self._ledger:
            unit, shape = self._pending  # the usual case: the whole frame, and nothing else can be on the line
            expected = len(data) == shape.length + 3 and data[0] == unit and data[1] == shape.function
            if expected and (shape.function > 4 or data[2] == shape.length - 2) and not crc16(data):
                self._pending = None
                return data[1:-2]
        self._buffer += data
        if self._echo and not self._strip_echo():
            return None
        if not self._pending and not self._ledger:
            self._noise(len(self._buffer))
            return None
        pdu = self._scan(now, final=False)
        if (excess := len(self._buffer) - BUFFER) > 0:
            self._noise(excess)
        return pdu

    def give_up(self, now: float) -> bytes | None:
        """See `Framing`."""
        pdu = self._scan(now, final=True)
        if pdu is None and self._pending:
            self._ledger.add(*self._pending, now)
            self._pending = None
        self._echo = b""
        return pdu

    def late(self, unit: int, now: float) -> dict[Shape, float]:
        """See `Framing`."""
        return self._ledger.of(unit, now)

    def _strip_echo(self) -> bool:
        """Remove the echo of the request; False while it may still be coming."""
        n = min(len(self._echo), len(self._buffer))
        if self._buffer[:n] == self._echo[:n]:
            if n < len(self._echo):
                return False
            del self._buffer[:n]
        self._echo = b""
        return True

    def _noise(self, n: int) -> None:
        if n:
            del self._buffer[:n]
            self._count("noise_bytes", n)

    def _scan(self, now: float, final: bool) -> bytes | None:
        """Take frames off the buffer from the left; `final`: what is incomplete now will not be completed."""
        buffer = self._buffer
        at = 0
        headers = self._headers()
        while at < len(buffer):
            length = self._frame_at(at, headers)
            if length is None:
                at += 1
                continue
            if length == 0 or at + length > len(buffer):
                if final:
                    at += 1
                    continue
                break
            frame = bytes(buffer[at : at + length])
            if crc16(frame[:-2]) != int.from_bytes(frame[-2:], "little"):
                self._count("crc_errors", 1)
                at += 1
                continue
            self._noise(at)
            del buffer[:length]
            at = 0
            pdu = self._take(frame[0], frame[1:-2], now)
            if pdu is not None:
                return pdu
            headers = self._headers()
        self._noise(at)
        return None

    def _headers(self) -> dict[tuple[int, int], list[int]]:
        headers = self._ledger.headers()
        if self._pending:
            unit, shape = self._pending
            headers.setdefault((unit, shape.function), []).append(shape.length)
        return headers

    def _frame_at(self, at: int, headers: dict[tuple[int, int], list[int]]) -> int | None:
        """Bytes of the frame that starts at `at` by its header; 0: too few bytes to know; None: none of those that may come."""
        head = self._buffer[at : at + 3]
        if len(head) < 2:
            return 0 if any(unit == head[0] for unit, _ in headers) else None
        lengths = headers.get((head[0], head[1] & ~EXCEPTION))
        if lengths is None:
            return None
        if head[1] & EXCEPTION:
            return 5
        if head[1] > 4:  # a write: address and value come back
            return 8
        if len(head) < 3:
            return 0
        return head[2] + 5 if head[2] + 2 in lengths else None

    def _take(self, unit: int, pdu: bytes, now: float) -> bytes | None:
        """A whole, sound frame: the reply that is waited for, or a late one."""
        function = pdu[0] & ~EXCEPTION
        late = self._ledger.of(unit, now)
        pending = self._pending
        if pending and pending[0] == unit and pending[1].function == function:
            if pdu[0] & EXCEPTION:
                if not any(shape.function == function for shape in late):
                    return self._done(unit, pdu)
                # it may belong to the given-up request: not taken as an answer; the unit will be asked something else
                self._count("ambiguous_exceptions", 1)
                return None
            if len(pdu) == pending[1].length and pending[1] not in late:
                return self._done(unit, pdu)
        self._count("late_frames", 1)
        if not pdu[0] & EXCEPTION:
            self._ledger.seen(unit, Shape(function, len(pdu)))
        return None

    def _done(self, unit: int, pdu: bytes) -> bytes:
        self._ledger.synced(unit)
        self._pending = None
        return pdu


def other_shape(blocks: list[tuple[int, int, int]], late: dict[Shape, float]) -> tuple[int, int, int] | None:
    """A read whose reply cannot be taken for one in `late`: (function, address, count), or None if there is none.

    Args:
        blocks: (function, address, count) of what this unit is asked anyway, so what it is known to serve.
        late: replies of the unit that may still come.
    """
    functions = {shape.function for shape in late}
    for function, address, _ in blocks:
        if function not in functions:
            return function, address, 1
    for function, address, count in blocks:
        per_byte = 8 if function < 3 else 1
        for n in range(1, count + 1, per_byte):
            length = 2 + (n + 7) // 8 if function < 3 else 2 + 2 * n
            if Shape(function, length) not in late:
                return function, address, n
    for function in (3, 4, 1, 2):  # even "illegal function" is an answer that proves the order
        if function not in functions:
            return function, blocks[0][1], 1
    function, address, count = blocks[0]
    for n in range(count + 1, count + LATE_SHAPES):
        if function > 2 and n <= MAX_REGISTERS and Shape(function, 2 + 2 * n) not in late:
            return function, address, n
    return None
