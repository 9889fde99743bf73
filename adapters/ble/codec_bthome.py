"""BTHome version 2: service data of 0xFCD2 (bthome.io, "Format"). Encrypted payloads are opened by cipher.py first.

Fields have the names of the specification's table: temperature (°C), humidity (%), pressure (hPa), ... Binary ones (door, motion,
...) are true or false. An object that comes several times is numbered: temperature, temperature_2. Events: `button` (none, press,
double_press, ...), `dimmer` (steps, negative to the left).
"""

from __future__ import annotations

from typing import NamedTuple

from adapters.ble.codec_bytes import Bytes
from rt_edge.sdk import CodecError, Value

SERVICE = 0xFCD2
VERSION = 2
ENCRYPTED = 0x01


class _Number(NamedTuple):
    name: str
    size: int
    factor: float = 1
    signed: bool = False


_NUMBERS: dict[int, _Number] = {
    0x00: _Number("packet_id", 1),
    0x01: _Number("battery", 1),
    0x02: _Number("temperature", 2, 0.01, True),
    0x03: _Number("humidity", 2, 0.01),
    0x04: _Number("pressure", 3, 0.01),
    0x05: _Number("illuminance", 3, 0.01),
    0x06: _Number("mass_kg", 2, 0.01),
    0x07: _Number("mass_lb", 2, 0.01),
    0x08: _Number("dewpoint", 2, 0.01, True),
    0x09: _Number("count", 1),
    0x0A: _Number("energy", 3, 0.001),
    0x0B: _Number("power", 3, 0.01),
    0x0C: _Number("voltage", 2, 0.001),
    0x0D: _Number("pm2_5", 2),
    0x0E: _Number("pm10", 2),
    0x12: _Number("co2", 2),
    0x13: _Number("tvoc", 2),
    0x14: _Number("moisture", 2, 0.01),
    0x2E: _Number("humidity", 1),
    0x2F: _Number("moisture", 1),
    0x3D: _Number("count", 2),
    0x3E: _Number("count", 4),
    0x3F: _Number("rotation", 2, 0.1, True),
    0x40: _Number("distance_mm", 2),
    0x41: _Number("distance_m", 2, 0.1),
    0x42: _Number("duration", 3, 0.001),
    0x43: _Number("current", 2, 0.001),
    0x44: _Number("speed", 2, 0.01),
    0x45: _Number("temperature", 2, 0.1, True),
    0x46: _Number("uv_index", 1, 0.1),
    0x47: _Number("volume_l", 2, 0.1),
    0x48: _Number("volume_ml", 2),
    0x49: _Number("volume_flow_rate", 2, 0.001),
    0x4A: _Number("voltage", 2, 0.1),
    0x4B: _Number("gas", 3, 0.001),
    0x4C: _Number("gas", 4, 0.001),
    0x4D: _Number("energy", 4, 0.001),
    0x4E: _Number("volume_l", 4, 0.001),
    0x4F: _Number("water", 4, 0.001),
    0x50: _Number("timestamp", 4),
    0x51: _Number("acceleration", 2, 0.001),
    0x52: _Number("gyroscope", 2, 0.001),
    0x55: _Number("volume_storage", 4, 0.001),
    0x56: _Number("conductivity", 2),
    0x57: _Number("temperature", 1, 1, True),
    0x58: _Number("temperature", 1, 0.35, True),
    0x59: _Number("count", 1, 1, True),
    0x5A: _Number("count", 2, 1, True),
    0x5B: _Number("count", 4, 1, True),
    0x5C: _Number("power", 4, 0.01, True),
    0x5D: _Number("current", 2, 0.001, True),
    0x5E: _Number("direction", 2, 0.01),
    0x5F: _Number("precipitation", 2, 0.1),
    0x60: _Number("channel", 1),
    0x61: _Number("rotational_speed", 2),
    0x62: _Number("speed", 4, 0.000001, True),
    0x63: _Number("acceleration", 4, 0.000001, True),
    0x64: _Number("light_level", 1),
    0x65: _Number("settings_revision", 1),
    0xF0: _Number("device_type", 2),
}
_BINARY = dict(
    enumerate(
        (
            *(
                "battery_low",
                "battery_charging",
                "carbon_monoxide",
                "cold",
                "connectivity",
                "door",
                "garage_door",
                "gas_detected",
            ),
            *("heat", "light", "lock", "moisture_detected", "motion", "moving", "occupancy", "plug", "presence", "problem"),
            *("running", "safety", "smoke", "sound", "tamper", "vibration", "window"),
        ),
        0x15,
    )
) | {0x0F: "generic", 0x10: "powered", 0x11: "opening"}
_BUTTONS = {
    0x00: "none",
    0x01: "press",
    0x02: "double_press",
    0x03: "triple_press",
    0x04: "long_press",
    0x05: "long_double_press",
    0x06: "long_triple_press",
    0x80: "hold_press",
    0x81: "hold_release",
}
_COMMANDS = ("off", "on", "toggle", "step_up", "step_down")
_ARGUMENTS = 0x1F
"""Bits of the length of a command's arguments; the others of that byte are reserved."""

