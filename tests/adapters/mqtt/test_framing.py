"""Cutting bytes into packets."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.mqtt.framing import Framer, FramingError
from adapters.mqtt.properties import PropertyError, split_properties, subscription_identifiers
from adapters.mqtt.seam import Message
from rt_edge.testkit.mqtt_broker import packets as p

MAX = 1000


def cut(data: bytes, sizes: list[int], v5: bool = True, most: int = MAX) -> list[Message | bytes]:
    """All packets of `data`, fed in pieces of the given sizes (the last for the rest)."""
    framer, found, at = Framer(v5, most), [], 0
    while at < len(data):
        size = sizes.pop(0) if sizes else len(data)
        framer.feed(data[at : at + size])
        at += size
        found.extend(framer.packets())
    return found


_publishes = st.builds(
    p.Publish,
    topic=st.text(st.characters(exclude_characters="+#\0", exclude_categories=["Cs"]), min_size=1, max_size=20),
    payload=st.binary(max_size=300),
    qos=st.integers(0, 2),
    retain=st.booleans(),
    dup=st.booleans(),
    mid=st.integers(1, 65_535),
    properties=st.sampled_from([{}, {p.SUBSCRIPTION_ID: [1, 200_000]}, {2: 60, 0x26: [(b"a", b"b" * 200)]}]),
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(_publishes | st.sampled_from([b"\xd0\0", b"\x40\2\0\1"]), max_size=8), st.lists(st.integers(1, 40)), st.booleans()
)
def test_framer_gives_the_same_packets_when_bytes_come_in_any_pieces(
    sent: list[p.Publish | bytes], sizes: list[int], v5: bool
) -> None:
    """What one side encodes the other reads, wherever the reads fall."""
    data = b"".join(s if isinstance(s, bytes) else p.encode_publish(s, v5) for s in sent)
    found = cut(data, sizes, v5)
    assert len(found) == len(sent)
    for got, one in zip(found, sent, strict=True):
        if isinstance(one, bytes):
            assert got == one
            continue
        assert isinstance(got, Message)
        assert (got.topic, got.payload, got.qos, got.retain, got.dup) == (one.topic, one.payload, one.qos, one.retain, one.dup)
        assert got.mid == (one.mid if one.qos else 0)
        if v5 and one.properties:
            assert b"".join(raw for _, raw in split_properties(got.properties)) == got.properties


@pytest.mark.parametrize("sizes", [[], [1] * 300, [3, 500, 500], [20, 1]])
def test_framer_skips_the_payload_when_a_message_is_too_large(sizes: list[int]) -> None:
    """Of an oversized message the head is kept, so that it can be acknowledged, and no more than that of memory."""
    large = p.Publish("big/one", bytes(5000), 1, mid=77)
    small = p.Publish("small", b"x", 1, mid=78)
    found = cut(p.encode_publish(large, True) + p.encode_publish(small, True), list(sizes))
    assert [(m.topic, m.payload, m.mid) for m in found if isinstance(m, Message)] == [("big/one", None, 77), ("small", b"x", 78)]


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\x80\x80\x80\x80\x01",
        b"\x36\x05\0\1a\0\1",
        b"\x30\x02\0\x09",
        b"\x32\x05\0\1a\0\0",
        b"\x32\x04\0\1a\0",
        b"\x30\x01\0",
        b"\x30\x04\0\1a\x7f",
        b"\x90\xff\xff\x7f" + bytes(10),
    ],
)
def test_framer_refuses_when_the_peer_does_not_speak_mqtt(data: bytes) -> None:
    """Malformed packets are one kind of error, never an IndexError or a hang."""
    with pytest.raises(FramingError):
        cut(data, [])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(1, 20), max_size=20))
def test_framer_raises_nothing_else_when_bytes_are_random(data: bytes, sizes: list[int]) -> None:
    """Any bytes give packets, wait for more, or are a FramingError."""
    with contextlib.suppress(FramingError):
        cut(data, sizes)


def test_framer_keeps_its_place_when_it_is_left_in_the_middle() -> None:
    """A paused reader takes up where it stopped, with nothing lost or doubled."""
    framer = Framer(True, MAX)
    framer.feed(b"".join(p.encode_publish(p.Publish("t", b"%d" % i, 1, mid=i + 1), True) for i in range(10)))
    first = [next(framer.packets()) for _ in range(3)]
    rest = list(framer.packets())
    assert [m.payload for m in [*first, *rest] if isinstance(m, Message)] == [b"%d" % i for i in range(10)]


class General(Framer):
    """Without the short way."""

    def _usual(self, data: bytes, start: int) -> None:
        return None


def outcome(framer: Framer, data: bytes, size: int) -> list[object]:
    """What comes out of `data`, fed in pieces, and the error at its end."""
    found: list[object] = []
    try:
        for at in range(0, len(data), size):
            framer.feed(data[at : at + size])
            found.extend(framer.packets())
    except FramingError as error:
        found.append(str(error))
    return found


@settings(max_examples=400, deadline=None)
@given(
    st.lists(_publishes, max_size=6),
    st.booleans(),
    st.integers(1, 400),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4),
)
def test_short_way_gives_what_the_general_one_gives(
    sent: list[p.Publish], v5: bool, size: int, changes: list[tuple[int, int]]
) -> None:
    """The usual PUBLISH is cut in line: whatever bytes are changed, messages and errors are those of the general way."""
    data = bytearray(b"".join(p.encode_publish(one, v5) for one in sent))
    for at, byte in changes:
        if data:
            data[at % len(data)] = byte
    assert outcome(Framer(v5, 200), bytes(data), size) == outcome(General(v5, 200), bytes(data), size)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_properties_raise_nothing_else_when_bytes_are_random(data: bytes) -> None:
    """Properties come from outside too."""
    assert isinstance(subscription_identifiers(data), list)
    with contextlib.suppress(PropertyError):
        assert b"".join(raw for _, raw in split_properties(data)) == data
