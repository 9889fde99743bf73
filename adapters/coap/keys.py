"""Redelivery keys (design 7): message id, digest of endpoint, token, method, path and payload, place in the payload.

The message id alone loses data: a device that was restarted counts from the beginning again.
"""

from __future__ import annotations

from hashlib import blake2b

from adapters.coap.seam import Pushed

LIFETIME_S = 247.0
"""EXCHANGE_LIFETIME (RFC 7252, 4.8.2): so long a sender does not use a message id again for something else."""
PLACES = 65_536
"""Most Readings of one payload: the place has two bytes."""


def key_stem(pushed: Pushed) -> bytes:
    """Message id (2 bytes, big endian) and digest (8 bytes). What names the message for ever stands for endpoint and token."""
    digest = blake2b(digest_size=8)
    form = -1 if pushed.content_format is None else pushed.content_format
    token, endpoint = (pushed.once, "oscore") if pushed.once else (pushed.token, pushed.endpoint)
    head = (endpoint, pushed.method, str(form), *pushed.path, "?", *pushed.query)
    for part in (token, *(text.encode("utf-8", "surrogatepass") for text in head), pushed.payload):
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return pushed.mid.to_bytes(2, "big") + digest.digest()


def reading_key(stem: bytes, place: int) -> bytes:
    """Key of the Reading at `place` in its payload: one byte of place up to 255, two beyond."""
    return stem + place.to_bytes(1 if place < 256 else 2, "big")
