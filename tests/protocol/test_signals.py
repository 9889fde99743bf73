"""Signals as bytes: what comes in damaged, or was made to do harm, is refused with one kind of error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rt_edge.data.errors import CodecError
from rt_edge.protocol.signals import OnNext, Part, decode_signals, encode_signals

PLC = Part("plc", "1", "s", 0, (3, 2), again=[4])
WHOLE = encode_signals([OnNext("w", "p", "c", 1, b"payload", "", "", "", 0, None, parts=[PLC], order=b"\0\0")])


def test_parts_come_back_equal_when_encoded_and_decoded() -> None:
    """Encoding and decoding are inverse."""
    assert encode_signals(decode_signals(WHOLE)) == WHOLE


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255), st.booleans())
def test_a_message_is_read_or_refused_when_one_byte_is_another_or_the_rest_is_missing(at: int, byte: int, cut: bool) -> None:
    """There is no other error."""
    data = WHOLE[:at] if cut else WHOLE[:at] + bytes((byte,)) + WHOLE[at + 1 :]
    try:
        decode_signals(data)
    except CodecError:
        return


def test_a_message_is_refused_when_its_text_is_none() -> None:
    """Bytes that are no UTF-8."""
    with pytest.raises(CodecError, match="does not decode"):
        decode_signals(WHOLE.replace(b"\xa3plc", b"\xa3\xff\xfe\xfd"))


def test_a_message_is_refused_when_its_marks_are_lists_within_lists() -> None:
    """Very deep: the stack is not what bounds it."""
    flat = encode_signals([OnNext("w", "p", "c", 1, b"", "o", "1", "", 0, 7)])
    assert flat.count(b"\x00\x07") == 1
    with pytest.raises(CodecError, match="does not decode"):
        decode_signals(flat.replace(b"\x00\x07", b"\x00" + b"\x91" * 5000 + b"\x07"))
