"""The ble adapter and real bluetoothd: runs inside the machine that _ble_vm.py starts, and says a line for each step."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from _ble_vm_air import FRIDGE, PUMP, Air

from adapters.ble import BleAdapter
from adapters.ble.settings import BleSettings
from rt_edge.sdk import TransientError
from rt_edge.testkit.adapter_harness import AdapterHarness

DAEMON = ("/usr/libexec/bluetooth/bluetoothd", "--nodetach", "--experimental")
STEP_S = 60.0
ADVERTS = 50
NOTIFICATIONS = 200
LET_GO_S = 5.0
FAILURES = 4

T = {"characteristic": "2a6e", "type": "int16", "scale": 0.01}
LEVEL = {
    "characteristic": "12345678-1234-1234-1234-123456789abc",
    "type": "uint16",
    "scale": 0.1,
    "writable": True,
    "verify": True,
}
BATTERY = {"characteristic": "2a19", "type": "uint8"}


class Bluetoothd:
    """The real one."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until its controller can be used."""
        self._process = await asyncio.create_subprocess_exec(*DAEMON, stderr=asyncio.subprocess.DEVNULL)
        await self._until(lambda said: "Controller" in said, "list")
        await self._until(lambda said: "succeeded" in said, "power", "on")

    async def _until(self, fits: Callable[[str], bool], *words: str) -> None:
        while not fits(await control(*words)):  # noqa: ASYNC110 - another process has to be asked
            await asyncio.sleep(0.2)

    async def kill(self) -> None:
        """As a crash does."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()


async def control(*words: str) -> str:
    """What bluetoothctl says."""
    process = await asyncio.create_subprocess_exec(
        "bluetoothctl", "--timeout", "5", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    return said.decode(errors="replace")


class Run:
    """The steps."""

    def __init__(self) -> None:
        self.air = Air()
        self.daemon = Bluetoothd()
        self._folder = Path(tempfile.mkdtemp())
        self._made = 0

    def adapter(self, **settings: Any) -> AdapterHarness:
        """A fresh one, with a folder of its own."""
        self._made += 1
        folder = self._folder / str(self._made)
        folder.mkdir()
        return AdapterHarness(
            BleAdapter,
            BleSettings.model_validate({"idle_after": "1s", "retry_min": "100ms", "retry_max": "1s", **settings}),
            folder,
            "air",
        )

    async def start(self) -> str:
        """bluetoothd has the virtual controller"""
        await self.air.open()
        await self.daemon.start()
        h = self.adapter(scan={"accept": [{"formats": ["bthome"]}]})
        result = await h.adapter.probe()
        assert result.ok
        assert result.details["passive"], result
        return result.message

    async def _hear(self, mode: str) -> str:
        rules = [{"formats": ["bthome", "raw"], "addresses": [FRIDGE], "company": 0xFFFF}]
        h = self.adapter(scan={"mode": mode, "accept": rules, "names": {FRIDGE: "fridge"}})
        await h.open()
        h.demand(ADVERTS)
        await h.received(ADVERTS, STEP_S)
        counts = [int(r.fields["count"]) for r in h.readings if r.tags["format"] == "bthome"]
        raw = [r.fields["manufacturer_ffff"] for r in h.readings if r.tags["format"] == "raw"]
        assert counts == sorted(set(counts)), counts
        assert counts
        assert raw
        assert self.air.scan_type == mode, self.air.scan_type
        assert all(isinstance(data, bytes) and len(data) == 2 for data in raw)
        assert {r.source for r in h.readings} == {"air/fridge"}
        assert all(-127 <= int(r.fields["rssi"]) <= 20 for r in h.readings)
        discovering = "Discovering: yes" in await control("show")
        deadline = time.monotonic() + 10
        while discovering and "Discovering: yes" in await control("show"):
            assert time.monotonic() < deadline, "it still scans without demand"
            await asyncio.sleep(0.2)
        await h.quiet(1.5)  # longer than idle_after
        assert h.context.gauges["scanning"] == 0, h.context.gauges
        assert len(h.emitted) == ADVERTS
        await h.close()
        return f"{len(counts)} BTHome (counts {counts[0]} to {counts[-1]}), {len(raw)} with manufacturer data; no demand: no scan"

    async def active(self) -> str:
        """advertisements, scanned actively"""
        return await self._hear("active")

    async def passive(self) -> str:
        """advertisements, scanned passively"""
        return await self._hear("passive")

    async def connect(self) -> str:
        """connect, read, write, read back"""
        points = {"temperature": T, "battery": BATTERY, "level": LEVEL}
        h = self.adapter(devices={"pump": {"address": PUMP, "every": "200ms", "hold": True, "points": points}})
        await h.open()
        began = time.monotonic()
        assert await h.adapter.read("pump/temperature") == 21.5
        first = time.monotonic() - began
        result = await h.adapter.write("pump/level", 12.3, "k")
        assert (result.status, self.air.level) == ("confirmed", 123), result
        assert await h.adapter.read("pump/level") == 12.3
        h.demand(10)
        await h.received(10, STEP_S)
        assert h.readings[-1].fields == {"temperature": 21.5, "battery": 90, "level": 12.3}
        await h.close()
        await self._alone()
        return f"first value after {first:.1f} s; 12.3 written, read back; 10 polls, {h.context.counts['connects']} connections"

    async def notify(self) -> str:
        """notifications, and the device hangs up"""
        h = self.adapter(devices={"pump": {"address": PUMP, "points": {"t": {**T, "scale": 1, "notify": True}}}})
        await h.open()
        h.demand(10_000)
        await self._say(h, range(NOTIFICATIONS))
        assert [r.fields["t"] for r in h.readings] == list(range(NOTIFICATIONS)), h.readings
        await self.air.hang_up()
        await h.until(lambda: h.context.counts.get("link_failures", 0) >= 1, STEP_S)
        before = len(h.readings)
        await self._say(h, [7])
        assert h.readings[before].fields["t"] == 7
        assert [gap[:2] for gap in h.context.gaps] == [("air/pump", "unreachable")], h.context.gaps
        assert h.context.losses == []
        await h.close()
        await self._alone()
        return f"{NOTIFICATIONS} in order; gone, back, and a gap `unreachable` between"

    async def unanswered(self) -> str:
        """a device is heard and does not answer"""
        pump = {"address": PUMP, "every": "200ms", "hold": True, "points": {"temperature": T}}
        h = self.adapter(devices={"pump": pump}, connect_timeout="4s")
        await h.open()
        h.demand(10_000)
        await h.received(5, STEP_S)
        self.air.answer(False)
        await self.air.hang_up()
        await h.until(lambda: h.context.counts.get("link_failures", 0) > FAILURES, 2 * STEP_S)
        self.air.answer(True)
        await h.received(len(h.emitted) + 5, STEP_S)
        said = [line.event for line in h.context.logs if "reachable" in line.event]
        assert [line.split(":")[0] for line in said] == ["pump is unreachable", "pump is reachable again"], said
        assert [gap[:2] for gap in h.context.gaps] == [("air/pump", "unreachable")], h.context.gaps
        assert h.context.losses == []
        await h.close()
        await self._alone()
        failures, cleared = (h.context.counts.get(name, 0) for name in ("link_failures", "devices_cleared"))
        return f"said once in {failures} failures, {cleared} times forgotten by BlueZ; then back"

    async def _say(self, h: AdapterHarness, values: Any) -> None:
        """Notify until the first arrives (the connection has to be made), then each once."""
        values = list(values)
        before = len(h.emitted)
        while len(h.emitted) == before:
            await self.air.say(values[0])
            await h.quiet(0.05)
        del h.context.emitted[before + 1 :]  # the first may have been said more than once
        for value in values[1:]:
            await self.air.say(value)
        await h.received(before + len(values), STEP_S)

    def _both(self) -> AdapterHarness:
        """Scans, and holds a connection."""
        pump = {"address": PUMP, "every": "200ms", "hold": True, "points": {"temperature": T}}
        return self.adapter(scan={"accept": [{"formats": ["bthome"]}], "names": {FRIDGE: "fridge"}}, devices={"pump": pump})

    async def _flows(self, h: AdapterHarness) -> None:
        """Both give new readings."""
        before = len(h.readings)
        await h.until(lambda: {"air/fridge", "air/pump"} <= {reading.source for reading in h.readings[before:]}, STEP_S)

    async def _alone(self) -> None:
        """Nobody is connected to the pump; BlueZ ends connections in its own time."""
        deadline = time.monotonic() + LET_GO_S
        while self.air.connected:
            assert time.monotonic() < deadline, f"the connection is still there after {LET_GO_S:g} s"
            await asyncio.sleep(0.05)

    async def killed(self) -> str:
        """bluetoothd is killed while a device is connected, and started again"""
        h = self._both()
        await h.open()
        h.demand(100_000)
        await self._flows(h)
        assert self.air.connected == 1
        began = time.monotonic()
        await self.daemon.kill()
        await h.until(lambda: bool(h.context.losses), 10)
        noticed = time.monotonic() - began
        assert [getattr(error, "message", "") for error in h.context.losses] == ["bluetoothd has ended"], h.context.losses
        await h.adapter.close()
        said = ""
        try:
            await h.open()
        except TransientError as error:
            said = str(error)
        await self.daemon.start()
        assert "bluetoothd does not run" in said, said
        await h.open()
        await self._flows(h)
        assert {gap[0] for gap in h.context.gaps} == {"air/fridge", "air/pump"}, h.context.gaps
        await h.close()
        await self._alone()
        return f"noticed after {noticed * 1000:.0f} ms; without it: {said!r}; both give readings with the next one"

    async def off(self) -> str:
        """the controller is switched off while a device is connected, and on"""
        h = self._both()
        await h.open()
        h.demand(100_000)
        await self._flows(h)
        await control("power", "off")
        await h.until(lambda: bool(h.context.losses), 10)
        assert ["is off" in str(error) for error in h.context.losses] == [True], h.context.losses
        await h.adapter.close()
        await self._alone()
        await control("power", "on")
        await h.open()
        await self._flows(h)
        # the pump's connection may be seen to end before the controller is
        assert sorted(gap[0] for gap in h.context.gaps) == ["air/fridge", "air/pump"], h.context.gaps
        await h.close()
        await self._alone()
        return f"{h.context.losses[0]}; both give readings when it is on again"

    async def all(self) -> int:
        """Each step in its turn; how many failed."""
        steps: list[Callable[[], Awaitable[str]]] = [
            *(self.start, self.active, self.passive, self.connect, self.notify, self.unanswered),
            *(self.killed, self.off, self.connect),
        ]
        failed = 0
        for step in steps:
            began = time.monotonic()
            try:
                async with asyncio.timeout(3 * STEP_S):
                    said = await step()
                print(f"ok {step.__doc__} ({time.monotonic() - began:.1f} s): {said}", flush=True)
            except Exception as error:  # noqa: BLE001 - whatever a step raises, the next is tried
                failed += 1
                where = traceback.extract_tb(error.__traceback__)[-1]
                said = f"{type(error).__name__}: {error} (line {where.lineno}: {where.line})"
                print(f"FAILED {step.__doc__}: {' '.join(said.split())[:1000]}", flush=True)
        print(f"verdict: {len(steps) - failed} of {len(steps)} steps", flush=True)
        return failed


if __name__ == "__main__":
    sys.exit(asyncio.run(Run().all()) > 0)
