"""Commands and reads: the contract of adapters that write, with bleak against a stand-in for BlueZ, and what is BLE's own."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from adapters.ble import BleAdapter
from adapters.ble.commands import Point, Read, Write
from adapters.ble.link import Link, NoAnswerError
from adapters.ble.settings import BleSettings
from rt_edge.sdk import PointInfo, RefusedError, TransientError, WriteResult
from rt_edge.testkit.bluez import Peripheral, Value
from rt_edge.testkit.writable_contract import WritableBench, WritableContract
from tests.adapters.ble.bench import PUMP, SERVICE, beacon, bluez, harness

LEVEL = "12345678-1234-1234-1234-123456789abc"


def level(**more: Any) -> dict[str, Any]:
    """Settings of a pump with one point that can be written."""
    point = {"characteristic": LEVEL, "type": "uint16", "scale": 0.1, "writable": True, "unit": "bar", **more}
    return {"pump": {"address": PUMP, "points": {"level": point}}}


def device(*flags: str) -> tuple[Peripheral, Value]:
    """Such a pump, at 0 bar, and the characteristic in it."""
    value = Value(b"\0\0", flags or ("read", "write"))
    return Peripheral(PUMP, "pump", {SERVICE: {LEVEL: value}}), value


class Bench(WritableBench):
    point = "pump/level"
    values = (1.5, 20.0, 300.7)
    refused = 6553.6

    def __init__(self, value: Value, path: Path, **more: Any) -> None:
        super().__init__(harness(path, devices=level(**more)))
        self._value = value

    def seen(self) -> Sequence[float]:
        return [int.from_bytes(data, "little") / 10 for data in self._value.written]


class TestConfirmed(WritableContract):
    """Written with the device's confirmation, and read back."""

    @asynccontextmanager
    async def bench(self, tmp_path: Path) -> AsyncIterator[WritableBench]:
        pump, value = device()
        async with bluez() as stand_in, beacon(stand_in, pump):
            yield Bench(value, tmp_path, verify=True)


class TestSent(WritableContract):
    """Written without confirmation, and never read."""

    @asynccontextmanager
    async def bench(self, tmp_path: Path) -> AsyncIterator[WritableBench]:
        pump, value = device("write-without-response")
        async with bluez() as stand_in, beacon(stand_in, pump):
            yield Bench(value, tmp_path, response=False, readable=False)


@pytest.mark.parametrize(
    ("point", "info"),
    [
        ({"type": "uint8"}, PointInfo(kind="int", writable=True, min=0, max=255)),
        ({"type": "int8", "offset": 10}, PointInfo(kind="int", writable=True, min=-118, max=137)),
        ({"type": "int8", "scale": -2}, PointInfo(kind="float", writable=True, min=-254, max=256, step=2)),
        ({"type": "uint16", "min": 5, "max": 1e9}, PointInfo(kind="int", writable=True, min=5, max=65535)),
        (
            {"type": "uint8", "allowed": [1, 4], "unit": "l"},
            PointInfo(kind="int", writable=True, min=0, max=255, allowed=(1, 4), unit="l"),
        ),
        ({"type": "float64"}, PointInfo(writable=True, min=-1.7976931348623157e308, max=1.7976931348623157e308, relative=1e-12)),
        ({"type": "bool", "readable": False}, PointInfo(kind="bool", writable=True, readable=False)),
        ({"type": "string"}, PointInfo(kind="str", writable=True, max_bytes=512)),
        ({"type": "bytes"}, PointInfo(kind="bytes", writable=True, max_bytes=512)),
    ],
)
def test_point_takes_what_its_type_and_its_settings_say(point: dict[str, Any], info: PointInfo) -> None:
    """The range of the type in the unit of the value, narrowed by the settings."""
    made = BleSettings.model_validate({"devices": level(**{"scale": 1, "unit": "", **point})})
    assert BleAdapter.points(made) == {"pump/level": info}
    assert math.isfinite(info.min or 0)


def test_as_many_commands_go_at_a_time_as_there_are_connections() -> None:
    """One device that is away must not hold up commands to the others."""
    crowd = {f"d{i}": {**level()["pump"], "address": f"C0:FF:EE:00:00:{i:02X}"} for i in range(5)}
    assert BleAdapter.capability(BleSettings.model_validate({"devices": crowd, "connections": 3})).commands == 3
    assert BleAdapter.capability(BleSettings.model_validate({"devices": level()})).commands == 1


