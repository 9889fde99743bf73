"""RTU and MBAP framing: noise, damage, and replies that come too late."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pymodbus.framer.rtu import FramerRTU

from adapters.modbus.ascii import AsciiFraming
from adapters.modbus.late import Shape, other_shape
from adapters.modbus.pdu import MAX_REGISTERS, Request, read, write_registers
from adapters.modbus.rtu import BUFFER, RtuFraming, crc16
from adapters.modbus.tcp import MbapFraming
from rt_edge.sdk import CodecError
from rt_edge.testkit.modbus_slave import crc
from rt_edge.testkit.modbus_wire import FramingName, frame_of

THREE = read("holding", 0, 3)


def framing(**more: Any) -> tuple[RtuFraming, Counter[str]]:
    counts: Counter[str] = Counter()

    def count(name: str, n: int) -> None:
        counts[name] += n

    return RtuFraming(count, **more), counts


def frame(unit: int, pdu: bytes) -> bytes:
    head = bytes((unit,)) + pdu
    return head + crc(head)


def reply(request: Request, fill: int = 0) -> bytes:
    size = request.reply - 2
    return bytes((request.function, size)) + bytes((fill + i) & 0xFF for i in range(size))


@given(st.binary(max_size=300))
def test_crc_is_that_of_others_when_data_is_any(data: bytes) -> None:
    """Our CRC is pymodbus's and that of the bit-by-bit definition."""
    assert crc16(data).to_bytes(2, "little") == FramerRTU.compute_CRC(data).to_bytes(2, "big") == crc(data)


def test_request_is_framed_when_begun() -> None:
    """Unit, PDU, CRC low byte first: the example of the specification's readers, 01 03 00 00 00 03 05 CB."""
    rtu, _ = framing()
    assert rtu.begin(1, THREE, 0.0) == bytes.fromhex("01030000000305cb")


@given(noise=st.binary(max_size=40), cuts=st.lists(st.integers(1, 50), max_size=6), fill=st.integers(0, 255))
def test_reply_is_found_when_noise_precedes_it_and_it_comes_in_pieces(noise: bytes, cuts: list[int], fill: int) -> None:
    """Noise in front and any fragmentation: the reply is found at the latest when the time is over."""
    rtu, _ = framing()
    rtu.begin(5, THREE, 0.0)
    wire = noise + frame(5, reply(THREE, fill))
    found = None
    for cut in cuts:
        found = found or rtu.feed(wire[:cut], 0.0)
        wire = wire[cut:]
    found = found or rtu.feed(wire, 0.0) or rtu.give_up(1.0)
    assert found == reply(THREE, fill)


@given(st.lists(st.binary(max_size=200), max_size=30))
def test_buffer_stays_bounded_when_only_noise_comes(chunks: list[bytes]) -> None:
    """Whatever comes, no reply is invented from bytes without a sound CRC, and the buffer has a bound."""
    rtu, _ = framing()
    rtu.begin(5, THREE, 0.0)
    for chunk in chunks:
        found = rtu.feed(chunk, 0.0)
        assert found is None or (len(found) == THREE.reply and found[0] == 3)
        assert len(rtu._buffer) <= BUFFER


@given(position=st.integers(0, 10), bit=st.integers(0, 7))
def test_damaged_reply_is_not_taken_when_a_bit_is_wrong(position: int, bit: int) -> None:
    """One wrong bit anywhere in the frame and it is no reply."""
    rtu, _ = framing()
    rtu.begin(5, THREE, 0.0)
    wire = bytearray(frame(5, reply(THREE)))
    wire[position] ^= 1 << bit
    assert rtu.feed(bytes(wire), 0.0) is None
    assert rtu.give_up(1.0) is None


def test_late_reply_is_thrown_away_when_another_unit_is_asked() -> None:
    """The reply of unit 1, late and glued to that of unit 2, does not disturb unit 2's."""
    rtu, counts = framing()
    rtu.begin(1, THREE, 0.0)
    assert rtu.give_up(1.0) is None
    rtu.begin(2, THREE, 1.0)
    assert rtu.feed(frame(1, reply(THREE, 1)) + frame(2, reply(THREE, 2)), 1.1) == reply(THREE, 2)
    assert counts["late_frames"] == 1


def test_late_reply_is_thrown_away_whole_when_it_contains_a_frame() -> None:
    """A late frame whose data looks like a reply of the unit that is waited for is taken off whole."""
    rtu, _ = framing()
    inner = frame(2, reply(read("holding", 0, 1), 9))
    outer_request = read("holding", 0, 4)
    rtu.begin(1, outer_request, 0.0)
    rtu.give_up(1.0)
    rtu.begin(2, read("holding", 0, 1), 1.0)
    outer = frame(1, bytes((3, 8)) + inner + b"\0")
    assert rtu.feed(outer, 1.1) is None
    real = reply(read("holding", 0, 1), 5)
    assert rtu.feed(frame(2, real), 1.2) == real


