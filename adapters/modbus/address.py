"""Addresses of channels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rt_edge.sdk import ConfigError

PORT = 502
"""Registered port of Modbus TCP (IANA: mbap)."""


def tcp_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`.

    Raises:
        ConfigError: it is none of these.
    """
    host, colon, port = text.rpartition(":")
    if text.endswith("]") or (not colon and not port.isdigit()) or not colon:
        host, port = text, str(PORT)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError(f"{text!r} is not HOST:PORT", "write an IPv6 address in brackets: [fe80::1]:502")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(f"{text!r} is not HOST:PORT", "like plc.local:502")
    return host, int(port)


def framing_name(channel: Any) -> str:
    """`mbap`, `rtu` or `ascii`: what the channel says, or what is usual on its kind of line."""
    return str(channel.framing or ("rtu" if channel.serial is not None else "mbap"))


def data_bits_of(channel: Any) -> int:
    """Data bits of a serial line: what the channel says, or what its framing has by the standard (ASCII 7, RTU 8)."""
    return int(channel.data_bits or (7 if framing_name(channel) == "ascii" else 8))


def channel_key(channel: Any) -> str:
    """What makes two channels the same physical one: the device behind all symbolic links, or host and port."""
    if channel.serial is not None:
        return f"serial:{Path(channel.serial).resolve()}"
    host, port = tcp_address(channel.tcp)
    return f"tcp:{host.lower()}:{port}"


_NUMBERED_FROM = {"discrete": 10001, "input": 30001, "holding": 40001}
"""Where manuals that count like the first PLCs begin each table (Modbus Application Protocol 1.1b3, 4.4: the wire does not)."""


def of_a_manual(table: str, address: int) -> str:
    """What is to be said of an address that a unit refuses and that may be a manual's number of it; empty if it cannot be."""
    first = _NUMBERED_FROM.get(table)
    if first is None or not first <= address < first + 9999:
        return ""
    return f"; {address} in a manual is often `{table}: {address - first}` here"