def test_value_is_asked_for_at_the_device_when_a_point_is_read(tmp_path: Path) -> None:
    """Without any demand; a connection serves several; what the device refuses, and what is no point, is said."""

    async def run() -> None:
        pump, value = device()
        async with bluez() as stand_in, beacon(stand_in, pump):
            h = harness(tmp_path, devices=level())
            with pytest.raises(TransientError, match="not connected"):
                await h.adapter.read("pump/level")
            await h.open()
            value.value = b"\x2a\x00"
            assert await h.adapter.read("pump/level") == 4.2
            value.value = b"\x2b\x00"
            assert await h.adapter.read("pump/level") == 4.3
            assert (await h.adapter.write("pump/level", 5.0, "k")).status == "confirmed"
            assert await h.adapter.read("pump/level") == 5.0
            assert pump.connects == 1  # they came within the time that a connection is kept for more
            await stand_in.bell.until(lambda: not pump.connected, 5)
            assert await h.adapter.read("pump/level") == 5.0
            pump.drop()  # as many do when nothing is said for a while: nothing is amiss
            await h.quiet(0.1)
            value.fail = "Operation failed with ATT error: 0x0e"
            with pytest.raises(TransientError, match=r"pump/level cannot be read: .*Unlikely Error"):
                await h.adapter.read("pump/level")
            with pytest.raises(RefusedError, match="there is no point 'pump/lid'"):
                await h.adapter.read("pump/lid")
            assert (h.context.counts["connects"], h.context.counts.get("link_failures", 0)) == (3, 0)
            assert h.readings == []
            await h.close()

    asyncio.run(run())


def test_write_fails_when_the_device_does_not_keep_the_value(tmp_path: Path) -> None:
    """It says yes, and reads as something else: only a read-back finds that out. The same key does not write again."""

    async def run() -> None:
        pump, value = device()
        value.keeps = False
        async with bluez() as stand_in, beacon(stand_in, pump):
            h = harness(tmp_path, devices=level(verify=True))
            await h.open()
            result = await h.adapter.write("pump/level", 1.5, "k")
            assert result == WriteResult("failed", "it was written, and reads as 0.0")
            assert await h.adapter.write("pump/level", 1.5, "k") == result
            assert value.written == [b"\x0f\x00"]
            assert h.context.counts["writes_failed"] == 1
            await h.close()

    asyncio.run(run())


def test_command_ends_when_its_device_is_away(tmp_path: Path) -> None:
    """Not heard: a write fails and a read says so, both within the time to connect; nothing is left waiting."""

    async def run() -> None:
        async with bluez():
            h = harness(tmp_path, devices=level(), connect_timeout="500ms")
            await h.open()
            result, value = await asyncio.gather(
                h.adapter.write("pump/level", 1.0, "k"), h.adapter.read("pump/level"), return_exceptions=True
            )
            assert result == WriteResult("failed", f"{PUMP} was not heard within 0.5 s")
            assert isinstance(value, TransientError)
            assert "was not heard" in value.message
            await h.close()

    asyncio.run(run())


class Scripted:
    """A link on which each call ends as told."""

    def __init__(self, *ends: bytes | Exception, up: bool = True) -> None:
        self._ends = list(ends)
        self.up = up

    async def read(self, _uuid: str) -> bytes:
        end = self._ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return end

    async def write(self, uuid: str, _data: bytes, _response: bool) -> None:
        await self.read(uuid)


@pytest.mark.parametrize(
    ("link", "more", "status", "reached"),
    [
        (Scripted(b""), {}, "confirmed", True),
        (Scripted(b""), {"response": False}, "sent", True),
        (Scripted(TransientError("refused")), {}, "failed", False),
        (Scripted(TransientError("gone"), up=False), {}, "sent", True),
        (Scripted(NoAnswerError("silent")), {}, "sent", True),
        (Scripted(b"", b"\x0f\x00"), {"verify": True}, "confirmed", True),
        (Scripted(b"", b"\x0e\x00"), {"verify": True}, "failed", True),
        (Scripted(b"", b"\x0f"), {"verify": True}, "sent", True),
        (Scripted(b"", TransientError("refused")), {"verify": True}, "sent", True),
    ],
)
def test_result_says_no_more_than_is_known(link: Scripted, more: dict[str, Any], status: str, reached: bool) -> None:
    """Silence and a lost connection are `sent`; what may have arrived is not to be written again under its key."""
    settings = BleSettings.model_validate({"devices": level(**more)})
    ends: list[tuple[str, bool]] = []
    point = Point("level", settings.devices["pump"].points["level"])
    job = Write(point, 1.5, b"\x0f\x00", lambda result, may: ends.append((result.status, may)))
    asyncio.run(job.run(cast(Link, link)))
    job.fail("too late")
    assert ends == [(status, reached)]


def test_jobs_are_answered_when_they_are_cancelled() -> None:
    """A write may have been done; a read has no value."""

    async def run() -> None:
        settings = BleSettings.model_validate({"devices": level()})
        point = Point("level", settings.devices["pump"].points["level"])
        said: list[object] = []

        class Hanging(Scripted):
            async def read(self, _uuid: str) -> bytes:
                never: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
                return await never

        jobs = [
            Write(point, 1.5, b"", lambda result, may: said.append((result.status, may))),
            Read(point, lambda value, why: said.append((value, why))),
        ]
        for job in jobs:
            task = asyncio.create_task(job.run(cast(Link, Hanging())))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert said == [("sent", True), (None, "the adapter was closed before an answer came")]

    asyncio.run(run())
