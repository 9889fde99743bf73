"""PDUs: requests and what their replies must look like (MODBUS Application Protocol V1.1b3, section 6).

pymodbus makes the requests. Replies are taken apart here: those of writes repeat the request, and of reads only the data is
wanted, as bytes, for one `unpack` of a whole block (pymodbus makes an int of each register).
"""

from __future__ import annotations

from typing import NamedTuple

from pymodbus.pdu import bit_message, register_message

from rt_edge.sdk import CodecError

TABLES = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
"""Table -> function code that reads it."""

MAX_REGISTERS = 125
MAX_BITS = 2000
EXCEPTION = 0x80
EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledged, not done yet",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target does not answer",
}
IDENTIFY = 43
"""Function code of Read Device Identification (6.21), the only reply whose length is told by its contents."""
ANY_LENGTH = 0
"""`Request.reply` where the length of the reply is not known before."""
ILLEGAL_FUNCTION = 1
SPLITTABLE = (2, 3)
"""Exceptions that a smaller block may avoid."""
UNREACHABLE = (10, 11)
"""Exceptions by which a gateway says that the unit behind it is not there."""


class Request(NamedTuple):
    """A request and the size of its reply.

    Attributes:
        pdu: function code and data.
        reply: bytes of the PDU of a reply that is not an exception.
    """

    pdu: bytes
    reply: int

    @property
    def function(self) -> int:
        """The function code."""
        return self.pdu[0]


class ModbusException(CodecError):
    """The unit refused the request.

    Args:
        exception: the exception code.
    """

    code = "RTE410"

    def __init__(self, exception: int) -> None:
        super().__init__(f"exception {exception}: {EXCEPTIONS.get(exception, 'unknown')}")
        self.args = (exception,)
        self.exception = exception


def read(table: str, address: int, count: int) -> Request:
    """Read `count` registers or bits from `address` (0-based) on."""
    if table in ("coil", "discrete"):
        bits = bit_message.ReadCoilsRequest if table == "coil" else bit_message.ReadDiscreteInputsRequest
        return Request(bytes((TABLES[table],)) + bits(address=address, count=count).encode(), 2 + (count + 7) // 8)
    registers = register_message.ReadHoldingRegistersRequest if table == "holding" else register_message.ReadInputRegistersRequest
    return Request(bytes((TABLES[table],)) + registers(address=address, count=count).encode(), 2 + 2 * count)


def write_coil(address: int, on: bool, multiple: bool = False) -> Request:
    """Write one coil, by function 5, or 15 for devices that know only that."""
    if multiple:
        return Request(b"\x0f" + bit_message.WriteMultipleCoilsRequest(address=address, bits=[on]).encode(), 5)
    return Request(b"\x05" + bit_message.WriteSingleCoilRequest(address=address, bits=[on]).encode(), 5)


def write_registers(address: int, data: bytes, multiple: bool = False) -> Request:
    """Write registers (big endian bytes): one by function 6 unless `multiple`, more by function 16."""
    registers = [data[i] << 8 | data[i + 1] for i in range(0, len(data), 2)]
    if len(registers) == 1 and not multiple:
        return Request(b"\x06" + register_message.WriteSingleRegisterRequest(address=address, registers=registers).encode(), 5)
    request = register_message.WriteMultipleRegistersRequest(address=address, registers=registers)
    return Request(b"\x10" + request.encode(), 5)


def mask_write(address: int, keep: int, put: int) -> Request:
    """Change bits of one holding register in the unit itself: register = (register & keep) | (put & ~keep), function 22."""
    message = register_message.MaskWriteRegisterRequest(address=address, and_mask=keep, or_mask=put)
    return Request(b"\x16" + message.encode(), 7)


def identity_length(data: bytes | bytearray, at: int) -> int:
    """Bytes of the PDU at `at`, a reply to Read Device Identification; 0: too few came to know.

    A reply has function, 14, code, conformity, more, next, number of objects, then each object: number, length, text.
    """
    if at + 7 > len(data):
        return 0
    end = at + 7
    for _ in range(data[at + 6]):
        if end + 2 > len(data):
            return 0
        end += 2 + data[end + 1]
    return end - at


def data_of(request: Request, reply: bytes) -> bytes:
    """The data bytes of the reply to a read.

    Raises:
        ModbusException: the unit refused.
        CodecError: the reply does not answer the request.
    """
    if len(reply) == request.reply and reply[0] == request.pdu[0] and reply[1] == request.reply - 2:
        return reply[2:]
    raise _unfit(request, reply)


def check_write(request: Request, reply: bytes) -> None:
    """The reply to a write repeats its address and value or count.

    Raises:
        ModbusException: the unit refused.
        CodecError: the reply does not answer the request.
    """
    if len(reply) != request.reply or reply[0] != request.pdu[0]:
        raise _unfit(request, reply)
    if reply != request.pdu[: request.reply]:
        raise CodecError(f"reply {reply.hex()} to the write {request.pdu[: request.reply].hex()} confirms something else")


def _unfit(request: Request, reply: bytes) -> CodecError:
    if len(reply) == 2 and reply[0] == request.pdu[0] | EXCEPTION:
        return ModbusException(reply[1])
    return CodecError(f"reply {reply[:8].hex()} ({len(reply)} bytes) does not answer request {request.pdu[:5].hex()}")
