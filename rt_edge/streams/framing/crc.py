"""Cyclic redundancy checks, by the names and parameters of the catalogue of parametrised CRC algorithms (Greg Cook)."""

from __future__ import annotations

import zlib
from functools import cached_property
from typing import Literal

from rt_edge.data.errors import ConfigError
from rt_edge.streams.model import nearest_hint


class Crc:
    """One algorithm.

    Args:
        name: as in the catalogue.
        width: bits: 8, 16 or 32.
        poly: the polynomial, without its highest bit, not reflected.
        init: the register at the beginning.
        reflected: whether bits go in and come out lowest first (refin and refout).
        xorout: what the register is XORed with at the end.
        check: of the nine bytes `123456789`.
    """

    def __init__(self, name: str, width: int, poly: int, init: int, reflected: bool, xorout: int, check: int) -> None:
        self.name = name
        self.width = width
        self.poly = poly
        self.init = init
        self.reflected = reflected
        self.xorout = xorout
        self.check = check

    @property
    def size(self) -> int:
        """Bytes of a checksum."""
        return self.width // 8

    @property
    def order(self) -> Literal["big", "little"]:
        """In which order its bytes are usually sent: a reflected one lowest first."""
        return "little" if self.reflected else "big"

    @cached_property
    def _table(self) -> tuple[int, ...]:
        return tuple(self._row(byte) for byte in range(256))

    def _row(self, byte: int) -> int:
        mask = (1 << self.width) - 1
        if self.reflected:
            poly = int(f"{self.poly:0{self.width}b}"[::-1], 2)
            for _ in range(8):
                byte = byte >> 1 ^ (poly if byte & 1 else 0)
            return byte
        top = 1 << self.width - 1
        value = byte << self.width - 8
        for _ in range(8):
            value = (value << 1 ^ (self.poly if value & top else 0)) & mask
        return value

    def value(self, data: bytes | bytearray | memoryview) -> int:
        """The checksum of `data`, as a number."""
        if self.name == "CRC-32":
            return zlib.crc32(data)
        table = self._table
        if self.reflected:
            register = int(f"{self.init:0{self.width}b}"[::-1], 2)
            for byte in data:
                register = register >> 8 ^ table[(register ^ byte) & 0xFF]
            return register ^ self.xorout
        register = self.init
        shift, mask = self.width - 8, (1 << self.width) - 1
        for byte in data:
            register = (register << 8 & mask) ^ table[register >> shift ^ byte]
        return register ^ self.xorout

    def bytes_of(self, data: bytes, order: Literal["big", "little"] | None = None) -> bytes:
        """The checksum of `data`, as it is sent."""
        return self.value(data).to_bytes(self.size, order or self.order)

    def is_right(self, frame: bytes, order: Literal["big", "little"] | None = None) -> bool:
        """Whether the last bytes of `frame` are the checksum of those before."""
        return len(frame) >= self.size and self.bytes_of(frame[: -self.size], order) == frame[-self.size :]

    def __repr__(self) -> str:
        return f"Crc({self.name})"


CRCS: dict[str, Crc] = {
    crc.name: crc
    for crc in (
        Crc("CRC-8", 8, 0x07, 0x00, False, 0x00, 0xF4),
        Crc("CRC-8/MAXIM-DOW", 8, 0x31, 0x00, True, 0x00, 0xA1),
        Crc("CRC-16/ARC", 16, 0x8005, 0x0000, True, 0x0000, 0xBB3D),
        Crc("CRC-16/MODBUS", 16, 0x8005, 0xFFFF, True, 0x0000, 0x4B37),
        Crc("CRC-16/CCITT-FALSE", 16, 0x1021, 0xFFFF, False, 0x0000, 0x29B1),
        Crc("CRC-16/XMODEM", 16, 0x1021, 0x0000, False, 0x0000, 0x31C3),
        Crc("CRC-16/KERMIT", 16, 0x1021, 0x0000, True, 0x0000, 0x2189),
        Crc("CRC-16/X-25", 16, 0x1021, 0xFFFF, True, 0xFFFF, 0x906E),
        Crc("CRC-32", 32, 0x04C11DB7, 0xFFFFFFFF, True, 0xFFFFFFFF, 0xCBF43926),
        Crc("CRC-32C", 32, 0x1EDC6F41, 0xFFFFFFFF, True, 0xFFFFFFFF, 0xE3069283),
    )
}
"""Name -> algorithm. CRC-16/CCITT-FALSE is CRC-16/IBM-3740 in the catalogue, CRC-8 is CRC-8/SMBUS, CRC-32 is CRC-32/ISO-HDLC,
CRC-32C is CRC-32/ISCSI, CRC-16/X-25 is CRC-16/IBM-SDLC."""


def crc_named(name: str) -> Crc:
    """The algorithm of this name, in any case.

    Raises:
        ConfigError: there is none.
    """
    found = CRCS.get(name.upper())
    if found is None:
        raise ConfigError(f"there is no CRC {name!r}", nearest_hint(name.upper(), CRCS))
    return found
