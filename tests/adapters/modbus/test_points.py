"""What commands may be given to a point, from its type and its settings; and reading one point through the bus."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.modbus import ModbusAdapter
from rt_edge.data.errors import RefusedError, TransientError
from rt_edge.sdk import PointInfo
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.modbus_slave import SlaveBank, SlaveUnit, TcpSlave


def info(settings: Any, **point: Any) -> PointInfo:
    s = settings(channel={"tcp": "127.0.0.1:502"}, units={"u": {"points": {"p": {"writable": True, **point}}}})
    return ModbusAdapter.points(s)["u/p"]


@pytest.mark.parametrize(
    ("point", "takes", "refuses"),
    [
        ({"holding": 0}, [0, 65535, 5.0], [-1, 65536, 0.5, True, "1", float("inf")]),
        ({"holding": 0, "type": "int16", "scale": 0.1}, [-3276.8, 0.1, 3276.7], [3276.8, -3276.9]),
        ({"holding": 0, "type": "int16", "scale": -1}, [-32767, 32768], [32769]),
        ({"holding": 0, "type": "uint8"}, [0, 255], [256]),
        ({"holding": 0, "type": "float32"}, [1e38, -1e38, 0], [1e39, "x"]),
        ({"holding": 0, "type": "float32", "min": 2, "max": 6}, [2, 6], [1.99, 6.01]),
        ({"holding": 0, "allowed": [0, 50, 100]}, [0, 50, 100], [1, 99]),
        ({"holding": 0, "type": "string", "length_registers": 2}, ["", "abcd"], ["abcde", 1]),
        ({"holding": 0, "type": "string", "length_registers": 4, "allowed": ["on", "off"]}, ["on"], ["auto"]),
        ({"holding": 0, "bit": 3}, [True, 0], [2, "on"]),
        ({"coil": 0}, [True, False, 1], [2, "on"]),
    ],
)
def test_point_takes_what_its_type_and_settings_allow(settings: Any, point: Any, takes: list[Any], refuses: list[Any]) -> None:
    """The range of the type in the unit of the point, narrowed by min, max and allowed."""
    found = info(settings, **point)
    assert [found.refusal(value) for value in takes] == [""] * len(takes)
    assert all(found.refusal(value) for value in refuses)


def test_value_that_was_rounded_is_the_same_value(settings: Any) -> None:
    """What is read back of a scaled register or a float32 is compared as coarsely as it is stored."""
    tenths = info(settings, holding=0, scale=0.1)
    assert tenths.same(21.53, 21.5)
    assert not tenths.same(21.53, 21.6)
    single = info(settings, holding=0, type="float32")
    assert single.same(0.1, 0.10000000149011612)
    assert not single.same(0.1, 0.1001)
    whole = info(settings, holding=0)
    assert not whole.same(5, 6)


@pytest.mark.parametrize(
    ("point", "words"),
    [
        ({"holding": 0, "max": 5}, "no command may go to this point"),
        ({"holding": 0, "writable": True, "min": 5, "max": 4}, "no value is within min, max"),
        ({"coil": 0, "writable": True, "max": 1}, "a point of bool has no max"),
        ({"holding": 0, "writable": True, "allowed": [70000]}, "takes 0 to 65535, not 70000"),
    ],
)
def test_bounds_that_make_no_sense_are_errors_of_the_settings(settings: Any, point: Any, words: str) -> None:
    """Said where they stand."""
    with pytest.raises(ValidationError, match=words):
        settings(channel={"tcp": "127.0.0.1:502"}, units={"u": {"points": {"p": point}}})


def test_point_is_read_through_the_bus_while_polls_go_on(settings: Any, tmp_path: Path) -> None:
    """Coils, bits, scaled registers; an exception, a silent unit and a lost connection are errors that say so."""

    async def main() -> None:
        device = SlaveUnit(holding={0: 215, 1: 0x0008}, coil={3: 1}, input={0: 7})
        async with TcpSlave(SlaveBank({1: device})) as slave:
            points = {
                "speed": {"holding": 0, "scale": 0.1},
                "flag": {"holding": 1, "bit": 3},
                "pump": {"coil": 3},
                "raw": {"input": 0},
                "gone": {"holding": 99, "every": "1h"},
            }
            channel = {"tcp": f"{slave.host}:{slave.port}", "timeout": "50ms"}
            s = settings(channel=channel, units={"u": {"every": "20ms", "points": points}})
            h = AdapterHarness(ModbusAdapter, s, tmp_path)
            with pytest.raises(TransientError, match="not connected"):
                await h.adapter.read("u/speed")
            await h.open()
            h.demand(10**6)
            await h.received(3)
            names = ("speed", "flag", "pump", "raw")
            values = await asyncio.gather(*(h.adapter.read(f"u/{name}") for name in names))
            assert dict(zip(names, values, strict=True)) == {"speed": 21.5, "flag": True, "pump": True, "raw": 7}
            with pytest.raises(TransientError, match="illegal data address"):
                await h.adapter.read("u/gone")
            with pytest.raises(RefusedError, match="there is no point"):
                await h.adapter.read("u/other")
            device.dead = True
            with pytest.raises(TransientError, match="did not answer"):
                await h.adapter.read("u/speed")
            await h.close()

    asyncio.run(asyncio.wait_for(main(), 20))
