"""The simulated Modbus devices, asked by pymodbus's client."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from rt_edge.testkit.modbus_slave import RtuSlave, SlaveBank, TcpSlave, pump
from rt_edge.testkit.simulated_time import SimulatedTime


async def use(client: Any, time: SimulatedTime) -> None:
    assert await client.connect()
    seen = set()
    for second in range(5):
        time.run_until(float(second))
        reply = await client.read_holding_registers(0, count=4, device_id=7)
        (pressure,) = struct.unpack(">f", struct.pack(">HH", *reply.registers[:2]))
        assert 2.0 <= pressure <= 4.0
        seen.add(pressure)
    assert len(seen) == 5
    assert [(await client.read_input_registers(0, count=1, device_id=7)).registers[0] for _ in range(3)] == [0, 1, 2]
    assert not (await client.write_register(3, 42, device_id=7)).isError()
    assert not (await client.write_registers(3, [43], device_id=7)).isError()
    assert not (await client.write_coil(0, False, device_id=7)).isError()
    assert not (await client.write_coils(0, [False], device_id=7)).isError()
    assert (await client.read_holding_registers(3, count=1, device_id=7)).registers == [43]
    assert (await client.read_coils(0, count=1, device_id=7)).bits[0] is False
    assert (await client.read_discrete_inputs(0, count=1, device_id=7)).bits[0] in (True, False)
    assert (await client.read_holding_registers(3, count=2, device_id=7)).exception_code == 2
    assert (await client.read_holding_registers(0, count=125, device_id=7)).exception_code == 2
    client.close()


def test_values_change_and_writes_stick_when_asked_over_tcp() -> None:
    """pymodbus's TCP client reads changing values, writes by functions 5, 6, 15 and 16, and is refused what is not there."""

    async def main() -> None:
        time = SimulatedTime()
        async with TcpSlave(SlaveBank({7: pump(time)})) as slave:
            await use(AsyncModbusTcpClient(slave.host, port=slave.port, retries=0, timeout=5), time)

    asyncio.run(main())


def test_values_change_and_writes_stick_when_asked_over_a_pty() -> None:
    """The same through RTU frames on a pseudo-terminal."""

    async def main() -> None:
        time = SimulatedTime()
        async with RtuSlave(SlaveBank({7: pump(time)})) as slave:
            await use(AsyncModbusSerialClient(str(slave.path), parity="N", retries=0, timeout=5), time)

    asyncio.run(main())
