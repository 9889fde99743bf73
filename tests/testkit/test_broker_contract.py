"""The contract of MQTT brokers as this project needs them, on mosquitto and on the broker of the testkit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from rt_edge.testkit.mosquitto import MosquittoProcess
from rt_edge.testkit.mqtt_broker import TestBroker
from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.mqtt_client import RawClient

KEEP = {p.SESSION_EXPIRY: 3600}


class Broker(Protocol):
    port: int

    async def __aenter__(self) -> Any: ...

    async def __aexit__(self, *exc: object) -> None: ...


Run = Callable[[Callable[[int], Awaitable[None]]], None]


@pytest.fixture(params=["testkit", "mosquitto"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Runs a coroutine function against a fresh broker; it gets the port."""

    def runner(body: Callable[[int], Awaitable[None]]) -> None:
        async def main() -> None:
            broker: Broker
            if request.param == "testkit":
                broker = TestBroker()
            else:
                lines = ["max_queued_messages 0", "log_type none"]
                broker = MosquittoProcess(request.getfixturevalue("mosquitto_path"), tmp_path / "mosquitto", lines)
            async with broker:
                await body(broker.port)

        asyncio.run(main())

    return runner


versions = pytest.mark.parametrize("version", [5, 4])


def client(port: int, name: str, version: int = 5, clean: bool = False, **more: Any) -> RawClient:
    properties = more.pop("properties", {} if clean or version == 4 else KEEP)
    return RawClient(port, p.Connect(name, version, clean, properties=properties, **more))


@versions
def test_broker_hands_on_each_qos_when_subscribed(run: Run, version: int) -> None:
    """A message comes with the lower of the two QoS, once, in order per QoS."""

    async def body(port: int) -> None:
        async with client(port, "s", version) as s, client(port, "w", version, clean=True) as w:
            assert await s.subscribe(p.Wanted("a/+", 2), p.Wanted("b/#", 0)) == [2, 0]
            for qos in (0, 1, 2):
                await w.publish("a/x", b"%d" % qos, qos)
            await w.publish("b", b"down", 1)
            seen = await s.received(4)
            assert sorted((m.topic, m.payload, m.qos) for m in seen) == [
                ("a/x", b"0", 0),
                ("a/x", b"1", 1),
                ("a/x", b"2", 2),
                ("b", b"down", 0),
            ]
            s.ack(*[m for m in seen if m.qos])
            await s.ping()
            assert len(s.messages) == 4

    run(body)


@pytest.mark.parametrize("quota", [1, 10])
def test_broker_keeps_to_receive_maximum_when_a_backlog_waits(run: Run, quota: int) -> None:
    """Never more than Receive Maximum are unacknowledged; each acknowledgement lets one more through."""

    async def body(port: int) -> None:
        properties = KEEP | {p.RECEIVE_MAXIMUM: quota}
        async with client(port, "s", properties=properties) as s, client(port, "w", clean=True) as w:
            await s.subscribe(p.Wanted("q", 1))
            await w.publish_many("q", [b"%d" % i for i in range(60)])
            await s.received(quota)
            for step in range(10):
                await s.ping()
                assert len(s.messages) == quota + step
                s.ack(s.messages[step])
                await s.received(quota + step + 1)
            assert [m.payload for m in s.messages] == [b"%d" % i for i in range(quota + 10)]

    run(body)


@versions
def test_broker_sends_again_with_the_same_identifier_when_a_client_comes_back(run: Run, version: int) -> None:
    """Unacknowledged messages come again first, in order, with DUP and their identifiers; acknowledged ones do not."""

    async def body(port: int) -> None:
        s = client(port, "s", version)
        await s.open()
        assert not s.present
        await s.subscribe(p.Wanted("q", 1))
        async with client(port, "w", version, clean=True) as w:
            for i in range(5):
                await w.publish("q", b"%d" % i)
            first = await s.received(5)
            s.ack(*first[:2])
            await s.ping()
            await s.vanish()
            await w.publish("q", b"5")
            async with client(port, "s", version) as again:
                assert again.present
                seen = await again.received(4)
                assert [(m.payload, m.dup) for m in seen] == [(b"2", True), (b"3", True), (b"4", True), (b"5", False)]
                assert [m.mid for m in seen[:3]] == [m.mid for m in first[2:]]

    run(body)


