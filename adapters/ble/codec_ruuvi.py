"""Ruuvi data formats 3 (RAWv1), 5 (RAWv2) and 6 (Ruuvi Air): manufacturer data of company 0x0499 (Ruuvi's documentation).

Fields: temperature (°C), humidity (%), pressure (Pa); of tags acceleration_x, _y, _z (g), battery_voltage (V), and with format 5
tx_power (dBm), movement, sequence, mac; of Ruuvi Air pm2_5 (µg/m³), co2 (ppm), voc and nox (indices), illuminance (lx), sequence,
calibrating, mac (its last three bytes). What the device marks as not available is left out; format 3 has no such mark.
"""

from __future__ import annotations

import math

from adapters.ble.codec_bytes import Bytes, exactly
from rt_edge.sdk import CodecError, Value

COMPANY = 0x0499
_LUX_STEP = math.log(65536) / 254
"""Format 6 has the logarithm of the illuminance, in 254 steps."""


def decode(data: bytes) -> dict[str, Value]:
    """Fields of what follows the company number.

    Raises:
        CodecError: another format, or another length.
    """
    kind = data[0] if data else None
    if kind == 3:
        return _rawv1(exactly(data, 14, "ruuvi"))
    if kind == 5:
        return _rawv2(exactly(data, 24, "ruuvi"))
    if kind == 6:
        return _air(exactly(data, 20, "ruuvi"))
    raise CodecError(f"ruuvi, byte 0: format {'missing' if kind is None else kind}, and 3, 5 and 6 are read")


def _rawv1(left: Bytes) -> dict[str, Value]:
    left.take(1, "format")
    humidity = left.big(1, "humidity") * 0.5
    whole, hundredths = left.big(1, "temperature"), left.big(1, "fraction")
    temperature = round((whole & 0x7F) + hundredths * 0.01, 2)  # sign and magnitude
    fields: dict[str, Value] = {
        "temperature": -temperature if whole & 0x80 else temperature,
        "humidity": humidity,
        "pressure": left.big(2, "pressure") + 50_000,
    }
    for axis in "xyz":
        fields[f"acceleration_{axis}"] = round(left.big(2, "acceleration", signed=True) * 0.001, 3)
    fields["battery_voltage"] = round(left.big(2, "voltage") * 0.001, 3)
    return fields


def _rawv2(left: Bytes) -> dict[str, Value]:
    left.take(1, "format")
    fields = _climate(left)
    for axis in "xyz":
        _scaled(fields, f"acceleration_{axis}", left.big(2, "acceleration", signed=True), -0x8000, 0.001, 3)
    power = left.big(2, "power")
    _scaled(fields, "battery_voltage", power >> 5, 0x7FF, 0.001, 3, 1.6)
    if power & 0x1F != 0x1F:
        fields["tx_power"] = (power & 0x1F) * 2 - 40
    movement, sequence = left.big(1, "movement"), left.big(2, "sequence")
    if movement != 0xFF:
        fields["movement"] = movement
    if sequence != 0xFFFF:
        fields["sequence"] = sequence
    _mac(fields, left.take(6, "mac"))
    return fields


def _air(left: Bytes) -> dict[str, Value]:
    left.take(1, "format")
    fields = _climate(left)
    _scaled(fields, "pm2_5", left.big(2, "pm2.5"), 0xFFFF, 0.1, 1)
    co2, voc, nox, light = left.big(2, "co2"), left.big(1, "voc"), left.big(1, "nox"), left.big(1, "luminosity")
    left.take(1, "reserved")
    sequence, flags = left.big(1, "sequence"), left.big(1, "flags")
    if co2 != 0xFFFF:
        fields["co2"] = co2
    for name, index in (("voc", voc << 1 | flags >> 6 & 1), ("nox", nox << 1 | flags >> 7)):  # the lowest bit is in the flags
        if index != 0x1FF:
            fields[name] = index
    if light != 0xFF:
        fields["illuminance"] = round(math.exp(light * _LUX_STEP) - 1, 2)
    fields["sequence"] = sequence
    fields["calibrating"] = bool(flags & 1)
    _mac(fields, left.take(3, "mac"))
    return fields


def _climate(left: Bytes) -> dict[str, Value]:
    fields: dict[str, Value] = {}
    _scaled(fields, "temperature", left.big(2, "temperature", signed=True), -0x8000, 0.005, 3)
    _scaled(fields, "humidity", left.big(2, "humidity"), 0xFFFF, 0.0025, 4)
    pressure = left.big(2, "pressure")
    if pressure != 0xFFFF:
        fields["pressure"] = pressure + 50_000
    return fields


def _mac(fields: dict[str, Value], mac: bytes) -> None:
    if mac.strip(b"\xff"):
        fields["mac"] = mac.hex(":").upper()


def _scaled(fields: dict[str, Value], name: str, raw: int, absent: int, factor: float, digits: int, offset: float = 0.0) -> None:
    if raw != absent:
        fields[name] = round(raw * factor + offset, digits)