def test_same_request_is_known_as_ambiguous_when_one_was_given_up() -> None:
    """After a time-out the unit's reply shape is known as late, until the late reply came, a newer one came, or it is too old."""
    rtu, counts = framing(late_limit=30.0)
    for end in ("late reply", "newer reply", "age"):
        rtu.begin(1, THREE, 0.0)
        rtu.give_up(1.0)
        assert rtu.late(1, 1.0) == {Shape(3, 8): 31.0}
        assert rtu.late(2, 1.0) == {}
        if end == "late reply":
            rtu.feed(frame(1, reply(THREE)), 2.0)
            assert counts["late_frames"] == 1
        elif end == "newer reply":
            other = read("input", 0, 1)
            rtu.begin(1, other, 2.0)
            assert rtu.feed(frame(1, reply(other)), 2.0) == reply(other)
        assert rtu.late(1, 31.0 if end == "age" else 2.0) == {}


def test_exception_is_not_taken_when_it_may_belong_to_a_given_up_request() -> None:
    """An exception says only its function: with a late request of that function it is nobody's answer."""
    rtu, counts = framing()
    rtu.begin(1, THREE, 0.0)
    rtu.give_up(1.0)
    rtu.begin(1, read("holding", 0, 1), 1.0)
    assert rtu.feed(frame(1, b"\x83\x02"), 1.1) is None
    assert counts["ambiguous_exceptions"] == 1
    rtu.give_up(2.0)
    rtu.begin(1, read("input", 0, 1), 2.0)
    assert rtu.feed(frame(1, b"\x84\x01"), 2.1) == b"\x84\x01"
    assert rtu.late(1, 2.1) == {}


@pytest.mark.parametrize("kind", ["rtu", "ascii"])
@pytest.mark.parametrize("said", [reply(THREE), b"\x83\x02"], ids=["values", "exception"])
@pytest.mark.parametrize("missing", [0, 1, 4])
def test_reply_that_came_twice_answers_one_request_when_the_next_one_has_its_shape(
    kind: FramingName, said: bytes, missing: int
) -> None:
    """What was there before a request is no reply to it, also where its last bytes come after."""
    line = framing()[0] if kind == "rtu" else AsciiFraming(lambda _name, _n: None)
    line.begin(1, THREE, 0.0)
    twice = frame_of(kind, 1, said) * 2
    assert line.feed(twice[: len(twice) - missing], 0.1) == said
    line.begin(1, read("holding", 70, 3), 0.2)
    assert line.feed(twice[len(twice) - missing :], 0.3) is None
    right = reply(THREE, 50)
    assert line.feed(frame_of(kind, 1, right), 0.3) == right


@pytest.mark.parametrize("kind", ["rtu", "ascii"])
def test_what_is_late_stays_known_when_an_older_late_reply_came_twice(kind: FramingName) -> None:
    """The second copy of the reply to one given-up request says nothing about the request after it."""
    line = framing()[0] if kind == "rtu" else AsciiFraming(lambda _name, _n: None)
    for i, request in enumerate((read("holding", 70, 1), THREE)):
        line.begin(1, request, float(i))
        line.give_up(i + 0.5)
    assert line.feed(frame_of(kind, 1, reply(read("holding", 70, 1))) * 2, 2.0) is None
    assert set(line.late(1, 2.1)) == {Shape(THREE.function, THREE.reply)}


def test_echo_is_skipped_when_the_driver_returns_what_was_sent() -> None:
    """With `local_echo` the echo of a write, which looks exactly like its reply, is not taken for it."""
    rtu, _ = framing(local_echo=True)
    request = write_registers(7, b"\x12\x34")
    sent = rtu.begin(3, request, 0.0)
    assert rtu.feed(sent[:3], 0.0) is None
    assert rtu.feed(sent[3:], 0.0) is None
    assert rtu.feed(sent, 0.1) == request.pdu[:5]


def test_reply_is_found_at_the_end_when_a_cut_frame_stands_before_it() -> None:
    """A late frame that was cut off swallows no reply: at the time-out the bytes are looked through once more."""
    rtu, _ = framing()
    long = read("holding", 0, 100)
    rtu.begin(1, long, 0.0)
    rtu.give_up(1.0)
    rtu.begin(2, THREE, 1.0)
    cut = frame(1, reply(long))[:60]
    assert rtu.feed(cut + frame(2, reply(THREE)), 1.1) is None
    assert rtu.give_up(1.5) == reply(THREE)


def test_another_question_is_found_when_replies_may_be_late() -> None:
    """The question that proves the order has a reply unlike all that may be late, from what the unit serves if possible."""
    one, ten = (3, 40, 1), (3, 40, 10)
    assert other_shape([ten, (4, 0, 2)], {Shape(3, 22): 9.0}) == (4, 0, 1)
    assert other_shape([ten], {Shape(3, 22): 9.0}) == (3, 40, 1)
    assert other_shape([one], {Shape(3, 4): 9.0}) == (4, 40, 1)
    everything = {Shape(f, 4 if f > 2 else 3): 9.0 for f in (1, 2, 3, 4)}
    assert other_shape([one], everything) == (3, 40, 2)
    for n in range(2, MAX_REGISTERS):
        everything[Shape(3, 2 + 2 * n)] = 9.0
    assert other_shape([one], everything) is None


