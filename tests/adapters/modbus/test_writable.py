"""The Modbus adapter keeps the contract of adapters that write: registers and coils, single and multiple, TCP and a pty."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from adapters.modbus import ModbusAdapter
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.modbus_slave import RtuSlave, SlaveBank, SlaveUnit, TcpSlave
from rt_edge.testkit.writable_contract import WritableBench, WritableContract


class Bench(WritableBench):
    point = "u/speed"
    refused = 6553.6

    def __init__(self, device, settings, channel, tmp_path, function):
        self._device = device
        points = {"speed": {"holding": 2, "scale": 0.1, "writable": True, "function": function}}
        made = settings(channel=channel, units={"u": {"every": "20ms", "verify": function == "multiple", "points": points}})
        super().__init__(AdapterHarness(ModbusAdapter, made, tmp_path))
        self.values = (1.5, 20.0, 300.7)
        self._memory = device.holding = Watched(device.holding)

    def seen(self):
        return [value / 10 for value in self._memory.seen]


class Watched(dict):
    """The registers of a slave, which remember what was written."""

    def __init__(self, values):
        super().__init__(values)
        self.seen = []

    def __setitem__(self, address, value):
        self.seen.append(value)
        super().__setitem__(address, value)


@pytest.fixture(autouse=True)
def _settings(request, settings):
    request.cls.settings = staticmethod(settings)


class TestTcp(WritableContract):
    """One register, function 6, without read-back of its own."""

    @asynccontextmanager
    async def bench(self, tmp_path):
        device = SlaveUnit(holding={2: 0})
        async with TcpSlave(SlaveBank({1: device})) as slave:
            yield Bench(device, self.settings, {"tcp": f"{slave.host}:{slave.port}"}, tmp_path, "single")


class TestRtu(WritableContract):
    """Function 16 on a pty, with read-back."""

    @asynccontextmanager
    async def bench(self, tmp_path):
        device = SlaveUnit(holding={2: 0})
        async with RtuSlave(SlaveBank({1: device})) as slave:
            channel = {"serial": str(slave.path), "baud": 115200, "parity": "none", "turnaround": "0s"}
            yield Bench(device, self.settings, channel, tmp_path, "multiple")
