"""Connecting, being refused, losing and leaving."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.mqtt import paho_client
from adapters.mqtt.paho_client import PAHO_SEAM, PahoClient
from rt_edge.sdk import FatalAdapterError, Reading, TransientError
from rt_edge.testkit.mqtt_broker import TestBroker
from tests.adapters.mqtt.bench import harness, values

versions = pytest.mark.parametrize("version", ["5", "3.1.1"])


def run(body: Callable[[TestBroker], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        async with TestBroker(**options) as broker:
            await body(broker)

    asyncio.run(main())


def test_paho_still_has_the_private_names_when_it_is_upgraded() -> None:
    """What the transport leans on beside paho's public interface exists in the installed version."""
    parent = PahoClient.__mro__[1]
    assert [name for name in PAHO_SEAM if not callable(getattr(parent, name, None))] == []
    client = parent(paho_client.CallbackAPIVersion.VERSION2)
    for attribute in ("_in_packet", "_last_mid", "_ping_t", "_last_bytes_received", "_keepalive"):
        assert hasattr(client, attribute)


@pytest.mark.parametrize(
    ("version", "code", "kind", "says"),
    [
        ("5", 0x87, TransientError, "not authorised.*check username"),
        ("5", 0x86, TransientError, "bad user name or password"),
        ("5", 0x88, TransientError, "server unavailable"),
        ("5", 0x85, FatalAdapterError, "client identifier not valid.*client_id"),
        ("5", 0x84, FatalAdapterError, "unsupported protocol version"),
        ("3.1.1", 5, TransientError, "not authorised"),
        ("3.1.1", 3, TransientError, "server unavailable"),
        ("3.1.1", 2, FatalAdapterError, "client identifier not valid"),
        ("3.1.1", 1, FatalAdapterError, "unsupported protocol version"),
    ],
)
def test_refusal_is_transient_or_fatal_by_who_can_mend_it(
    tmp_path: Path, version: str, code: int, kind: type[Exception], says: str
) -> None:
    """What the broker's side may mend is tried again; what our settings say wrong for ever is fatal; each says why."""

    async def body(broker: TestBroker) -> None:
        broker.faults.refuse, broker.faults.refusals = code, 1
        h = harness(broker.port, tmp_path, version=version)
        with pytest.raises(kind, match=says):
            await h.open()
        await h.close()
        await h.open()
        await h.close()
        assert not h.context.losses

    run(body)


@versions
@pytest.mark.parametrize(
    ("grant", "kind", "says"),
    [
        (0x87, TransientError, "refused the subscription 't/#'"),
        (0x8F, FatalAdapterError, "invalid"),
        (0, FatalAdapterError, "QoS 0"),
    ],
)
def test_open_fails_when_a_subscription_is_not_granted(
    tmp_path: Path, version: str, grant: int, kind: type[Exception], says: str
) -> None:
    """A connection that hears nothing, or less than promised, does not count as open."""

    async def body(broker: TestBroker) -> None:
        broker.faults.grant = grant if version == "5" or grant < 0x80 else 0x80
        h = harness(broker.port, tmp_path, version=version)
        with pytest.raises(TransientError if broker.faults.grant == 0x80 else kind, match=says if version == "5" else "."):
            await h.open()
        await broker.bell.until(lambda: not broker.connections)
        assert not h.context.losses
        await h.close()

    run(body)


def test_open_fails_in_time_when_nobody_answers(tmp_path: Path) -> None:
    """A port that accepts and stays silent, a closed port, a name that does not exist: transient errors that say which."""

    async def main() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        h = harness(port, tmp_path, timeout="200ms")
        with pytest.raises(TransientError, match=r"did not answer the CONNECT within 0\.2 s"):
            await h.open()
        with pytest.raises(TransientError, match=r"TLS handshake|did not answer"):
            await harness(port, tmp_path, timeout="200ms", url=f"mqtts://127.0.0.1:{port}").open()
        server.close()
        await server.wait_closed()
        with pytest.raises(TransientError, match="cannot be reached"):
            await h.open()
        with pytest.raises(TransientError, match="cannot be looked up"):
            await harness(port, tmp_path, url="mqtt://no-such-host.invalid").open()

    asyncio.run(main())
    gc.collect()


