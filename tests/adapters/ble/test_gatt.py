"""Connections: reads on demand, notifications in a ring, slots, backoff, stale devices, commands."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from typing import Any

import pytest

from adapters.ble import gatt
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.bluez import BluezStandIn, Peripheral, Value
from tests.adapters.ble.bench import BATTERY, POINTS, PUMP, SERVICE, TEMPERATURE, beacon, bluez, harness, pause, pump

LED = "12345678-1234-1234-1234-123456789abc"
NOTIFY = {"t": {"characteristic": "2a6e", "type": "int16", "notify": True}}


def value(device: Peripheral, uuid: str) -> Value:
    """One characteristic of it."""
    return device.services[SERVICE][uuid]


def test_points_are_read_when_there_is_demand(tmp_path: Path) -> None:
    """No demand, no connection; demand for one: connect, read all, disconnect."""

    async def run() -> None:
        device = pump()
        async with bluez() as stand_in, beacon(stand_in, device):
            h = harness(tmp_path, devices={"pump": {"address": PUMP, "every": "50ms", "points": POINTS, "tags": {"line": "3"}}})
            await h.open()
            await h.quiet(0.2)
            assert device.connects == 0
            h.demand(1)
            await h.received(1)
            reading = h.readings[0]
            assert (reading.source, reading.fields, reading.quality) == ("air/pump", {"temperature": 21.5, "battery": 90}, "good")
            assert reading.tags == {"address": PUMP, "line": "3"}
            await stand_in.bell.until(lambda: not device.connected, 5)
            await h.quiet(0.2)
            assert (device.connects, device.connected, len(h.emitted)) == (1, False, 1)
            h.demand(2)
            await h.received(3)
            await h.close()

    asyncio.run(run())


def test_reading_is_uncertain_when_a_point_cannot_be_read(tmp_path: Path) -> None:
    """What was read, and the names of the rest; with nothing at all there is no reading, and the demand stays."""

    async def run() -> None:
        device = pump()
        value(device, BATTERY).fail = "Operation failed with ATT error: 0x0e"
        async with bluez() as stand_in, beacon(stand_in, device):
            h = harness(tmp_path, devices={"pump": {"address": PUMP, "every": "50ms", "hold": True, "points": POINTS}})
            await h.open()
            h.demand(1)
            await h.received(1)
            assert (h.readings[0].fields, h.readings[0].quality) == ({"temperature": 21.5}, "uncertain")
            assert h.readings[0].tags["missing"] == "battery"
            value(device, TEMPERATURE).value = b"\1"
            h.demand(1)
            await h.until(lambda: h.context.counts.get("polls_failed", 0) >= 2)
            assert len(h.emitted) == 1
            value(device, TEMPERATURE).value = struct.pack("<h", 100)
            await h.received(2)
            assert h.readings[1].fields == {"temperature": 1.0}
            assert len([line for line in h.context.logs if "gives no value" in line.event]) == 2
            await h.close()

    asyncio.run(run())


async def notifying(h: AdapterHarness, device: Peripheral, on: bool = True) -> None:
    """The device's notifications are on, or off."""
    async with asyncio.timeout(5):
        while value(device, TEMPERATURE).notifying is not on:
            await pause(0.005)


def test_notifications_wait_in_a_ring_when_nobody_asks(tmp_path: Path) -> None:
    """In order; the oldest make room, are counted, and are a gap; after the grace they are off at the device."""

    async def run() -> None:
        device = pump()
        async with bluez() as stand_in, beacon(stand_in, device):
            h = harness(tmp_path, devices={"pump": {"address": PUMP, "points": NOTIFY}}, ring_notifications=4, idle_after="150ms")
            await h.open()
            await h.quiet(0.1)
            assert device.connects == 0
            h.demand(2)
            await notifying(h, device)
            for n in range(9):  # two are asked for, four are kept
                value(device, TEMPERATURE).notify(struct.pack("<h", n))
            await h.until(lambda: h.context.counts.get("notifications", 0) == 9)
            assert [r.fields["t"] for r in h.readings] == [0, 1]
            assert h.context.counts["notifications_dropped_overflow"] == 3
            await notifying(h, device, False)
            h.demand(4)
            await h.received(6)
            assert [r.fields["t"] for r in h.readings] == [0, 1, 5, 6, 7, 8]
            ((source, reason, start, end),) = h.context.gaps
            assert (source, reason) == ("air/pump", "overflow")
            assert h.readings[1].ts <= start <= end <= h.readings[2].ts
            h.demand(1)
            await notifying(h, device)
            value(device, TEMPERATURE).notify(struct.pack("<h", 9))
            await h.received(7)
            assert [gap[1] for gap in h.context.gaps] == ["overflow", "no_demand"]
            assert h.context.gaps[1][2:] == (h.readings[5].ts, h.readings[6].ts)
            await h.close()
            assert not device.connected

    asyncio.run(run())


