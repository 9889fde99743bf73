"""Goal: what fails fails alone, says why, and comes back. Method: whole nodes with members that cannot work, and their cure."""

from __future__ import annotations

import asyncio
import base64
import fcntl
import hashlib
import os
import signal
import socket
from itertools import pairwise
from pathlib import Path

import pytest
from e2e_world import (
    BROKER_LINES,
    CLOCK,
    MQTT_EDGE,
    SIMULATED_EDGE,
    UP,
    adapter_open,
    answers,
    assert_once,
    in_thread,
    more,
    publish,
    session_open,
    until,
)

from rt_edge.testkit.mosquitto import MosquittoProcess
from rt_edge.testkit.node_process import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

BAD_ADAPTERS = """
import os
from pathlib import Path
from rt_edge.sdk import Capability, DeviceAdapter
from rt_edge.sdk.settings import Settings


class BadSettings(Settings):
    "Settings."

    how: str = "raise"
    "raise or exit."

    cure: str = ""
    "File that makes it work."


class Bad(DeviceAdapter):
    kind = "bad"

    def __init__(self, settings, context):
        super().__init__(settings, context)
        if Path(settings.cure).exists():
            return
        if settings.how == "raise":
            raise ValueError("this adapter cannot be made")
        os._exit(7)

    @classmethod
    def settings_model(cls):
        return BadSettings

    @classmethod
    def capability(cls, settings):
        return Capability("polled", "native")

    async def open(self):
        pass

    def demand(self, n):
        pass

    async def close(self):
        pass
"""

WITH_BAD = """
node: {{id: hall-3, data: {data}}}
island: {island}
adapters:
  sim: {{kind: simulated, devices: 1, every: 100ms}}
  broken: {{kind: bad, how: {how}, cure: {cure}}}
graphs:
  telemetry: [{{from: sim}}, {{to: hq}}]
  other: [{{from: broken}}, {{to: hq}}]
uplinks:
  hq: {{peers: ["127.0.0.1:{ingress}"], spool: {{max: 64MB, when_full: block}}}}
"""


def plugin(folder: Path) -> dict[str, str]:
    """A folder that looks like an installed distribution with a bad adapter; the environment that finds it."""
    place = folder / "plugins"
    info = place / "bad_adapters-1.0.dist-info"
    info.mkdir(parents=True)
    (place / "bad_adapters.py").write_text(BAD_ADAPTERS)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-adapters\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rt_edge.adapters]\nbad = bad_adapters:Bad\n")
    old = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": f"{place}:{old}" if old else str(place)}


@pytest.mark.parametrize(("how", "island"), more([("raise", "all"), ("exit", "each")], ("raise", "each")))
def test_other_members_go_on_when_an_adapter_cannot_be_made(world, how, island):
    """A constructor that raises or ends its process is tried again, later each time, and the others do not notice."""
    cure = world.folder / "cured"
    up = world.node("up", UP)
    edge = world.node("edge", WITH_BAD, plugin(world.folder), how=how, island=island, cure=cure)
    up.start()
    edge.start()
    wait_until(lambda: len(world.rows()) >= 40, 30, edge.log)
    times = [row.reading.ts for row in world.rows() if row.reading is not None]
    pauses = [b - a for a, b in pairwise(times)]
    assert max(pauses) < 1_000_000_000, "the healthy adapter paused"
    if how == "raise":
        member = edge.member("adapter/broken")
        assert member.state == "waiting"
        assert "this adapter cannot be made" in member.error
        tries = member.restarts
    else:
        status = next(i for i in edge.status().islands if i.name == "adapter-broken")
        tries = status.starts
    assert 2 <= tries <= 12, f"{tries} tries in about 4 s: no backoff"
    cure.touch()
    wait_until(adapter_open(edge, "broken"), 30, edge.log)
    assert edge.stop() == 0
    assert up.stop() == 0


POISON = """
node: {{id: hall-3, data: {data}}}
adapters:
  broker:
    kind: mqtt
    url: mqtt://127.0.0.1:{mqtt}
    subscribe:
      - {{filter: "plant/+/telemetry", qos: 1, topic: "plant/{{line}}/telemetry", codec: json}}
  sim: {{kind: simulated, devices: 1, every: 100ms}}
graphs:
  telemetry:
    - from: broker
    - set: {{fields: {{double: 10000 / (n - 777)}}, on_error: stop}}
    - to: hq
  other: [{{from: sim}}, {{to: hq}}]
uplinks:
  hq: {{peers: ["127.0.0.1:{ingress}"], spool: {{max: 64MB, when_full: block}}}}
"""


