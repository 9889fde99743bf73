"""iBeacon: manufacturer data of company 0x004C that begins with 02 15 (Apple, "Proximity Beacon Specification").

Fields: uuid, major, minor, measured_power (dBm at 1 m).
"""

from __future__ import annotations

from uuid import UUID

from adapters.ble.codec_bytes import exactly
from rt_edge.sdk import Value

COMPANY = 0x004C
PREFIX = b"\x02\x15"
_LENGTH = 23


def decode(data: bytes) -> dict[str, Value]:
    """Fields of what follows the company number.

    Raises:
        CodecError: another length.
    """
    left = exactly(data, _LENGTH, "ibeacon")
    left.take(2, "type")
    return {
        "uuid": str(UUID(bytes=left.take(16, "uuid"))),
        "major": left.big(2, "major"),
        "minor": left.big(2, "minor"),
        "measured_power": left.big(1, "measured power", signed=True),
    }
