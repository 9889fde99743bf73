"""`rt-edge scan mqtt`: the topics of a real broker."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.mqtt.scan import looks_like
from rt_edge.cli.app import main
from rt_edge.testkit.command_line import command
from rt_edge.testkit.mosquitto import MosquittoProcess
from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.mqtt_client import RawClient


@pytest.mark.parametrize("scheme", ["", "ws://"])
def test_topics_are_listed_with_what_they_carry_when_a_broker_has_some(mosquitto_path: Path, tmp_path: Path, scheme: str) -> None:
    """Retained messages of two topics; what begins with $ is not among them; over a websocket too."""

    async def run() -> str:
        async with MosquittoProcess(mosquitto_path, tmp_path, websocket_lines=[] if scheme else None) as broker:
            async with RawClient(broker.port, p.Connect(client_id="feeder", version=5)) as feeder:
                await feeder.publish("plant/line1/telemetry", b'{"pressure": 1.5}', qos=1, retain=True)
                await feeder.publish("plant/line1/state", b"\xff\x00", qos=1, retain=True)
            where = f"{scheme}127.0.0.1:{broker.websocket_port if scheme else broker.port}"
            return await command("scan", "mqtt", where, "--for", "800ms" if scheme else "300ms", "--json")

    found = json.loads(asyncio.run(asyncio.wait_for(run(), 30)))["found"]
    assert [one["name"] for one in found] == ["plant/line1/state", "plant/line1/telemetry"]
    assert [one["settings"]["codec"] for one in found] == ["raw", "json"]
    assert found[1]["details"] == {
        "topic": "plant/line1/telemetry",
        "messages": 1,
        "bytes": 17,
        "retained": True,
        "codec": "json",
        "payload": '{"pressure": 1.5}',
    }


def test_a_broker_that_is_not_there_is_one_line_when_it_is_scanned(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and the address."""
    assert main(["scan", "mqtt", "mqtt://127.0.0.1:9", "--for", "1s"]) == 1
    said = capsys.readouterr().err
    assert "127.0.0.1:9" in said
    assert said.count("\n") == 1


PROGRAM = """
import sys
from importlib.machinery import PathFinder
class WithoutPaho(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] == "paho" else PathFinder.find_spec(name, path, target)
if "there" not in sys.argv[1]:
    sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutPaho
from rt_edge.cli.app import main
code = main(sys.argv[2:])
print(code, "paho" in sys.modules, "adapters.mqtt.fast" in sys.modules)
"""


@pytest.mark.parametrize(
    ("case", "more", "said"),
    [
        ("paho there", [], "1 True False"),
        ("paho there", ["--set", "client=fast"], "1 False True"),
        ("fast alone", [], "1 False True"),
        ("none of what is asked for", ["--set", "client=paho"], "1 False False"),
    ],
)
def test_client_is_the_one_that_is_asked_for_or_installed_when_a_broker_is_scanned(case: str, more: list[str], said: str) -> None:
    """Whoever it is has tried (and found no broker); where paho is asked for and not there, that is said instead."""
    command = [sys.executable, "-c", PROGRAM, case, "scan", "mqtt", "mqtt://127.0.0.1:9", "--for", "1s", *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines()[-1] == said, done.stderr
    assert ("paho-mqtt is not installed here" if "none" in case else "127.0.0.1:9") in done.stderr


@pytest.mark.parametrize(
    ("payload", "codec", "shown"),
    [
        (b'{"a": 1}', "json", '{"a": 1}'),
        (b"[1]", "json", "[1]"),
        (b"21.5", "raw", "21.5"),
        (b"on\n", "raw", "on "),
        (b"\xff" * 40, "raw", "ff" * 30 + "..."),
        (b"x" * 61, "raw", "x" * 60 + "..."),
        (None, "raw", "larger than max_packet"),
        (b"[" * 100_000, "raw", "[" * 60 + "..."),
    ],
)
def test_looks_like(payload: bytes | None, codec: str, shown: str) -> None:
    """Which codec, and a beginning that is fit for a terminal."""
    assert looks_like(payload) == (codec, shown)