@versions
def test_broker_sends_nothing_again_when_the_connection_lives(run: Run, version: int) -> None:
    """Not acknowledging is no way to get a message again."""

    async def body(port: int) -> None:
        async with client(port, "s", version) as s, client(port, "w", version, clean=True) as w:
            await s.subscribe(p.Wanted("q", 1))
            await w.publish("q", b"once")
            await s.received(1)
            await s.quiet(0.3)
            await s.ping()
            assert len(s.messages) == 1

    run(body)


@versions
def test_broker_forgets_the_session_when_a_client_starts_clean(run: Run, version: int) -> None:
    """A clean start drops subscriptions and what waited; the next start finds no session either."""

    async def body(port: int) -> None:
        async with client(port, "s", version) as s:
            await s.subscribe(p.Wanted("q", 1))
        async with client(port, "w", version, clean=True) as w:
            await w.publish("q", b"waits")
            async with client(port, "s", version, clean=True) as fresh:
                assert not fresh.present
                await fresh.ping()
                assert not fresh.messages
            async with client(port, "s", version) as last:
                assert not last.present

    run(body)


def test_broker_forgets_the_session_when_its_expiry_is_over(run: Run) -> None:
    """A session with expiry 0 ends with its connection."""

    async def body(port: int) -> None:
        async with client(port, "s", properties={}) as s:
            await s.subscribe(p.Wanted("q", 1))
            await s.ping()
        async with client(port, "s", properties=KEEP) as again:
            assert not again.present

    run(body)


@versions
def test_broker_gives_retained_messages_when_subscribed_and_forgets_them_when_emptied(run: Run, version: int) -> None:
    """A retained message comes with the flag at each subscribe; an empty one removes it; live ones come without the flag."""

    async def body(port: int) -> None:
        async with client(port, "s", version, clean=True) as s, client(port, "w", version, clean=True) as w:
            await w.publish("r/1", b"kept", 1, retain=True)
            await s.subscribe(p.Wanted("r/#", 1))
            (kept,) = await s.received(1)
            assert (kept.payload, kept.retain) == (b"kept", True)
            await w.publish("r/1", b"", 1, retain=True)
            live = (await s.received(2))[1]
            assert (live.payload, live.retain) == (b"", False)
            await s.subscribe(p.Wanted("r/#", 1))
            await s.ping()
            assert len(s.messages) == 2

    run(body)


def test_broker_obeys_retain_handling_when_a_subscription_is_not_new(run: Run) -> None:
    """Retain Handling 1 sends retained messages only to a new subscription, 2 never."""

    async def body(port: int) -> None:
        async with client(port, "s", clean=True) as s, client(port, "w", clean=True) as w:
            await w.publish("r", b"kept", 1, retain=True)
            await s.subscribe(p.Wanted("r", 0, retain_handling=2))
            await s.subscribe(p.Wanted("r", 0, retain_handling=1))
            await s.ping()
            assert not s.messages
            await s.unsubscribe("r")
            await s.subscribe(p.Wanted("r", 0, retain_handling=1))
            await s.received(1)

    run(body)


@versions
def test_broker_stops_sending_when_unsubscribed(run: Run, version: int) -> None:
    """After UNSUBACK nothing of the filter comes."""

    async def body(port: int) -> None:
        async with client(port, "s", version) as s, client(port, "w", version, clean=True) as w:
            await s.subscribe(p.Wanted("q", 1))
            await s.unsubscribe("q")
            await w.publish("q", b"too late")
            await s.ping()
            assert not s.messages

    run(body)


