"""Ruuvi data format 5 (RAWv2): manufacturer data of company 0x0499 (Ruuvi's documentation, "Data format 5").

Fields: temperature (°C), humidity (%), pressure (Pa), acceleration_x, _y, _z (g), battery_voltage (V), tx_power (dBm), movement,
sequence, mac. What the tag marks as not available is left out.
"""

from __future__ import annotations

from adapters.ble.codec_bytes import exactly
from rt_edge.sdk import CodecError, Value

COMPANY = 0x0499
_LENGTH = 24


def decode(data: bytes) -> dict[str, Value]:
    """Fields of what follows the company number.

    Raises:
        CodecError: another format, or another length.
    """
    if not data or data[0] != 5:
        raise CodecError(f"ruuvi, byte 0: format {data[0] if data else 'missing'}, and only 5 (RAWv2) is read")
    left = exactly(data, _LENGTH, "ruuvi")
    left.take(1, "format")
    fields: dict[str, Value] = {}
    _scaled(fields, "temperature", left.big(2, "temperature", signed=True), -0x8000, 0.005, 3)
    _scaled(fields, "humidity", left.big(2, "humidity"), 0xFFFF, 0.0025, 4)
    pressure = left.big(2, "pressure")
    if pressure != 0xFFFF:
        fields["pressure"] = pressure + 50_000
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
    mac = left.take(6, "mac")
    if mac != b"\xff" * 6:
        fields["mac"] = mac.hex(":").upper()
    return fields


def _scaled(fields: dict[str, Value], name: str, raw: int, absent: int, factor: float, digits: int, offset: float = 0.0) -> None:
    if raw != absent:
        fields[name] = round(raw * factor + offset, digits)