def test_device_is_connected_again_when_it_drops_the_connection(tmp_path: Path) -> None:
    """Said once; back with its notifications; the gap says unreachable."""

    async def run() -> None:
        device = pump()
        async with bluez() as stand_in, beacon(stand_in, device):
            h = harness(tmp_path, devices={"pump": {"address": PUMP, "points": NOTIFY}})
            await h.open()
            h.demand(100)
            await notifying(h, device)
            value(device, TEMPERATURE).notify(b"\1\0")
            await h.received(1)
            device.drop()
            await h.until(lambda: h.context.counts.get("link_failures", 0) == 1)
            await notifying(h, device)
            value(device, TEMPERATURE).notify(b"\2\0")
            await h.received(2)
            assert [gap[:2] for gap in h.context.gaps] == [("air/pump", "unreachable")]
            assert [line.event for line in h.context.logs if "reachable" in line.event] == [
                f"pump is unreachable: {PUMP} has disconnected",
                "pump is reachable again",
            ]
            assert h.context.losses == []
            await h.close()

    asyncio.run(run())


def test_stale_device_is_forgotten_when_it_cannot_be_connected(tmp_path: Path) -> None:
    """After three failures, or at once when BlueZ says InProgress, BlueZ forgets it; not if it is paired. Said once, however
    often it fails, and once when it is back."""

    async def run(error: tuple[str, str], paired: bool, failures: int) -> dict[str, int]:
        device = pump()
        device.fail, device.paired = error, paired
        async with bluez() as stand_in, beacon(stand_in, device):
            h = harness(tmp_path, devices={"pump": {"address": PUMP, "every": "50ms", "points": POINTS}})
            await h.open()
            h.demand(1)
            await h.until(lambda: h.context.counts.get("link_failures", 0) >= failures)
            await h.until(lambda: paired or h.context.counts.get("devices_cleared", 0) >= 1)
            device.fail = None
            await h.received(1)
            await h.close()
            said = [line.event.split(":")[0] for line in h.context.logs if "reachable" in line.event]
            assert said == ["pump is unreachable", "pump is reachable again"]
            return h.context.counts

    refused = ("org.bluez.Error.Failed", "le-connection-timeout")
    assert asyncio.run(run(refused, False, 3))["devices_cleared"] >= 1
    assert asyncio.run(run(refused, True, 4))["devices_cleared"] == 0
    busy = asyncio.run(run(("org.bluez.Error.InProgress", "Operation already in progress"), False, 1))
    assert busy["devices_cleared"] >= 1


def test_connections_take_turns_when_there_are_more_devices_than_slots(tmp_path: Path) -> None:
    """Eight devices and two slots: never more than two at a time, all are read; one that hangs does not hold up the others."""

    async def run() -> None:
        crowd = [Peripheral(f"C0:FF:EE:00:03:{i:02X}", "", {SERVICE: {BATTERY: Value(bytes([i]))}}) for i in range(8)]
        crowd[0].hang = True
        point = {"battery": {"characteristic": "2a19", "type": "uint8"}}
        devices = {f"d{i}": {"address": device.address, "every": "100ms", "points": point} for i, device in enumerate(crowd)}
        async with bluez() as stand_in, beacon(stand_in, *crowd):
            h = harness(tmp_path, devices=devices, connections=2, connect_timeout="500ms")
            await h.open()
            h.demand(1000)
            await h.until(lambda: len({r.source for r in h.readings}) == 7, 15)
            await h.until(lambda: h.context.counts.get("link_failures", 0) >= 1)
            assert stand_in.most_connected <= 2
            assert "air/d0" not in {r.source for r in h.readings}
            await h.close()

    asyncio.run(run())


def test_connection_is_ended_when_a_life_before_left_it_behind(tmp_path: Path) -> None:
    """BlueZ keeps connections whose process is gone; they are ended at the start, so that the slot is free."""

    async def run() -> None:
        device = pump()
        async with bluez() as stand_in:
            stand_in.add(device)
            stand_in.show(device)
            await device.connect()
            h = harness(tmp_path, devices={"pump": {"address": PUMP, "every": "50ms", "points": POINTS}})
            await h.open()
            assert not device.connected
            assert h.context.counts["stale_connections"] == 1
            await h.close()

    asyncio.run(run())