@versions
def test_broker_ends_the_older_connection_when_a_client_id_comes_twice(run: Run, version: int) -> None:
    """The newcomer takes the session over; v5 tells the older one why."""

    async def body(port: int) -> None:
        async with client(port, "s", version) as s, client(port, "s", version) as newer:
            await s.until(lambda: s.ended)
            assert newer.present
            assert s.goodbye == (0x8E if version == 5 else None)

    run(body)


@versions
def test_broker_says_the_will_when_a_client_vanishes_and_not_when_it_leaves(run: Run, version: int) -> None:
    """A will is for who goes without a DISCONNECT."""

    async def body(port: int) -> None:
        async with client(port, "s", version, clean=True) as s:
            await s.subscribe(p.Wanted("will/#", 1))
            for name in ("leaves", "vanishes"):
                w = client(port, name, version, clean=True, will=p.Publish(f"will/{name}", b"gone", 1))
                await w.open()
                await (w.vanish() if name == "vanishes" else w.close())
            seen = await s.received(1)
            await s.quiet(0.1)
            assert [m.topic for m in s.messages] == ["will/vanishes"]
            assert seen[0].payload == b"gone"

    run(body)


def test_broker_shares_messages_when_the_subscription_is_shared(run: Run) -> None:
    """Each message goes to one member of the group."""

    async def body(port: int) -> None:
        async with client(port, "a", clean=True) as a, client(port, "b", clean=True) as b, client(port, "w", clean=True) as w:
            for one in (a, b):
                await one.subscribe(p.Wanted("$share/g/q/#", 1))
            await w.publish_many("q/1", [b"%d" % i for i in range(10)])
            await a.until(lambda: len(a.messages) == 5)
            await b.until(lambda: len(b.messages) == 5)
            assert sorted(int(m.payload) for m in [*a.messages, *b.messages]) == list(range(10))

    run(body)


def test_broker_names_the_subscription_when_it_has_an_identifier(run: Run) -> None:
    """Copies of overlapping subscriptions name all identifiers between them."""

    async def body(port: int) -> None:
        async with client(port, "s", clean=True) as s, client(port, "w", clean=True) as w:
            await s.subscribe(p.Wanted("q/+", 1), identifier=1)
            await s.subscribe(p.Wanted("q/#", 1), identifier=300)
            await w.publish("q/1", b"x")
            await s.received(1)
            await s.ping()
            assert sorted(i for m in s.messages for i in m.properties[p.SUBSCRIPTION_ID]) == [1, 300]

    run(body)


@versions
def test_broker_answers_every_ping_after_what_was_sent_before_it(run: Run, version: int) -> None:
    """A PINGRESP proves that an acknowledgement sent before its PINGREQ is not needed again."""

    async def body(port: int) -> None:
        s = client(port, "s", version)
        await s.open()
        await s.subscribe(p.Wanted("q", 1))
        async with client(port, "w", version, clean=True) as w:
            await w.publish("q", b"x")
        s.ack(*await s.received(1))
        await s.ping()
        await s.vanish()
        async with client(port, "s", version) as again:
            await again.ping()
            assert not again.messages

    run(body)


def test_broker_refuses_when_the_version_is_unknown(run: Run) -> None:
    """A CONNECT of version 6 is answered with a refusal and the end, not with silence."""

    async def body(port: int) -> None:
        async with client(port, "s", 6, clean=True) as s:
            await s.until(lambda: s.ended or s.code > 0)
            assert s.code != 0

    run(body)


def test_broker_ends_the_connection_when_it_gets_nonsense(run: Run) -> None:
    """Bytes that are no packet end that connection and no other."""

    async def body(port: int) -> None:
        async with client(port, "s", clean=True) as s, client(port, "w", clean=True) as w:
            s.send(b"\x00\xff\xff\xff\xff\xff")
            await s.until(lambda: s.ended)
            await w.ping()

    run(body)
