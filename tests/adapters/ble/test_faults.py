"""What is not there, and what goes away: D-Bus, bluetoothd, the controller; each is one error with one line, and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from adapters.ble import BleAdapter
from rt_edge.data.clock import SystemClock
from rt_edge.sdk import FatalAdapterError, TransientError
from rt_edge.sdk.runner import AdapterRunner
from rt_edge.testkit.adapter_harness import AdapterHarness, plain
from rt_edge.testkit.bluez import BluezStandIn, Peripheral
from rt_edge.testkit.waiting import Bell
from tests.adapters.ble.bench import FRIDGE, POINTS, PUMP, beacon, bluez, bthome, d_bus, harness, held, pause, pump

SCAN = {"accept": [{"formats": ["bthome"]}], "repeat_every": "0s"}


async def refused(h: AdapterHarness) -> str:
    """What `open` says."""
    with pytest.raises(TransientError) as raised:
        await h.open()
    return str(raised.value)


def test_each_thing_that_is_missing_is_said_when_the_adapter_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No D-Bus, no bluetoothd, no controller, the wrong one, one that is off: one line each that says what to do."""

    async def run() -> None:
        h = harness(tmp_path, scan=SCAN)
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/nothing")
        assert (await refused(h)).startswith("no D-Bus: the system bus cannot be reached: [Errno 2]")
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "nonsense")
        assert (await refused(h)).startswith("no D-Bus: the system bus cannot be reached: ")
        async with d_bus() as bus:
            assert (await refused(h)).startswith("bluetoothd does not run: nobody is org.bluez on D-Bus")
            async with BluezStandIn(bus.address) as stand_in:
                stand_in.plug(False)
                assert (await refused(h)).startswith("there is no Bluetooth controller (plug one in")
                stand_in.plug(True)
                other = harness(tmp_path, scan=SCAN, controller="hci1")
                assert await refused(other) == "there is no Bluetooth controller hci1 (there is hci0)"
                stand_in.power(False)
                assert (await refused(h)).startswith("Bluetooth controller hci0 is off (`bluetoothctl power on`")
                stand_in.power(True)
                stand_in.roles = ["peripheral"]
                with pytest.raises(FatalAdapterError, match="has no role central"):
                    await h.open()
                stand_in.roles = ["central"]
                await h.open()
                await h.close()
        assert h.emitted == []
        assert h.context.losses == []

    asyncio.run(run())


def test_bluetoothd_is_said_to_be_away_when_dbus_cannot_start_it(tmp_path: Path) -> None:
    """Debian's D-Bus starts it when it is called; when that fails, dbus-daemon says so in words of its own."""

    async def run() -> None:
        async with d_bus(service="/bin/false"):
            h = harness(tmp_path, scan=SCAN)
            with pytest.raises(TransientError, match="bluetoothd does not run"):
                await h.open()

    asyncio.run(run())


def test_nothing_is_left_when_opening_fails_often(tmp_path: Path) -> None:
    """Each kind of refusal gives its file descriptors and tasks back."""

    async def run() -> None:
        async with bluez() as stand_in:
            h = harness(tmp_path, scan=SCAN)
            counts = []
            for _ in range(20):
                stand_in.power(False)
                await refused(h)
                stand_in.power(True)
                await stand_in.kill()
                await refused(h)
                await stand_in.start()
                await h.quiet(0.01)
                counts.append(held())
            assert counts[-1] == counts[0]

    asyncio.run(run())


async def _crash(stand_in: BluezStandIn) -> None:
    await stand_in.kill()


async def _off(stand_in: BluezStandIn) -> None:
    stand_in.power(False)


