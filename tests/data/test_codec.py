"""Readings as bytes: what goes in comes out; what is not ours is refused with a reason."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rt_edge.data.codec import decode_readings, encode_readings, pack
from rt_edge.data.errors import CodecError, ConfigError
from rt_edge.data.reading import ClockState, Reading, gap_reading, is_gap
from rt_edge.data.units import parse_duration, parse_size, write_size

VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.booleans(), st.text(max_size=20), st.binary(max_size=20)
)
READINGS = st.builds(
    Reading,
    source=st.text(max_size=10),
    ts=st.integers(0, 2**62),
    fields=st.dictionaries(st.text(max_size=8), VALUES, max_size=4),
    quality=st.sampled_from(["good", "uncertain", "bad", "stale"]),
    tags=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    received=st.integers(0, 2**62),
    clock=st.none() | st.builds(ClockState, synced=st.booleans(), boot=st.text(max_size=8)),
    held=st.booleans(),
)


@given(st.lists(READINGS, max_size=5), st.booleans())
def test_readings_come_back_equal_when_encoded_and_decoded(readings, compress):
    """Encoding and decoding are inverse, compressed or not."""
    assert decode_readings(encode_readings(readings, compress)) == readings


@given(st.binary(max_size=60))
def test_garbage_is_a_codec_error_when_decoded(data):
    """No bytes raise anything but CodecError."""
    try:
        decode_readings(data)
    except CodecError:
        return


@pytest.mark.parametrize("bad", [b"\xa3\xff\xfe\xfd\x07", b"\xa3key" + b"\x91" * 5000 + b"\x07"], ids=["text", "deep"])
def test_text_that_is_none_and_values_within_values_are_codec_errors_when_decoded(bad):
    """Damage that the decoder tells by other exceptions than its own."""
    payload = encode_readings([Reading("s", 1, {"key": 7})])
    assert payload.count(b"\xa3key\x07") == 1
    with pytest.raises(CodecError, match="not a list of readings"):
        decode_readings(payload.replace(b"\xa3key\x07", bad))


def test_bomb_is_refused_when_it_unpacks_to_too_much():
    """A small payload that unpacks to hundreds of megabytes is refused after a bounded amount of work."""
    with pytest.raises(CodecError, match="unpacks to more than"):
        decode_readings(b"\x01\x01" + zlib.compress(b"\x00" * 100_000_000, 9))


@given(st.lists(READINGS, min_size=1, max_size=40), st.integers(1, 10), st.integers(40, 400))
def test_payloads_keep_both_bounds_when_packed(readings, most, size):
    """Every payload has at most `most` readings and `size` bytes, unless a single reading is larger."""
    out = []
    for n, payload in pack(readings, most, size):
        assert n <= most
        assert len(payload) <= size or n == 1
        out += decode_readings(payload)
    assert out == readings


def test_gap_is_recognised_when_it_travels_as_a_reading():
    """A gap record survives the codec and is not taken for a measurement."""
    gap = gap_reading("plc/pump-1", "timeout", 5, 9)
    assert is_gap(decode_readings(encode_readings([gap]))[0])
    assert not is_gap(Reading("plc/pump-1", 5, {"v": 1}))


@pytest.mark.parametrize(("text", "seconds"), [("250ms", 0.25), ("60s", 60), ("5min", 300), ("1.5h", 5400), ("2d", 172800)])
def test_duration_in_seconds_when_it_has_a_unit(text, seconds):
    """Durations are seconds."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("bad", ["", "5", 5, "5 parsecs", "-1s", "1s2", None, True])
def test_duration_is_refused_when_it_has_no_unit(bad):
    """A number without a unit is not a duration."""
    with pytest.raises(ConfigError):
        parse_duration(bad)


@pytest.mark.parametrize(("text", "size"), [("64KiB", 65536), ("256MB", 256_000_000), ("10B", 10), ("1GB", 10**9)])
def test_size_in_bytes_when_it_has_a_unit(text, size):
    """Sizes are bytes."""
    assert parse_size(text) == size
    assert write_size(size) == text


@pytest.mark.parametrize("bad", ["", "5", 5, "5 kilos", "-1B", "1B2", None, True])
def test_size_is_refused_when_it_has_no_unit(bad):
    """A number without a unit is not a size."""
    with pytest.raises(ConfigError, match="not a size"):
        parse_size(bad)


@given(st.integers(0, 1 << 40))
def test_size_is_the_same_when_it_was_written(size):
    """Exactly, not as it is shown to people."""
    assert parse_size(write_size(size)) == size
