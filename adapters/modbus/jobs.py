"""Commands as generators without I/O: each yields requests and gets PDUs, so that nothing comes between its steps."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Literal

from adapters.modbus.blocks import BIT_TABLES
from adapters.modbus.pdu import Request, check_write, data_of, mask_write, read, write_coil, write_registers
from adapters.modbus.plan import RANKS, PointPlan, UnitPlan
from rt_edge.sdk import CodecError, Value, WriteResult

Steps = Generator[Request, bytes, WriteResult]


class Job:
    """A command for one unit, ahead of all polls.

    Args:
        unit: its name.
        steps: yields requests, gets the PDU of each reply; CodecError thrown by it is the result "failed".
        done: called once with the result.
        expires: monotonic time after which it is not begun any more.

    Attributes:
        current: the request to make next.
        sent_write: whether a request that changes something went out: then silence does not mean that nothing happened.
    """

    __slots__ = ("_done", "current", "expires", "sent_write", "steps", "unit")

    rank = RANKS["command"]

    def __init__(self, unit: str, steps: Steps, done: Callable[[WriteResult], None], expires: float) -> None:
        self.unit = unit
        self.steps = steps
        self.expires = expires
        self.current: Request | None = None
        self.sent_write = False
        self._done = done

    def start(self) -> None:
        """Make the first request `current`; without one the job is finished."""
        self._step(lambda: next(self.steps))

    def answer(self, pdu: bytes) -> None:
        """The reply to `current`; afterwards `current` is the next request, or None at the end."""
        self._step(lambda: self.steps.send(pdu))

    def finish(self, status: Literal["confirmed", "sent", "failed", "refused"], message: str) -> None:
        """End it from outside."""
        self.current = None
        self.steps.close()
        self._done(WriteResult(status, message))

    def unanswered(self, message: str) -> None:
        """No reply: a request that writes may have been carried out, which `sent` says."""
        self.finish("sent" if self.sent_write else "failed", message)

    def _step(self, step: Callable[[], Request]) -> None:
        self.current = None
        try:
            self.current = step()
        except StopIteration as end:
            self._done(end.value)
        except CodecError as error:
            self._done(WriteResult("failed", str(error)))


def write_steps(plan: PointPlan, value: Value) -> Steps:
    """Write `value`; a part of a register by function 22 or read-modify-write; read back if the point says so."""
    point = plan.point
    keep = 0
    if plan.mask:
        put, ones = point.codec.encode(value, b"\0\0"), point.codec.encode(value, b"\xff\xff")
        expected = put
        keep = int.from_bytes(put) ^ int.from_bytes(ones)  # the bits that are as they were before
        request = mask_write(point.address, keep, int.from_bytes(put))
    elif point.table in BIT_TABLES:
        if value not in (0, 1):
            raise CodecError(f"{value!r} is not true or false")
        expected = b"\1" if value else b"\0"
        request = write_coil(point.address, bool(value), plan.multiple)
    else:
        before = b""
        if point.codec.partial:
            now = read(point.table, point.address, point.size)
            before = data_of(now, (yield now))
        expected = point.codec.encode(value, before)
        request = write_registers(point.address, expected, plan.multiple)
    check_write(request, (yield request))
    if plan.verify:
        again = read(point.table, point.address, point.size)
        found = data_of(again, (yield again))
        if point.table in BIT_TABLES:
            found = bytes((found[0] & 1,))
        elif keep:
            found = (int.from_bytes(found) & ~keep).to_bytes(2)
        if found != expected:
            return WriteResult(
                "failed", f"the unit confirmed the write, but reads back {found.hex()} instead of {expected.hex()}"
            )
        return WriteResult("confirmed", "read back")
    return WriteResult("confirmed")


def read_steps(plan: PointPlan, found: list[Value]) -> Steps:
    """Read one point; its value goes to `found`."""
    point = plan.point
    request = read(point.table, point.address, point.size)
    data = data_of(request, (yield request))
    value = bool(data[0] & 1) if point.table in BIT_TABLES else point.codec.decode(data)
    if value is None:
        return WriteResult("failed", "the unit says that it has no value")
    found.append(value)
    return WriteResult("confirmed")


def ping_steps(unit: UnitPlan) -> Steps:
    """Read the first block of a unit, for `probe`."""
    block = unit.polls[0].blocks[0]
    fields, missing = block.decode(data_of(block.request, (yield block.request)))
    shown = ", ".join(f"{name}={value!r}" for name, value in list(fields.items())[:3])
    return WriteResult("confirmed", shown or f"no value in {', '.join(list(missing)[:3])}")
