"""Demand, bounds, poison payloads and the codecs on their way through a running adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from adapters.mqtt.seam import Connect, Connected, Listener, Message, Subscription
from rt_edge.testkit.mqtt_broker import TestBroker
from tests.adapters.mqtt.bench import harness, values


def run(body: Callable[[TestBroker], Awaitable[None]]) -> None:
    async def main() -> None:
        async with TestBroker() as broker:
            await body(broker)

    asyncio.run(main())


def test_broker_sees_no_more_than_the_window_when_nothing_is_asked_for(tmp_path: Path) -> None:
    """Without demand the broker holds at most Receive Maximum unacknowledged, and all comes in order when demand returns."""

    async def body(broker: TestBroker) -> None:
        h = harness(broker.port, tmp_path, window_messages=10)
        await h.open()
        for n in range(50):
            broker.publish("t/a", b"%d" % n, 1)
        session = broker.session()
        await broker.bell.until(lambda: len(session.in_flight) == 10)
        assert await h.quiet(0.1) == 0
        assert session.waiting == 40
        h.demand(50)
        while len(h.emitted) < 50:
            await h.received(len(h.emitted) + 1)
            h.settle()
        await broker.bell.until(lambda: not session.in_flight)
        assert values(h) == [str(n) for n in range(50)]
        assert session.most_in_flight == 10
        await h.close()

    run(body)


def test_reading_stops_when_a_broker_sends_more_than_the_window(tmp_path: Path) -> None:
    """Against a broker that breaks Receive Maximum our inbox holds its own bound, TCP holds the rest, and none is lost."""

    async def body(broker: TestBroker) -> None:
        broker.faults.ignore_receive_maximum = True
        h = harness(broker.port, tmp_path, window_messages=10, inbox={"messages": 50})
        await h.open()
        for n in range(20_000):
            broker.publish("t/a", b"%d" % n + bytes(200), 1)
        await h.until(lambda: h.context.counts.get("held_back") == 1)
        await h.quiet(0.2)
        assert len(h.adapter._flow.inbox) <= 50 + 256  # type: ignore[attr-defined]
        while len(h.emitted) < 20_000:
            h.demand(1000)
            await h.received(len(h.emitted) + 1000)
            h.settle()
            assert len(h.adapter._flow.inbox) <= 50 + 256  # type: ignore[attr-defined]
        assert [int(v.rstrip("\0")) for v in values(h)] == list(range(20_000))
        assert not h.context.losses
        await h.close()

    run(body)


@pytest.mark.parametrize(("strategy", "kept"), [("drop_oldest", range(40, 50)), ("drop_newest", range(10))])
def test_qos_0_is_dropped_by_its_strategy_when_nothing_is_asked_for(tmp_path: Path, strategy: str, kept: range) -> None:
    """The bound of the inbox holds, what goes is counted, what stays is what the strategy says."""

    async def body(broker: TestBroker) -> None:
        subscribe = [{"filter": "t/#", "codec": "raw", "qos": 0}]
        h = harness(broker.port, tmp_path, window_messages=1, inbox={"messages": 10, "qos0": strategy}, subscribe=subscribe)
        await h.open()
        for n in range(50):
            broker.publish("t/a", b"%d" % n, 0)
        await h.until(lambda: h.context.counts.get("dropped_inbox_full") == 40)
        h.demand(100)
        await h.received(10)
        assert values(h) == [str(n) for n in kept]
        await h.close()

    run(body)


def test_poison_payload_is_counted_named_once_and_acknowledged_when_it_comes(tmp_path: Path) -> None:
    """It yields nothing, blocks nothing, and goes out of the window in its turn."""

    async def body(broker: TestBroker) -> None:
        h = harness(broker.port, tmp_path, window_messages=2, subscribe=[{"filter": "t/#"}])
        await h.open()
        for n in range(30):
            broker.publish("t/a", b'{"broken": ' if n % 3 else b'{"n": %d}' % n, 1)
        broker.publish("t/b", b"nonsense", 1)
        broker.publish("t/a", b'{"n": 99}', 1)
        h.demand(100)
        session = broker.session()
        for wanted in range(1, 12):
            await h.received(wanted)
            h.settle()
        await broker.bell.until(lambda: not session.in_flight and not session.waiting)
        assert [r.fields["n"] for r in h.readings] == [*range(0, 30, 3), 99]
        assert h.context.counts["dropped_bad_payload"] == 21
        named = [line.fields["topic"] for line in h.context.logs if line.event == "a message was dropped"]
        assert named == ["t/a", "t/b"]
        assert list(session.acknowledged) == list(range(1, 33))
        await h.close()

    run(body)


def test_oversized_message_is_dropped_and_acknowledged_when_the_broker_sends_it(tmp_path: Path) -> None:
    """v3.1.1 has no way to tell the broker our limit: the payload is skipped, the message counted, the connection lives."""

    async def body(broker: TestBroker) -> None:
        h = harness(broker.port, tmp_path, version="3.1.1", max_packet="2kB")
        await h.open()
        broker.publish("t/a", bytes(500_000), 1)
        broker.publish("t/a", b"small", 1)
        h.demand(5)
        await h.received(1)
        h.settle()
        await broker.bell.until(lambda: not broker.session().in_flight)
        assert h.context.counts["dropped_too_large"] == 1
        assert values(h) == ["small"]
        await h.close()

    run(body)


def test_payload_is_split_over_demands_when_it_holds_more_readings(tmp_path: Path) -> None:
    """One payload of five readings against demands of two, and acknowledged after the last."""

    async def body(broker: TestBroker) -> None:
        h = harness(broker.port, tmp_path, subscribe=[{"topic": "t/{device}", "time": "ts"}])
        await h.open()
        broker.publish("t/pump", b"[" + b",".join(b'{"ts": %d, "n": %d}' % (10 + n, n) for n in range(5)) + b"]", 1)
        for total in (2, 4, 5):
            h.demand(2)
            await h.received(total)
            await h.quiet(0.05)
            assert len(h.emitted) == total
            h.settle(min(total, 4))
        await h.quiet(0.05)
        assert not broker.session().acknowledged
        h.settle()
        await broker.bell.until(lambda: len(broker.session().acknowledged) == 1)
        assert [(r.source, r.ts // 10**9, r.fields, r.tags) for r in h.readings] == [
            ("hub/pump", 10 + n, {"n": n}, {"device": "pump"}) for n in range(5)
        ]
        assert len({e.key for e in h.emitted}) == 5
        await h.close()

    run(body)


def test_copies_for_two_subscriptions_give_one_reading_when_filters_overlap(tmp_path: Path) -> None:
    """The first subscription in the settings has the message, whatever else matches."""

    async def body(broker: TestBroker) -> None:
        entries = [{"topic": "t/{a}", "codec": "raw", "field": "first"}, {"filter": "t/#", "codec": "raw", "field": "second"}]
        h = harness(broker.port, tmp_path, subscribe=entries)
        await h.open()
        broker.publish("t/x", b"1", 1)
        broker.publish("t/x/y", b"2", 1)
        h.demand(9)
        await h.received(2)
        h.settle()
        await broker.bell.until(lambda: not broker.session().in_flight)
        assert [r.fields for r in h.readings] == [{"first": "1"}, {"second": "2"}]
        await h.close()

    run(body)


@pytest.mark.parametrize(("retained", "expected"), [("changed", 1), ("new", 1), ("always", 2), ("never", 0)])
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_retained_message_comes_as_often_as_set_when_connecting_twice(
    tmp_path: Path, version: str, retained: str, expected: int
) -> None:
    """At a new subscription, at every connect, or never; v3.1.1 brokers send it every time and we sort it out."""

    async def body(broker: TestBroker) -> None:
        broker.publish("t/a", b"kept", 1, retain=True)
        h = harness(broker.port, tmp_path, version=version, subscribe=[{"filter": "t/#", "codec": "raw", "retained": retained}])
        h.demand(9)
        for _ in range(2):
            await h.open()
            broker.publish("t/mark", b"mark", 1)
            n = values(h).count("mark") + 1
            await h.until(lambda n=n: values(h).count("mark") == n)  # type: ignore[misc]
            h.settle()
            await broker.bell.until(lambda: not broker.session().in_flight)
            await h.close()
        assert values(h).count("kept") == expected

    run(body)


class Fake:
    """A transport in twenty lines: what the seam costs whoever replaces paho."""

    def __init__(self, options: Connect, listener: Listener) -> None:
        self.options, self.listener = options, listener
        self.acks: list[tuple[int, int]] = []
        self.resumed = 0

    async def connect(self) -> Connected:
        self.listener.on_connected(Connected(session_present=False))
        return Connected(session_present=False)

    async def subscribe(self, add: list[Subscription], remove: list[str]) -> list[int]:
        return [s.qos for s in add]

    def acknowledge(self, received: list[tuple[int, int]], through: int) -> None:
        self.acks += received
        self.listener.on_acknowledged(through)

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> int:
        return 0

    def resume(self) -> None:
        self.resumed += 1

    async def close(self) -> None:
        pass


def test_adapter_works_on_any_transport_when_it_has_the_seams_methods(tmp_path: Path) -> None:
    """Messages, demand, acknowledgement and forgetting need nothing of paho."""

    async def main() -> None:
        h = harness(1, tmp_path, window_messages=5, inbox={"messages": 5})
        made: list[Fake] = []
        h.adapter._make_transport = lambda options, listener: made.append(Fake(options, listener)) or made[-1]  # type: ignore[attr-defined]
        await h.open()
        (fake,) = made
        assert fake.options.window == 5
        batch = [Message("t/a", b"%d" % n, 1, False, False, n + 1) for n in range(8)]
        assert fake.listener.on_messages(batch) is False
        h.demand(3)
        await h.received(3)
        h.settle(2)
        assert fake.acks == [(1, 1), (2, 1)]
        assert h.context.forgotten == 2
        h.demand(5)
        await h.received(8)
        assert fake.resumed == 1
        await h.close()

    asyncio.run(main())