@versions
def test_loss_is_told_once_when_the_broker_talks_nonsense(tmp_path: Path, version: str) -> None:
    """Bytes that are not MQTT end the connection with one transient error."""

    async def body(broker: TestBroker) -> None:
        for nonsense in (b"\x36\x00", b"\x30\xff\xff\xff\xff\x7f", b"\xf0\x00", b"\x20\x02\x00\x00" * 3 + b"\x00\x00"):
            h = harness(broker.port, tmp_path, version=version)
            await h.open()
            broker.connection()._writer.write(nonsense)
            await h.until(lambda h=h: bool(h.context.losses))  # type: ignore[misc]
            await h.quiet(0.05)
            assert [type(e) for e in h.context.losses] == [TransientError]
            await h.close()

    run(body)


def test_message_comes_whole_when_the_connection_broke_in_its_middle(tmp_path: Path) -> None:
    """Half a packet is not a message; the whole comes again."""

    async def body(broker: TestBroker) -> None:
        h = harness(broker.port, tmp_path)
        await h.open()
        h.demand(5)
        broker.faults.cut_mid_packet = True
        broker.publish("t/a", b"x" * 1000, 1)
        await h.until(lambda: bool(h.context.losses))
        assert not h.emitted
        await h.reopen()
        await h.received(1)
        assert values(h) == ["x" * 1000]
        await h.close()

    run(body)


def test_loss_names_the_other_client_when_the_session_is_taken_over(tmp_path: Path) -> None:
    """Two clients with one id: the older is told why and says so; no reconnect storm hides behind an empty reason."""

    async def body(broker: TestBroker) -> None:
        (tmp_path / "b").mkdir()
        one = harness(broker.port, tmp_path / "a", client_id="same")
        two = harness(broker.port, tmp_path / "b", client_id="same")
        await one.open()
        await two.open()
        await one.until(lambda: bool(one.context.losses))
        assert "another client has connected with our client id" in str(one.context.losses[0])
        assert "id of its own" in str(one.context.losses[0])
        await one.close()
        await two.close()

    run(body)


def test_loss_is_told_when_the_network_swallows_everything(tmp_path: Path) -> None:
    """No answer to PINGREQ for a keepalive: the connection is given up, though nothing closed it."""

    async def body(broker: TestBroker) -> None:
        h = harness(broker.port, tmp_path, keepalive="5s")
        await h.open()
        transport: Any = h.adapter._transport  # type: ignore[attr-defined]
        broker.faults.deaf = True
        client = transport._client
        client._send_pingreq()
        client._ping_t -= 5  # a keepalive has passed since it was asked
        transport._on_misc()
        assert [type(e) for e in h.context.losses] == [TransientError]
        assert "keep alive" in str(h.context.losses[0]).lower()
        broker.faults.deaf = False
        broker.bell.ring()
        await h.close()

    run(body)


@versions
def test_acknowledgements_reach_the_broker_when_closing(tmp_path: Path, version: str) -> None:
    """What is settled before `close` is acknowledged by it: nothing comes twice after an orderly stop."""

    async def body(broker: TestBroker) -> None:
        h = harness(broker.port, tmp_path, version=version)
        await h.open()
        for n in range(500):
            broker.publish("t/a", b"%d" % n, 1)
        h.demand(500)
        while len(h.emitted) < 500:
            await h.received(len(h.emitted) + 1)
            h.settle()
        await h.close()
        await broker.bell.until(lambda: not broker.connections)
        assert not broker.session().in_flight
        assert list(broker.notes) == []

    run(body)


@versions
def test_birth_and_will_are_said_when_coming_and_going(tmp_path: Path, version: str) -> None:
    """Birth after connecting, the will by the broker after a loss, by ourselves at an orderly close."""

    async def body(broker: TestBroker) -> None:
        watcher = harness(broker.port, tmp_path / "w", name="w", subscribe=[{"filter": "state", "codec": "raw"}])
        await watcher.open()
        watcher.demand(10)
        words = {"topic": "state", "qos": 1}
        h = harness(
            broker.port, tmp_path / "h", version=version, birth=words | {"payload": "on"}, will=words | {"payload": "off"}
        )
        await h.open()
        await watcher.received(1)
        next(c for n, c in broker.connections.items() if "-hub-" in n).cut()
        await watcher.received(2)
        await h.until(lambda: bool(h.context.losses))
        await h.reopen()
        await h.close()
        await watcher.received(4)
        assert values(watcher) == ["on", "off", "on", "off"]
        await watcher.close()

    run(body)


