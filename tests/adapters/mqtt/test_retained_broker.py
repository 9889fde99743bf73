"""Retained states on a real mosquitto: seen once, whatever happened in between; what changed while away is seen."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.mqtt.pings import Pings
from adapters.mqtt.seam import Connect, Connected, Listener, Message, Subscription
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.mosquitto import MosquittoProcess
from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.mqtt_client import RawClient
from tests.adapters.mqtt.bench import harness

versions = pytest.mark.parametrize("version", ["5", "3.1.1"])
clients = pytest.mark.parametrize("client", ["paho", "fast"])
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def broker(mosquitto_path: Path, tmp_path: Path) -> MosquittoProcess:
    return MosquittoProcess(mosquitto_path, tmp_path / "mosquitto", ["max_queued_messages 0"])


def run(broker: MosquittoProcess, body: Callable[[RawClient], Awaitable[None]]) -> None:
    """`body` with a client that publishes."""

    async def main() -> None:
        async with broker, RawClient(broker.port, p.Connect("feeder")) as feeder:
            await body(feeder)

    asyncio.run(main())


def seen(h: AdapterHarness) -> list[tuple[str, Any]]:
    return [(reading.source.removeprefix("hub/"), reading.fields["value"]) for reading in h.readings]


async def until_marked(h: AdapterHarness, feeder: RawClient, qos: int = 1) -> list[tuple[str, Any]]:
    """What was emitted until a message that is published now has come, all settled; without it."""
    before = sum(source == "t/mark" for source, _ in seen(h))
    await feeder.publish("t/mark", b"m", qos=qos)
    await h.until(lambda: sum(source == "t/mark" for source, _ in seen(h)) > before)
    h.settle()
    return [one for one in seen(h) if one[0] != "t/mark"]


@versions
@clients
def test_state_is_seen_once_and_when_it_changed_at_qos_0_while_away(
    broker: MosquittoProcess, tmp_path: Path, version: str, client: str
) -> None:
    """Over a reconnect, a restart of ours, a lost session and a clean one; live messages count as well as copies."""

    async def body(w: RawClient) -> None:
        await w.publish("t/a", b"1", qos=0, retain=True)
        await w.publish("t/b", b"1", qos=1, retain=True)
        common = {"version": version, "client": client}
        h = harness(broker.port, tmp_path / "d", **common)
        h.demand(100)
        await h.open()
        assert sorted(await until_marked(h, w)) == [("t/a", "1"), ("t/b", "1")]
        await w.publish("t/b", b"2", qos=1, retain=True)  # live
        assert (await until_marked(h, w))[2:] == [("t/b", "2")]
        await h.close()

        await w.publish("t/a", b"2", qos=0, retain=True)  # away
        await h.open()
        assert (await until_marked(h, w))[3:] == [("t/a", "2")]
        await h.reopen()
        assert len(await until_marked(h, w)) == 4
        await h.close()

        h = harness(broker.port, tmp_path / "d", **common)  # another process
        h.demand(100)
        await h.open()
        assert await until_marked(h, w) == []
        await h.close()

        name = h.adapter._peer.split()[-1]  # type: ignore[attr-defined]
        async with RawClient(broker.port, p.Connect(name, 5 if version == "5" else 4, clean=True)):
            pass  # who begins with an empty session ends the one that is kept
        await h.open()
        assert await until_marked(h, w) == []
        await h.close()

        await w.publish("t/a", b"3", qos=0, retain=True)
        h = harness(broker.port, tmp_path / "d", session="clean", **common)
        h.demand(100)
        await h.open()
        assert await until_marked(h, w) == [("t/a", "3")]
        await h.reopen()
        assert len(await until_marked(h, w)) == 1
        assert h.context.counts["dropped_retained"] >= 3
        await h.close()

    run(broker, body)


@versions
@clients
def test_no_state_is_missed_when_the_process_is_killed(
    broker: MosquittoProcess, tmp_path: Path, version: str, client: str
) -> None:
    """kill -9 after a change was taken in, and the state goes back meanwhile: the memory of the old one must not hide it. What
    had been quiet does not come again."""

    async def body(w: RawClient) -> None:
        for topic in ("t/a", "t/b"):
            await w.publish(topic, b"on", qos=0, retain=True)
        h = harness(broker.port, tmp_path / "d", version=version, client=client)
        h.demand(100)
        await h.open()
        await until_marked(h, w)
        await h.close()

        arguments = [str(ROOT / "tests/adapters/mqtt/child_states.py"), str(broker.port), str(tmp_path / "d"), version, client]
        child = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
        )
        assert child.stdout is not None
        try:
            async with asyncio.timeout(60):
                await w.publish("t/start", b"go", qos=1)
                assert (await child.stdout.readline()).decode().split() == ["hub/t/start", "go"]
                await w.publish("t/a", b"off", qos=0, retain=True)
                assert (await child.stdout.readline()).decode().split() == ["hub/t/a", "off"]
        finally:
            child.send_signal(signal.SIGKILL)
            await child.wait()
        await w.publish("t/a", b"on", qos=0, retain=True)

        h = harness(broker.port, tmp_path / "d", version=version, client=client)
        h.demand(100)
        await h.open()
        assert [one for one in await until_marked(h, w) if one[0] != "t/start"] == [("t/a", "on")]
        await h.close()

    run(broker, body)


@pytest.mark.parametrize(("version", "client"), [("5", "paho"), ("3.1.1", "fast")])
def test_state_is_the_last_one_when_it_overtook_what_waited(
    broker: MosquittoProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, client: str
) -> None:
    """A topic published at QoS 1 and then at QoS 0, with more waiting than the window: mosquitto sends the copy ahead of the
    rest; the state is asked for again when the rest is through."""
    monkeypatch.setattr(Pings, "SPACING_S", 0.05)

    async def body(w: RawClient) -> None:
        h = harness(broker.port, tmp_path / "d", version=version, client=client, window_messages=20)
        h.demand(1000)
        await h.open()
        await until_marked(h, w)
        await h.close()
        for n in range(100):
            await w.publish("t/a", b"%d" % n, qos=1, retain=True)
        await w.publish("t/a", b"state", qos=0, retain=True)
        await h.open()
        await h.until(lambda: ("t/a", "state") in seen(h))
        while ("t/a", "99") not in seen(h):
            n = len(h.emitted)
            h.settle()
            await h.received(n + 1)
        h.settle()
        await h.until(lambda: seen(h)[-1] == ("t/a", "state"))
        values = [value for _, value in seen(h)]
        assert values.index("state") < values.index("99"), "mosquitto does not overtake any more: is this still needed?"
        assert values.count("state") == 2
        assert h.context.counts["retained_asked_again"] == 1
        await h.close()

    run(broker, body)


class Hasty:
    """A transport to a broker that sends retained messages ahead of its SUBACK."""

    def __init__(self, options: Connect, listener: Listener) -> None:
        self.listener = listener
        self.asked: list[int] = []
        self._left: list[Message] = []

    async def connect(self) -> Connected:
        self.listener.on_connected(Connected(session_present=False))
        return Connected(session_present=False)

    async def subscribe(self, add: Sequence[Subscription], remove: Sequence[str]) -> list[int]:
        self.asked += [one.retain_handling for one in add]
        self._left = [Message(f"t/{n}", b"1", 0, True, False, 0) for n in range(100)]
        self.resume()
        return [one.qos for one in add]

    def resume(self) -> None:
        while self._left:
            batch, self._left = self._left[:20], self._left[20:]
            if not self.listener.on_messages(batch):
                return

    def acknowledge(self, received: Sequence[tuple[int, int]], through: int) -> None:
        pass

    async def publish(self, topic: str, payload: bytes, qos: int, retain: bool, properties: bytes = b"") -> int:
        return 0

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("retained", ["changed", "new"])
def test_states_are_asked_for_again_when_they_came_too_early_and_found_no_room(tmp_path: Path, retained: str) -> None:
    """Before the SUBACK a full inbox cannot stop reading: it would not be read either. So they are dropped, and come again."""

    async def main() -> None:
        subscribe = [{"filter": "t/#", "codec": "raw", "retained": retained}]
        h = harness(1, tmp_path, window_messages=5, inbox={"messages": 10}, subscribe=subscribe)
        made: list[Hasty] = []

        def make(options: Connect, listener: Listener) -> Hasty:
            made.append(Hasty(options, listener))
            return made[-1]

        h.adapter._make_transport = make  # type: ignore[attr-defined]
        await h.open()
        assert h.context.counts["dropped_inbox_full"] == 90
        h.demand(1000)
        await h.received(100)
        assert len(set(seen(h))) == len(seen(h)) == 100
        assert made[0].asked == [0 if retained == "changed" else 1, 0]
        assert h.context.counts["dropped_retained"] == 10
        await h.close()

    asyncio.run(main())


def test_copy_cannot_be_told_from_live_message_with_retain_as_published(broker: MosquittoProcess) -> None:
    """Why it is not asked for: a state that is published again, unchanged, would be taken for a copy and dropped."""

    async def body(w: RawClient) -> None:
        await w.publish("t/a", b"1", qos=1, retain=True)
        for as_published in (True, False):
            async with RawClient(broker.port, p.Connect("reader", 5, clean=True)) as reader:
                await reader.subscribe(p.Wanted("t/#", 1, retain_as_published=as_published))
                await w.publish("t/a", b"1", qos=1, retain=True)
                copied, lively = await reader.received(2)
                assert copied.retain
                assert lively.retain is as_published
                assert (copied == replace(lively, mid=copied.mid)) is as_published

    run(broker, body)


@clients
def test_every_state_comes_when_there_are_more_than_the_inbox_holds(
    broker: MosquittoProcess, tmp_path: Path, client: str
) -> None:
    """Copies of QoS 0 are not dropped from a full inbox, as live messages are: it stops reading."""

    async def body(w: RawClient) -> None:
        for n in range(300):
            await w.publish(f"t/{n}", b"1", qos=0, retain=True)
        h = harness(broker.port, tmp_path / "d", client=client, window_messages=5, inbox={"messages": 10})
        await h.open()
        await h.until(lambda: h.context.counts.get("held_back") == 1)
        h.demand(1000)
        await h.received(300)
        h.settle()
        assert len(set(await until_marked(h, w))) == len(h.emitted) - 1 == 300
        await h.close()

    run(broker, body)
