"""Eddystone: service data of 0xFEAA (google/eddystone: protocol-specification, eddystone-uid, -url, -tlm, -eid).

UID: namespace, instance, ranging_power (dBm at 0 m). URL: url, ranging_power. TLM (plain): battery_voltage (V), temperature (°C),
advertisements, uptime (s); what the beacon marks as not supported is left out. EID: eid (who it is only its resolver knows),
ranging_power. All have `frame`: uid, url, tlm or eid.
"""

from __future__ import annotations

from adapters.ble.codec_bytes import Bytes, exactly
from rt_edge.sdk import CodecError, Value

SERVICE = 0xFEAA
_SCHEMES = ("http://www.", "https://www.", "http://", "https://")
_ENDINGS = (".com", ".org", ".edu", ".net", ".info", ".biz", ".gov")
_EXPANSIONS = (*(f"{ending}/" for ending in _ENDINGS), *_ENDINGS)
_URL_BYTES = 17


def decode(data: bytes) -> dict[str, Value]:
    """Fields of a frame.

    Raises:
        CodecError: a frame that is not read (encrypted TLM, unknown), or one that is malformed.
    """
    if not data:
        raise CodecError("eddystone, byte 0: an empty frame")
    kind = data[0]
    if kind == 0x00:
        return _uid(data)
    if kind == 0x10:
        return _url(data)
    if kind == 0x20:
        return _tlm(data)
    if kind == 0x30:
        return _eid(data)
    raise CodecError(f"eddystone, byte 0: frame type 0x{kind:02x} is not read")


def _uid(data: bytes) -> dict[str, Value]:
    if len(data) == 18:  # two reserved bytes at the end may be left out
        data += b"\0\0"
    left = exactly(data, 20, "eddystone uid")
    left.take(1, "type")
    return {
        "frame": "uid",
        "ranging_power": left.big(1, "power", signed=True),
        "namespace": left.take(10, "namespace").hex(),
        "instance": left.take(6, "instance").hex(),
    }


def _eid(data: bytes) -> dict[str, Value]:
    left = exactly(data, 10, "eddystone eid")
    left.take(1, "type")
    return {"frame": "eid", "ranging_power": left.big(1, "power", signed=True), "eid": left.take(8, "eid").hex()}


def _url(data: bytes) -> dict[str, Value]:
    left = Bytes(data, "eddystone url")
    left.take(1, "type")
    power = left.big(1, "power", signed=True)
    scheme = left.big(1, "scheme")
    if scheme >= len(_SCHEMES):
        left.at -= 1
        raise left.error(f"scheme 0x{scheme:02x} is not one")
    if left.left > _URL_BYTES:
        raise left.error(f"{left.left} bytes of URL, at most {_URL_BYTES} are allowed")
    parts = [_SCHEMES[scheme]]
    for byte in left.data[left.at :]:
        if byte < len(_EXPANSIONS):
            parts.append(_EXPANSIONS[byte])
        elif 0x20 < byte < 0x7F:
            parts.append(chr(byte))
        else:
            raise left.error(f"0x{byte:02x} is reserved")
        left.at += 1
    return {"frame": "url", "ranging_power": power, "url": "".join(parts)}


def _tlm(data: bytes) -> dict[str, Value]:
    if len(data) > 1 and data[1] != 0:
        raise CodecError(f"eddystone tlm, byte 1: version 0x{data[1]:02x}{' (encrypted)' if data[1] == 1 else ''} is not read")
    left = exactly(data, 14, "eddystone tlm")
    left.take(2, "type and version")
    fields: dict[str, Value] = {"frame": "tlm"}
    battery = left.big(2, "battery")
    if battery:
        fields["battery_voltage"] = round(battery * 0.001, 3)
    temperature = left.big(2, "temperature", signed=True)
    if temperature != -0x8000:
        fields["temperature"] = round(temperature / 256, 4)
    fields["advertisements"] = left.big(4, "advertisements")
    fields["uptime"] = round(left.big(4, "uptime") * 0.1, 1)
    return fields
