"""Against libmodbus, the C library: its slave answers our adapter, and mbpoll, its master, asks our simulator."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ctypes.util import find_library
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapters.modbus import ModbusAdapter
from rt_edge.data.clock import SystemClock
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.simulators.modbus import ModbusSimulator
from tests.adapters.modbus.test_pymodbus_peer import pty_relay

ROOT = Path(__file__).resolve().parents[3]
SLAVE = Path(__file__).with_name("libmodbus_slave.py")


def mbpoll() -> str:
    """The program, of the host or of `.peers`; fails, never skips, where there is none."""
    found = shutil.which("mbpoll") or shutil.which("mbpoll", path=str(ROOT / ".peers" / "bin"))
    assert found, "mbpoll is missing: scripts/peers gets it"
    return found


def libmodbus() -> str:
    """The library that mbpoll uses."""
    found = sorted((ROOT / ".peers" / "root" / "mbpoll").rglob("libmodbus.so.5"))
    path = str(found[0]) if found else find_library("modbus")
    assert path, "libmodbus is missing: scripts/peers gets it with mbpoll"
    return path


@asynccontextmanager
async def slave(kind: str) -> AsyncIterator[dict[str, Any]]:
    """libmodbus's slave in a process of its own, and the channel that leads to it."""
    async with pty_relay() as (ours, theirs):
        where = theirs if kind == "rtu" else "0"
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(SLAVE), libmodbus(), kind, where, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            said = (await process.stdout.readline()).decode().strip()
            assert said, "the slave did not start"
            if kind == "rtu":
                yield {"serial": ours, "baud": 115200, "parity": "none", "timeout": "1s"}
            else:
                yield {"tcp": f"127.0.0.1:{said}", "timeout": "1s"}
        finally:
            process.kill()
            await process.wait()


def run(coroutine: Any) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 60))


@pytest.mark.parametrize("kind", ["rtu", "tcp"])
def test_values_and_writes_are_those_of_libmodbus_when_it_is_the_slave(kind: str, settings: Any, tmp_path: Path) -> None:
    """All four tables, registers, bits of a register by function 22, and floats are read and written; its tables end at 200."""

    async def main() -> None:
        points: dict[str, Any] = {f"h{i}": {"holding": i} for i in range(125)}
        points |= {f"i{i}": {"input": i} for i in range(125)}
        points |= {f"c{i}": {"coil": i} for i in range(200)} | {f"d{i}": {"discrete": i} for i in range(200)}
        points["beyond"] = {"holding": 200}
        written = {
            "one": ({"holding": 150}, 77),
            "many": ({"holding": 160, "type": "float32", "order": "CDAB"}, 21.5),
            "masked": ({"holding": 170, "bit": 0, "function": "mask"}, True),
            "coil": ({"coil": 1}, True),
            "coils": ({"coil": 4, "function": "multiple"}, True),
        }
        points |= {name: {**point, "writable": True, "verify": True, "every": "1h"} for name, (point, _) in written.items()}
        async with slave(kind) as channel:
            s = settings(channel=channel, units={"u": {"unit": 1, "points": points, "every": "100ms"}})
            h = AdapterHarness(ModbusAdapter, s, tmp_path)
            await h.open()
            for name, (_, value) in written.items():
                result = await h.adapter.write(f"u/{name}", value, name)
                assert (result.status, result.message) == ("confirmed", "read back"), name
            h.demand(3)
            await h.received(3)
            await h.close()
        reading = next(r for r in h.readings if "h0" in r.fields)
        assert {n: v for n, v in reading.fields.items() if n[0] in "hi"} == {
            **{f"h{i}": 1000 + i for i in range(125)},
            **{f"i{i}": 2000 + i for i in range(125)},
        }
        on = {1, 4} | set(range(0, 200, 3))
        assert {n for n, v in reading.fields.items() if n[0] == "c" and v} == {f"c{i}" for i in on}
        assert {n for n, v in reading.fields.items() if n[0] == "d" and v} == {f"d{i}" for i in range(0, 200, 2)}
        assert reading.tags["missing"] == "beyond"
        slow = next(r for r in h.readings if "one" in r.fields)
        assert slow.fields == {"one": 77, "many": 21.5, "masked": True, "coil": True, "coils": True}

    run(main())


@pytest.mark.parametrize("kind", ["rtu", "tcp"])
def test_mbpoll_reads_and_writes_when_it_asks_our_simulator(kind: str, tmp_path: Path) -> None:
    """What `rt-edge simulate modbus` serves is Modbus to a master that is not ours."""

    async def ask(*arguments: str) -> dict[int, str]:
        process = await asyncio.create_subprocess_exec(mbpoll(), *arguments, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        assert process.returncode == 0, out.decode()
        return {int(n): value for n, value in re.findall(r"\[(\d+)\]:\s+(\S+)", out.decode())}

    async def main() -> None:
        path = tmp_path / "tty" if kind == "rtu" else None
        async with ModbusSimulator(SystemClock(), Random(1), path=path, baud=115200) as simulator:
            if path is not None:
                line, where = ["-m", "rtu", "-b", "115200", "-P", "none"], str(path)
            else:
                channel = simulator.adapters()["plant"]["channel"]["tcp"]
                host, _, port = channel.partition(":")
                line, where = ["-m", "tcp", "-p", port], host
            common = [*line, "-a", "2", "-0", "-1", "-q"]
            pressure = await ask(*common, "-t", "4:float", "-B", "-r", "0", "-c", "1", where)
            assert 2.0 <= float(pressure[0]) <= 4.0
            await ask(*common, "-t", "4", "-r", "3", where, "77")
            assert simulator.bank[2].holding[3] == 77
            assert await ask(*common, "-t", "4", "-r", "3", "-c", "1", where) == {3: "77"}
            await ask(*common, "-t", "0", "-r", "0", where, "0")
            assert await ask(*common, "-t", "0", "-r", "0", "-c", "1", where) == {0: "0"}

    run(main())
