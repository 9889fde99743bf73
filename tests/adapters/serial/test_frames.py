"""Framing both ways, wherever the stream is cut, and what is left out of a stream that begins in the middle."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from adapters.serial.frames import Cutter, frame_of
from adapters.serial.settings import Framing
from rt_edge.settings.frozen import freeze
from rt_edge.settings.validate import melt

FRAMING: TypeAdapter[Any] = TypeAdapter(Framing)
FRAMINGS: list[dict[str, Any]] = [
    {"kind": "delimiter", "delimiter": "\r\n"},
    {"kind": "cobs"},
    {"kind": "cobs", "crc": "CRC-16/MODBUS"},
    {"kind": "slip", "crc": "CRC-32"},
    {
        "kind": "length_field",
        "magic": "hex:aa55",
        "offset_bytes": 2,
        "size_bytes": 1,
        "trailer_bytes": 2,
        "crc": "CRC-16/CCITT-FALSE",
    },
    {"kind": "length_field", "magic": "hex:aa55", "offset_bytes": 2, "size_bytes": 2, "order": "little", "includes_header": True}
    | {"crc": "CRC-8", "crc_skip_bytes": 2},
]


def framing(**written: Any) -> Any:
    return freeze(melt(FRAMING.validate_python(written)))


def cutter(counts: Counter[str], **written: Any) -> Cutter:
    def count(name: str, n: int) -> None:
        counts[name] += n

    made = Cutter(framing(**written), count)
    made.restart(whole=True)
    return made


@pytest.mark.parametrize("written", FRAMINGS, ids=lambda w: f"{w['kind']}-{w.get('crc')}")
@given(payloads=st.lists(st.binary(min_size=3, max_size=60), max_size=8), seed=st.integers(0, 1000))
def test_payloads_are_the_same_when_they_were_framed(written: dict[str, Any], payloads: list[bytes], seed: int) -> None:
    """What is framed as requests are is cut as replies are, in pieces of any size."""
    if written["kind"] == "delimiter":
        payloads = [p for p in (p.replace(b"\r", b"").replace(b"\n", b"") for p in payloads) if p]
    if "magic" in written:
        payloads = [b"\xaa\x55" + payload for payload in payloads]
    counts: Counter[str] = Counter()
    cut, random = cutter(counts, **written), Random(seed)
    stream = b"".join(frame_of(framing(**written), payload) for payload in payloads)
    found: list[bytes] = []
    while stream:
        n = random.randrange(1, 20)
        found += cut.feed(stream[:n])
        stream = stream[n:]
    if "magic" in written:  # the frame stays whole: the length is in it
        size = written["size_bytes"]
        found = [payload[:2] + payload[2 + size :] for payload in found]
    assert found == payloads
    assert not counts


@pytest.mark.parametrize("written", FRAMINGS[2:5], ids=lambda w: f"{w['kind']}-{w.get('crc')}")
def test_no_damaged_frame_passes_when_bits_are_flipped(written: dict[str, Any]) -> None:
    """With a checksum every flipped bit is found: what comes out of a damaged stream was sent, and it goes on behind it."""
    payloads = [bytes((0xAA, 0x55, n, 255 - n, 7)) for n in range(3)]
    frames = [frame_of(framing(**written), payload) for payload in payloads]
    whole = set(cutter(Counter(), **written).feed(b"".join(frames)))
    assert len(whole) == 3
    filler = frames[2] * 40  # so that a length that became too long ends
    for bit in range(8 * len(frames[0])):
        damaged = bytearray(frames[0])
        damaged[bit // 8] ^= 1 << bit % 8
        found = cutter(Counter(), **written).feed(bytes(damaged) + frames[1] + filler)
        assert set(found) <= whole
        assert found[-1:] == [max(whole)], "it finds its way back"


@pytest.mark.parametrize("cut", range(1, 12))
def test_first_frame_is_left_out_when_its_beginning_may_be_missing(cut: int) -> None:
    """A number without its first digits is a wrong one: up to the first delimiter nothing is a frame, in pieces of any size."""
    counts: Counter[str] = Counter()
    made = cutter(counts, kind="delimiter", delimiter="\r\n")
    made.restart(whole=False)
    stream = b"3.45\r\n678.9\r\n"
    assert made.feed(stream[:cut]) + made.feed(stream[cut:]) == [b"678.9"]
    assert counts == {"skipped_bytes": 4}


def test_bytes_are_counted_when_they_are_in_no_frame() -> None:
    """Too long a line, a damaged checksum and a piece that is given up are counted."""
    counts: Counter[str] = Counter()
    made = cutter(counts, kind="delimiter", max_length_bytes=5)
    assert made.feed(b"1234567\n12\n34") == [b"12"]
    assert made.begun
    made.restart(whole=True)
    assert not made.begun
    assert counts == {"oversize": 1, "garbage_bytes": 10}
    checked = cutter(counts, kind="delimiter", crc="CRC-8")
    assert checked.feed(b"abc\nx\n") == []
    assert counts["dropped_bad_crc"] == 2
