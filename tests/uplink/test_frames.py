"""Frames of the delivery protocol: what is encoded comes back, and nothing else gets past the decoder."""

from __future__ import annotations

import resource

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rt_edge.data.errors import CodecError
from rt_edge.data.record import MAX_RECORD, Record, RecordKind
from rt_edge.uplink import frames

KINDS = sorted(frames.EDGE_KINDS | frames.INGRESS_KINDS)
EPOCH = bytes(16)


def _record(first: int = 1, last: int | None = None, kind: RecordKind = RecordKind.DATA, payload: bytes = b"x") -> Record:
    return Record(first, first if last is None else last, kind, 1, payload)


SAMPLES: list[frames.Message] = [
    frames.Hello(1, 1, "edge-1", "i", "h", "", [frames.LaneHello(0, "up", "main", EPOCH, 9, 3, None)], {"commands": 1}),
    frames.Welcome(1, "up-1", "store", 2**64 - 1, 512_000, 100, 10.0, [frames.LaneWelcome(0, 3, 2**32 - 1)]),
    frames.Refuse("store-mismatch", "elsewhere", 30.0),
    frames.Open([frames.LaneHello(255, "up", "main", EPOCH, 2**63 - 1, 0, 0)]),
    frames.Opened([frames.LaneWelcome(1, 0, 0)]),
    frames.Batch(0, [_record(5), _record(6, 9, RecordKind.TOMBSTONE), _record(10, kind=RecordKind.GAP)]),
    frames.Confirm(10**9, 10**6, 7, [frames.LaneConfirm(0, 5, None, 8)]),
    frames.Resend(0, 6),
    frames.Ping(1),
    frames.Probe(2),
    frames.Alive(2),
    frames.Notice("duplicate-node", "who?"),
    frames.Compare(0, [frames.Proof(1, 1, bytes(16))]),
    frames.Compared(0, 1, [(1, 1)], True),
]


@pytest.mark.parametrize("message", SAMPLES, ids=lambda message: type(message).__name__)
def test_a_message_comes_back_equal_when_encoded_and_decoded(message: frames.Message) -> None:
    """encode and decode are inverses, for every kind there is."""
    kind, data = frames.encode(message)
    assert len(kind.encode("ascii")) <= 32
    assert frames.decode(kind, data) == message


def test_every_kind_has_a_sample_when_the_protocol_grows() -> None:
    """No kind is left out of these tests."""
    assert {frames.encode(message)[0] for message in SAMPLES} == set(KINDS)


def test_hello_of_an_older_edge_and_of_a_newer_one_are_both_understood() -> None:
    """Without `features`, which say that it does nothing beyond the delivery; with more than is known here. To an older ingress
    this one's Hello is a longer array, whose end it does not look at."""
    old = ["edge-1", "i", "h", "", []]
    hello = frames.decode("dlv.hello", msgspec.msgpack.encode([1, 1, *old]))
    assert isinstance(hello, frames.Hello)
    assert hello.features == {}
    newer = frames.decode("dlv.hello", msgspec.msgpack.encode([1, 1, *old, {"commands": 3, "else": 1}, "more"]))
    assert isinstance(newer, frames.Hello)
    assert newer.features == {"commands": 3, "else": 1}
    _, data = frames.encode(frames.Hello(1, 1, "edge-1", "i", "h", "", [], frames.FEATURES))
    assert msgspec.msgpack.decode(data) == [1, 1, *old, {"commands": 1}]


@pytest.mark.parametrize("features", [[], {"a": -1}, {"a" * 129: 1}, {str(i): 1 for i in range(65)}, {1: 1}])
def test_features_have_bounds(features: object) -> None:
    """What a peer says of itself is kept as long as its session."""
    with pytest.raises(CodecError):
        frames.decode("dlv.hello", msgspec.msgpack.encode([1, 1, "edge-1", "i", "h", "", [], features]))


def test_a_record_of_the_largest_size_fits_when_sent_alone() -> None:
    """MAX_FRAME leaves room for one record of MAX_RECORD."""
    batch = frames.Batch(0, [_record(2**62, payload=bytes(MAX_RECORD))])
    kind, data = frames.encode(batch)
    assert len(data) <= frames.MAX_FRAME
    assert frames.decode(kind, data) == batch


def test_a_longer_layout_is_read_when_a_newer_node_appends_fields() -> None:
    """Unknown fields at the end are skipped: layouts are append-only."""
    assert frames.decode("dlv.ping", msgspec.msgpack.encode([7, "new", [1, 2]])) == frames.Ping(7)


