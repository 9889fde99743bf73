"""Points: what can be asked for one by one, and what a command is known by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.serial import SerialAdapter
from adapters.serial.points import fields_of
from rt_edge.sdk import RefusedError, TransientError, WriteResult
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.serial_instrument import plugged

LINE = {"kind": "delimiter", "delimiter": "\r"}
CELSIUS = {"kind": "text", "field": "celsius", "type": "float"}


class Bath:
    """A thermostat that takes what it is told, but nothing above 40."""

    def __init__(self) -> None:
        self.setpoint = 20.0
        self.mute = False

    def __call__(self, line: bytes) -> list[tuple[float, bytes]]:
        if line == b"SP?":
            return [] if self.mute else [(0.0, b"%.2f\r" % self.setpoint)]
        self.setpoint = min(40.0, float(line[2:]))
        return []


def bath(settings: Callable[..., Any], folder: Path, device: Bath, work: Callable[[AdapterHarness], Any]) -> None:
    async def run() -> None:
        with plugged(folder / "tty", device) as instrument:
            request = {"request": "SP?\r", "timeout": "100ms", "format": CELSIUS}
            commands = {"set": {"command": "SP{value:.1f}\r", "read_back": "sp/celsius"}}
            made = settings(port=str(instrument.path), framing=LINE, poll={"requests": {"sp": request}}, commands=commands)
            h = AdapterHarness(SerialAdapter, made, folder)
            await h.open()
            await work(h)
            await h.close()

    asyncio.run(asyncio.wait_for(run(), 20))


def test_value_is_asked_for_without_demand_when_a_point_is_read(settings: Any, tmp_path: Path) -> None:
    """As a field of a request, and as what a command has set; nothing is emitted by it."""

    async def work(h: AdapterHarness) -> None:
        assert await h.adapter.read("sp/celsius") == 20.0
        assert await h.adapter.read("set") == 20.0
        assert await asyncio.gather(h.adapter.read("sp/celsius"), h.adapter.read("set")) == [20.0, 20.0]
        assert not h.emitted
        for point in ("sp/kelvin", "sp", "other/celsius", ""):
            with pytest.raises(RefusedError):
                await h.adapter.read(point)

    bath(settings, tmp_path, Bath(), work)


def test_reading_a_point_fails_when_there_is_no_reply_or_no_port(settings: Any, tmp_path: Path) -> None:
    """In its time-out, and at once."""
    device = Bath()

    async def work(h: AdapterHarness) -> None:
        device.mute = True
        with pytest.raises(TransientError, match="no reply within"):
            await h.adapter.read("sp/celsius")
        await h.adapter.close()
        with pytest.raises(TransientError, match="not connected"):
            await h.adapter.read("sp/celsius")

    bath(settings, tmp_path, device, work)


def test_command_is_known_by_what_is_read_back(settings: Any, tmp_path: Path) -> None:
    """The same value (as the template rounds it): confirmed; another: failed, and not repeated; none: sent."""
    device = Bath()

    async def work(h: AdapterHarness) -> None:
        assert await h.adapter.write("set", 30.04, "a") == WriteResult("confirmed", "read back")
        failed = await h.adapter.write("set", 45.0, "b")
        assert (failed.status, failed.message) == ("failed", "it has 40.0 and not 45.0")
        device.setpoint = 1.0
        assert await h.adapter.write("set", 45.0, "b") == failed
        assert device.setpoint == 1.0
        device.mute = True
        sent = await h.adapter.write("set", 25.0, "c")
        assert sent.status == "sent"
        assert "could not be read back" in sent.message
        assert h.context.counts["writes_failed"] == 1

    bath(settings, tmp_path, device, work)


@pytest.mark.parametrize(
    ("written", "fields"),
    [
        ({"kind": "text", "type": "hex"}, {"value": "int"}),
        ({"kind": "bytes", "field": "raw"}, {"raw": "bytes"}),
        ({"kind": "regex", "pattern": "(?P<a>.)(?P<b>.)", "fields": {"b": {"type": "str"}}}, {"a": "float", "b": "str"}),
        ({"kind": "csv", "columns": ["x", "", "y"], "fields": {"y": {"type": "bool"}}}, {"x": "float", "y": "bool"}),
        ({"kind": "nmea"}, {}),
        (
            {"kind": "struct", "fields": {"u": {"at_byte": 0, "type": "uint16"}, "f": {"at_byte": 2, "type": "float32"}}}
            | {
                "fields": {
                    "bit": {"at_byte": 0, "type": "uint8", "bit": 1},
                    "s": {"at_byte": 1, "type": "string", "length_bytes": 3},
                }
            },
            {"bit": "bool", "s": "str"},
        ),
    ],
)
def test_fields_are_known_before_anything_came(settings: Any, written: dict[str, Any], fields: dict[str, str]) -> None:
    """By their format; what an NMEA sentence will be nobody knows."""
    assert fields_of(settings(port="x", listen={"format": written}).listen.format) == fields