async def _unplug(stand_in: BluezStandIn) -> None:
    stand_in.plug(False)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (_crash, "bluetoothd has ended"),
        (_off, "Bluetooth controller hci0 is off"),
        (_unplug, "Bluetooth controller hci0 was removed"),
    ],
)
def test_loss_is_said_once_and_readings_come_again_when_it_is_back(fault: Callable, said: str, tmp_path: Path) -> None:  # type: ignore[type-arg]
    """While it scans and is connected; the gap says from when to when, the connection is made anew."""

    async def run() -> None:
        async with bluez() as stand_in:
            fridge = stand_in.add(Peripheral(FRIDGE))
            device = {"address": PUMP, "every": "50ms", "hold": True, "points": POINTS}
            h = harness(tmp_path, scan={**SCAN, "names": {FRIDGE: "fridge"}}, devices={"pump": device})
            async with beacon(stand_in, pump()):
                h.demand(100_000)
                await h.open()
                await h.until(lambda: any(r.source == "air/pump" for r in h.readings))
                fridge.advertise(service=bthome(1))
                await h.until(lambda: any(r.source == "air/fridge" for r in h.readings))
                await fault(stand_in)
                await h.until(lambda: bool(h.context.losses))
                await h.quiet(0.1)
                assert [error.message for error in h.context.losses] == [said]
                await h.adapter.close()
                n = len(h.emitted)
                if fault is _crash:
                    await stand_in.start()
                elif fault is _off:
                    stand_in.power(True)
                else:
                    stand_in.plug(True)
                await h.adapter.open()
                await h.until(lambda: any(r.source == "air/pump" for r in h.readings[n:]))
                while not stand_in.discovering:
                    await pause(0.01)
                fridge.advertise(service=bthome(2))
                await h.until(lambda: any(r.source == "air/fridge" for r in h.readings[n:]))
                reasons = {(source, reason) for source, reason, _, _ in h.context.gaps}
                assert ("air/fridge", "disconnected") in reasons
                assert any(source == "air/pump" for source, _ in reasons)
                await h.close()
                assert h.adapter._transport is None

    asyncio.run(run())


def test_loss_is_said_when_the_bus_itself_dies(tmp_path: Path) -> None:
    """dbus-daemon is killed and started again: the adapter is lost, and works on the new one."""

    async def run() -> None:
        async with d_bus() as bus:
            stand_in = BluezStandIn(bus.address)
            await stand_in.start()
            h = harness(tmp_path, scan=SCAN)
            await h.open()
            h.demand(1)
            await stand_in.bell.until(lambda: stand_in.scanning)
            await bus.kill()
            await h.until(lambda: bool(h.context.losses))
            assert [str(error) for error in h.context.losses] == ["no D-Bus: the connection to the system bus has ended"]
            await h.adapter.close()
            await stand_in.kill()
            await bus.start()
            await stand_in.start()
            fridge = stand_in.add(Peripheral(FRIDGE))
            await h.adapter.open()
            await stand_in.bell.until(lambda: stand_in.scanning)
            fridge.advertise(service=bthome(1))
            await h.received(1)
            await h.close()
            await stand_in.kill()

    asyncio.run(run())


def test_scan_that_bluez_refuses_is_a_loss_when_it_should_start(tmp_path: Path) -> None:
    """InProgress and the like: one loss with BlueZ's words, and another attempt by the runtime."""

    async def run() -> None:
        async with bluez() as stand_in:
            stand_in.fail_scan = ("org.bluez.Error.InProgress", "Operation already in progress")
            h = harness(tmp_path, scan=SCAN)
            await h.open()
            h.demand(1)
            await h.until(lambda: bool(h.context.losses))
            assert str(h.context.losses[0]).startswith("scanning cannot be started: [org.bluez.Error.InProgress]")
            stand_in.fail_scan = None
            await h.reopen()
            await stand_in.bell.until(lambda: stand_in.scanning)
            await h.close()

    asyncio.run(run())


def test_status_and_log_say_it_once_when_the_runtime_keeps_the_adapter(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With the real runner: `error` holds the line while bluetoothd is away, one warning at the loss, one line at the return."""

    async def run() -> None:
        async with bluez() as stand_in:
            settings = plain(harness(tmp_path, scan=SCAN).settings)
            bell = Bell()
            runner = AdapterRunner("air", lambda context: BleAdapter(settings, context), SystemClock(), Random(1), tmp_path)
            runner._backoff._last_s = 0.05
            runner.on_state.append(lambda _state: bell.ring())
            caplog.set_level("INFO")
            runner.start()
            await bell.until(lambda: runner.state == "open")
            await stand_in.kill()
            await bell.until(lambda: runner.error.startswith("bluetoothd does not run"))
            await bell.until(lambda: runner.counters["reconnects"] >= 5)
            assert runner.state in ("waiting", "opening")
            await stand_in.start()
            await bell.until(lambda: runner.state == "open")
            assert runner.error == ""
            await runner.stop()
        lines = [r.message for r in caplog.records if r.name == "rt_edge.adapter.air" and r.levelname in ("WARNING", "INFO")]
        assert [line for line in lines if "bluetoothd has ended" in line]
        assert not [line for line in lines if "bluetoothd does not run" in line]
        assert len([line for line in lines if line.startswith("adapter is connected")]) == 2
        assert [r for r in caplog.records if r.name.startswith("bleak") and r.levelname == "WARNING"] == []

    asyncio.run(run())