HELLO = ["edge-1", "i", "h", ""]
BAD: dict[str, tuple[str, object, str]] = {
    "unknown kind": ("dlv.exec", [1], "is not known"),
    "empty": ("dlv.ping", None, "does not decode"),
    "wrong type": ("dlv.ping", ["1"], "does not decode"),
    "negative nonce": ("dlv.ping", [-1], "does not decode"),
    "too few fields": ("dlv.resend", [1], "does not decode"),
    "lane index": ("dlv.resend", [256, 1], "does not decode"),
    "short epoch": ("dlv.open", [[[0, "r", "l", b"x", 1, 1, None]]], "does not decode"),
    "long name": ("dlv.open", [[[0, "r" * 129, "l", EPOCH, 1, 1, None]]], "does not decode"),
    "no lanes": ("dlv.open", [[]], "does not decode"),
    "too many lanes": ("dlv.hello", [1, 1, *HELLO, [[0, "r", "l", EPOCH, 1, 1, None]] * 257], "does not decode"),
    "number beyond 63 bits": ("dlv.resend", [0, 2**63], "does not decode"),
    "checksum beyond 32 bits": ("dlv.opened", [[[0, 1, 2**32]]], "does not decode"),
    "endless pause": ("dlv.refuse", ["c", "r", float("inf")], "does not decode"),
    "no records": ("dlv.batch", [0, []], "does not decode"),
    "too many records": ("dlv.batch", [0, [[n, n, 0, 1, b""] for n in range(1, 1026)]], "does not decode"),
    "unknown record kind": ("dlv.batch", [0, [[1, 1, 9, 1, b""]]], "does not decode"),
    "number zero": ("dlv.batch", [0, [[0, 0, 0, 1, b""]]], "stands where"),
    "gap in a batch": ("dlv.batch", [0, [[1, 1, 0, 1, b""], [3, 3, 0, 1, b""]]], "3..3 stands where 2 should"),
    "repeat in a batch": ("dlv.batch", [0, [[1, 1, 0, 1, b""], [1, 1, 0, 1, b""]]], "1..1 stands where 2 should"),
    "backward range": ("dlv.batch", [0, [[5, 4, 1, 1, b""]]], "stands where"),
    "range of data": ("dlv.batch", [0, [[1, 2, 0, 1, b""]]], "is no tombstone"),
    "negative count": ("dlv.batch", [0, [[1, 1, 0, -1, b""]]], "claims -1 readings"),
    "record too large": ("dlv.batch", [0, [[1, 1, 0, 1, bytes(MAX_RECORD + 1)]]], "more than 1000000"),
    "frame too large": ("dlv.batch", [0, [[1, 1, 0, 1, bytes(frames.MAX_FRAME)]]], "is longer than"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_codec_error_names_the_reason_when_a_body_is_out_of_bounds(name: str) -> None:
    """Each bound has its error."""
    kind, body, reason = BAD[name]
    with pytest.raises(CodecError, match=reason):
        frames.decode(kind, b"" if body is None else msgspec.msgpack.encode(body))


@settings(max_examples=400, deadline=None)
@given(kind=st.sampled_from(KINDS), data=st.binary(max_size=300))
@example(kind="dlv.batch", data=b"\x92\x00\xdd\xff\xff\xff\xff")
@example(kind="dlv.hello", data=b"\x97\x01\x01\xdb\xff\xff\xff\xff")
@example(kind="dlv.compare", data=b"\x91" * 290)
def test_only_codec_errors_come_out_when_the_bytes_are_random(kind: str, data: bytes) -> None:
    """Whatever arrives, the decoder gives a message or a CodecError."""
    try:
        message = frames.decode(kind, data)
    except CodecError:
        return
    assert frames.encode(message)[0] == kind


@settings(max_examples=400, deadline=None)
@given(sample=st.sampled_from(SAMPLES), at=st.integers(0, 200), flip=st.integers(1, 255), cut=st.integers(0, 40))
def test_only_codec_errors_come_out_when_a_true_frame_is_garbled(sample: frames.Message, at: int, flip: int, cut: int) -> None:
    """A flipped byte or a cut end does no more than a CodecError."""
    kind, data = frames.encode(sample)
    garbled = bytearray(data[: len(data) - min(cut, len(data))])
    if garbled:
        garbled[at % len(garbled)] ^= flip
    try:
        frames.decode(kind, bytes(garbled))
    except CodecError:
        return


def test_no_memory_is_taken_when_a_header_claims_four_billion_elements() -> None:
    """A length that the bytes do not bear out is not allocated."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for head in (b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff"):
        for kind in KINDS:
            for data in (head, b"\x92\x00" + head, b"\x91" + head):
                with pytest.raises(CodecError):
                    frames.decode(kind, data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000
