"""Our codec and the exchange on it: against the broker's codec of the testkit, which was written apart, and against anything."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.mqtt import wire
from adapters.mqtt.exchange import Exchange, Pong
from adapters.mqtt.framing import FramingError
from adapters.mqtt.keepalive import Keepalive
from adapters.mqtt.seam import Connect, LastWords, Subscription
from adapters.mqtt.wire import Ack, Connack
from rt_edge.sdk import RtEdgeError, TransientError
from rt_edge.testkit.mqtt_broker import packets as p

mids = st.integers(1, 65_535)
texts = st.text(st.characters(exclude_characters="+#\0", exclude_categories=["Cs"]), min_size=1, max_size=30)
options = st.builds(
    Connect,
    host=st.just("h"),
    port=st.just(1),
    version=st.sampled_from([5, 4]),
    client_id=texts,
    clean=st.booleans(),
    session_expiry=st.sampled_from([0, 600, 4_000_000_000]),
    window=st.integers(1, 65_535),
    keepalive=st.integers(5, 18_000),
    max_packet=st.integers(1024, 268_435_455),
    timeout=st.just(1.0),
    username=texts,
    password=st.none() | texts,
    will=st.none()
    | st.builds(LastWords, texts, st.binary(max_size=200), st.integers(0, 2), st.booleans(), st.just(b"\x18\0\0\0\5")),
    topic_aliases=st.sampled_from([0, 16]),
)


def split(data: bytes) -> tuple[int, int, bytes]:
    """(kind, flags, body) of one whole packet."""
    cursor = p.Cursor(data)
    first, length = cursor.number(1), cursor.varint()
    body = cursor.rest()
    assert len(body) == length
    return first >> 4, first & 15, body


@settings(max_examples=200, deadline=None)
@given(options)
def test_broker_reads_the_connect_that_we_write(said: Connect) -> None:
    """Every field of CONNECT, both versions."""
    kind, flags, body = split(wire.encode_connect(said))
    got = p.decode_connect(body)
    assert (kind, flags) == (p.CONNECT, 0)
    assert (got.client_id, got.version, got.clean, got.keepalive) == (said.client_id, said.version, said.clean, said.keepalive)
    assert (got.username, got.password) == (said.username, None if said.password is None else said.password.encode())
    if said.will is None:
        assert got.will is None
    else:
        assert got.will is not None
        told = (got.will.topic, got.will.payload, got.will.qos, got.will.retain)
        assert told == (said.will.topic, said.will.payload, said.will.qos, said.will.retain)
        assert got.will.properties == ({p.WILL_DELAY: 5} if said.version == 5 else {})
    if said.version == 5:
        wanted = {p.RECEIVE_MAXIMUM: said.window, p.MAXIMUM_PACKET: said.max_packet}
        wanted |= {p.SESSION_EXPIRY: said.session_expiry} if said.session_expiry else {}
        wanted |= {0x22: said.topic_aliases} if said.topic_aliases else {}
        assert got.properties == wanted


@settings(max_examples=200, deadline=None)
@given(texts, st.binary(max_size=400), st.integers(0, 2), st.booleans(), mids, st.booleans())
def test_broker_reads_the_publish_that_we_write(topic: str, payload: bytes, qos: int, retain: bool, mid: int, v5: bool) -> None:
    """PUBLISH of each QoS."""
    about = b"\x26\0\1a\0\1b" if v5 else None
    kind, flags, body = split(wire.encode_publish(topic, payload, qos, retain, mid, about))
    assert kind == p.PUBLISH
    got = p.decode_publish(flags, body, v5)
    assert got == p.Publish(topic, payload, qos, retain, False, mid if qos else 0, {0x26: [(b"a", b"b")]} if v5 else {})


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(mids, st.integers(1, 2)), max_size=600))
def test_broker_reads_acknowledgements_in_their_order(received: list[tuple[int, int]]) -> None:
    """One piece for all, more than a batch."""
    data = wire.encode_acks(received)
    cut = [data[at : at + 4] for at in range(0, len(data), 4)]
    assert [(p.decode_ack(split(one)[2])[0], split(one)[0]) for one in cut] == [
        (mid, p.PUBACK if qos == 1 else p.PUBREC) for mid, qos in received
    ]


@settings(max_examples=100, deadline=None)
@given(mids, st.lists(texts, min_size=1, max_size=5), st.booleans(), st.sampled_from([0, 5, 300]))
def test_broker_reads_what_we_subscribe(mid: int, filters: list[str], v5: bool, identifier: int) -> None:
    """SUBSCRIBE with identifier and options, UNSUBSCRIBE, PUBREL, PUBCOMP."""
    wanted = [Subscription(f, n % 3, n % 3, 0, no_local=n == 1) for n, f in enumerate(filters)]
    kind, flags, body = split(wire.encode_subscribe(mid, wanted, v5, identifier))
    assert (kind, flags) == (p.SUBSCRIBE, 2)
    again, got, about = p.decode_subscribe(body, v5)
    assert (again, about) == (mid, identifier if v5 else 0)
    assert [(w.filter, w.qos, w.retain_handling) for w in got] == [
        (s.filter, s.qos, s.retain_handling if v5 else 0) for s in wanted
    ]
    assert [bool(one & 4) for one in [body[-1]]] == [v5 and wanted[-1].no_local]
    kind, flags, body = split(wire.encode_unsubscribe(mid, filters, v5))
    assert (kind, flags, p.decode_unsubscribe(body, v5)) == (p.UNSUBSCRIBE, 2, (mid, filters))
    assert wire.encode_release(mid) == p.encode_ack(p.PUBREL, mid)
    assert wire.encode_complete(mid) == p.encode_ack(p.PUBCOMP, mid)


@settings(max_examples=100, deadline=None)
@given(mids, st.integers(0, 255), st.lists(st.integers(0, 255), max_size=5), st.booleans())
def test_we_read_what_the_broker_answers(mid: int, code: int, codes: list[int], v5: bool) -> None:
    """CONNACK, PUBACK and its kin, SUBACK, UNSUBACK."""
    said = {p.RECEIVE_MAXIMUM: 7, p.MAXIMUM_PACKET: 99, 0x24: 1, p.REASON: b"why"} if v5 else {}
    connack = wire.decode(p.encode_connack(True, code, v5, said), v5)
    assert connack == Connack(True, code, {0x21: 7, 0x27: 99, 0x24: 1} if v5 else {})
    if v5 and isinstance(connack, Connack):
        limits = wire.connected_of(connack)
        assert (limits.session_present, limits.send_quota, limits.max_packet, limits.max_qos) == (True, 7, 99, 1)
    for kind in (p.PUBACK, p.PUBREC, p.PUBREL, p.PUBCOMP):
        assert wire.decode(p.encode_ack(kind, mid, code, v5), v5) == Ack(kind, mid, [code if v5 else 0])
    assert wire.decode(p.encode_codes(p.SUBACK, mid, codes, v5), v5) == Ack(p.SUBACK, mid, codes)
    assert wire.decode(p.encode_codes(p.UNSUBACK, mid, codes, v5), v5) == Ack(p.UNSUBACK, mid, codes if v5 else [])


def exchange(version: int, present: bool = False) -> Exchange:
    """One that is connected."""
    made = Exchange(Connect("h", 1, version, "c", False, 0, 10, 60, 1_000_000, 1.0), "h:1")
    assert isinstance(made.receive(p.encode_connack(present, 0, version == 5)), Connack)
    return made


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 255), st.binary(max_size=60), st.booleans(), st.booleans())
def test_exchange_raises_nothing_else_when_packets_are_random(first: int, body: bytes, v5: bool, connected: bool) -> None:
    """Any packet that a framer cuts is an event, is ignored, or one of two kinds of error; what it makes us send is bounded."""
    ours = exchange(5 if v5 else 4) if connected else Exchange(Connect("h", 1, 5, "c", True, 0, 10, 60, 9999, 1.0), "h:1")
    with contextlib.suppress(FramingError, RtEdgeError):
        ours.receive(bytes((first,)) + p.varint(len(body)) + body)
    assert len(ours.out) <= 4


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x90\x03\0\1\x05", "SUBACK whose 5 bytes of properties at byte 3 are cut off"),
        (b"\x40\x01\0", "PUBACK of 1 bytes"),
        (b"\x40\x02\0\0", "PUBACK with the packet identifier 0"),
        (b"\x42\x02\0\1", "PUBACK with the flags 2"),
        (b"\x60\x02\0\1", "PUBREL with the flags 0"),
        (b"\xd0\x01\0", "PINGRESP with 1 bytes"),
        (b"\xc0\x00", "PINGREQ, which is not for a client"),
        (b"\x20\x03\0\0\0", "a second CONNACK"),
    ],
)
def test_error_names_packet_and_place_when_it_is_malformed(data: bytes, says: str) -> None:
    """Who looks at a broken broker learns what it sent."""
    with pytest.raises(FramingError, match=says):
        exchange(5).receive(data)


@pytest.mark.parametrize("numbers", [{0x21: 0}, {0x27: 0}])
def test_connack_is_refused_when_it_leaves_no_room(numbers: dict[int, int]) -> None:
    """Receive Maximum 0 and Maximum Packet Size 0 are protocol errors (3.2.2.3): nothing could ever be sent."""
    with pytest.raises(FramingError, match="of 0"):
        wire.decode(p.encode_connack(False, 0, True, numbers), True)


def test_identifiers_are_not_used_twice_when_answers_are_outstanding() -> None:
    """They go round, past those in use."""
    ours = exchange(5)
    first = ours.publish("t", b"", 1, False)
    for _ in range(65_534):
        mid = ours.publish("t", b"", 1, False)
        ours.receive(p.encode_ack(p.PUBACK, mid))
    ours.out.clear()
    assert first == 1
    assert ours.publish("t", b"", 2, False) == 2
    assert ours.subscribe([Subscription("t", 0)], 0) == 3


def test_message_ends_with_its_own_answer_when_others_come_too() -> None:
    """A PUBCOMP or a SUBACK under the identifier of a QoS 1 message is not its PUBACK; PUBREC is answered and waited behind."""
    ours = exchange(5)
    one, two = ours.publish("t", b"", 1, False), ours.publish("t", b"", 2, False)
    ours.out.clear()
    assert ours.receive(p.encode_ack(p.PUBCOMP, one)) is None
    assert ours.receive(p.encode_codes(p.SUBACK, one, [0], True)) is None
    assert ours.receive(p.encode_ack(p.PUBREC, one)) is None
    assert ours.receive(p.encode_ack(p.PUBREC, 4)) is None
    assert ours.receive(p.encode_ack(p.PUBACK, one, 0x10)) == Ack(p.PUBACK, one, [0x10])
    assert ours.receive(p.encode_ack(p.PUBCOMP, two)) is None
    ours.out.clear()
    assert ours.receive(p.encode_ack(p.PUBREC, two)) is None
    assert bytes(ours.out) == p.encode_ack(p.PUBREL, two)
    assert ours.receive(p.encode_ack(p.PUBCOMP, two, 0x92)) == Ack(p.PUBCOMP, two, [0])
    three = ours.publish("t", b"", 2, False)
    assert ours.receive(p.encode_ack(p.PUBREC, three, 0x97)) == Ack(p.PUBREC, three, [0x97])
    assert ours.strays == 3
    assert ours.publish("t", b"", 1, False) == 4


def test_pong_says_how_far_when_acknowledgements_went_before_its_ping() -> None:
    """What is acknowledged after the PINGREQ is not in its answer."""
    ours = exchange(5)
    assert ours.acknowledge([(1, 1)], 5)
    assert ours.ping()
    assert ours.acknowledge([(2, 1)], 9)
    assert ours.receive(p.frame(p.PINGRESP, b"")) == Pong(5)
    assert ours.receive(p.frame(p.PINGRESP, b"")) is None


def test_reason_is_the_brokers_when_it_says_goodbye() -> None:
    """DISCONNECT with a code at v5; at v3.1.1 brokers have none to send."""
    with pytest.raises(TransientError, match="shutting down"):
        exchange(5).receive(b"\xe0\x01\x8b")
    with pytest.raises(FramingError, match="DISCONNECT"):
        exchange(4).receive(b"\xe0\x00")


def test_keepalive_asks_and_gives_up_in_time_when_nobody_answers() -> None:
    """Quiet: a PINGREQ before the keepalive is over; unanswered for one more: gone."""
    watch = Keepalive(60, 0)
    assert [watch.look(t, False) for t in (15, 30)] == ["fine", "fine"]
    assert watch.look(45, False) == "ping"
    watch.asked(45)
    assert [watch.look(t, False) for t in (60, 75, 90)] == ["fine"] * 3
    assert watch.look(105, False) == "gone"


def test_keepalive_goes_on_when_reading_paused_or_the_clock_jumped() -> None:
    """A paused reader keeps the broker content; a machine that slept asks again before it judges."""
    watch = Keepalive(60, 0)
    assert [watch.look(t, False) for t in (15, 30)] == ["fine", "fine"]
    watch.asked(40)
    assert [watch.look(t, True) for t in (45, 60, 75, 90, 105, 120)] == ["fine"] * 3 + ["ping"] * 3
    watch.asked(120)
    assert watch.look(10_000, False) == "ping"
    watch.asked(10_000)
    assert watch.look(10_015, False) == "fine"
    watch.heard(10_020)
    watch.sent(10_060)
    assert [watch.look(t, False) for t in (10_030, 10_045, 10_060, 10_070)] == ["fine", "fine", "fine", "ping"]
