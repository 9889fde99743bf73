"""Framers: whatever the pieces in which bytes come, frames are those of the whole; garbage is left out and counted."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rt_edge.data.errors import CodecError, ConfigError
from rt_edge.streams.framing import (
    CobsFramer,
    DelimiterFramer,
    Framer,
    LengthField,
    LengthFieldFramer,
    SlipFramer,
    cobs_decode,
    cobs_encode,
    slip_decode,
    slip_encode,
)

FIELDS = [
    LengthField(),
    LengthField(size=1),
    LengthField(offset=2, size=4, order="little", trailer=2, magic=b"\xaa\x55"),
    LengthField(offset=1, size=2, includes_header=True),
]


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        piece, data = data[:size], data[size:]
        pieces.append(piece)
    return [*pieces, data]


def fed(framer: Framer, pieces: list[bytes]) -> list[bytes]:
    """The payloads; checks that places follow each other and that no more is kept than allowed."""
    payloads, end = [], 0
    for piece in pieces:
        for frame in framer.feed(piece):
            assert end <= frame.start < frame.end
            end = frame.end
            payloads.append(frame.payload)
        assert len(framer.buffer) <= framer.max_length + 16
        assert framer.kept_from >= end
    return payloads


def encoders() -> dict[str, tuple[Callable[[], Framer], Callable[[bytes], bytes]]]:
    made: dict[str, tuple[Callable[[], Framer], Callable[[bytes], bytes]]] = {
        "cobs": (lambda: CobsFramer(400), lambda data: cobs_encode(data) + b"\0"),
        "slip": (lambda: SlipFramer(400), lambda data: b"\xc0" + slip_encode(data) + b"\xc0"),
        "crlf": (lambda: DelimiterFramer(b"\r\n", 400), lambda data: data.replace(b"\r", b".") + b"\r\n"),
    }
    for number, field in enumerate(FIELDS):
        prefix = field.magic.ljust(field.offset, b"-")
        tail = b"t" * field.trailer

        def encode(data: bytes, field: LengthField = field, prefix: bytes = prefix, tail: bytes = tail) -> bytes:
            return field.encode(prefix + data[:200] + tail)

        made[f"length{number}"] = (lambda field=field: LengthFieldFramer(field, 400), encode)
    return made


@pytest.mark.parametrize("name", sorted(encoders()))
@given(
    payloads=st.lists(st.binary(min_size=1, max_size=300), max_size=6),
    sizes=st.lists(st.integers(0, 40), max_size=40),
)
def test_frames_come_back_when_bytes_come_in_any_pieces(name: str, payloads: list[bytes], sizes: list[int]) -> None:
    """Decoding undoes encoding, and nothing is garbage."""
    make, encode = encoders()[name]
    encoded = [encode(payload) for payload in payloads]
    framer = make()
    got = fed(framer, cut(b"".join(encoded), sizes))
    alone = [fed(make(), [one])[0] for one in encoded]
    assert got == alone
    if name in ("cobs", "slip"):
        assert got == payloads
    assert not framer.counts
    assert not framer.buffer


@pytest.mark.parametrize("name", sorted({*encoders()} - {"length1"}))  # any byte is a length of one byte
@pytest.mark.parametrize("seed", range(20))
def test_memory_is_bounded_and_frames_are_found_when_garbage_is_between(name: str, seed: int) -> None:
    """Noise costs at most the frames it touches; behind it, frames are found again."""
    random = Random(seed)
    make, encode = encoders()[name]
    framer = make()
    noise = random.randbytes(3000)
    fed(framer, cut(noise, [random.randint(1, 300) for _ in range(20)]))
    assert sum(framer.counts.values()) or name == "crlf"
    good = encode(b"hello, world") * 60
    assert fed(framer, [good])[-3:] == fed(make(), [good])[-3:]


@given(st.binary(max_size=600))
def test_cobs_has_no_zero_and_short_overhead_when_data_is_random(data: bytes) -> None:
    """The properties that give it its name."""
    encoded = cobs_encode(data)
    assert b"\0" not in encoded
    assert len(data) + 1 <= len(encoded) <= len(data) + 1 + len(data) // 254
    assert cobs_decode(encoded) == data


@pytest.mark.parametrize(
    ("data", "encoded"),
    [
        ("", "01"),
        ("00", "0101"),
        ("0000", "010101"),
        ("001100", "01021101"),
        ("11220033", "0311220233"),
        ("11223344", "0511223344"),
        ("11000000", "0211010101"),
    ],
)
def test_cobs_is_that_of_the_paper_when_examples_are_encoded(data: str, encoded: str) -> None:
    """Examples as they are given with the algorithm."""
    assert cobs_encode(bytes.fromhex(data)).hex() == encoded
    assert cobs_decode(bytes.fromhex(encoded)).hex() == data


def test_cobs_has_full_blocks_when_there_are_254_bytes_without_zero() -> None:
    """The blocks of 0xFF have no zero behind them; one that ends the data needs no empty one."""
    ones = bytes(range(1, 255))
    assert cobs_encode(ones) == b"\xff" + ones
    assert cobs_encode(ones + b"\xff") == b"\xff" + ones + b"\x02\xff"
    assert cobs_encode(ones + b"\0") == b"\xff" + ones + b"\x01\x01"
    assert cobs_encode(b"\0" + ones) == b"\x01\xff" + ones
    for data in (ones, ones + b"\xff", ones + b"\0", b"\0" + ones):
        assert cobs_decode(cobs_encode(data)) == data


def test_slip_is_that_of_the_rfc_when_data_has_special_bytes() -> None:
    """RFC 1055: END becomes ESC 0xDC, ESC becomes ESC 0xDD."""
    assert slip_encode(b"a\xc0b\xdbc\xdc").hex() == "61dbdc62dbdd63dc"
    for wrong in (b"\xdb", b"\xdba", b"a\xc0"):
        with pytest.raises(CodecError):
            slip_decode(wrong)


@pytest.mark.parametrize("wrong", [b"\x00", b"\x03a", b"\x02a\xff"])
def test_cobs_is_refused_when_a_block_is_too_long(wrong: bytes) -> None:
    """An error, not a guess."""
    with pytest.raises(CodecError):
        cobs_decode(wrong)


CASES: list[tuple[Framer, list[bytes], list[bytes], dict[str, int]]] = [
    (DelimiterFramer(b"\n", 4), [b"ab\ncd", b"ef\n\n\nlonger", b"still\nx\n"], [b"ab", b"cdef", b"x"], {"oversize": 1}),
    (DelimiterFramer(b"\r\n", 4), [b"ab\r", b"\ncd\re\r\n"], [b"ab", b"cd\re"], {}),
    (CobsFramer(10), [b"\x02a\x00", b"\x05b\x00\x02c\x00"], [b"a", b"c"], {"bad_frames": 1}),
    (SlipFramer(10), [b"garb\xdbage\xc0", b"\xc0ok\xc0"], [b"ok"], {"bad_frames": 1}),
    (LengthFieldFramer(LengthField(size=1), 5), [b"\x02ab\xff\x01c"], [b"ab", b"c"], {"oversize": 1}),
    (
        LengthFieldFramer(LengthField(2, 1, magic=b"\xaa\x55"), 20, strip=False),
        [b"noise\xaa", b"\x55\x02hi", b"\xaa!\xaa\x55\x01x"],
        [b"\xaa\x55\x02hi", b"\xaa\x55\x01x"],
        {},
    ),
    (LengthFieldFramer(LengthField(size=1, includes_header=True), 9), [b"\x00\x03ab"], [b"ab"], {"bad_frames": 1}),
]


@pytest.mark.parametrize(("framer", "pieces", "payloads", "counts"), CASES)
def test_what_is_no_frame_is_left_out_when_bytes_are_wrong(
    framer: Framer, pieces: list[bytes], payloads: list[bytes], counts: dict[str, int]
) -> None:
    """And the next frame is found."""
    assert fed(framer, pieces) == payloads
    assert {name: n for name, n in framer.counts.items() if name != "garbage_bytes"} == counts
    taken = sum(map(len, pieces))
    assert framer.kept_from + len(framer.buffer) == taken


def test_frame_begins_anew_when_a_framer_is_reset() -> None:
    """What was there is garbage."""
    framer = DelimiterFramer(b"\n", 100)
    assert framer.feed(b"half") == []
    assert framer.reset() == 4
    assert [frame.payload for frame in framer.feed(b"whole\n")] == [b"whole"]
    assert framer.counts["garbage_bytes"] == 4


@pytest.mark.parametrize(
    "wrong", [{"size": 5}, {"offset": -1}, {"magic": b"x"}, {"trailer": -1}, {"offset": 1, "magic": b"\xaa\x55"}]
)
def test_length_field_is_refused_when_it_cannot_be(wrong: dict[str, Any]) -> None:
    """A settings error."""
    with pytest.raises(ConfigError):
        LengthFieldFramer(LengthField(**wrong), 100)
    with pytest.raises(ConfigError):
        DelimiterFramer(b"", 100)


def test_payload_is_refused_when_its_length_does_not_fit() -> None:
    """300 bytes have no length of one byte; one byte has no length at offset 2."""
    with pytest.raises(CodecError, match="does not fit"):
        LengthField(size=1).encode(b"x" * 300)
    with pytest.raises(CodecError, match="too few"):
        LengthField(offset=2).encode(b"x")
