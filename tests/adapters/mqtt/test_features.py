"""What MQTT 5 and brokers offer beside plain messages, on a real mosquitto, with both clients."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rt_edge.sdk import FatalAdapterError, Reading, TransientError
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.mosquitto import MosquittoProcess
from rt_edge.testkit.mqtt_broker import TestBroker
from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.mqtt_client import RawClient
from rt_edge.testkit.waiting import until
from tests.adapters.mqtt.bench import harness, values
from tests.adapters.mqtt.certificates import Authority
from tests.adapters.mqtt.test_protobuf import GOLDEN

clients = pytest.mark.parametrize("client", ["paho", "fast"])
CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION, ALIAS, USER = 0x03, 0x08, 0x09, 0x23, 0x26


def run(broker: MosquittoProcess | TestBroker, body: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with broker:
            await body()

    asyncio.run(main())


@pytest.fixture
def broker(mosquitto_path: Path, tmp_path: Path) -> MosquittoProcess:
    return MosquittoProcess(mosquitto_path, tmp_path / "mosquitto")


@pytest.mark.parametrize(("client", "secure"), [("paho", True), ("fast", False)])
def test_readings_flow_both_ways_when_it_is_a_websocket(mosquitto_path: Path, tmp_path: Path, client: str, secure: bool) -> None:
    """ws:// and wss:// (with a client certificate): in order, once, larger than what mosquitto sends in one piece (4 kB each
    0.1 s: its libwebsockets has no external poll); acknowledged; and away."""
    ours = Authority(tmp_path / "pki")
    (certificate, key), (mine, my_key) = ours.leaf("broker"), ours.leaf("edge")
    lines = [f"cafile {ours.ca}", f"certfile {certificate}", f"keyfile {key}", "require_certificate true"] if secure else []
    broker = MosquittoProcess(mosquitto_path, tmp_path / "mosquitto", ["max_queued_messages 0"], websocket_lines=lines)
    tls = {"ca": str(ours.ca), "certificate": str(mine), "key": str(my_key)} if secure else {}

    async def body() -> None:
        more: dict[str, Any] = {
            "url": f"{'wss' if secure else 'ws'}://127.0.0.1:{broker.websocket_port}/mqtt",
            "tls": tls,
            "client": client,
        }
        source = harness(broker.port, tmp_path / "in", **more)
        sink = harness(broker.port, tmp_path / "out", publish={"topic": "t/{device}", "layout": "flat"}, **more)
        await source.open()
        await sink.open()
        source.demand(30)
        for wanted in (10, 20, 30):
            readings = [Reading("x/big", n, {"pad": "x" * (5000 if n == 5 else 50)}) for n in range(wanted - 10, wanted)]
            await sink.adapter.deliver(readings)
            await source.received(wanted)
            source.settle()
        assert [f'"ts":{n},' in value for n, value in enumerate(values(source))] == [True] * 30
        await source.until(lambda: source.context.forgotten == 30)
        await broker.stop()
        await source.until(lambda: len(source.context.losses) == 1)
        assert isinstance(source.context.losses[0], TransientError)
        await source.close()
        await sink.close()

    run(broker, body)


def test_error_says_what_is_wrong_when_there_is_no_websocket(broker: MosquittoProcess, tmp_path: Path) -> None:
    """A plain MQTT port does not answer a handshake of HTTP: transient, with what to check."""

    async def body() -> None:
        h = harness(broker.port, tmp_path / "d", url=f"ws://127.0.0.1:{broker.port}", timeout="2s")
        with pytest.raises(TransientError, match=r"/mqtt: .*handshake"):
            await h.open()

    run(broker, body)


@clients
def test_protocol_is_offered_when_alpn_is_set(tmp_path: Path, client: str) -> None:
    """The broker sees the first protocol of ours that it knows."""
    ours = Authority(tmp_path / "pki")
    certificate, key = ours.leaf("broker")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1", "x-amzn-mqtt-ca"])
    broker = TestBroker(tls=context)

    async def body() -> None:
        tls = {"ca": str(ours.ca), "alpn": ["mqtt", "x-amzn-mqtt-ca"]}
        h = harness(broker.port, tmp_path / "d", url=f"mqtts://127.0.0.1:{broker.port}", tls=tls, client=client)
        await h.open()
        chosen = broker.connection()._writer.get_extra_info("ssl_object").selected_alpn_protocol()
        assert chosen == "x-amzn-mqtt-ca"
        await h.close()

    run(broker, body)


def vanish(h: AdapterHarness) -> None:
    """End the connection without a DISCONNECT, and let the adapter know nothing of it."""
    transport, h.adapter._transport = h.adapter._transport, None  # type: ignore[attr-defined]
    transport._end(TransientError("cut"))
    transport._sock.close()


@clients
def test_others_hear_of_birth_close_and_loss(broker: MosquittoProcess, tmp_path: Path, client: str) -> None:
    """Birth when connected, close at an orderly end and no will, will after a loss, and not if it is back within its delay;
    with their properties."""

    async def body() -> None:
        about: dict[str, Any] = {"topic": "s/x", "qos": 2}
        will = {**about, "payload": "lost", "delay": "1s", "content_type": "text/plain", "user_properties": {"site": "h3"}}
        words = {"will": will, "birth": {**about, "payload": "up", "expiry": "1h"}, "close": {**about, "payload": "closed"}}
        h = harness(broker.port, tmp_path / "d", client=client, **words)
        async with RawClient(broker.port, p.Connect("w")) as watcher:
            await watcher.subscribe(p.Wanted("s/#", 1))
            await h.open()
            await watcher.received(1)
            await h.close()
            await watcher.received(2)
            await h.open()
            vanish(h)  # and back before the will's delay is over
            await h.open()
            await watcher.received(4)
            vanish(h)
            heard = await watcher.received(5)
            assert [message.payload.decode() for message in heard] == ["up", "closed", "up", "up", "lost"]
            assert heard[4].properties[CONTENT_TYPE] == b"text/plain"
            assert heard[4].properties[USER] == [(b"site", b"h3")]
            assert heard[0].properties[p.MESSAGE_EXPIRY] in (3599, 3600)

    run(broker, body)


@clients
def test_group_shares_messages_and_each_member_gets_its_own_again(broker: MosquittoProcess, tmp_path: Path, client: str) -> None:
    """Shared subscription: every message to one of two members; what a member had and did not settle comes again to it, under
    the same keys, after it was away; nothing is lost."""

    async def body() -> None:
        shared = [{"filter": "$share/g/t/#", "codec": "raw"}]
        one = harness(broker.port, tmp_path / "1", "one", subscribe=shared, client=client)
        two = harness(broker.port, tmp_path / "2", "two", subscribe=shared, client=client)
        for h in (one, two):
            await h.open()
            h.demand(100)
        async with RawClient(broker.port, p.Connect("feeder")) as feeder:
            await feeder.publish_many("t/a", [b"%d" % n for n in range(20)])
        await until(lambda: len(one.emitted) + len(two.emitted) == 20, 10)
        mine = len(one.emitted)
        assert 0 < mine < 20
        one.settle(1)
        two.settle()
        await one.reopen()
        await one.received(2 * mine - 1)
        assert [e.key for e in one.emitted[mine:]] == [e.key for e in one.emitted[1:mine]]
        assert all(e.redelivered for e in one.emitted[mine:])
        one.settle()
        assert sorted(int(v) for v in {*values(one), *values(two)}) == list(range(20))
        await one.close()
        await two.close()

    run(broker, body)


@clients
def test_sink_says_all_it_is_told_to(broker: MosquittoProcess, tmp_path: Path, client: str) -> None:
    """QoS 2, retained, expiry, content type, user properties from tags; aliases as far as mosquitto allows (10 topics)."""

    async def body() -> None:
        publish = {
            "topic": "out/{device}",
            "layout": "flat",
            "qos": 2,
            "retain": True,
            "expiry": "1h",
            "content_type": "application/json",
            "user_properties": {"line": "l-{tags.line}", "gone": "{tags.nope}"},
        }
        h = harness(broker.port, tmp_path / "d", publish=publish, client=client)
        await h.open()
        topics: list[str] = []
        transport = h.adapter._transport
        spoken = transport.publish

        def overheard(topic: str, *rest: Any) -> Any:
            topics.append(topic)
            return spoken(topic, *rest)

        transport.publish = overheard
        async with RawClient(broker.port, p.Connect("w", properties={p.RECEIVE_MAXIMUM: 1000})) as watcher:
            await watcher.subscribe(p.Wanted("out/#", 2))
            await h.adapter.deliver([Reading(f"x/d{n % 12}", n, {"n": n}, tags={"line": "7"}) for n in range(48)])
            heard = await watcher.received(48)
        assert [m.topic for m in heard] == [f"out/d{n % 12}" for n in range(48)]
        assert [m.payload for m in heard] == [b'{"ts":%d,"n":%d}' % (n, n) for n in range(48)]
        assert topics.count("") == 30  # ten topics, named once each; two without an alias
        assert {m.qos for m in heard} == {2}
        assert heard[-1].properties[CONTENT_TYPE] == b"application/json"
        assert heard[-1].properties[USER] == [(b"line", b"l-7"), (b"gone", b"unknown")]
        assert heard[-1].properties[p.MESSAGE_EXPIRY] in (3599, 3600)
        async with RawClient(broker.port, p.Connect("late")) as late:
            await late.subscribe(p.Wanted("out/d3"))
            (kept,) = await late.received(1)
            assert kept.retain
        await h.close()

    run(broker, body)


@clients
def test_delivery_fails_and_the_next_one_works_when_the_broker_refuses_qos_2(tmp_path: Path, client: str) -> None:
    """A PUBREC with a reason is the end of it: an error now, and its identifier is free again."""
    broker = TestBroker()

    async def body() -> None:
        h = harness(broker.port, tmp_path / "d", publish={"topic": "o", "qos": 2, "in_flight_messages": 2}, client=client)
        await h.open()
        broker.faults.publish_code = 0x97
        for _ in range(3):
            with pytest.raises(TransientError, match="quota"):
                await h.adapter.deliver([Reading("x/y", n, {"n": n}) for n in range(5)])
        if client == "paho":
            assert not h.adapter._transport._client._out_messages  # it would keep what nobody will answer any more
        broker.faults.publish_code = 0
        await h.adapter.deliver([Reading("x/y", n, {"n": n}) for n in range(5)])
        await h.close()

    run(broker, body)


@clients
def test_topics_are_known_when_the_broker_uses_aliases(tmp_path: Path, client: str) -> None:
    """An alias stands for its topic, also one that came with a message that was too large, until it is given another; one that
    was never agreed on ends the connection."""
    broker = TestBroker()

    async def body() -> None:
        subscribe = [{"filter": "t/#", "codec": "raw"}]
        h = harness(broker.port, tmp_path / "d", subscribe=subscribe, topic_aliases=2, max_packet="1KiB", client=client)
        await h.open()
        h.demand(10)
        sent = [
            ("t/a", 1, b"1"),
            ("", 1, b"2"),
            ("t/b", 2, b"3"),
            ("", 1, b"4"),
            ("t/c", 1, bytes(5000)),
            ("", 1, b"5"),
            ("", 2, b"6"),
        ]
        for topic, alias, payload in sent:
            broker.connection().inject(p.Publish(topic, payload, properties={p.MESSAGE_EXPIRY: 0x23, ALIAS: alias}))
        await h.received(6)
        assert [(r.source, r.fields["value"]) for r in h.readings] == [
            ("hub/t/a", "1"),
            ("hub/t/a", "2"),
            ("hub/t/b", "3"),
            ("hub/t/a", "4"),
            ("hub/t/c", "5"),
            ("hub/t/b", "6"),
        ]
        assert h.context.counts["dropped_too_large"] == 1
        broker.connection().inject(p.Publish("t/a", b"x", properties={ALIAS: 3}))
        await h.until(lambda: len(h.context.losses) == 1)
        assert "topic alias 3, where 2 are allowed" in str(h.context.losses[0])
        await h.close()
        await h.open()
        broker.connection().inject(p.Publish("", b"x", properties={ALIAS: 1}))
        await h.until(lambda: len(h.context.losses) == 2)
        assert "was given no topic in this connection" in str(h.context.losses[1])
        await h.close()

    run(broker, body)


def test_properties_are_tags_when_they_are_listed(broker: MosquittoProcess, tmp_path: Path) -> None:
    """By the list alone; a property that is missing is no tag."""

    async def body() -> None:
        tags = {"batch": "user.batch", "kind": "content_type", "left": "expiry_s", "back": "response_topic", "id": "correlation"}
        h = harness(broker.port, tmp_path / "d", subscribe=[{"topic": "t/{device}", "codec": "raw", "tags": tags}])
        await h.open()
        h.demand(2)
        about: p.Properties = {
            USER: [(b"batch", b"b1"), (b"secret", b"x")],
            CONTENT_TYPE: b"text/plain",
            p.MESSAGE_EXPIRY: 60,
            RESPONSE_TOPIC: b"r/1",
            CORRELATION: b"\x01\xff",
        }
        async with RawClient(broker.port, p.Connect("w")) as w:
            await w.publish("t/a", b"1", properties=about)
            await w.publish("t/a", b"2")
        await h.received(2)
        first, second = h.readings
        assert first.tags["left"] in ("59", "60")
        del first.tags["left"]
        assert first.tags == {"device": "a", "batch": "b1", "kind": "text/plain", "back": "r/1", "id": "01ff"}
        assert (second.tags, second.quality) == ({"device": "a"}, "good")
        await h.close()

    run(broker, body)


@pytest.mark.parametrize(("expired", "wanted"), [("stale", ["stale", "good"]), ("keep", ["good", "good"]), ("drop", ["good"])])
def test_message_is_not_taken_for_new_when_it_has_waited_too_long(tmp_path: Path, expired: str, wanted: list[str]) -> None:
    """What expired while nobody asked is stale, or dropped and acknowledged, as the settings say."""
    broker = TestBroker()

    async def body() -> None:
        h = harness(broker.port, tmp_path / "d", subscribe=[{"filter": "t/#", "codec": "raw", "expired": expired}])
        await h.open()
        broker.publish("t/a", b"old", 1, properties={p.MESSAGE_EXPIRY: 0})
        broker.publish("t/a", b"new", 1, properties={p.MESSAGE_EXPIRY: 600})
        await until(lambda: len(h.adapter._flow.inbox) == 2, 10)
        h.demand(2)
        await h.received(len(wanted))
        h.settle()
        assert [reading.quality for reading in h.readings] == wanted
        await broker.bell.until(lambda: len(broker.session().acknowledged) == 2)
        assert h.context.counts.get("dropped_expired", 0) == 2 - len(wanted)
        await h.close()

    run(broker, body)


@clients
def test_question_is_answered_when_it_is_settled_and_not_before(broker: MosquittoProcess, tmp_path: Path, client: str) -> None:
    """With the correlation data of the question, at its response topic; other topics, and what was not stored, get no answer."""

    async def body() -> None:
        answer = {"topics": "replies/#"}
        h = harness(broker.port, tmp_path / "d", subscribe=[{"filter": "t/#", "answer": answer}], client=client)
        await h.open()
        h.demand(10)
        async with RawClient(broker.port, p.Connect("w")) as w:
            await w.subscribe(p.Wanted("#", 0))
            for number, (topic, payload) in enumerate(
                [("replies/a", b'{"n":1}'), ("x/a", b'{"n":2}'), ("replies/a", b"no JSON"), ("replies/b", b'{"n":3}')]
            ):
                await w.publish(
                    "t/a", payload, number % 2, properties={RESPONSE_TOPIC: topic.encode(), CORRELATION: b"c%d" % number}
                )
            await h.received(3)
            await w.quiet(0.1)
            assert not [m for m in w.messages if m.topic.startswith(("replies", "x/"))]
            h.settle(1)
            await w.until(lambda: len(w.messages) == 5)
            h.settle()
            await w.until(lambda: len(w.messages) == 6)
            await w.quiet(0.1)
            answers = [m for m in w.messages if not m.topic.startswith("t/")]
            assert [(m.topic, m.properties[CORRELATION]) for m in answers] == [("replies/a", b"c0"), ("replies/b", b"c3")]
            assert answers[0].payload == b'{"stored": true}'
        await h.close()

    run(broker, body)


def test_own_messages_do_not_come_back_when_no_local_is_set(broker: MosquittoProcess, tmp_path: Path) -> None:
    """A source and a sink on one connection and one topic."""

    async def body() -> None:
        subscribe = [{"filter": "o/#", "codec": "raw", "no_local": True}]
        h = harness(broker.port, tmp_path / "d", subscribe=subscribe, publish={"topic": "o/{device}"})
        await h.open()
        h.demand(5)
        await h.adapter.deliver([Reading("x/y", 1, {"n": 1})])
        async with RawClient(broker.port, p.Connect("w")) as w:
            await w.publish("o/y", b"theirs")
        await h.received(1)
        assert await h.quiet(0.1) == 0
        assert values(h) == ["theirs"]
        await h.close()

    run(broker, body)


def test_edge_node_is_asked_for_its_births_when_it_was_missed(broker: MosquittoProcess, tmp_path: Path) -> None:
    """Sparkplug B over mosquitto: data of an unknown node -> NCMD -> birth -> Readings with names; its death makes them stale."""
    payloads = {name: bytes.fromhex(text) for name, text in GOLDEN["sparkplug"].items()}

    async def body() -> None:
        h = harness(broker.port, tmp_path / "d", subscribe=[{"filter": "spBv1.0/g/#", "codec": "sparkplug"}])
        await h.open()
        h.demand(10)
        async with RawClient(broker.port, p.Connect("n")) as node:
            await node.subscribe(p.Wanted("spBv1.0/g/NCMD/n", 1))
            await node.publish("spBv1.0/g/NDATA/n", payloads["ndata"])
            (command,) = await node.received(1)
            assert command.payload.find(b"Node Control/Rebirth") > 0
            await node.publish("spBv1.0/g/NBIRTH/n", payloads["nbirth"])
            await node.publish("spBv1.0/g/NDEATH/n", payloads["ndeath"])
            await h.received(2)
        birth, death = h.readings
        assert (birth.source, birth.fields["temp"], birth.quality) == ("hub/g/n", 21.5, "good")
        assert (death.source, death.fields["temp"], death.quality) == ("hub/g/n", 21.5, "stale")
        await h.close()

    run(broker, body)


def test_opening_fails_when_the_broker_lacks_what_is_asked_for(tmp_path: Path) -> None:
    """No shared subscriptions, no retained messages: fatal, with what to change."""
    broker = TestBroker()
    broker.faults.connack = {0x2A: 0, 0x25: 0}

    async def body() -> None:
        shared = harness(broker.port, tmp_path / "1", subscribe=[{"filter": "$share/g/t"}])
        with pytest.raises(FatalAdapterError, match="no shared subscriptions"):
            await shared.open()
        sink = harness(broker.port, tmp_path / "2", publish={"retain": True})
        with pytest.raises(FatalAdapterError, match="keeps no messages"):
            await sink.open()

    run(broker, body)


def test_it_is_said_when_the_broker_keeps_the_session_shorter(tmp_path: Path) -> None:
    """Session expiry is asked for; a broker that changes it is believed and named in the log."""
    broker = TestBroker()
    broker.faults.connack = {p.SESSION_EXPIRY: 60}

    async def body() -> None:
        h = harness(broker.port, tmp_path, session_expiry="1h")
        await h.open()
        assert broker.session().expiry == 3600
        (line,) = [line for line in h.context.logs if "shorter than asked" in line.event]
        assert (line.level, line.fields) == ("warning", {"asked_s": 3600, "kept_s": 60})
        await h.close()

    run(broker, body)
