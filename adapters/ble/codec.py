"""From an advertisement to fields: which part of it is in which format, and which decoder reads that. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from adapters.ble import codec_atc, codec_bthome, codec_eddystone, codec_ibeacon, codec_mibeacon, codec_ruuvi
from rt_edge.sdk import ConfigError, Value

_BASE = "-0000-1000-8000-00805f9b34fb"
_SHORT = re.compile(r"(?:0[xX])?([0-9a-fA-F]{4}|[0-9a-fA-F]{8})\Z")
_LONG = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_ADDRESS = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}\Z")


class Advertisement(msgspec.Struct, frozen=True):
    """What was heard of a device.

    Attributes:
        address: like C0:FF:EE:00:00:01.
        name: as it calls itself; empty if it does not.
        rssi: dBm.
        manufacturer: company number -> what follows it.
        service: UUID in full -> its data.
        uuids: services that it lists, in full.
    """

    address: str
    name: str
    rssi: int
    manufacturer: dict[int, bytes]
    service: dict[str, bytes]
    uuids: Sequence[str] = ()


def full_uuid(text: str) -> str:
    """A UUID in full and in small letters, from 16, 32 or 128 bits of it: `181a`, `0x181A`.

    Raises:
        ConfigError: it is none.
    """
    if short := _SHORT.match(text):
        return f"{int(short.group(1), 16):08x}{_BASE}"
    if _LONG.match(text.lower()):
        return text.lower()
    raise ConfigError(f"{text!r} is not a UUID", 'write four hex digits in quotes, like "181a", or all 36 characters')


def device_address(text: str) -> str:
    """A device's address in capitals.

    Raises:
        ConfigError: it is none.
    """
    if _ADDRESS.match(text.upper()):
        return text.upper()
    raise ConfigError(f"{text!r} is not an address", "write it in quotes, like C0:FF:EE:00:00:01")


class Format(NamedTuple):
    """Where a format is found, and what reads it.

    Attributes:
        company: number in the manufacturer data; None: it is service data.
        service: the UUID of its service data, in full; empty: it is manufacturer data.
        prefix: with what the data begins: other data is not of this format and no mistake.
        decode: bytes -> fields; raises CodecError.
    """

    company: int | None
    service: str
    prefix: bytes
    decode: Callable[[bytes], dict[str, Value]]


FORMATS: dict[str, Format] = {
    "bthome": Format(None, full_uuid(f"{codec_bthome.SERVICE:04x}"), b"", codec_bthome.decode),
    "eddystone": Format(None, full_uuid(f"{codec_eddystone.SERVICE:04x}"), b"", codec_eddystone.decode),
    "ibeacon": Format(codec_ibeacon.COMPANY, "", codec_ibeacon.PREFIX, codec_ibeacon.decode),
    "ruuvi": Format(codec_ruuvi.COMPANY, "", b"", codec_ruuvi.decode),
    "atc": Format(None, full_uuid(f"{codec_atc.SERVICE:04x}"), b"", codec_atc.decode),
    "mibeacon": Format(None, full_uuid(f"{codec_mibeacon.SERVICE:04x}"), b"", codec_mibeacon.decode),
}
KEYED = ("bthome", "atc", "mibeacon")
"""Formats that may be encrypted."""

RAW = "raw"
"""The format of everything: all data as bytes."""


def parts(heard: Advertisement, formats: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Of which of `formats` there is data in an advertisement, and this data."""
    for name in formats:
        if name == RAW:
            yield RAW, _joined(heard)
            continue
        form = FORMATS[name]
        data = heard.service.get(form.service) if form.company is None else heard.manufacturer.get(form.company)
        if data is not None and data.startswith(form.prefix):
            yield name, data


def frame(format_name: str, data: bytes) -> str:
    """What is kept apart when only the newest is kept: an Eddystone beacon's frames do not replace each other."""
    return f"{format_name}-{data[0]:02x}" if format_name == "eddystone" and data else format_name


def raw_fields(heard: Advertisement) -> dict[str, Value]:
    """All data, as it is: manufacturer_0499, service_181a, name."""
    fields: dict[str, Value] = {f"manufacturer_{company:04x}": data for company, data in heard.manufacturer.items()}
    for uuid, data in heard.service.items():
        short = uuid[4:8] if uuid.startswith("0000") and uuid.endswith(_BASE) else uuid
        fields[f"service_{short}"] = data
    if heard.name:
        fields["name"] = heard.name
    return fields


def _joined(heard: Advertisement) -> bytes:
    made = [company.to_bytes(2, "little") + data for company, data in heard.manufacturer.items()]
    served = [uuid.encode() + data for uuid, data in heard.service.items()]
    return b"\0".join((*made, *served, heard.name.encode()))
