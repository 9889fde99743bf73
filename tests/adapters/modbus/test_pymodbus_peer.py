"""Against pymodbus's own servers, on a pty, on TCP, and RTU frames on TCP: an implementation that is not ours."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pymodbus import FramerType
from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from adapters.modbus import ModbusAdapter
from rt_edge.testkit.adapter_harness import AdapterHarness

KINDS = {
    "int16": -12345,
    "uint16": 54321,
    "int32": -1_234_567_890,
    "uint32": 0xDEADBEEF,
    "int64": -1_234_567_890_123_456_789,
    "uint64": 0xFEDCBA9876543210,
    "float32": 3.1415927410125732,
    "float64": 2.718281828459045,
}


def registers() -> tuple[list[int], dict[str, Any]]:
    """Registers made by pymodbus's converter for every type in both word orders, and the points that read them."""
    words: list[int] = []
    points: dict[str, Any] = {}
    for kind, value in KINDS.items():
        for word_order, order in (("big", "ABCD"), ("little", "CDAB")):
            datatype = getattr(ModbusClientMixin.DATATYPE, kind.upper())
            points[f"{kind}-{word_order}"] = {"holding": len(words), "type": kind, "order": order, "writable": True}
            words += ModbusClientMixin.convert_to_registers(value, datatype, word_order=word_order)
    return words, points


def device(number: int) -> SimDevice:
    words, _ = registers()
    return SimDevice(
        number,
        simdata=(
            [SimData(0, values=[True, False, True, True] * 4, datatype=DataType.BITS)],
            [SimData(0, values=[False, True] * 8, datatype=DataType.BITS)],
            [SimData(0, values=words, datatype=DataType.REGISTERS)],
            [SimData(0, values=list(range(125)), datatype=DataType.REGISTERS)],
        ),
    )


@asynccontextmanager
async def pty_relay() -> AsyncIterator[tuple[str, str]]:
    """Two serial devices joined by a null modem."""
    loop = asyncio.get_running_loop()
    pairs = [os.openpty(), os.openpty()]
    for (master, slave), (other, _) in (pairs, pairs[::-1]):
        tty.setraw(slave)
        os.set_blocking(master, False)

        def carry(source: int = master, target: int = other) -> None:
            with contextlib.suppress(OSError):
                os.write(target, os.read(source, 4096))

        loop.add_reader(master, carry)
    try:
        yield os.ttyname(pairs[0][1]), os.ttyname(pairs[1][1])
    finally:
        for master, slave in pairs:
            loop.remove_reader(master)
            os.close(master)
            os.close(slave)


