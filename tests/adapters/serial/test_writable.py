"""The serial adapter keeps the contract of adapters that write: commands by template, confirmed by a reply, beside polls."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from adapters.serial import SerialAdapter
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.serial_instrument import plugged
from rt_edge.testkit.writable_contract import WritableBench, WritableContract

NUMBER = {"kind": "text", "field": "n", "type": "int"}


class Bench(WritableBench):
    point = "setpoint"
    values = (1.5, 20.0, 30.5)
    refused = 51.0

    def __init__(self, instrument, harness):
        super().__init__(harness)
        self._instrument = instrument

    def seen(self):
        return [float(line[2:]) for line in self._instrument.got if not line.endswith(b"?")]


@pytest.fixture(autouse=True)
def _settings(request, settings):
    request.cls.settings = staticmethod(settings)


class TestWrites(WritableContract):
    """On a pty, to an instrument that is polled."""

    @asynccontextmanager
    async def bench(self, tmp_path):
        def answer(line):
            return [(0.0, b"5\r" if line == b"?" else b"OK\r")]

        command = {"command": "SP{value:.1f}\r", "maximum": 50, "reply_begins": "OK"}
        with plugged(tmp_path / "tty", answer) as instrument:
            poll = {"requests": {"v": {"request": "?\r", "every": "10ms", "format": NUMBER}}}
            framing = {"kind": "delimiter", "delimiter": "\r"}
            made = self.settings(port=str(instrument.path), framing=framing, poll=poll, commands={"setpoint": command})
            yield Bench(instrument, AdapterHarness(SerialAdapter, made, tmp_path))


class TestReadBack(WritableContract):
    """The instrument does not reply to commands; what it was set to is asked for."""

    @asynccontextmanager
    async def bench(self, tmp_path):
        held = [0.0]

        def answer(line):
            if line == b"SP?":
                return [(0.0, b"%.1f\r" % held[0])]
            held[0] = float(line[2:])
            return []

        command = {"command": "SP{value:.1f}\r", "maximum": 50, "read_back": "setpoint/celsius"}
        with plugged(tmp_path / "tty", answer) as instrument:
            form = {"kind": "text", "field": "celsius", "type": "float"}
            poll = {"requests": {"setpoint": {"request": "SP?\r", "every": "10ms", "format": form}}}
            framing = {"kind": "delimiter", "delimiter": "\r"}
            made = self.settings(port=str(instrument.path), framing=framing, poll=poll, commands={"set": command})
            bench = Bench(instrument, AdapterHarness(SerialAdapter, made, tmp_path))
            bench.point = "set"
            yield bench
