"""Xiaomi thermometers with other firmware: service data of 0x181A, ATC1441's format (13 bytes) or pvvx's custom one (15 bytes);
their encrypted forms (8 and 11 bytes) are opened by cipher.py first.

Fields of both: temperature (°C), humidity (%), battery (%), battery_voltage (V), counter, mac. The custom format has `flags` too:
its five lowest bits are reed switch, GPIO output, output controlled by a trigger, temperature trigger, humidity trigger. The
encrypted forms have no battery_voltage, and that of ATC1441 has halves of °C and %.
"""

from __future__ import annotations

from adapters.ble.codec_bytes import Bytes
from rt_edge.sdk import CodecError, Value

SERVICE = 0x181A
ENCRYPTED = (8, 11)
"""Lengths of the encrypted forms of ATC1441's and pvvx's format."""

_MARK = b"\0opened"
"""What is put before an opened payload: no payload in the air begins like this and has its length."""


def joined(mac: bytes, counter: int, plain: bytes) -> bytes:
    """An opened payload, for `decode`."""
    return _MARK + mac + bytes([counter]) + plain


def decode(data: bytes) -> dict[str, Value]:
    """Fields of either format, told apart by length.

    Raises:
        CodecError: another length; the encrypted formats are named.
    """
    if data.startswith(_MARK):
        return _opened(Bytes(data[len(_MARK) :], "atc"))
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
    reason = "encrypted, and no key of this device is known" if len(data) in ENCRYPTED else "13 (ATC1441) or 15 (pvvx) are wanted"
    raise CodecError(f"atc, byte {len(data)}: {len(data)} bytes, {reason}")


def _opened(left: Bytes) -> dict[str, Value]:
    fields: dict[str, Value] = {"mac": left.take(6, "mac").hex(":").upper(), "counter": left.little(1, "counter")}
    if left.left == 3:
        fields["temperature"] = left.little(1, "temperature") / 2 - 40
        fields["humidity"] = left.little(1, "humidity") / 2
        battery = left.little(1, "battery")
        return {**fields, "battery": battery & 0x7F, "flags": battery >> 7}
    fields["temperature"] = round(left.little(2, "temperature", signed=True) * 0.01, 2)
    fields["humidity"] = round(left.little(2, "humidity") * 0.01, 2)
    fields["battery"] = left.little(1, "battery")
    return {**fields, "flags": left.little(1, "flags")}
