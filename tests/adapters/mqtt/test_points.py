"""Commands to devices behind a broker: the contract of adapters that write, and what makes a command more than sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.mqtt.point_payload import payload_of, value_of
from adapters.mqtt.settings import Point
from rt_edge.sdk import CodecError, RefusedError, TransientError, Value
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.mosquitto import MosquittoProcess
from rt_edge.testkit.mqtt_broker import TestBroker
from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.mqtt_client import RawClient
from rt_edge.testkit.writable_contract import WritableBench, WritableContract
from tests.adapters.mqtt.bench import harness
from tests.adapters.mqtt.device import CORRELATION, RESPONSE_TOPIC, Device

POINT: dict[str, Any] = {"writable": True, "topic": "dev/set", "payload": '{{"set": {value}}}', "max": 100}
STATE = {"state": "dev/state", "at": "/v"}
RESPONSE = {"confirm": "response", "response_at": "/status", "response_ok": "ok"}


class Bench(WritableBench):
    point = "dev/v"
    values = (10.0, 20.0, 30.5)
    refused = 101.0

    def __init__(self, harness: AdapterHarness, device: Device) -> None:
        super().__init__(harness)
        self.device = device

    def seen(self) -> Sequence[Value]:
        return self.device.taken


class Kept:
    """The benches: a broker of the testkit with a device on it."""

    version = "5"
    point: dict[str, Any] = {}

    def bench(self, tmp_path: Path) -> AbstractAsyncContextManager[WritableBench]:
        return self._bench(tmp_path)

    @asynccontextmanager
    async def _bench(self, tmp_path: Path) -> AsyncIterator[WritableBench]:
        async with TestBroker() as broker:
            device = Device(broker.port, 5 if self.version == "5" else 4)
            await device.start()
            h = harness(broker.port, tmp_path / "d", version=self.version, points={"dev/v": {**POINT, **self.point}})
            try:
                yield Bench(h, device)
            finally:
                await h.close()
                await device.close()


class TestConfirmedByState(Kept, WritableContract):
    point = {**STATE, "confirm": "state"}


class TestConfirmedByStateV311(Kept, WritableContract):
    version = "3.1.1"
    point = {**STATE, "confirm": "state"}


class TestConfirmedByResponse(Kept, WritableContract):
    point = {**STATE, **RESPONSE}


class TestSentOnly(Kept, WritableContract):
    point = {"qos": 2}


def run(mosquitto: Path, folder: Path, body: Callable[[MosquittoProcess, Device], Awaitable[None]], version: int = 5) -> None:
    async def main() -> None:
        async with MosquittoProcess(mosquitto, folder / "mosquitto") as broker:
            device = Device(broker.port, version)
            await device.start()
            try:
                await body(broker, device)
            finally:
                await device.close()

    asyncio.run(main())


def test_result_says_what_is_known_when_the_device_answers_or_not(mosquitto_path: Path, tmp_path: Path) -> None:
    """Real mosquitto: an answer with our correlation confirms; a bad one fails it; silence leaves it sent."""

    async def body(broker: MosquittoProcess, device: Device) -> None:
        point = {**POINT, **RESPONSE, "timeout": "200ms"}
        points = {"dev/v": point, "dev/nobody": {**point, "topic": "dev/nobody"}, "dev/plain": POINT}
        h = harness(broker.port, tmp_path / "data", points=points)
        await h.open()
        write = h.adapter.write
        assert (await write("dev/v", 5.0, "k1")).status == "confirmed"
        assert (await write("dev/v", 5.0, "k1")).status == "confirmed"
        device.says = {"status": "busy"}
        failed = await write("dev/v", 6.0, "k2")
        assert failed.status == "failed"
        assert "busy" in failed.message
        device.says = None
        sent = await write("dev/v", 7.0, "k3")
        assert (sent.status, sent.message) == ("sent", "no response within 0.2 s")
        assert (await write("dev/plain", 8.0, "k4")).status == "sent"
        nobody = await write("dev/nobody", 9.0, "k5")
        assert (nobody.status, nobody.message) == ("failed", "nobody has subscribed to dev/nobody")
        assert device.taken == [5.0, 6.0, 7.0, 8.0]
        with pytest.raises(RefusedError):
            await h.adapter.read("dev/plain")
        await h.close()

    run(mosquitto_path, tmp_path, body)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_answers_come_when_the_window_is_full_and_nobody_asks(mosquitto_path: Path, tmp_path: Path, version: str) -> None:
    """Without demand the broker holds back what has to be acknowledged; state (and response) come nevertheless; at v5 a topic
    that is subscribed as a source too gives its Readings, once."""

    async def body(broker: MosquittoProcess, device: Device) -> None:
        subscribe = [{"filter": "t/#", "codec": "raw"}]
        subscribe += [{"filter": "dev/#", "fields": {"value": "v"}}] if version == "5" else []
        points = {"dev/v": {**POINT, **STATE, "confirm": "state"}}
        if version == "5":
            points["dev/r"] = {**POINT, **RESPONSE}
        h = harness(broker.port, tmp_path / "data", version=version, window_messages=5, subscribe=subscribe, points=points)
        await h.open()
        async with RawClient(broker.port, p.Connect("feeder")) as feeder:
            await feeder.publish_many("t/a", [b"%d" % n for n in range(30)])
        assert await h.adapter.read("dev/v") == 1.0
        assert (await h.adapter.write("dev/v", 2.5, "k")).status == "confirmed"
        if version == "5":
            assert (await h.adapter.write("dev/r", 3.5, "k2")).status == "confirmed"
        assert not h.emitted
        h.demand(100)
        wanted = 30 + (3 if version == "5" else 0)  # dev/#: the retained state and the two shown; what was set has no `v`
        while len(h.emitted) < wanted:
            await h.received(len(h.emitted) + 1)
            h.settle()
        assert await h.quiet(0.1) == 0
        shown = [reading.fields["value"] for reading in h.readings if reading.source.endswith("dev/state")]
        assert shown == ([1.0, 2.5, 3.5] if version == "5" else [])
        assert "dropped_unmatched" not in h.context.counts
        await h.close()

    run(mosquitto_path, tmp_path, body, 5 if version == "5" else 4)


def test_state_gives_its_readings_once_when_v311_brings_it_as_a_source(mosquitto_path: Path, tmp_path: Path) -> None:
    """One copy for both uses: the retained state and the new one are Readings once each, and confirm the command."""

    async def body(broker: MosquittoProcess, device: Device) -> None:
        points = {"dev/v": {**POINT, **STATE, "confirm": "state"}}
        subscribe = [{"filter": "dev/state", "fields": {"value": "v"}}]
        h = harness(broker.port, tmp_path / "data", version="3.1.1", subscribe=subscribe, points=points)
        await h.open()
        h.demand(10)
        assert await h.adapter.read("dev/v") == 1.0
        assert (await h.adapter.write("dev/v", 2.5, "k")).status == "confirmed"
        await h.received(2)
        assert await h.quiet(0.1) == 0
        assert [reading.fields["value"] for reading in h.readings] == [1.0, 2.5]
        await h.close()

    run(mosquitto_path, tmp_path, body, 4)


def test_state_is_not_believed_when_it_is_of_an_earlier_connection(mosquitto_path: Path, tmp_path: Path) -> None:
    """After a reconnect the state has to show itself; one that shows nothing cannot be read; a refused write says so."""

    async def body(broker: MosquittoProcess, device: Device) -> None:
        points = {"dev/v": {**POINT, **STATE, "confirm": "state", "timeout": "200ms"}}
        h = harness(broker.port, tmp_path / "data", points=points)
        await h.open()
        assert await h.adapter.read("dev/v") == 1.0
        device.shows = False
        sent = await h.adapter.write("dev/v", 4.0, "k")
        assert (sent.status, sent.message) == ("sent", "dev/state did not show it within 0.2 s")
        same = await h.adapter.write("dev/v", 1.0, "k2")
        assert same.status == "confirmed"
        await h.close()
        await device.publish("dev/state", b"", retain=True)
        assert (await h.adapter.write("dev/v", 4.0, "k3")).status == "failed"
        with pytest.raises(TransientError, match="not connected"):
            await h.adapter.read("dev/v")
        await h.open()
        with pytest.raises(TransientError, match=r"has shown no float within 0\.2 s"):
            await h.adapter.read("dev/v")
        await h.close()

    run(mosquitto_path, tmp_path, body)


def test_command_ends_when_the_connection_goes_meanwhile(tmp_path: Path) -> None:
    """Cut between the command and its answer: sent, at once and not after the time limit."""

    async def main() -> None:
        async with TestBroker() as broker:
            h = harness(broker.port, tmp_path, points={"dev/v": {**POINT, **RESPONSE, "timeout": "60s"}})
            await h.open()
            writing = asyncio.ensure_future(h.adapter.write("dev/v", 4.0, "k"))
            await h.quiet(0.05)
            await h.close()
            async with asyncio.timeout(5):
                assert (await writing).status == "sent"

    asyncio.run(main())


def test_answer_belongs_to_its_command_when_two_are_under_way(mosquitto_path: Path, tmp_path: Path) -> None:
    """By correlation data: the later command is answered first, and badly; an answer to nothing is none."""

    async def body(broker: MosquittoProcess, device: Device) -> None:
        points = {f"dev/{name}": {**POINT, **RESPONSE, "topic": f"cmd/{name}"} for name in "ab"}
        h = harness(broker.port, tmp_path / "data", points=points)
        await h.open()
        async with RawClient(broker.port, p.Connect("other")) as other:
            await other.subscribe(p.Wanted("cmd/#", 0))
            writes = [asyncio.ensure_future(h.adapter.write(f"dev/{name}", 1.0, f"key-{name}")) for name in "ab"]
            asked = {m.topic: m.properties for m in await other.received(2)}
            answers = [(b"key-x", "busy"), (asked["cmd/b"][CORRELATION], "busy"), (asked["cmd/a"][CORRELATION], "ok")]
            for correlation, status in answers:
                topic = asked["cmd/a"][RESPONSE_TOPIC].decode()
                await other.publish(topic, b'{"status": "%s"}' % status.encode(), properties={CORRELATION: correlation})
            assert [(await one).status for one in writes] == ["confirmed", "failed"]
        await h.close()

    run(mosquitto_path, tmp_path, body)


def settings(**more: Any) -> Point:
    return Point.model_validate({"writable": True, "topic": "x", **more})


@pytest.mark.parametrize(
    ("more", "value", "payload"),
    [
        ({}, 4.0, b"4.0"),
        ({"type": "int"}, 4.0, b"4"),
        ({"type": "bool", "on": "ON"}, 1, b"ON"),
        ({"type": "bool", "payload": '{{"on": {value}, "t": "{text}"}}', "off": "0"}, False, b'{"on": false, "t": "0"}'),
        ({"type": "str"}, 'a "b"', b'a "b"'),
        ({"type": "str", "payload": '{{"s": {value}}}'}, 'a "b"', b'{"s": "a \\"b\\""}'),
        ({"type": "bytes"}, b"\0\xff", b"\0\xff"),
        ({"payload": '{{"id": "{key}", "v": {text}}}'}, 2.5, b'{"id": "k1", "v": 2.5}'),
    ],
)
def test_payload_is_what_the_template_says(more: dict[str, Any], value: Value, payload: bytes) -> None:
    """JSON by {value}, text by {text}; a text alone is the payload itself."""
    assert payload_of(settings(**more), value, "k1") == payload


@pytest.mark.parametrize(
    ("more", "payload", "value"),
    [
        ({}, b" 21.5 ", 21.5),
        ({"type": "int"}, b"7", 7),
        ({"type": "bool", "on": "ON", "off": "OFF"}, b"off", False),
        ({"type": "bool", "at": "/s/0"}, b'{"s": [1]}', True),
        ({"type": "str"}, b'"x"', '"x"'),
        ({"type": "float", "at": "/v"}, b'{"v": 3}', 3.0),
        ({"type": "bytes"}, b"\0", b"\0"),
        ({}, b"nan", None),
        ({"type": "int"}, b"7.5", None),
        ({"type": "bool"}, b"perhaps", None),
        ({"at": "/v"}, b'{"w": 1}', None),
        ({"at": "/v"}, b"{", None),
        ({"type": "float", "at": "/v"}, b'{"v": true}', None),
    ],
)
def test_state_is_a_value_of_the_point_or_none(more: dict[str, Any], payload: bytes, value: Value | None) -> None:
    """Numbers, words for true and false, JSON by pointer; anything else is said to be none."""
    shown = SimpleNamespace(**settings(state="s", **more).model_dump())
    if value is None:
        with pytest.raises(CodecError):
            value_of(shown, payload)
    else:
        found = value_of(shown, payload)
        assert (found, type(found)) == (value, type(value))
