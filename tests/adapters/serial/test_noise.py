"""Every framing on a bad line: with a checksum nothing comes out that was not sent, it finds its way back, and stays small."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from adapters.serial.codec import FrameError, parser_of
from adapters.serial.formats import NmeaFormat
from adapters.serial.frames import Cutter, frame_of
from adapters.serial.settings_framing import Framing
from rt_edge.settings.frozen import freeze
from rt_edge.settings.validate import melt

MOST = 64
FRAMING: TypeAdapter[Any] = TypeAdapter(Framing)
COMMON = {"crc": "CRC-32", "max_length_bytes": MOST}  # wide enough that no example of a test run passes by chance
CHECKED: list[dict[str, Any]] = [
    {"kind": "delimiter", "delimiter": "\r\n", **COMMON},
    {"kind": "cobs", **COMMON},
    {"kind": "slip", **COMMON},
    {"kind": "length_field", "magic": "hex:aa55", "offset_bytes": 2, "size_bytes": 1, "trailer_bytes": 4, **COMMON},
    {
        "kind": "length_field",
        "offset_bytes": 0,
        "size_bytes": 2,
        "order": "little",
        "includes_header": True,
        "trailer_bytes": 4,
        **COMMON,
    },
]
NOISE = st.one_of(
    st.binary(min_size=1, max_size=90), st.sampled_from([b"\r\n", b"\0", b"\xc0", b"\xdb", b"\xaa\x55", b"\xff" * 80])
)
DAMAGE = st.sampled_from(["whole", "noise", "flipped", "cut", "twice", "inserted", "glued"])
EVENTS = st.lists(st.tuples(DAMAGE, st.integers(0, 255), NOISE), max_size=25)


def framing_of(written: dict[str, Any]) -> Any:
    return freeze(melt(FRAMING.validate_python(written)))


def payload(written: dict[str, Any], n: int) -> bytes:
    text = b"v=%03d" % n
    return b"\xaa\x55" + text if "magic" in written else text


def damaged(frame: bytes, kind: str, n: int, noise: bytes) -> bytes:
    at = n % len(frame)
    match kind:
        case "noise":
            return noise
        case "flipped":
            return frame[:at] + bytes((frame[at] ^ (1 << n % 8),)) + frame[at + 1 :]
        case "cut":
            return frame[:at]
        case "twice":
            return frame + frame
        case "inserted":
            return frame[:at] + noise + frame[at:]
        case "glued":
            return frame[at:] + frame[:at]
        case _:
            return frame


@pytest.mark.parametrize("written", CHECKED, ids=lambda w: f"{w['kind']}-{w.get('magic', '')}")
@settings(max_examples=150, deadline=None)
@given(events=EVENTS, pieces=st.lists(st.integers(1, 70), min_size=1, max_size=20))
def test_nothing_wrong_comes_out_when_the_line_is_bad(
    written: dict[str, Any], events: list[tuple[str, int, bytes]], pieces: list[int]
) -> None:
    """Noise, flipped bits, cut, doubled, split and shifted frames, in pieces of any size."""
    framing = framing_of(written)
    cut = Cutter(framing, lambda _name, _n: None)
    cut.restart(whole=True)
    sent = {n: frame_of(framing, payload(written, n)) for n in range(256)}
    clean = Cutter(framing, lambda _name, _n: None)
    right = set(clean.feed(b"".join(sent.values())))
    assert len(right) == 256
    stream = b"".join(damaged(sent[n], kind, n, noise) for kind, n, noise in events)
    found: list[bytes] = []
    turn = 0
    while stream:
        size = pieces[turn % len(pieces)]
        turn += 1
        found += cut.feed(stream[:size])
        stream = stream[size:]
        assert len(cut._framer.buffer) <= MOST + 70, "what is kept is bounded"
    after = cut.feed(sent[7] * 80)
    assert set(found) | set(after) <= right
    if written.get("magic") or "delimiter" in written or written["kind"] in ("cobs", "slip"):
        assert after[-60:] == [max(clean.feed(sent[7]))] * 60, "it finds its way back"


@settings(max_examples=300, deadline=None)
@given(n=st.integers(0, 3599), bit=st.integers(0, 7), at=st.integers(1, 200))
def test_no_sentence_with_a_wrong_bit_is_read(n: int, bit: int, at: int) -> None:
    """The checksum of NMEA finds each single one; two can cancel, and nobody can know."""
    body = f"HEHDT,{n / 10:.1f},T".encode()
    sentence = b"$" + body + b"*%02X" % reduce(lambda a, b: a ^ b, body)
    at %= len(sentence) - 1
    wrong = sentence[:at] + bytes((sentence[at] ^ (1 << bit),)) + sentence[at + 1 :]
    parse = parser_of(freeze(melt(NmeaFormat.model_validate({"kind": "nmea"}))))
    right = parse(sentence)
    try:
        found = parse(wrong)
    except FrameError:
        return
    assert found == right, "at most the case of a digit of the checksum"