def test_a_graph_that_a_reading_fails_again_and_again_loses_only_that_to_the_dead_letters(world, mosquitto_path):
    """A stage that stops its graph for one reading: the graph starts again, all others arrive once, the one is a dead letter;
    the other graph of the same uplink goes on."""

    async def run() -> None:
        up = world.node("up", UP)
        async with MosquittoProcess(mosquitto_path, world.folder / "broker", BROKER_LINES) as broker:
            edge = world.node("edge", POISON, mqtt=broker.port)
            await in_thread(up.start)
            await in_thread(edge.start)
            await until(adapter_open(edge), 20, edge.log)
            began = CLOCK.monotonic()
            await publish(broker.port, range(1500))
            await until(lambda: len(set(world.values())) >= 1499, 60, lambda: f"{len(world.values())} {edge.log()[-3000:]}")
            print(f"1499 readings around a poisoned one took {CLOCK.monotonic() - began:.1f} s")
            assert_once(world.values(), set(range(1500)) - {777})
            letters = (edge.data / "adapters" / "broker" / "dead-letters.jsonl").read_text().splitlines()
            assert len(letters) == 1
            assert '"n":777' in letters[0]
            uplink = edge.member("uplink/hq")
            assert uplink.restarts == 0, uplink.error
            assert edge.member("graph/other").restarts == 0
            assert 1 <= edge.member("graph/telemetry").restarts <= 6
            times = [r.reading.ts for r in world.rows() if r.reading is not None and "n" not in r.reading.fields]
            assert max(b - a for a, b in pairwise(times)) < 1_500_000_000, "the other graph paused"

    asyncio.run(run())


def password_hash(password: str) -> str:
    """As mosquitto_passwd writes it."""
    salt = os.urandom(12)
    made = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
    return f"$7$101${base64.b64encode(salt).decode()}${base64.b64encode(made).decode()}"


def test_an_adapter_with_a_wrong_password_says_so_and_works_when_the_broker_takes_it(world, mosquitto_path):
    """The reason is in the status; the others go on; when the broker lets it in, it connects by itself."""

    async def run() -> None:
        lines = [*BROKER_LINES, f"password_file {world.folder}/passwords"]
        passwords = world.folder / "passwords"
        passwords.touch()
        async with MosquittoProcess(mosquitto_path, world.folder / "broker", lines, anonymous=False) as broker:
            text = MQTT_EDGE.replace(
                "    subscribe:", "    username: edge\n    password: {{env: PLANT_PASSWORD}}\n    subscribe:"
            )
            edge = world.node("edge", text, {"PLANT_PASSWORD": "nobody-knows"}, mqtt=broker.port)
            await in_thread(edge.start)

            def said() -> bool:
                member = edge.member("adapter/broker")
                return member is not None and member.adapter is not None and member.adapter.error != ""

            await until(said, 20, edge.log)
            member = edge.member("adapter/broker")
            print(member.adapter.state, member.adapter.error)
            assert member.adapter.state in ("failed", "waiting")
            assert "not authorised" in member.adapter.error or "password" in member.adapter.error
            assert "nobody-knows" not in edge.log()
            assert edge.member("uplink/hq").state == "running"
            passwords.write_text(f"edge:{password_hash('nobody-knows')}\n")
            os.kill(broker.pid, signal.SIGHUP)
            await until(adapter_open(edge), 40, lambda: edge.log() + broker.log()[-1000:])
            assert await in_thread(edge.stop) == 0

    asyncio.run(run())


def test_an_uplink_waits_with_a_reason_when_another_process_holds_its_spool(world):
    """The lock is named; when it is free again the uplink starts by itself."""
    up = world.node("up", UP)
    edge = world.node("edge", SIMULATED_EDGE)
    up.start()
    edge.start()
    wait_until(lambda: len(world.rows()) > 3, 20, edge.log)
    assert edge.stop() == 0
    locks = [path for path in (edge.data / "spool").iterdir() if "lock" in path.name]
    assert locks, list((edge.data / "spool").iterdir())
    with locks[0].open("rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        edge.start()
        wait_until(lambda: (m := edge.member("uplink/hq")) is not None and m.error != "", 20, edge.log)
        member = edge.member("uplink/hq")
        print(member.state, member.error)
        assert member.state == "waiting"
        assert "another process" in member.error or "in use" in member.error or "lock" in member.error
    before = len(world.rows())
    wait_until(session_open(edge), 20, edge.log)
    wait_until(lambda: len(world.rows()) > before, 20, edge.log)
    assert edge.stop() == 0
    up.stop()


def test_an_ingress_fails_with_a_reason_and_listens_when_its_port_becomes_free(world):
    """A port in use is named in the status; the ingress takes it as soon as it is free."""
    up = world.node("up", UP)
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", world.ingress))
        holder.listen()
        up.start()
        wait_until(lambda: (m := up.member("ingress")) is not None and m.error != "", 20, up.log)
        member = up.member("ingress")
        assert member.state == "failed"
        assert "in use" in member.error, member.error
        assert str(world.ingress) in member.error
    edge = world.node("edge", SIMULATED_EDGE)
    edge.start()
    wait_until(lambda: len(world.rows()) > 3, 30, lambda: up.log() + edge.log())
    assert up.member("ingress").state == "running"
    assert edge.stop() == 0
    assert up.stop() == 0


def test_a_node_answers_while_every_member_is_in_trouble(world):
    """No upstream, no broker: the node runs, says why, and stops in order."""
    edge = world.node("edge", MQTT_EDGE, mqtt=1)
    edge.start()
    wait_until(lambda: answers(edge) and (m := edge.member("adapter/broker")) is not None and m.adapter.error != "", 20, edge.log)
    wait_until(lambda: edge.member("uplink/hq").error != "", 20, edge.log)
    assert "cannot be reached" in edge.member("adapter/broker").adapter.error
    assert "refused" in edge.member("uplink/hq").error.lower()
    assert edge.stop() == 0