@asynccontextmanager
async def peer(kind: str) -> AsyncIterator[dict[str, Any]]:
    """A pymodbus server with units 1 and 2, and the channel that leads to it."""
    devices = [device(1), device(2)]
    if kind != "rtu":
        framer = FramerType.RTU if kind == "rtu-over-tcp" else FramerType.SOCKET
        server = ModbusTcpServer(devices, framer=framer, address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        port = server.transport.sockets[0].getsockname()[1]
        try:
            yield {"tcp": f"127.0.0.1:{port}", "framing": "rtu" if kind == "rtu-over-tcp" else "mbap"}
        finally:
            await server.shutdown()
        return
    async with pty_relay() as (ours, theirs):
        server = ModbusSerialServer(devices, port=theirs, baudrate=115200, parity="N")
        await server.serve_forever(background=True)
        try:
            yield {"serial": ours, "baud": 115200, "parity": "none", "timeout": "1s"}
        finally:
            await server.shutdown()


@pytest.mark.parametrize("kind", ["rtu", "tcp", "rtu-over-tcp"])
def test_values_are_those_of_pymodbus_when_it_is_the_peer(kind: str, settings: Any, tmp_path: Path) -> None:
    """Every type in both word orders, inputs, coils and discrete inputs of two units are read as pymodbus stores them."""

    async def main() -> None:
        _, points = registers()
        points |= {f"i{i}": {"input": i} for i in range(125)}
        points |= {f"c{i}": {"coil": i} for i in range(16)} | {f"d{i}": {"discrete": i} for i in range(16)}
        async with peer(kind) as channel:
            s = settings(channel=channel, units={f"u{n}": {"unit": n, "points": points, "every": "200ms"} for n in (1, 2)})
            h = AdapterHarness(ModbusAdapter, s, tmp_path)
            await h.open()
            h.demand(4)
            await h.received(4)
            await h.close()
        expected: dict[str, Any] = {f"{k}-{w}": v for k, v in KINDS.items() for w in ("big", "little")}
        expected |= {f"i{i}": i for i in range(125)}
        expected |= {f"c{i}": i % 4 != 1 for i in range(16)} | {f"d{i}": i % 2 == 1 for i in range(16)}
        assert {r.source for r in h.readings} == {"under-test/u1", "under-test/u2"}
        for reading in h.readings:
            assert reading.fields == expected
            assert reading.quality == "good"

    asyncio.run(asyncio.wait_for(main(), 30))


@pytest.mark.parametrize("kind", ["rtu", "tcp", "rtu-over-tcp"])
def test_writes_stick_when_pymodbus_is_the_peer(kind: str, settings: Any, tmp_path: Path) -> None:
    """Functions 5, 6, 15 and 16 are taken by pymodbus and read back the same."""

    async def main() -> None:
        points = {
            "one": {"holding": 0, "writable": True},
            "float": {"holding": 4, "type": "float32", "order": "CDAB", "writable": True},
            "coil": {"coil": 1, "writable": True},
            "coil15": {"coil": 5, "writable": True, "function": "multiple"},
            "one16": {"holding": 1, "type": "int16", "writable": True, "function": "multiple"},
        }
        values = {
            "one": 4711,
            "float": struct.unpack(">f", struct.pack(">f", -2.7))[0],
            "coil": True,
            "coil15": True,
            "one16": -3,
        }
        async with peer(kind) as channel:
            s = settings(channel=channel, units={"u": {"unit": 2, "verify": True, "points": points, "every": "200ms"}})
            h = AdapterHarness(ModbusAdapter, s, tmp_path)
            await h.open()
            for name, value in values.items():
                result = await h.adapter.write(f"u/{name}", value, name)
                assert (result.status, result.message) == ("confirmed", "read back"), name
            h.demand(1)
            await h.received(1)
            await h.close()
        assert h.readings[0].fields == values

    asyncio.run(asyncio.wait_for(main(), 30))


@pytest.mark.parametrize("kind", ["rtu", "tcp"])
def test_types_that_pymodbus_has_not_lie_in_its_registers_as_written(kind: str, settings: Any, tmp_path: Path) -> None:
    """BCD, 48 bits, bytes, a part of a register (functions 16, 6 and 22): what pymodbus has in its registers then, and back."""

    async def main() -> None:
        points = {
            "bcd16": {"holding": 0, "type": "bcd16", "scale": 0.1},
            "bcd32": {"holding": 1, "type": "bcd32", "order": "CDAB"},
            "wide": {"holding": 3, "type": "uint48", "order": "CDAB"},
            "raw": {"holding": 6, "type": "bytes", "length_registers": 2},
            "state": {"holding": 8, "bit": 4, "width_bits": 3},
            "mode": {"holding": 8, "bit": 8, "width_bits": 2, "function": "mask"},
        }
        values = {"bcd16": 123.4, "bcd32": 12_345_678, "wide": 0x0102030405FF, "raw": b"\0\xffab", "state": 5, "mode": 2}
        written = {name: {**point, "writable": True} for name, point in points.items()}
        words = {f"r{i}": {"holding": i} for i in range(9)}
        async with peer(kind) as channel:
            units = {"u": {"unit": 2, "verify": True, "every": "100ms", "points": {**written, **words}}}
            h = AdapterHarness(ModbusAdapter, settings(channel=channel, units=units), tmp_path)
            await h.open()
            before = await h.adapter.read("u/r8")
            for name, value in values.items():
                result = await h.adapter.write(f"u/{name}", value, name)
                assert (result.status, result.message) == ("confirmed", "read back"), name
            h.demand(1)
            await h.received(1)
            await h.close()
        fields = h.readings[0].fields
        assert {name: fields[name] for name in values} == values
        register = int(before) & ~0x0370 | 5 << 4 | 2 << 8  # type: ignore[arg-type]
        expected = [0x1234, 0x5678, 0x1234, 0x05FF, 0x0304, 0x0102, 0x00FF, 0x6162, register]
        assert [fields[f"r{i}"] for i in range(9)] == expected

    asyncio.run(asyncio.wait_for(main(), 30))
