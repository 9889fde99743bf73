"""CRCs: the check values of the catalogue, and the bytes of a known frame."""

from __future__ import annotations

import binascii
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rt_edge.data.errors import ConfigError
from rt_edge.streams.framing import CRCS, Crc, crc_named

CATALOGUE = {
    "CRC-8": 0xF4,
    "CRC-8/MAXIM-DOW": 0xA1,
    "CRC-16/ARC": 0xBB3D,
    "CRC-16/MODBUS": 0x4B37,
    "CRC-16/CCITT-FALSE": 0x29B1,
    "CRC-16/XMODEM": 0x31C3,
    "CRC-16/KERMIT": 0x2189,
    "CRC-16/X-25": 0x906E,
    "CRC-32": 0xCBF43926,
    "CRC-32C": 0xE3069283,
}
"""Check values of the catalogue of parametrised CRC algorithms: of the text 123456789."""


def bitwise(crc: Crc, data: bytes) -> int:
    """The definition, bit by bit (Ross Williams, A painless guide to CRC error detection algorithms)."""
    register = crc.init
    for byte in data:
        bits = f"{byte:08b}"
        for bit in bits[::-1] if crc.reflected else bits:
            top = register >> crc.width - 1 & 1
            register = register << 1 & (1 << crc.width) - 1
            if top ^ int(bit):
                register ^= crc.poly
    if crc.reflected:
        register = int(f"{register:0{crc.width}b}"[::-1], 2)
    return register ^ crc.xorout


def test_check_value_is_the_catalogues_when_each_algorithm_is_run() -> None:
    """All of them, none left out."""
    assert {name: crc.value(b"123456789") for name, crc in CRCS.items()} == CATALOGUE
    assert {name: crc.check for name, crc in CRCS.items()} == CATALOGUE


@given(data=st.binary(max_size=40), name=st.sampled_from(sorted(CRCS)))
def test_table_gives_what_the_definition_gives_when_data_is_random(data: bytes, name: str) -> None:
    """Byte by byte from a table, or by the standard library, is bit by bit."""
    assert CRCS[name].value(data) == bitwise(CRCS[name], data)


@given(data=st.binary(max_size=100))
def test_values_are_those_of_the_standard_library_where_it_has_them(data: bytes) -> None:
    """zlib has CRC-32, binascii CRC-16/XMODEM and, from 0xFFFF, CCITT-FALSE."""
    assert CRCS["CRC-32"].value(data) == zlib.crc32(data)
    assert CRCS["CRC-16/XMODEM"].value(data) == binascii.crc_hqx(data, 0)
    assert CRCS["CRC-16/CCITT-FALSE"].value(data) == binascii.crc_hqx(data, 0xFFFF)


def test_bytes_are_in_the_usual_order_when_none_is_said() -> None:
    """A request of Modbus RTU that many documents show: 11 03 00 6B 00 03, then 76 87, low byte first."""
    request = bytes.fromhex("1103006b0003")
    assert CRCS["CRC-16/MODBUS"].bytes_of(request) == bytes.fromhex("7687")
    assert CRCS["CRC-16/MODBUS"].is_right(request + bytes.fromhex("7687"))
    assert not CRCS["CRC-16/MODBUS"].is_right(request + bytes.fromhex("7688"))
    assert not CRCS["CRC-16/MODBUS"].is_right(b"1")
    assert CRCS["CRC-16/CCITT-FALSE"].bytes_of(b"123456789") == bytes.fromhex("29b1")
    assert CRCS["CRC-16/CCITT-FALSE"].bytes_of(b"123456789", "little") == bytes.fromhex("b129")


def test_nearest_name_is_said_when_a_name_is_unknown() -> None:
    """Case does not matter, a mistake is a settings error."""
    assert crc_named("crc-16/modbus").name == "CRC-16/MODBUS"
    with pytest.raises(ConfigError) as caught:
        crc_named("CRC-16/MODUS")
    assert caught.value.hint == "did you mean 'CRC-16/MODBUS'?"