_FIRMWARE = {0xF1: 4, 0xF2: 3}


def check_info(data: bytes) -> int:
    """The device information byte.

    Raises:
        CodecError: nothing there, or another version.
    """
    if not data:
        raise CodecError("bthome, byte 0: an empty payload")
    version = data[0] >> 5
    if version != VERSION:
        raise CodecError(f"bthome, byte 0: version {version}, and only {VERSION} is read")
    return data[0]


def decode(data: bytes) -> dict[str, Value]:
    """Fields of a payload that is not encrypted.

    Raises:
        CodecError: encrypted, another version, an unknown object (its length is unknown, too), or one that is cut off.
    """
    if check_info(data) & ENCRYPTED:
        raise CodecError("bthome, byte 0: encrypted, and no key of this device is known")
    left = Bytes(data, "bthome")
    left.take(1, "device information")
    fields: dict[str, Value] = {}
    while left.left:
        name, value = _object(left)
        fields[_numbered(name, fields)] = value
    return fields


def _object(left: Bytes) -> tuple[str, Value]:
    place = left.at
    kind = left.little(1, "object id")
    number = _NUMBERS.get(kind)
    if number is not None:
        raw = left.little(number.size, number.name, number.signed)
        return number.name, raw if number.factor == 1 else round(raw * number.factor, 6)
    if kind in _BINARY:
        raw = left.little(1, _BINARY[kind])
        if raw > 1:
            raise left.error(f"{_BINARY[kind]} is {raw}, neither 0 nor 1")
        return _BINARY[kind], raw == 1
    if kind == 0x3A:
        event = left.little(1, "button")
        return "button", _BUTTONS.get(event, f"0x{event:02x}")
    if kind == 0x3C:
        event, steps = left.little(1, "dimmer"), left.little(1, "steps")
        if event > 2:
            raise left.error(f"dimmer event 0x{event:02x} is not one")
        return "dimmer", (0, -steps, steps)[event]
    if kind == 0x3B:
        length = left.little(1, "length of arguments") & _ARGUMENTS
        event, arguments = left.little(1, "command"), left.take(length, "arguments")
        name = _COMMANDS[event] if event < len(_COMMANDS) else f"0x{event:02x}"
        return "command", f"{name} {arguments.hex()}" if arguments else name
    if kind in (0x53, 0x54):
        return _text(left, "text" if kind == 0x53 else "raw")
    if kind in _FIRMWARE:
        return "firmware", ".".join(str(part) for part in reversed(left.take(_FIRMWARE[kind], "firmware")))
    left.at = place
    raise left.error(f"object 0x{kind:02x} is unknown, and so is what follows it")


def _text(left: Bytes, name: str) -> tuple[str, Value]:
    content = left.take(left.little(1, f"length of {name}"), name)
    if name == "raw":
        return name, content
    try:
        return name, content.decode()
    except UnicodeDecodeError as error:
        raise left.error(f"text is not UTF-8: {error.reason}") from None


def _numbered(name: str, fields: dict[str, Value]) -> str:
    if name not in fields:
        return name
    n = 2
    while f"{name}_{n}" in fields:
        n += 1
    return f"{name}_{n}"
