"""What the broker sends again, by a scripted broker: keys, flags, sessions, forgetting (design 7)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from adapters.mqtt.seam import Connect, Connected, Listener, Message, Subscription
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.mqtt_broker import Publish, TestBroker
from tests.adapters.mqtt.bench import both_clients, harness, values  # noqa: F401

pytestmark = pytest.mark.usefixtures("both_clients")
versions = pytest.mark.parametrize("version", ["5", "3.1.1"])


def run(body: Callable[[TestBroker], Awaitable[None]]) -> None:
    async def main() -> None:
        async with TestBroker() as broker:
            await body(broker)

    asyncio.run(main())


async def lost_and_back(h: AdapterHarness) -> None:
    """Wait for the loss, then do what the runtime does."""
    n = len(h.context.losses)
    await h.until(lambda: len(h.context.losses) > n)
    await h.reopen()


@versions
def test_reading_keeps_its_key_when_the_acknowledgement_is_lost(tmp_path: Path, version: str) -> None:
    """Stored, PUBACK lost with the connection: it comes again flagged, with the same key, in the same session."""

    async def body(broker: TestBroker) -> None:
        h = harness(broker.port, tmp_path, version=version)
        await h.open()
        h.demand(10)
        broker.publish("t/a", b"one", 1)
        await h.received(1)
        broker.faults.cut_before_ack = 1
        h.settle()
        await lost_and_back(h)
        await h.received(2)
        first, second = h.emitted
        assert (first.redelivered, second.redelivered) == (False, True)
        assert first.key == second.key
        assert len(first.key) == 11
        assert first.session == second.session != ""
        h.settle()
        await broker.bell.until(lambda: not broker.session().in_flight)
        await h.close()

    run(body)


@versions
def test_reading_keeps_its_key_when_another_process_gets_it_again(tmp_path: Path, version: str) -> None:
    """Key, session and client id survive the process: a second adapter object on the same data directory sees the same."""

    async def body(broker: TestBroker) -> None:
        first = harness(broker.port, tmp_path, version=version)
        await first.open()
        first.demand(1)
        broker.publish("t/a", b"one", 1)
        await first.received(1)
        broker.connection().cut()  # as kill -9 does: no acknowledgement, no DISCONNECT
        await first.until(lambda: bool(first.context.losses))
        await first.close()
        second = harness(broker.port, tmp_path, version=version)
        await second.open()
        second.demand(1)
        await second.received(1)
        one, again = first.emitted[0], second.emitted[0]
        assert (again.key, again.session, again.redelivered) == (one.key, one.session, True)
        await second.close()

    run(body)


def test_reading_has_another_key_when_the_broker_uses_the_identifier_for_another_message(tmp_path: Path) -> None:
    """Same identifier, even with DUP set, but other content: the key differs, so nothing takes it for a copy."""

    async def body(broker: TestBroker) -> None:
        h = harness(broker.port, tmp_path)
        await h.open()
        h.demand(10)
        broker.publish("t/a", b"ours", 1)
        await h.received(1)
        broker.faults.cut_after_ack = 1
        h.settle()
        await h.until(lambda: bool(h.context.losses))
        session = broker.session()
        assert not session.in_flight
        session.in_flight[h.emitted[0].key[1]] = Publish("t/a", b"never seen", 1, mid=h.emitted[0].key[1])
        await h.reopen()
        await h.received(2)
        ours, other = h.emitted
        assert other.redelivered
        assert ours.key[:2] == other.key[:2]
        assert ours.key != other.key
        assert values(h) == ["ours", "never seen"]
        await h.close()

    run(body)


def test_reading_is_not_marked_when_an_identifier_returns_without_dup(tmp_path: Path) -> None:
    """Identical content under a used identifier with DUP=0 is a new message."""

    async def body(broker: TestBroker) -> None:
        h = harness(broker.port, tmp_path)
        await h.open()
        h.demand(10)
        for _ in range(2):
            broker.session().next_mid = 9
            broker.publish("t/a", b"same", 1)
            n = len(h.emitted) + 1
            await h.received(n)
            h.settle()
            await broker.bell.until(lambda: not broker.session().in_flight)
        assert h.emitted[0].key == h.emitted[1].key
        assert not h.emitted[1].redelivered
        await h.close()

    run(body)


@versions
def test_session_is_another_when_the_broker_has_lost_it(tmp_path: Path, version: str) -> None:
    """No session present: a new token before anything is emitted, no flag even with DUP, and we are subscribed again."""

    async def body(broker: TestBroker) -> None:
        h = harness(broker.port, tmp_path, version=version)
        await h.open()
        h.demand(10)
        broker.publish("t/a", b"one", 1)
        await h.received(1)
        broker.faults.forget_session = True
        broker.connection().cut()
        await lost_and_back(h)
        assert len(set(h.context.sessions)) == 2
        broker.connection().inject(Publish("t/a", b"one", 1, dup=True, mid=1))
        await h.received(2)
        assert not h.emitted[1].redelivered
        assert h.emitted[1].session != h.emitted[0].session
        await h.close()

    run(body)


def test_waiting_messages_are_kept_when_the_broker_has_lost_the_session(tmp_path: Path) -> None:
    """What is in the inbox will not come again then: it is emitted, without a key that could match and without a PUBACK."""

    async def body(broker: TestBroker) -> None:
        h = harness(broker.port, tmp_path)
        await h.open()
        for n in range(5):
            broker.publish("t/a", b"%d" % n, 1)
        await broker.bell.until(lambda: len(broker.session().in_flight) == 5)
        h.demand(1)  # the first is out, so the others have arrived too: one write carried them
        await h.received(1)
        broker.faults.forget_session = True
        broker.connection().cut()
        await lost_and_back(h)
        h.demand(10)
        await h.received(5)
        assert values(h) == ["0", "1", "2", "3", "4"]
        assert h.emitted[0].key[:2] != b"\0\0"
        assert all(e.key[:2] == b"\0\0" and not e.redelivered for e in h.emitted[1:])
        h.settle()
        await h.quiet(0.1)
        assert not broker.session().acknowledged
        await h.close()

    run(body)


def test_waiting_messages_come_once_when_the_broker_sends_them_again(tmp_path: Path) -> None:
    """With the session present our copies of unacknowledged messages are dropped: each is emitted once."""

    async def body(broker: TestBroker) -> None:
        h = harness(broker.port, tmp_path)
        await h.open()
        for n in range(5):
            broker.publish("t/a", b"%d" % n, 1)
        h.demand(1)
        await h.received(1)
        h.settle()
        await broker.bell.until(lambda: len(broker.session().in_flight) == 4)
        broker.connection().cut()
        await lost_and_back(h)
        h.demand(10)
        await h.received(5)
        await h.quiet(0.1)
        assert values(h) == ["0", "1", "2", "3", "4"]
        assert [e.redelivered for e in h.emitted] == [False, True, True, True, True]
        await h.close()

    run(body)


def test_half_emitted_payload_comes_whole_again_when_the_connection_is_lost(tmp_path: Path) -> None:
    """Of a payload with five readings two were out: all five come again, the first two under their old keys."""

    async def body(broker: TestBroker) -> None:
        h = harness(broker.port, tmp_path, subscribe=[{"filter": "t/#"}])
        await h.open()
        broker.publish("t/a", b'[{"n":0},{"n":1},{"n":2},{"n":3},{"n":4}]', 1)
        h.demand(2)
        await h.received(2)
        broker.connection().cut()
        await lost_and_back(h)
        h.demand(5)
        await h.received(7)
        assert [r.fields["n"] for r in h.readings] == [0, 1, 0, 1, 2, 3, 4]
        assert [e.key for e in h.emitted[:2]] == [e.key for e in h.emitted[2:4]]
        assert len({e.key for e in h.emitted}) == 5
        await h.close()

    run(body)


@pytest.mark.parametrize("qos", [1, 2])
def test_message_is_acknowledged_when_all_before_it_are_settled(tmp_path: Path, qos: int) -> None:
    """Acknowledgements go out in the order of arrival, for the settled prefix, and never before settlement."""

    async def body(broker: TestBroker) -> None:
        h = harness(broker.port, tmp_path, subscribe=[{"filter": "t/#", "codec": "raw", "qos": qos}])
        await h.open()
        session = broker.session()
        for n in range(6):
            broker.publish("t/a", b"%d" % n, qos)
        h.demand(6)
        await h.received(6)
        await h.quiet(0.1)
        assert list(session.acknowledged) == []
        h.settle(2)
        await broker.bell.until(lambda: len(session.acknowledged) == 2)
        h.settle(6)
        await broker.bell.until(lambda: not session.in_flight)
        assert list(session.acknowledged) == [1, 2, 3, 4, 5, 6]
        await h.close()

    run(body)


def test_qos_2_comes_again_when_it_was_not_durable(tmp_path: Path) -> None:
    """PUBREC waits for the receipt as PUBACK does: a crash before it costs nothing."""

    async def body(broker: TestBroker) -> None:
        h = harness(broker.port, tmp_path, subscribe=[{"filter": "t/#", "codec": "raw", "qos": 2}])
        await h.open()
        broker.publish("t/a", b"x", 2)
        h.demand(2)
        await h.received(1)
        broker.connection().cut()
        await lost_and_back(h)
        await h.received(2)
        assert h.emitted[1].redelivered
        assert h.emitted[0].key == h.emitted[1].key
        h.settle()
        await broker.bell.until(lambda: not broker.session().in_flight)
        await h.close()

    run(body)


def test_keys_are_forgotten_when_the_broker_is_known_to_have_the_acknowledgements(tmp_path: Path) -> None:
    """Within about a second of settling a PINGREQ asks, and its answer frees the keys; never more than was settled."""

    async def body(broker: TestBroker) -> None:
        h = harness(broker.port, tmp_path)
        await h.open()
        h.demand(10)
        for n in range(4):
            broker.publish("t/a", b"%d" % n, 1)
        await h.received(4)
        h.settle(3)
        await h.until(lambda: h.context.forgotten > 0, within=5)
        assert h.context.forgotten == 3
        await h.close()

    run(body)


def test_keys_outlive_a_reconnect_when_copies_are_still_to_come(tmp_path: Path) -> None:
    """A key stored in the lost connection is not forgotten before its copy has been settled and acknowledged."""

    async def body(broker: TestBroker) -> None:
        h = harness(broker.port, tmp_path)
        await h.open()
        h.demand(2)
        for n in range(2):
            broker.publish("t/a", b"%d" % n, 1)
        await h.received(2)
        broker.faults.cut_before_ack = 1
        h.settle()
        await lost_and_back(h)
        broker.publish("t/a", b"2", 0)  # settles and asks for an answer, while the copies wait without demand
        h.demand(1)
        await h.received(3)
        h.settle()
        await h.quiet(1.5)
        assert h.context.forgotten == 0
        h.demand(2)
        await h.received(5)
        h.settle()
        await h.until(lambda: h.context.forgotten == 5, within=60)
        await h.close()

    run(body)


class Deaf:
    """A transport that finds its session; the test says what comes and what is answered."""

    def __init__(self, options: Connect, listener: Listener) -> None:
        self.listener = listener

    async def connect(self) -> Connected:
        self.listener.on_connected(Connected(session_present=True))
        return Connected(session_present=True)

    async def subscribe(self, add: list[Subscription], remove: list[str]) -> list[int]:
        return [s.qos for s in add]

    def acknowledge(self, received: list[tuple[int, int]], through: int) -> None:
        """Nothing is answered by itself."""

    async def close(self) -> None:
        """Nothing is open."""


def test_keys_are_kept_when_copies_come_between_the_answers(tmp_path: Path) -> None:
    """A broker that sends its copies in portions, each of which is acknowledged and answered before the next one comes: no key is
    forgotten before an answer without a copy since the one before."""

    async def main() -> None:
        h = harness(1, tmp_path)
        made: list[Deaf] = []
        h.adapter._make_transport = lambda options, listener: made.append(Deaf(options, listener)) or made[-1]  # type: ignore[attr-defined]
        await h.open()
        for n in (1, 2):
            made[0].listener.on_messages([Message("t/a", b"%d" % n, 1, False, True, n)])
            h.demand(1)
            await h.received(n)
            h.settle()
            made[0].listener.on_acknowledged(n)
            assert h.context.forgotten == 0
        made[0].listener.on_acknowledged(2)
        assert h.context.forgotten == 2
        await h.close()

    asyncio.run(main())


def test_filters_are_unsubscribed_when_the_settings_no_longer_name_them(tmp_path: Path) -> None:
    """A persistent session does not keep what a configuration has dropped."""

    async def body(broker: TestBroker) -> None:
        old = harness(broker.port, tmp_path, subscribe=[{"filter": "t/#"}, {"filter": "old/+", "qos": 1}])
        await old.open()
        await old.close()
        assert set(broker.session().subscriptions) == {"t/#", "old/+"}
        new = harness(broker.port, tmp_path, subscribe=[{"filter": "t/#"}])
        await new.open()
        assert set(broker.session().subscriptions) == {"t/#"}
        await new.close()

    run(body)
