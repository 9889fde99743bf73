"""Opens encrypted BTHome payloads: AES-CCM with a tag of 4 bytes (bthome.io, "Encryption"). Imported only where a key is set."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from adapters.ble.codec_bthome import ENCRYPTED, check_info
from rt_edge.sdk import CodecError

_SERVICE = b"\xd2\xfc"  # least significant byte first, as in the air
_TAG = 4
_COUNTER = 4
_LEAST = 1 + _COUNTER + _TAG


def opened(data: bytes, address: str, key: bytes) -> bytes:
    """The payload as if it had not been encrypted; what is not encrypted is given back as it is.

    Args:
        data: service data of 0xFCD2.
        address: of the device, like C0:FF:EE:00:00:01.
        key: 16 bytes.

    Raises:
        CodecError: too short, another version, or not encrypted with this key.
    """
    info = check_info(data)
    if not info & ENCRYPTED:
        return data
    if len(data) < _LEAST:
        raise CodecError(f"bthome, byte {len(data)}: {len(data)} bytes, an encrypted payload has at least {_LEAST}")
    body, counter, tag = data[1 : -_COUNTER - _TAG], data[-_COUNTER - _TAG : -_TAG], data[-_TAG:]
    nonce = bytes.fromhex(address.replace(":", "")) + _SERVICE + data[:1] + counter
    try:
        plain = AESCCM(key, tag_length=_TAG).decrypt(nonce, body + tag, None)
    except InvalidTag:
        raise CodecError("bthome, byte 1: not encrypted with this key") from None
    return bytes([info & ~ENCRYPTED]) + plain