FATES = st.builds(
    dict,
    delay=st.sampled_from([0.0, 0.0, 0.0, 0.05, 0.19, 0.21, 0.3, 0.45, 0.7, 1.5]),
    silent=st.sampled_from([False, False, False, True]),
    noise=st.binary(max_size=6),
    damage=st.sampled_from(["none", "none", "none", "flip", "cut", "exception"]),
    pieces=st.integers(1, 4),
)


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("framing", ["rtu", "ascii"])
@given(fates=st.lists(FATES, min_size=1, max_size=60))
def test_no_reply_is_taken_for_another_when_the_line_does_its_worst(
    framing: str, fates: list[dict[str, Any]], new_world: Any, fate: Any
) -> None:
    """Late, silent, damaged, cut, glued, noisy: no reply goes to another unit or another request, and afterwards all goes on."""
    points = {"a": {"holding": 0}, "b": {"holding": 1}}
    w = new_world(
        channel={"serial": "/dev/ttyUSB0", "baud": 19200, "timeout": "200ms", "framing": framing},
        units={
            "x": {"unit": 1, "every": "500ms", "points": points},
            "y": {"unit": 2, "every": "500ms", "points": points},
            "z": {"unit": 3, "every": "1s", "points": {**points, "c": {"input": 0}, "d": {"coil": 5}}},
        },
        retry_min="1s",
        retry_max="2s",
    )
    left = [fate(**f) for f in fates]
    w.line.fates = lambda unit: left.pop(0) if left else fate()
    w.demand(10**6)
    assert w.time.run_until(300, lambda: not left)
    assert w.time.run_until(w.time.now + 100) is False
    assert w.line.misattributed == []
    last = {e.reading.source: e.reading.ts for e in w.context.emitted}
    assert set(last) == {"plc/x", "plc/y", "plc/z"}
    assert all(w.time.wall_ns() - ts < 3e9 for ts in last.values())
    for emitted in w.context.emitted:
        for name in ("a", "b", "c"):
            if name in emitted.reading.fields:
                assert w.line.unit_of[emitted.reading.fields[name]] == {"x": 1, "y": 2, "z": 3}[emitted.reading.source[-1]]


def mbap(number: int, unit: int, pdu: bytes) -> bytes:
    return number.to_bytes(2, "big") + b"\0\0" + (len(pdu) + 1).to_bytes(2, "big") + bytes((unit,)) + pdu


@given(st.lists(st.integers(1, 30), max_size=8))
def test_tcp_reply_is_found_when_a_late_one_is_glued_to_it(cuts: list[int]) -> None:
    """The number in the header tells the late reply of the same unit and function from the awaited one."""
    counts: Counter[str] = Counter()
    tcp = MbapFraming(lambda name, n: counts.update({name: n}))
    tcp.begin(1, THREE, 0.0)
    assert tcp.give_up(1.0) is None
    assert tcp.begin(1, THREE, 1.0) == mbap(2, 1, THREE.pdu)
    wire = mbap(1, 1, reply(THREE, 7)) + mbap(2, 1, reply(THREE, 9))
    found = None
    for cut in [*cuts, len(wire)]:
        found = found or tcp.feed(wire[:cut], 1.1)
        wire = wire[cut:]
    assert found == reply(THREE, 9)
    assert counts["late_frames"] == 1


def test_tcp_reply_is_not_taken_when_unit_or_function_differ() -> None:
    """The right number with a wrong unit or function is nobody's reply."""
    counts: Counter[str] = Counter()
    tcp = MbapFraming(lambda name, n: counts.update({name: n}))
    tcp.begin(1, THREE, 0.0)
    assert tcp.feed(mbap(1, 2, reply(THREE)) + mbap(1, 1, b"\x04\x02\0\0"), 0.1) is None
    assert counts["foreign_frames"] == 2


@pytest.mark.parametrize("bad", [b"\0\1\0\7\0\5\1", b"\0\1\0\0\0\1\1", b"\0\1\0\0\4\0\1", b"HTTP/1.1"])
def test_tcp_connection_is_given_up_when_it_is_not_modbus(bad: bytes) -> None:
    """A header with a wrong protocol or length is an error that shows the bytes."""
    tcp = MbapFraming(lambda name, n: None)
    with pytest.raises(CodecError, match=bad[:7].hex()):
        tcp.feed(bad, 0.0)


def test_memory_is_bounded_when_an_identification_claims_to_be_endless() -> None:
    """The reply to 43/14 says itself how long it is: one that says 64 KiB is kept no longer than a frame may be."""
    rtu, counts = framing()
    rtu.begin(1, Request(bytes((43, 14, 1, 0)), 0), 0.0)
    endless = bytes((1, 43, 14, 1, 1, 0, 0, 255)) + b"\x00\xff" + bytes(255)
    for _ in range(100):
        assert rtu.feed(endless, 0.1) is None
        assert len(rtu._buffer) <= BUFFER
    assert counts["noise_bytes"] >= 100 * len(endless) - BUFFER