def _writable(**more: Any) -> dict[str, Any]:
    led = {"characteristic": LED, "type": "uint8", "writable": True, **more}
    other = {"address": "C0:FF:EE:00:00:09", "every": "1h", "points": POINTS}
    return {"pump": {"address": PUMP, "points": {"led": led}}, "other": other}


async def _written(stand_in: BluezStandIn, h: AdapterHarness, device: Peripheral) -> None:
    write = h.adapter.write
    assert (await write("pump/led", 7, "k0")).status == "failed"  # not open
    await h.open()
    assert (await write("pump/led", 7, "k1")).status == "confirmed"
    assert value(device, LED).written == [b"\x07"]
    assert (await write("pump/led", 7, "k1")).status == "confirmed"
    assert value(device, LED).written == [b"\x07"]  # a repeated key is answered, not repeated
    assert (await write("pump/led", 256, "k2")).message == "256 does not fit into uint8"
    assert (await write("pump/lid", 1, "k3")).status == "refused"
    assert (await write("other/battery", 1, "k4")).message.startswith("other/battery is not writable")
    value(device, LED).fail = "Operation failed with ATT error: 0x03"
    failed = await write("pump/led", 8, "k5")
    assert (failed.status, "Write Not Permitted" in failed.message) == ("failed", True)
    value(device, LED).fail = ""
    assert (await write("pump/led", 8, "k5")).status == "confirmed"  # what failed may be tried again with its key
    device.fail = ("org.bluez.Error.Failed", "le-connection-timeout")
    failed = await write("pump/led", 9, "k6")
    assert (failed.status, "le-connection-timeout" in failed.message) == ("failed", True)
    assert value(device, LED).written == [b"\x07", b"\x08"]


def test_command_is_answered_when_a_point_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Confirmed by the device, refused, failed; without any demand, and without losing any to a repetition."""
    monkeypatch.setattr(gatt, "LINGER_S", 0.0)  # each command connects anew

    async def run() -> None:
        device = pump(**{LED: Value(flags=["write"])})
        async with bluez() as stand_in, beacon(stand_in, device):
            h = harness(tmp_path, devices=_writable())
            await _written(stand_in, h, device)
            await h.close()
            device.fail = None
            h = harness(tmp_path, devices=_writable(response=False))
            value(device, LED).flags.append("write-without-response")
            await h.open()
            assert (await h.adapter.write("pump/led", 1, "k")).status == "sent"
            device.hang = True
            vars(h.settings)["write_expiry"] = 0.1
            assert (await h.adapter.write("pump/led", 2, "k9")).message == "not sent in time"
            waiting = asyncio.create_task(h.adapter.write("pump/led", 3, "k10"))
            await asyncio.sleep(0)
            await h.close()
            assert (await waiting).status == "failed"

    asyncio.run(run())


def test_demand_goes_to_another_when_a_device_cannot_be_read(tmp_path: Path) -> None:
    """A credit that was given to a device that fails is not kept by it."""

    async def run() -> None:
        dead, alive = pump(), Peripheral("C0:FF:EE:00:00:05", "", {SERVICE: {BATTERY: Value(b"\x01")}})
        dead.fail = ("org.bluez.Error.Failed", "le-connection-timeout")
        async with bluez() as stand_in, beacon(stand_in, dead, alive):
            point = {"battery": {"characteristic": "2a19", "type": "uint8"}}
            devices = {
                "dead": {"address": PUMP, "every": "1h", "points": point},
                "alive": {"address": alive.address, "every": "1h", "points": point},
            }
            h = harness(tmp_path, devices=devices, retry_max="60s", retry_min="60s")
            await h.open()
            h.demand(1)
            await h.received(1, 5)
            assert h.readings[0].source == "air/alive"
            await h.close()

    asyncio.run(run())


def test_connection_is_known_to_be_gone_when_bluetoothd_ends(tmp_path: Path) -> None:
    """bleak would believe for ever that the device is connected; after the loss, and before the adapter closes, it does not."""

    async def run() -> None:
        device = pump()
        async with bluez() as stand_in, beacon(stand_in, device):
            h = harness(tmp_path, devices={"pump": {"address": PUMP, "points": NOTIFY}}, retry_min="60s", retry_max="60s")
            await h.open()
            h.demand(1)
            await notifying(h, device)
            await stand_in.kill()
            await h.until(lambda: h.context.counts.get("link_failures", 0) == 1, 5)
            assert [error.message for error in h.context.losses] == ["bluetoothd has ended"]
            await h.close()

    asyncio.run(run())
