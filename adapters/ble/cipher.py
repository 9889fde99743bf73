"""Opens encrypted payloads: AES-CCM with a tag of 4 bytes in all formats. Imported only where a key is set.

Sources: bthome.io, "Encryption"; pvvx/ATC_MiThermometer, the custom and ATC formats with a bind key; MiBeacon 4 and 5 as
Bluetooth-Devices/xiaomi-ble reads them. The counters are not checked against repetitions by an attacker.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from adapters.ble import codec_atc, codec_bthome, codec_mibeacon
from rt_edge.sdk import CodecError

_TAG = 4
_WITH = b"\x11"
"""What Xiaomi's formats authenticate besides."""


def opened(name: str, data: bytes, address: str, key: bytes) -> bytes:
    """The payload as if it had not been encrypted; what is not encrypted is given back as it is.

    Args:
        name: of the format.
        data: its service data.
        address: of the device, like C0:FF:EE:00:00:01.
        key: 16 bytes.

    Raises:
        CodecError: too short, another version, or not encrypted with this key.
    """
    open_one = _OPENERS.get(name)
    return data if open_one is None else open_one(data, bytes.fromhex(address.replace(":", "")), key)


def _bthome(data: bytes, mac: bytes, key: bytes) -> bytes:
    info = codec_bthome.check_info(data)
    if not info & codec_bthome.ENCRYPTED:
        return data
    counter = 4
    _at_least(data, 1 + counter + _TAG, "bthome")
    body, count, tag = data[1 : -counter - _TAG], data[-counter - _TAG : -_TAG], data[-_TAG:]
    plain = _plain(key, mac + b"\xd2\xfc" + data[:1] + count, body + tag, None, "bthome, byte 1")
    return bytes([info & ~codec_bthome.ENCRYPTED]) + plain


def _atc(data: bytes, mac: bytes, key: bytes) -> bytes:
    if len(data) not in codec_atc.ENCRYPTED:
        return data
    head = bytes([len(data) + 3, 0x16, 0x1A, 0x18])  # as in the air: length, type, service
    plain = _plain(key, mac[::-1] + head + data[:1], data[1:], _WITH, "atc, byte 1")
    return codec_atc.joined(mac, data[0], plain)


def _mibeacon(data: bytes, mac: bytes, key: bytes) -> bytes:
    word = codec_mibeacon.control(data)
    if not word & codec_mibeacon.ENCRYPTED or not word & codec_mibeacon.OBJECT or word >> 12 < 4:
        return data
    at, counter = codec_mibeacon.payload_at(data), 3
    _at_least(data, at + counter + _TAG, "mibeacon")
    body, count, tag = data[at : -counter - _TAG], data[-counter - _TAG : -_TAG], data[-_TAG:]
    plain = _plain(key, mac[::-1] + data[2:5] + count, body + tag, _WITH, f"mibeacon, byte {at}")
    return (word & ~codec_mibeacon.ENCRYPTED).to_bytes(2, "little") + data[2:at] + plain


_OPENERS: dict[str, Callable[[bytes, bytes, bytes], bytes]] = {"bthome": _bthome, "atc": _atc, "mibeacon": _mibeacon}


def _at_least(data: bytes, least: int, what: str) -> None:
    if len(data) < least:
        raise CodecError(f"{what}, byte {len(data)}: {len(data)} bytes, an encrypted payload has at least {least}")


def _plain(key: bytes, nonce: bytes, body: bytes, also: bytes | None, where: str) -> bytes:
    try:
        return AESCCM(key, tag_length=_TAG).decrypt(nonce, body, also)
    except InvalidTag:
        raise CodecError(f"{where}: not encrypted with this key") from None
