"""The bytes of a link, without a socket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rt_edge.actors.transport.framing import MAX_NUMBER, Decoder, encode_frame, encode_preface
from rt_edge.actors.transport.messages import Frame
from rt_edge.data.errors import CodecError

FRAMES = st.builds(
    Frame,
    st.text(st.characters(max_codepoint=126, min_codepoint=33), min_size=1, max_size=32),
    st.integers(0, MAX_NUMBER),
    st.binary(max_size=200),
)


@given(st.lists(FRAMES, max_size=8), st.lists(st.integers(1, 40), min_size=1))
def test_frames_come_out_as_they_went_in_when_the_bytes_are_cut_anywhere(frames, cuts):
    """However the stream is cut into pieces, the same frames come out in order."""
    stream = encode_preface("edge/hall-3") + b"".join(map(encode_frame, frames))
    decoder, out, at, turn = Decoder(1000), [], 0, 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        out += decoder.feed(stream[at : at + size])
        at += size
        turn += 1
    assert out == frames
    assert decoder.claim == "edge/hall-3"


@given(st.binary(max_size=400))
def test_decoder_raises_nothing_but_codec_errors_when_the_bytes_are_random(data):
    """Any bytes are frames, a need for more, or a `CodecError`."""
    for start in (b"", encode_preface(), encode_preface() + encode_frame(Frame("a", 1))):
        decoder = Decoder(1000)
        try:
            decoder.feed(start + data)
        except CodecError:
            continue
        assert len(decoder._buffer) <= len(data) + 20


def test_decoder_keeps_nothing_for_a_frame_when_its_size_is_not_allowed():
    """The size field alone decides; no memory is asked for."""
    decoder = Decoder(1000)
    with pytest.raises(CodecError, match="a frame of 1001 bytes"):
        decoder.feed(encode_preface() + (1001).to_bytes(4, "big"))


@pytest.mark.parametrize("frame", [Frame("", 0), Frame("k" * 33, 0), Frame("a", -1), Frame("a", 2**64)])
def test_frame_is_refused_when_it_cannot_be_encoded(frame):
    """Kind and number out of range are errors of the sender."""
    with pytest.raises(ValueError, match="a kind has 1 to 32"):
        encode_frame(frame)


def test_frame_shows_no_payload_when_it_is_printed():
    """Thespian writes messages into logs."""
    assert str(Frame("batch", 7, b"secret")) == repr(Frame("batch", 7, b"secret")) == "Frame(batch, 7, 6 bytes)"
