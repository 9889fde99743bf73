"""Xiaomi thermometers with other firmware: service data of 0x181A, ATC1441's format (13 bytes) or pvvx's custom one (15 bytes).

Fields of both: temperature (°C), humidity (%), battery (%), battery_voltage (V), counter, mac. The custom format has `flags` too:
its five lowest bits are reed switch, GPIO output, output controlled by a trigger, temperature trigger, humidity trigger.
"""

from __future__ import annotations

from adapters.ble.codec_bytes import Bytes
from rt_edge.sdk import CodecError, Value

SERVICE = 0x181A
_ENCRYPTED = (8, 11)


def decode(data: bytes) -> dict[str, Value]:
    """Fields of either format, told apart by length.

    Raises:
        CodecError: another length; the encrypted formats are named.
    """
    left = Bytes(data, "atc")
    if len(data) == 13:
        return {
            "mac": left.take(6, "mac").hex(":").upper(),
            "temperature": round(left.big(2, "temperature", signed=True) * 0.1, 1),
            "humidity": left.big(1, "humidity"),
            "battery": left.big(1, "battery"),
            "battery_voltage": round(left.big(2, "voltage") * 0.001, 3),
            "counter": left.big(1, "counter"),
        }
    if len(data) == 15:
        return {
            "mac": left.take(6, "mac")[::-1].hex(":").upper(),
            "temperature": round(left.little(2, "temperature", signed=True) * 0.01, 2),
            "humidity": round(left.little(2, "humidity") * 0.01, 2),
            "battery_voltage": round(left.little(2, "voltage") * 0.001, 3),
            "battery": left.little(1, "battery"),
            "counter": left.little(1, "counter"),
            "flags": left.little(1, "flags"),
        }
    reason = "an encrypted format is not read" if len(data) in _ENCRYPTED else "13 (ATC1441) or 15 (pvvx) are wanted"
    raise CodecError(f"atc, byte {len(data)}: {len(data)} bytes, {reason}")
