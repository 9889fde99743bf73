"""Commands: writes through the running arbiter, on a pty and on TCP."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from adapters.modbus import ModbusAdapter
from rt_edge.sdk.answers import ANSWERS
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.modbus_slave import RtuSlave, SlaveBank, SlaveUnit, TcpSlave

PRESSURE = struct.unpack(">HH", struct.pack(">f", 3.25))


def rtu(slave: RtuSlave, **more: Any) -> dict[str, Any]:
    return {"serial": str(slave.path), "baud": 115200, "parity": "none", "timeout": "200ms", "turnaround": "0s", **more}


def run(coroutine: Any) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 60))


@pytest.mark.parametrize("kind", ["rtu", "tcp"])
def test_write_is_confirmed_when_the_unit_takes_it(kind: str, settings: Any, tmp_path: Path) -> None:
    """Registers, floats, coils, bits and bytes are written by the codec that reads them, read back with `verify`."""

    async def main() -> None:
        device = SlaveUnit(holding={0: 0, 1: 0, 2: 0, 3: 0x00F0, 4: 0x1234}, coil={3: 0, 4: 0}, input={0: 7})
        points = {
            "setpoint": {"holding": 0, "type": "float32", "order": "CDAB", "writable": True},
            "speed": {"holding": 2, "scale": 0.1, "writable": True},
            "speed2": {"holding": 2, "scale": 0.1, "writable": True, "function": "multiple"},
            "enable": {"holding": 3, "bit": 0, "writable": True},
            "low": {"holding": 4, "type": "uint8", "writable": True},
            "pump": {"coil": 3, "writable": True},
            "valve": {"coil": 4, "writable": True, "function": "multiple"},
            "fixed": {"input": 0},
        }
        bank = SlaveBank({1: device})
        async with RtuSlave(bank) if kind == "rtu" else TcpSlave(bank) as slave:
            channel = rtu(slave) if isinstance(slave, RtuSlave) else {"tcp": f"{slave.host}:{slave.port}"}
            s = settings(channel=channel, units={"u": {"unit": 1, "every": "100ms", "verify": True, "points": points}})
            h = AdapterHarness(ModbusAdapter, s, tmp_path)
            assert (await h.adapter.write("u/pump", True, "k0")).status == "failed"  # not open
            await h.open()
            h.demand(10**6)
            values = {"setpoint": 3.25, "speed": 150.3, "enable": True, "low": 0xAB, "pump": True, "valve": True}
            results = await asyncio.gather(*(h.adapter.write(f"u/{name}", value, name) for name, value in values.items()))
            assert [(r.status, r.message) for r in results] == [("confirmed", "read back")] * 6
            assert device.holding == {0: PRESSURE[1], 1: PRESSURE[0], 2: 1503, 3: 0x00F1, 4: 0x12AB}
            assert device.coil == {3: 1, 4: 1}
            written = [r for r in device.requests if r[0] > 4]
            assert Counter(f for f, _, _ in written) == {16: 1, 6: 3, 5: 1, 15: 1}
            # a repeated key is answered, not repeated; another key writes
            assert (await h.adapter.write("u/speed", 1.0, "speed")).status == "confirmed"
            assert device.holding[2] == 1503
            assert (await h.adapter.write("u/speed2", 1.0, "again")).status == "confirmed"
            assert device.holding[2] == 10
            assert (await h.adapter.write("u/fixed", 1, "k1")).status == "refused"
            assert (await h.adapter.write("u/other", 1, "k2")).status == "refused"
            too_big = await h.adapter.write("u/speed", 1e9, "k3")
            assert too_big.status == "failed"
            assert "does not fit uint16" in too_big.message
            assert (await h.adapter.write("u/speed", 2.0, "k3")).status == "confirmed"  # nothing was sent under k3 before
            await h.close()

    run(main())


def test_write_says_so_when_the_unit_refuses_lies_or_is_silent(settings: Any, tmp_path: Path) -> None:
    """An exception is `failed`, a value that does not stick is `failed` by reading back, no answer is `sent`."""

    async def main() -> None:
        device = SlaveUnit(holding={0: 0})
        async with TcpSlave(SlaveBank({1: device})) as slave:
            points = {"p": {"holding": 0, "writable": True}}
            channel = {"tcp": f"{slave.host}:{slave.port}", "timeout": "50ms"}
            h = AdapterHarness(
                ModbusAdapter, settings(channel=channel, units={"u": {"verify": True, "points": points}}), tmp_path
            )
            await h.open()
            device.exceptions = {6: 4}
            refused = await h.adapter.write("u/p", 7, "a")
            assert (refused.status, refused.message) == ("failed", "exception 4: device failure")
            device.exceptions = {}
            device.mangle = lambda pdu: [pdu if pdu[0] == 6 else b"\x03\x02\x00\x01"]
            lied = await h.adapter.write("u/p", 7, "b")
            assert lied.status == "failed"
            assert "reads back 0001 instead of 0007" in lied.message
            device.mangle = None
            device.dead = True
            silent = await h.adapter.write("u/p", 8, "c")
            assert (silent.status, silent.message) == ("sent", "u did not answer within 0.05 s")
            assert (await h.adapter.write("u/p", 8, "c")) == silent
            await h.close()

    run(main())


def test_write_ends_when_the_adapter_is_closed(settings: Any, tmp_path: Path) -> None:
    """Nobody waits for ever: closing ends the command that was sent as `sent` and those that wait as `failed`."""

    async def main() -> None:
        device = SlaveUnit(holding={0: 0})
        device.dead = True
        async with RtuSlave(SlaveBank({1: device})) as slave:
            points = {"p": {"holding": 0, "writable": True}}
            h = AdapterHarness(
                ModbusAdapter, settings(channel=rtu(slave, timeout="60s"), units={"u": {"points": points}}), tmp_path
            )
            await h.open()
            first = asyncio.create_task(h.adapter.write("u/p", 1, "a"))
            second = asyncio.create_task(h.adapter.write("u/p", 2, "b"))
            await asyncio.sleep(0)  # both are submitted
            await h.quiet(0.05)  # the first is on the wire
            await h.close()
            assert [(await first).status, (await second).status] == ["sent", "failed"]

    run(main())


def test_oldest_answer_is_forgotten_when_very_many_commands_came(settings: Any, tmp_path: Path) -> None:
    """The answers kept for repeated keys have a bound."""

    async def main() -> None:
        async with TcpSlave(SlaveBank({1: SlaveUnit(holding={0: 0})})) as slave:
            s = settings(
                channel={"tcp": f"{slave.host}:{slave.port}"}, units={"u": {"points": {"p": {"holding": 0, "writable": True}}}}
            )
            h = AdapterHarness(ModbusAdapter, s, tmp_path)
            await h.open()
            for i in range(ANSWERS + 10):
                assert (await h.adapter.write("u/p", i, str(i))).status == "confirmed"
            assert len(h.adapter._answers) == ANSWERS  # type: ignore[attr-defined]
            many = await asyncio.gather(*(h.adapter.write("u/p", i, f"x{i}") for i in range(100)))
            assert Counter(r.status for r in many) == {"confirmed": 64, "refused": 36}
            await h.close()

    run(main())


def test_neighbouring_bits_stay_when_the_unit_changes_bits_itself(settings: Any, tmp_path: Path) -> None:
    """`function: mask` is one request of function 22: no read before it, so no other master's change can be undone."""

    async def main() -> None:
        device = SlaveUnit(holding={3: 0xF0F0, 4: 0x1234})
        points = {
            "bit": {"holding": 3, "bit": 0, "writable": True, "function": "mask"},
            "off": {"holding": 3, "bit": 15, "writable": True, "function": "mask", "verify": True},
            "swapped": {"holding": 3, "bit": 9, "order": "BA", "writable": True, "function": "mask", "verify": True},
            "high": {"holding": 4, "type": "uint8", "byte": "high", "writable": True, "function": "mask", "verify": True},
        }
        async with RtuSlave(SlaveBank({1: device})) as slave:
            h = AdapterHarness(ModbusAdapter, settings(channel=rtu(slave), units={"u": {"unit": 1, "points": points}}), tmp_path)
            await h.open()
            for name, value in (("bit", True), ("off", False), ("swapped", True), ("high", 0xAB)):
                assert (await h.adapter.write(f"u/{name}", value, name)).status == "confirmed", name
            await h.close()
        assert device.holding == {3: 0x70F3, 4: 0xAB34}
        assert [function for function, _, _ in device.requests] == [22, 22, 3, 22, 3, 22, 3]

    run(main())