def test_sink_says_so_when_the_broker_does_not_take_a_message(tmp_path: Path) -> None:
    """A PUBACK with an error code, a lost connection and a closed adapter are transient; the Readings are not delivered."""

    async def body(broker: TestBroker) -> None:
        h = harness(broker.port, tmp_path, publish={"topic": "out/{source}"})
        readings = [Reading("x/y", n, {"n": n}) for n in range(5)]
        with pytest.raises(TransientError, match="not connected"):
            await h.adapter.deliver(readings)
        await h.open()
        broker.faults.publish_code = 0x97
        with pytest.raises(TransientError, match="quota exceeded"):
            await h.adapter.deliver(readings)
        broker.faults.publish_code = 0x90
        with pytest.raises(FatalAdapterError, match="topic name invalid"):
            await h.adapter.deliver(readings)
        broker.faults.publish_code = 0
        broker.faults.deaf = True
        delivering = asyncio.ensure_future(h.adapter.deliver(readings))
        await h.quiet(0.05)
        broker.connection().cut()
        broker.bell.ring()
        with pytest.raises(TransientError):
            await delivering
        broker.faults.deaf = False
        broker.bell.ring()
        await h.reopen()
        await h.adapter.deliver(readings)
        assert h.context.counts["published"] >= 5
        await h.close()

    run(body)


def test_sink_keeps_to_the_send_quota_when_the_broker_names_one(tmp_path: Path) -> None:
    """Never more unacknowledged messages than the broker's Receive Maximum."""

    async def body(broker: TestBroker) -> None:
        broker.faults.connack = {0x21: 3}
        h = harness(broker.port, tmp_path, publish={"topic": "out"})
        await h.open()
        transport: Any = h.adapter._transport  # type: ignore[attr-defined]
        seen = 0
        publish = transport.publish

        async def watched(*arguments: Any) -> int:
            nonlocal seen
            seen = max(seen, len(transport._answers) + 1)
            return int(await publish(*arguments))

        transport.publish = watched
        await h.adapter.deliver([Reading("x/y", n, {"n": n}) for n in range(50)])
        assert seen == 3
        await h.close()

    run(body)


def test_probe_leaves_the_session_alone_when_it_looks(tmp_path: Path) -> None:
    """A probe connects under another id with an empty session and leaves nothing behind."""

    async def body(broker: TestBroker) -> None:
        h = harness(broker.port, tmp_path)
        said = await h.adapter.probe()
        assert said.ok
        assert said.details["send_quota"] == 65_535
        await broker.bell.until(lambda: not broker.connections)
        assert all("probe" in name for name in broker.sessions)
        with pytest.raises(TransientError):
            await harness(1, tmp_path).adapter.probe()

    run(body)


@pytest.mark.parametrize("publish", [None, {"topic": "out"}])
def test_open_fails_when_the_connection_ends_right_after_it_was_accepted(tmp_path: Path, publish: Any) -> None:
    """A CONNACK and the end in one read: `open` raises, and nothing takes a dead connection for an open one."""

    async def main() -> None:
        async def accepts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(b"\x20\x03\x00\x00\x00" + b"\xe0\x02\x8b\x00")
            writer.close()

        server = await asyncio.start_server(accepts, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        h = harness(port, tmp_path, **({"publish": publish} if publish else {}))
        with pytest.raises(TransientError, match="shutting down"):
            await h.open()
        assert not h.context.losses
        await h.close()
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_keepalive_is_the_brokers_when_it_names_one(tmp_path: Path) -> None:
    """Server Keep Alive (MQTT 5, 3.2.2.3.14) replaces ours: the broker hears from us in time and lets us live."""

    async def body(broker: TestBroker) -> None:
        broker.faults.connack = {0x13: 1}
        h = harness(broker.port, tmp_path, keepalive="60s")
        await h.open()
        transport: Any = h.adapter._transport  # type: ignore[attr-defined]
        assert transport._misc.when() - asyncio.get_running_loop().time() <= 0.25
        assert await h.quiet(1.6) == 0
        assert not h.context.losses
        await h.close()

    run(body)
