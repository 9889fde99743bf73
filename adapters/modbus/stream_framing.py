"""Serial frames from a stream of bytes, without I/O: whose reply it is, late ones, the echo. RTU and ASCII say where frames are.

Modbus on a serial line has no transaction number: a reply carries unit, function and length, nothing else. So a reply that comes
after its time-out could be taken for the reply to a later request. What keeps that from happening here:

- The frame that is waited for is known exactly (unit, function, length, or an exception of that function); all else is noise, and
  so is what was there before the request went out.
- A request that was given up stays in a ledger. Its frame is still recognised, whole, when it comes, and thrown away.
- As long as the ledger knows a request of a unit, none that would have the same reply may go to that unit. The bus first asks it
  something with a reply of another shape; since a unit answers in order, that reply proves that nothing older can still come, and
  the ledger forgets the unit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from adapters.modbus.late import Ledger, Shape
from adapters.modbus.pdu import ANY_LENGTH, EXCEPTION, Request


class StreamFraming(ABC):
    """One serial line; also serial frames over TCP.

    Args:
        count: counters: `late_frames`, `noise_bytes`, `crc_errors`, `ambiguous_exceptions`.
        late_limit: seconds after which a reply to a given-up request cannot come any more.
        local_echo: whether the line driver returns what we send.
    """

    __slots__ = ("_buffer", "_count", "_echo", "_echoes", "_ledger", "_pending")

    buffer_bytes: int
    """Bytes kept while looking for a frame; older ones are noise."""

    def __init__(self, count: Callable[[str, int], None], late_limit: float = 30.0, local_echo: bool = False) -> None:
        self._count = count
        self._ledger = Ledger(late_limit)
        self._buffer = bytearray()
        self._pending: tuple[int, Shape] | None = None
        self._echoes = local_echo
        self._echo = b""

    @abstractmethod
    def frame(self, unit: int, pdu: bytes) -> bytes:
        """The bytes of a PDU on the line."""

    @abstractmethod
    def _scan(self, now: float, final: bool) -> bytes | None:
        """Take frames off the buffer from the left; `final`: what is incomplete now will not be completed."""

    def begin(self, unit: int, request: Request, now: float) -> bytes:
        """See `Framing`. What came before the request is no reply to it: a frame that was sent twice, noise, a late one."""
        if self._buffer:
            self._scan(now, final=False)
        frame = self.frame(unit, request.pdu)
        self._pending = (unit, Shape(request.function, request.reply))
        self._echo = frame if self._echoes else b""
        return frame

    def feed(self, data: bytes, now: float) -> bytes | None:
        """See `Framing`."""
        self._buffer += data
        if self._echo and not self._strip_echo():
            return None
        if not self._pending and not self._ledger:
            self._noise(len(self._buffer))
            return None
        pdu = self._scan(now, final=False)
        if (excess := len(self._buffer) - self.buffer_bytes) > 0:
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

    def _headers(self) -> dict[tuple[int, int], list[int]]:
        """(unit, function) -> lengths of the PDUs that may come."""
        headers = self._ledger.headers()
        if self._pending:
            unit, shape = self._pending
            headers.setdefault((unit, shape.function), []).append(shape.length)
        return headers

    def _take(self, unit: int, pdu: bytes, now: float) -> bytes | None:
        """A whole, sound frame of those that may come: the reply that is waited for, or a late one."""
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
            if pending[1].length in (len(pdu), ANY_LENGTH) and pending[1] not in late:
                return self._done(unit, pdu)
        self._count("late_frames", 1)
        if not pdu[0] & EXCEPTION:
            self._ledger.seen(unit, Shape(function, len(pdu)))
        return None

    def _done(self, unit: int, pdu: bytes) -> bytes:
        self._ledger.synced(unit)
        self._pending = None
        return pdu
