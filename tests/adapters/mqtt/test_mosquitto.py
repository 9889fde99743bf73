"""The adapter on a real mosquitto: windows, settlement, kill -9, restarts, TLS, passwords, numbers."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import pytest

from adapters.mqtt import MqttAdapter
from adapters.mqtt.settings import MqttSettings
from rt_edge.data.clock import SystemClock
from rt_edge.sdk import Reading, TransientError
from rt_edge.sdk.runner import AdapterRunner
from rt_edge.testkit.mosquitto import MosquittoProcess
from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.mqtt_client import RawClient
from rt_edge.testkit.waiting import Bell
from tests.adapters.mqtt.bench import both_clients, harness, values  # noqa: F401
from tests.adapters.mqtt.certificates import Authority

versions = pytest.mark.parametrize("version", ["5", "3.1.1"])
LINES = ["max_queued_messages 0", "autosave_interval 1800"]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def broker(mosquitto_path: Path, tmp_path: Path) -> MosquittoProcess:
    return MosquittoProcess(mosquitto_path, tmp_path / "mosquitto", LINES)


def run(broker: MosquittoProcess, body: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with broker:
            await body()

    asyncio.run(main())


def feeder(broker: MosquittoProcess) -> RawClient:
    return RawClient(broker.port, p.Connect("feeder"))


@versions
def test_ten_thousand_messages_come_once_and_in_order_when_settled_in_batches(
    broker: MosquittoProcess, tmp_path: Path, version: str
) -> None:
    """10,000 QoS 1 messages through a small window; every one is acknowledged: a second start finds nothing."""

    async def body() -> None:
        h = harness(broker.port, tmp_path / "data", version=version, window_messages=100)
        await h.open()
        async with feeder(broker) as w:
            h.demand(10_000)
            feeding = asyncio.get_running_loop().create_task(w.publish_many("t/a", [b"%d" % n for n in range(10_000)]))
            while len(h.emitted) < 10_000:
                await h.received(len(h.emitted) + 1, within=30)
                assert version == "3.1.1" or len(h.emitted) - h.settled <= 100
                h.settle()
            await feeding
        assert [int(v) for v in values(h)] == list(range(10_000))
        assert not any(e.redelivered for e in h.emitted)
        await h.until(lambda: h.context.forgotten == 10_000)
        await h.reopen()
        h.demand(1)
        assert await h.quiet(0.3) == 0
        await h.close()

    run(broker, body)


@pytest.mark.usefixtures("both_clients")
@versions
def test_window_is_never_exceeded_when_nothing_is_settled(broker: MosquittoProcess, tmp_path: Path, version: str) -> None:
    """Without demand mosquitto holds back what is beyond the window (v3.1.1: its own 20), and with all the demand in the world no
    more comes before something is settled."""

    async def body() -> None:
        window = 50 if version == "5" else 20
        h = harness(broker.port, tmp_path / "data", version=version, window_messages=50)
        await h.open()
        async with feeder(broker) as w:
            await w.publish_many("t/a", [b"%d" % n for n in range(300)])
        inbox = h.adapter._flow.inbox  # type: ignore[attr-defined]
        await h.until(lambda: len(inbox) == window)
        assert await h.quiet(0.2) == 0
        assert len(inbox) == window
        h.demand(300)
        await h.received(window)
        assert await h.quiet(0.2) == 0
        h.settle(1)
        await h.received(window + 1)
        assert await h.quiet(0.2) == 0
        await h.close()

    run(broker, body)


@versions
def test_messages_come_again_when_they_were_emitted_and_not_settled(
    broker: MosquittoProcess, tmp_path: Path, version: str
) -> None:
    """Only what was settled is acknowledged: after a close the rest comes again, flagged, under the same keys."""

    async def body() -> None:
        h = harness(broker.port, tmp_path / "data", version=version)
        await h.open()
        async with feeder(broker) as w:
            await w.publish_many("t/a", [b"%d" % n for n in range(10)])
        h.demand(20)
        await h.received(10)
        h.settle(4)
        await h.reopen()
        await h.received(16)
        assert values(h)[10:] == [str(n) for n in range(4, 10)]
        assert all(e.redelivered for e in h.emitted[10:])
        assert [e.key for e in h.emitted[10:]] == [e.key for e in h.emitted[4:10]]
        await h.close()

    run(broker, body)


@versions
def test_redelivery_has_the_same_keys_when_the_process_was_killed(broker: MosquittoProcess, tmp_path: Path, version: str) -> None:
    """kill -9 between the commit and the PUBACK: the next process gets DUP, the same session and equal keys."""

    async def child(n: int) -> list[list[str]]:
        script = ROOT / "tests/adapters/mqtt/child_subscriber.py"
        arguments = [str(script), str(broker.port), str(tmp_path / "data"), version, str(n)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(60):
                return [(await process.stdout.readline()).decode().split() for _ in range(n)]
        finally:
            process.send_signal(signal.SIGKILL)
            await process.wait()

    async def body() -> None:
        h = harness(broker.port, tmp_path / "data", version=version)
        await h.open()  # makes the session, so that nothing published below is missed
        await h.close()
        async with feeder(broker) as w:
            await w.publish_many("t/a", [b"%d" % n for n in range(5)])
            first = await child(5)
            second = await child(5)
        assert [line[2] for line in first] == ["False"] * 5
        assert [line[2] for line in second] == ["True"] * 5
        assert [(session, key, value) for session, key, _, value in first] == [
            (session, key, value) for session, key, _, value in second
        ]

    run(broker, body)


@versions
def test_readings_flow_on_when_the_broker_restarts(broker: MosquittoProcess, tmp_path: Path, version: str) -> None:
    """An orderly restart of the broker: lost once, opened again, session kept, what was published meanwhile arrives."""

    async def body() -> None:
        h = harness(broker.port, tmp_path / "data", version=version)
        await h.open()
        h.demand(100)
        async with feeder(broker) as w:
            await w.publish("t/a", b"before")
        await h.received(1)
        h.settle()
        await broker.stop()
        await h.until(lambda: len(h.context.losses) == 1)
        assert isinstance(h.context.losses[0], TransientError)
        await h.close()
        with pytest.raises(TransientError, match="cannot be reached"):
            await h.open()
        await broker.start()
        await h.open()
        async with feeder(broker) as w:
            await w.publish("t/a", b"after")
        await h.received(2)
        assert values(h) == ["before", "after"]
        assert len(set(h.context.sessions)) == 1
        await h.close()

    run(broker, body)


def test_sink_delivers_when_mosquitto_acknowledges(broker: MosquittoProcess, tmp_path: Path) -> None:
    """2,000 Readings with a send quota of 20: all arrive, in order per topic, and `deliver` returns after the last PUBACK."""

    async def body() -> None:
        source = harness(broker.port, tmp_path / "in", name="in", subscribe=[{"topic": "out/{device}"}])
        sink = harness(broker.port, tmp_path / "out", name="out", publish={"topic": "out/{device}", "layout": "flat"})
        await source.open()
        await sink.open()
        source.demand(2000)

        async def settle() -> None:
            while len(source.emitted) < 2000:
                await source.received(len(source.emitted) + 1)
                source.settle()

        readings = [Reading("x/dev", n, {"n": n}) for n in range(2000)]
        await asyncio.gather(settle(), sink.adapter.deliver(readings))
        assert sink.context.counts["published"] == 2000
        assert [r.fields["n"] for r in source.readings] == list(range(2000))
        await source.close()
        await sink.close()

    run(broker, body)


@pytest.mark.usefixtures("both_clients")
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_mutual_tls_carries_large_bursts_when_certificates_fit(mosquitto_path: Path, tmp_path: Path, version: str) -> None:
    """TLS with client certificates; bursts larger than any buffer leave nothing pending inside the TLS layer; who shows none is
    refused, and told what to check."""
    ours = Authority(tmp_path / "pki")
    certificate, key = ours.leaf("broker")
    mine, my_key = ours.leaf("edge")
    tls = [
        f"cafile {ours.ca}",
        f"certfile {certificate}",
        f"keyfile {key}",
        "require_certificate true",
        f"tls_version tlsv{version}",
    ]
    broker = MosquittoProcess(mosquitto_path, tmp_path / "mosquitto", LINES, tls)
    files = {"ca": str(ours.ca), "certificate": str(mine), "key": str(my_key)}

    async def body() -> None:
        url = f"mqtts://127.0.0.1:{broker.port}"
        h = harness(broker.port, tmp_path / "data", url=url, tls=files)
        sink = harness(broker.port, tmp_path / "out", url=url, tls=files, publish={"topic": "t/{device}", "layout": "flat"})
        await h.open()
        await sink.open()
        h.demand(600)
        for wanted in (200, 400, 600):
            await sink.adapter.deliver([Reading("x/big", n, {"pad": "x" * 5000}) for n in range(200)])
            await h.received(wanted)
            h.settle()
        await h.close()
        await sink.close()
        stranger = Authority(tmp_path / "other")
        wrong = harness(broker.port, tmp_path / "wrong", url=url, tls=files | {"ca": str(stranger.ca)})
        with pytest.raises(TransientError, match="certificate not accepted"):
            await wrong.open()
        bare = harness(broker.port, tmp_path / "bare", url=url, tls={"ca": str(ours.ca)})
        with pytest.raises(TransientError, match=r"before it answered the CONNECT .*check tls.certificate"):
            await bare.open()
        await bare.close()

    run(broker, body)


@versions
def test_wrong_password_is_tried_again_when_mosquitto_refuses_it(mosquitto_path: Path, tmp_path: Path, version: str) -> None:
    """Refused credentials are a transient error that says what to check; the right ones work."""
    passwords = tmp_path / "passwords"
    # mosquitto_passwd writes salted PBKDF2-SHA512 ($7$); made here, so that the test needs only the broker
    salt = bytes(range(12))
    digest = hashlib.pbkdf2_hmac("sha512", b"right", salt, 101)
    passwords.write_text(f"edge:$7$101${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}\n")
    passwords.chmod(0o600)
    broker = MosquittoProcess(mosquitto_path, tmp_path / "mosquitto", [f"password_file {passwords}"], anonymous=False)

    async def body() -> None:
        for password in ("wrong", "right"):
            h = harness(broker.port, tmp_path / "data", version=version, username="edge", password=password)
            if password == "wrong":
                with pytest.raises(TransientError, match=r"not authorised.*check username"):
                    await h.open()
            else:
                await h.open()
                await h.close()

    run(broker, body)


class _Short(Random):
    """Remembers how long it may be waited, and waits for no longer than a hundredth of a second."""

    def __init__(self) -> None:
        super().__init__(1)
        self.bounds: list[float] = []

    def uniform(self, a: float, b: float) -> float:
        """See `Random`."""
        self.bounds.append(b)
        return 0.01


@pytest.mark.parametrize("client", ["paho", "fast"])
@versions
def test_two_with_one_client_id_wait_longer_each_time_when_the_broker_lets_both_in(
    broker: MosquittoProcess, tmp_path: Path, version: str, client: str
) -> None:
    """Each connection ends the other's (MQTT 5, 3.1.4-3) and works for a moment: that does not count as success."""

    async def body() -> None:
        written = {"url": f"mqtt://127.0.0.1:{broker.port}", "version": version, "client": client, "client_id": "same"}
        settings = MqttSettings.model_validate({**written, "subscribe": [{"filter": "t/#", "codec": "raw", "type": "str"}]})
        waits = _Short(), _Short()
        bell = Bell()
        runners = []
        for name, wait in zip("ab", waits, strict=True):
            (tmp_path / name).mkdir()
            runner = AdapterRunner(name, lambda context: MqttAdapter(settings, context), SystemClock(), wait, tmp_path / name)
            runner.on_state.append(lambda _state: bell.ring())
            runners.append(runner)
        for runner in runners:
            runner.start()
        await bell.until(lambda: all(len(wait.bounds) >= 7 for wait in waits), 20.0, "seven losses of each")
        for runner in runners:
            await runner.stop()
        for wait in waits:
            assert wait.bounds[:7] == [1, 2, 4, 8, 16, 32, 60]

    run(broker, body)
