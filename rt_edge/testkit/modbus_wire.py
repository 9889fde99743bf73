"""Modbus frames as a slave sees them: RTU and ASCII, written from the specification and independent of `adapters.modbus`."""

from __future__ import annotations

import re
from typing import Literal

FramingName = Literal["rtu", "ascii"]

_ASCII_FRAME = re.compile(rb":((?:[0-9A-F]{2})+)\r\n")


def crc(data: bytes) -> bytes:
    """CRC-16/MODBUS bit by bit, as sent: low byte first."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return value.to_bytes(2, "little")


def lrc(data: bytes) -> bytes:
    """The two's complement of the sum of all bytes."""
    total = 0
    for byte in data:
        total = total + byte & 0xFF
    return bytes(((total ^ 0xFF) + 1 & 0xFF,))


def frame_of(framing: FramingName, unit: int, pdu: bytes) -> bytes:
    """The characters of a frame."""
    head = bytes((unit,)) + pdu
    if framing == "rtu":
        return head + crc(head)
    return b":" + (head + lrc(head)).hex().upper().encode("ascii") + b"\r\n"


def take_requests(framing: FramingName, buffer: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Unit and PDU of each whole request in `buffer`, and what is left; damaged ones are skipped."""
    found: list[tuple[int, bytes]] = []
    if framing == "ascii":
        end = 0
        for match in _ASCII_FRAME.finditer(buffer):
            end = match.end()
            raw = bytes.fromhex(match.group(1).decode("ascii"))
            if len(raw) > 2 and lrc(raw[:-1]) == raw[-1:]:
                found.append((raw[0], raw[1:-1]))
        return found, buffer[end:]
    while len(buffer) >= 7 and len(buffer) >= (size := _rtu_size(buffer)):
        if crc(buffer[: size - 2]) == buffer[size - 2 : size]:
            found.append((buffer[0], buffer[1 : size - 2]))
            buffer = buffer[size:]
        else:
            buffer = buffer[1:]
    return found, buffer


def _rtu_size(buffer: bytes) -> int:
    """Characters of the request that begins with `buffer`."""
    function = buffer[1]
    if function in (15, 16):
        return 9 + buffer[6]
    return {22: 10, 43: 7}.get(function, 8)
