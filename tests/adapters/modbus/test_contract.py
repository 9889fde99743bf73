"""The Modbus adapter under the contract of all adapters: slaves of the testkit on TCP and on a pty, and those of pymodbus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from adapters.modbus import ModbusAdapter
from adapters.modbus.settings import ModbusSettings
from rt_edge.settings.frozen import freeze
from rt_edge.settings.validate import melt
from rt_edge.testkit.adapter_contract import AdapterBench, AdapterContract
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.modbus_slave import RtuSlave, SlaveBank, SlaveUnit, TcpSlave
from tests.adapters.modbus.test_pymodbus_peer import pty_relay


def bank() -> SlaveBank:
    return SlaveBank({u: SlaveUnit(holding=[u * 100 + i for i in range(10)]) for u in (1, 2)})


def harness(folder: Path, channel: dict[str, Any]) -> AdapterHarness:
    points = {f"r{i}": {"holding": i} for i in range(10)}
    units = {f"u{u}": {"unit": u, "every": "20ms", "points": points} for u in (1, 2)}
    written = {"channel": {"turnaround": "0s", **channel}, "units": units, "overload": "coalesce"}
    return AdapterHarness(ModbusAdapter, freeze(melt(ModbusSettings.model_validate(written))), folder)


class Bench(AdapterBench):
    async def produce(self, n: int) -> None:
        """A polled device always has more."""


class TcpBench(Bench):
    def __init__(self, harness: AdapterHarness, slave: TcpSlave) -> None:
        super().__init__(harness)
        self.slave = slave

    async def vanish(self) -> None:
        await self.slave.stop()

    async def appear(self) -> None:
        await self.slave.start()


class OnTcp:
    """Slaves behind one TCP port."""

    @asynccontextmanager
    async def bench(self, tmp_path: Path) -> AsyncIterator[AdapterBench]:
        async with TcpSlave(bank()) as slave:
            yield TcpBench(harness(tmp_path, {"tcp": f"{slave.host}:{slave.port}"}), slave)


class LineBench(Bench):
    def __init__(self, harness: AdapterHarness, slave: RtuSlave) -> None:
        super().__init__(harness)
        self.slave = slave

    async def vanish(self) -> None:
        self.slave.unplug()

    async def appear(self) -> None:
        self.slave.replug()


class OnLine:
    """Slaves on a serial line."""

    @asynccontextmanager
    async def bench(self, tmp_path: Path) -> AsyncIterator[AdapterBench]:
        async with RtuSlave(bank()) as slave:
            channel = {"serial": str(slave.path), "baud": 115200, "parity": "none", "timeout": "200ms"}
            yield LineBench(harness(tmp_path, channel), slave)


def devices() -> list[SimDevice]:
    """Units 1 and 2 of a pymodbus server."""
    values = [SimData(0, values=list(range(10)), datatype=DataType.REGISTERS)]
    bits = [SimData(0, values=[True] * 16, datatype=DataType.BITS)]
    return [SimDevice(number, simdata=(bits, bits, values, values)) for number in (1, 2)]


class PymodbusBench(Bench):
    def __init__(self) -> None:
        self.port = 0
        self._server: ModbusTcpServer | None = None

    async def vanish(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.shutdown()

    async def appear(self) -> None:
        server = self._server = ModbusTcpServer(devices(), address=("127.0.0.1", self.port))
        await server.serve_forever(background=True)
        assert server.transport is not None
        self.port = server.transport.sockets[0].getsockname()[1]


class OnPymodbus:
    """An implementation that is not ours."""

    @asynccontextmanager
    async def bench(self, tmp_path: Path) -> AsyncIterator[AdapterBench]:
        bench = PymodbusBench()
        await bench.appear()
        bench.harness = harness(tmp_path, {"tcp": f"127.0.0.1:{bench.port}"})
        try:
            yield bench
        finally:
            await bench.vanish()


class PymodbusLineBench(Bench):
    """pymodbus's serial server behind a null modem of two pseudo-terminals.

    Args:
        path: the device that the adapter opens.
        framer: how frames lie on the line.
    """

    def __init__(self, path: Path, framer: FramerType) -> None:
        self.path = path
        self._framer = framer
        self._line = AsyncExitStack()

    async def vanish(self) -> None:
        self.path.unlink(missing_ok=True)
        await self._line.aclose()

    async def appear(self) -> None:
        ours, theirs = await self._line.enter_async_context(pty_relay())
        server = ModbusSerialServer(devices(), framer=self._framer, port=theirs, baudrate=115200, parity="N")
        await server.serve_forever(background=True)
        self._line.push_async_callback(server.shutdown)
        self.path.symlink_to(ours)


class OnPymodbusLine:
    """An implementation that is not ours, on a serial line."""

    framer = FramerType.RTU

    @asynccontextmanager
    async def bench(self, tmp_path: Path) -> AsyncIterator[AdapterBench]:
        bench = PymodbusLineBench(tmp_path / "ttyUSB0", self.framer)
        await bench.appear()
        # pymodbus answers one of two requests that it finds at once, so none may be sent while it is late (its loop is ours)
        channel = {"serial": str(bench.path), "baud": 115200, "parity": "none", "timeout": "1s"}
        if self.framer == FramerType.ASCII:
            channel |= {"framing": "ascii", "data_bits": 8}  # a pseudo-terminal has no 7
        bench.harness = harness(tmp_path, channel)
        try:
            yield bench
        finally:
            await bench.vanish()


class OnPymodbusAscii(OnPymodbusLine):
    """The same with ASCII frames."""

    framer = FramerType.ASCII


class TestModbusTcp(OnTcp, AdapterContract):
    pass


class TestModbusRtu(OnLine, AdapterContract):
    pass


class TestModbusOnPymodbus(OnPymodbus, AdapterContract):
    pass


class TestModbusRtuOnPymodbus(OnPymodbusLine, AdapterContract):
    pass


class TestModbusAsciiOnPymodbus(OnPymodbusAscii, AdapterContract):
    pass
