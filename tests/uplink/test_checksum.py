"""Running checksums and fingerprints of records."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from rt_edge.data.record import Record, RecordKind
from rt_edge.uplink.checksum import EMPTY, chain, chain_all, fingerprint

RECORD = Record(7, 7, RecordKind.DATA, 3, b"payload")
OTHERS = [
    Record(8, 8, RecordKind.DATA, 3, b"payload"),
    Record(7, 8, RecordKind.DATA, 3, b"payload"),
    Record(7, 7, RecordKind.GAP, 3, b"payload"),
    Record(7, 7, RecordKind.DATA, 4, b"payload"),
    Record(7, 7, RecordKind.DATA, 3, b"payloae"),
    Record(7, 7, RecordKind.DATA, 3, b""),
]


def test_the_checksum_differs_when_any_field_differs() -> None:
    """Numbers, kind, count and payload are all in it, and so they are in the fingerprint."""
    assert len({chain(EMPTY, record) for record in [RECORD, *OTHERS]}) == 7
    assert len({fingerprint(record) for record in [RECORD, *OTHERS]}) == 7


def test_the_checksum_differs_when_the_order_differs() -> None:
    """It chains."""
    assert chain_all(EMPTY, OTHERS) != chain_all(EMPTY, OTHERS[::-1])


def test_the_checksum_is_crc32_over_headers_and_payloads_when_computed_by_hand() -> None:
    """Other implementations can compute it: big-endian first, last, kind, count, then the payload."""
    plain = bytes.fromhex("00000000000000070000000000000007000000000000000003") + b"payload"
    assert chain(EMPTY, RECORD) == zlib.crc32(plain)
    assert chain_all(EMPTY, [RECORD, RECORD]) == zlib.crc32(plain + plain)


@given(st.lists(st.binary(max_size=50), max_size=10), st.integers(0, 10))
def test_a_chain_can_be_continued_when_split_anywhere(payloads: list[bytes], at: int) -> None:
    """The checksum at a position is all that is needed to go on."""
    records = [Record(n, n, RecordKind.DATA, 1, payload) for n, payload in enumerate(payloads, 1)]
    assert chain_all(chain_all(EMPTY, records[:at]), records[at:]) == chain_all(EMPTY, records)
