"""`rt-edge scan mqtt`: the topics of a real broker."""

from __future__ import annotations

import asyncio
import json
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
