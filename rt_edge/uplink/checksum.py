"""Running checksums of lanes: how two nodes find out that they do not speak of the same records (design 7).

The running checksum of a lane after a record is CRC-32 over the headers and payloads of all records from number 1 on.
It is compared, never trusted: peers are authenticated by their certificates, so it has to catch accidents (a card that
lied, a restored image), not attackers. CRC-32 is the cheapest the standard library has: 4.2 GB/s at 60 kB records, where
blake2b does 0.9 and SHA-256 with CPU support 1.7 (`benchmarks/bench_delivery.py --checksums`).

Where a match makes the edge forget a record (`fingerprint`), 128 bits of blake2b are used: that path runs only after a
contradiction, so its cost does not matter.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable

from rt_edge.data.record import Record

EMPTY = 0
"""The running checksum of a lane at position 0."""

FINGERPRINT_BYTES = 16

_HEADER = struct.Struct(">QQBQ")


def chain(checksum: int, record: Record) -> int:
    """The running checksum after `record`, given the one before it (32 bits)."""
    header = _HEADER.pack(record.first, record.last, record.kind, record.count)
    return zlib.crc32(record.payload, zlib.crc32(header, checksum))


def chain_all(checksum: int, records: Iterable[Record]) -> int:
    """The running checksum after all of `records`, in their order."""
    for record in records:
        checksum = chain(checksum, record)
    return checksum


def fingerprint(record: Record) -> bytes:
    """16 bytes that only an equal record has: numbers, kind, count and payload."""
    digest = hashlib.blake2b(digest_size=FINGERPRINT_BYTES)
    digest.update(_HEADER.pack(record.first, record.last, record.kind, record.count))
    digest.update(record.payload)
    return digest.digest()
