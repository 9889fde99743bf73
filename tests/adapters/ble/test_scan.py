"""`rt-edge scan ble`: devices in the air of a stand-in for BlueZ on a private D-Bus."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from dbus_fast import BusType, Message
from dbus_fast.aio import MessageBus

from adapters.ble import BleAdapter
from adapters.ble.codec import Advertisement
from adapters.ble.scan import Devices
from adapters.ble.scan_settings import BleScan
from rt_edge.sdk import TransientError
from rt_edge.settings.frozen import freeze
from rt_edge.settings.validate import melt
from rt_edge.testkit.bluez import Peripheral
from rt_edge.testkit.scan_report import RecordingReport
from tests.adapters.ble.bench import FRIDGE, PUMP, bluez, bthome


def test_devices_are_listed_with_their_format_when_they_advertise() -> None:
    """One that speaks BTHome, and one in no known format."""

    async def run() -> RecordingReport:
        report = RecordingReport()
        async with bluez() as stand_in:
            fridge, other = stand_in.add(Peripheral(FRIDGE, "fridge")), stand_in.add(Peripheral(PUMP, "pump"))
            scan = asyncio.create_task(BleAdapter.scan(freeze(melt(BleScan(duration="1s"))), report))  # type: ignore[arg-type]
            await stand_in.bell.until(lambda: stand_in.scanning, 5, "scanning")
            fridge.advertise(service=bthome(7))
            other.advertise(manufacturer={0x1234: b"\x01\x02"})
            await scan
            assert not stand_in.scanning
        return report

    report = asyncio.run(asyncio.wait_for(run(), 30))
    assert set(report.seen) == {FRIDGE, PUMP}
    fridge = report.seen[FRIDGE]
    assert fridge.details["formats"] == ["bthome"]
    assert fridge.settings == {"accept": [{"formats": ["bthome"], "addresses": [FRIDGE]}]}
    assert report.seen[PUMP].details["fields"] == {"manufacturer_1234": "0102", "name": "pump"}


def test_others_scan_beside_it_when_a_node_runs() -> None:
    """As BlueZ does it: each client scans for itself, once; the radio is quiet when the last has gone, even without a word."""

    async def run() -> None:
        report = RecordingReport()
        call = partial(Message, destination="org.bluez", path="/org/bluez/hci0", interface="org.bluez.Adapter1")
        async with bluez() as stand_in:
            fridge = stand_in.add(Peripheral(FRIDGE, "fridge"))
            node = await MessageBus(bus_type=BusType.SYSTEM).connect()
            replies = [await node.call(call(member="StartDiscovery")) for _ in range(2)]
            assert [reply.error_name for reply in replies if reply] == [None, "org.bluez.Error.InProgress"]
            scan = asyncio.create_task(BleAdapter.scan(freeze(melt(BleScan(duration="100ms"))), report))  # type: ignore[arg-type]
            while not scan.done():
                fridge.advertise(service=bthome(7))
                await asyncio.wait([scan], timeout=0.01)
            await scan
            assert set(report.seen) == {FRIDGE}
            assert stand_in.scanning
            node.disconnect()
            await stand_in.bell.until(lambda: not stand_in.scanning, 5, "no scan")

    asyncio.run(asyncio.wait_for(run(), 30))


def test_no_controller_is_an_error_and_not_an_empty_list_when_there_is_none() -> None:
    """hci7 is not there."""

    async def run() -> None:
        async with bluez():
            with pytest.raises(TransientError, match="hci7"):
                await BleAdapter.scan(freeze(melt(BleScan(target="hci7"))), RecordingReport())

    asyncio.run(asyncio.wait_for(run(), 30))


def test_bounds_hold_when_there_are_many_devices_and_weak_ones() -> None:
    """The third device is left out, and so is one that is too weak."""
    report = RecordingReport()
    devices = Devices(-80, 2, report)
    for number, rssi in ((1, -60), (2, -81), (3, -70), (4, -50), (1, -61)):
        devices.heard(Advertisement(f"C0:FF:EE:00:00:{number:02}", "", rssi, {}, {}))
    assert sorted(report.seen) == ["C0:FF:EE:00:00:01", "C0:FF:EE:00:00:03"]
    assert report.seen["C0:FF:EE:00:00:01"].details["rssi_dbm"] == -61
    assert devices.left_out
