"""Advertisements: filters, demand and the scan, repetitions, gaps, malformed bytes, many devices, passive scanning."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rt_edge.sdk import FatalAdapterError
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.bluez import BluezStandIn, Peripheral
from tests.adapters.ble.bench import BTHOME, FRIDGE, bluez, bthome, harness, held, pause

BTHOME_RULE = {"accept": [{"formats": ["bthome"]}], "repeat_every": "0s"}
MIBEACON = "0000fe95-0000-1000-8000-00805f9b34fb"


async def scanning(stand_in: BluezStandIn, on: bool = True) -> None:
    """The scan is on, or off."""
    await stand_in.bell.until(lambda: stand_in.scanning is on, 5, f"scanning is {on}")


async def ready(h: AdapterHarness, stand_in: BluezStandIn, n: int) -> None:
    """Open, with demand, and scanning."""
    await h.open()
    h.demand(n)
    await scanning(stand_in)


def test_scan_follows_demand_when_it_goes_and_comes(tmp_path: Path) -> None:
    """No demand, no scan; demand starts it; it stops a moment after the last reading that was asked for, and starts again."""

    async def run() -> None:
        async with bluez() as stand_in:
            fridge = stand_in.add(Peripheral(FRIDGE, "fridge"))
            h = harness(tmp_path, scan={**BTHOME_RULE, "names": {FRIDGE: "fridge"}})
            await h.open()
            await h.quiet(0.1)
            assert not stand_in.scanning
            h.demand(1)
            await scanning(stand_in)
            fridge.advertise(service=bthome(1))
            await h.received(1)
            fridge.advertise(service=bthome(2))  # nobody asks: it is kept
            fridge.advertise(service=bthome(3))  # and replaced
            await scanning(stand_in, False)
            assert h.context.counts["adverts_conflated"] == 1
            h.demand(2)
            await h.received(2)  # the one that was kept, at its own time
            await scanning(stand_in)
            fridge.advertise(service=bthome(4))
            await h.received(3)
            assert [r.fields["count"] for r in h.readings] == [1, 3, 4]
            assert h.readings[0].source == "air/fridge"
            assert h.readings[0].tags == {"address": FRIDGE, "format": "bthome"}
            assert h.readings[0].fields["rssi"] == -60
            assert h.context.gaps == [("air/fridge", "no_demand", h.readings[1].ts, h.readings[2].ts)]
            assert stand_in.scans == 2
            await h.close()
            assert not stand_in.scanning

    asyncio.run(run())


RUUVI = {0x0499: bytes.fromhex("0512FC5394C37C0004FFFC040CAC364200CDCBB8334C884F")}


@pytest.mark.parametrize(
    ("rule", "taken"),
    [
        ({"formats": ["bthome"]}, ["bthome"]),
        ({"formats": ["ruuvi", "bthome"]}, ["bthome", "ruuvi"]),
        ({"formats": ["bthome"], "name": "fri*"}, ["bthome"]),
        ({"formats": ["bthome"], "name": "x*"}, []),
        ({"formats": ["bthome"], "addresses": [FRIDGE.lower()]}, ["bthome"]),
        ({"formats": ["bthome"], "addresses": ["00:00:00:00:00:01"]}, []),
        ({"formats": ["bthome"], "rssi_min_dbm": -60}, ["bthome"]),
        ({"formats": ["bthome"], "rssi_min_dbm": -59}, []),
        ({"formats": ["ruuvi"], "service": "fcd2"}, ["ruuvi"]),
        ({"formats": ["ruuvi"], "service": "181a"}, []),
        ({"formats": ["raw"], "company": 0x0499}, ["raw"]),
        ({"formats": ["raw"], "company": 0x0059}, []),
    ],
)
def test_rule_takes_what_it_says_when_a_device_advertises(rule: dict[str, Any], taken: list[str], tmp_path: Path) -> None:
    """By address, name, service, company, strength; all formats of the rule that are there; the rest is counted."""

    async def run() -> None:
        async with bluez() as stand_in:
            fridge = stand_in.add(Peripheral(FRIDGE, "fridge"))
            h = harness(tmp_path, scan={"accept": [rule]})
            await ready(h, stand_in, 10)
            fridge.advertise(manufacturer=RUUVI, service=bthome(1))
            if taken:
                await h.received(len(taken))
            else:
                await h.until(lambda: h.context.counts.get("adverts_filtered", 0) >= 1)
            assert sorted(r.tags["format"] for r in h.readings) == taken
            await h.close()

    asyncio.run(run())


def test_repetition_is_no_reading_when_it_comes_soon(tmp_path: Path) -> None:
    """The same bytes are told from new ones; `every` thins out new ones too."""

    async def run() -> None:
        async with bluez() as stand_in:
            fridge = stand_in.add(Peripheral(FRIDGE))
            h = harness(tmp_path, scan={"accept": [{"formats": ["bthome"]}], "repeat_every": "1h"})
            await ready(h, stand_in, 10)
            for rssi in (-60, -61, -62):
                fridge.advertise(service=bthome(1), rssi=rssi)
            fridge.advertise(service=bthome(2))
            await h.received(2)
            assert h.context.counts["adverts_repeated"] == 2
            assert [r.source for r in h.readings] == ["air/c0ffee000001"] * 2
            await h.close()

        async with bluez() as stand_in:
            fridge = stand_in.add(Peripheral(FRIDGE))
            h = harness(tmp_path, scan={"accept": [{"formats": ["bthome"]}], "every": "1h"})
            await ready(h, stand_in, 10)
            for count in range(5):
                fridge.advertise(service=bthome(count))
            await h.until(lambda: h.context.counts.get("adverts_thinned") == 4)
            assert len(h.emitted) == 1
            await h.close()

    asyncio.run(run())


def test_malformed_bytes_are_counted_and_said_once_when_a_device_sends_them(tmp_path: Path) -> None:
    """One log line with byte and reason, a counter, and the good ones go on."""

    async def run() -> None:
        async with bluez() as stand_in:
            fridge = stand_in.add(Peripheral(FRIDGE))
            h = harness(tmp_path, scan=BTHOME_RULE)
            await ready(h, stand_in, 10)
            for byte in range(5):
                fridge.advertise(service={BTHOME: b"\x40\x02" + bytes([byte])})
            fridge.advertise(service=bthome(1))
            await h.received(1)
            assert h.context.counts["malformed_bthome"] == 5
            said = [line.event for line in h.context.logs if "malformed" in line.event]
            assert said == [
                f"advertisement of {FRIDGE} is malformed (said once): bthome, byte 2: temperature has 2 bytes, and 1 are left"
            ]
            await h.close()

    asyncio.run(run())


def test_encrypted_readings_come_when_the_key_is_known(tmp_path: Path) -> None:
    """The specification's example, through the air; a wrong key is refused for good."""

    async def run() -> None:
        address = "54:48:E6:8F:80:A5"
        key = tmp_path / "key"
        key.write_text("231d39c1d7cc1ab1aee224cd096db932\n")
        async with bluez() as stand_in:
            device = stand_in.add(Peripheral(address))
            h = harness(tmp_path, scan={**BTHOME_RULE, "keys": {address: {"file": str(key)}}})
            await ready(h, stand_in, 1)
            device.advertise(service={BTHOME: bytes.fromhex("41A47266C95F730011223378237214")})
            await h.received(1)
            assert h.readings[0].fields == {"temperature": 25.06, "humidity": 50.55, "rssi": -60}
            await h.close()
            key.write_text("e9ea895fac7cca6d30532432a516f3a8")  # xiaomi-ble's vector of a LYWSD03MMC
            other = stand_in.add(Peripheral("A4:C1:38:02:83:F4"))
            mine = {"accept": [{"formats": ["mibeacon"]}], "keys": {other.address: {"file": str(key)}}}
            h = harness(tmp_path, scan=mine)
            await ready(h, stand_in, 1)
            other.advertise(service={MIBEACON: bytes.fromhex("58585b0550f4830238c1a495ef58763c26000097e2abb5")})
            await h.received(1)
            assert (h.readings[0].fields["humidity"], h.readings[0].tags["format"]) == (46.7, "mibeacon")
            await h.close()
            key.write_text("231d")
            h = harness(tmp_path, scan={**BTHOME_RULE, "keys": {address: {"file": str(key)}}})
            with pytest.raises(FatalAdapterError, match="2 bytes, and 16 are wanted"):
                await h.open()

    asyncio.run(run())


def test_no_more_devices_are_kept_than_allowed_when_addresses_change(tmp_path: Path) -> None:
    """Beyond max_devices they are counted, and those that are known go on; one that was silent for long makes room."""

    async def run() -> None:
        async with bluez() as stand_in:
            crowd = [stand_in.add(Peripheral(f"C0:FF:EE:00:01:{i:02X}")) for i in range(6)]
            h = harness(tmp_path, scan={**BTHOME_RULE, "max_devices": 4, "away_after": "100ms"})
            await ready(h, stand_in, 100)
            for device in crowd:
                device.advertise(service=bthome(1))
            await h.until(lambda: h.context.counts.get("dropped_too_many_devices") == 2)
            assert len(h.emitted) == 4
            await pause(0.15)
            crowd[5].advertise(service=bthome(2))
            await h.received(5)
            assert h.context.gauges["devices_heard"] == 4
            await h.close()

    asyncio.run(run())


def test_gap_is_said_when_a_device_was_silent(tmp_path: Path) -> None:
    """From its last reading to the next, with the reason."""

    async def run() -> None:
        async with bluez() as stand_in:
            fridge = stand_in.add(Peripheral(FRIDGE))
            h = harness(tmp_path, scan={**BTHOME_RULE, "away_after": "50ms"})
            await ready(h, stand_in, 10)
            fridge.advertise(service=bthome(1))
            await h.received(1)
            await pause(0.1)
            fridge.advertise(service=bthome(2))
            await h.received(2)
            assert h.context.gaps == [("air/c0ffee000001", "silent", h.readings[0].ts, h.readings[1].ts)]
            await h.close()

    asyncio.run(run())


def test_gap_begins_at_what_is_stored_when_the_process_starts_again(tmp_path: Path) -> None:
    """The time of the last settled reading is known to the next life."""

    async def run() -> None:
        async with bluez() as stand_in:
            fridge = stand_in.add(Peripheral(FRIDGE))
            first = harness(tmp_path, scan=BTHOME_RULE)
            await ready(first, stand_in, 2)
            for count in (1, 2):
                fridge.advertise(service=bthome(count))
                await first.received(count)
            first.settle(1)
            await first.close()
            second = harness(tmp_path, scan=BTHOME_RULE)
            await ready(second, stand_in, 1)
            fridge.advertise(service=bthome(3))
            await second.received(1)
            assert second.context.gaps == [("air/c0ffee000001", "restart", first.readings[0].ts, second.readings[0].ts)]
            await second.close()

    asyncio.run(run())


def test_scan_is_passive_when_bluez_offers_it(tmp_path: Path) -> None:
    """`auto` is passive where there is an AdvertisementMonitor, and active where there is none; `passive` insists."""

    async def run() -> None:
        async with bluez(passive=True) as stand_in:
            fridge = stand_in.add(Peripheral(FRIDGE))
            for mode in ("auto", "passive"):
                h = harness(tmp_path, scan={**BTHOME_RULE, "mode": mode})
                await ready(h, stand_in, 1)
                assert stand_in.passively
                fridge.advertise(service=bthome(1))
                await h.received(1)
                assert "active and passive" in (await _probed(h)).message
        async with bluez() as stand_in:
            h = harness(tmp_path, scan={**BTHOME_RULE, "mode": "auto"})
            await ready(h, stand_in, 1)
            assert stand_in.discovering
            await h.close()
            h = harness(tmp_path, scan={**BTHOME_RULE, "mode": "passive"})
            with pytest.raises(FatalAdapterError, match="no passive scanning on hci0"):
                await h.open()

    async def _probed(h: AdapterHarness) -> Any:
        await h.close()
        return await h.adapter.probe()

    asyncio.run(run())


def test_scan_is_started_anew_when_nothing_is_heard(tmp_path: Path) -> None:
    """A controller that fell silent gets another start."""

    async def run() -> None:
        async with bluez() as stand_in:
            h = harness(tmp_path, scan=BTHOME_RULE)
            vars(h.settings.scan)["restart_after"] = 0.05  # settings do not allow less than 5 s
            await ready(h, stand_in, 1)
            await h.until(lambda: h.context.counts.get("scan_restarts", 0) >= 2)
            assert stand_in.scans >= 2
            await h.close()

    asyncio.run(run())


def test_every_device_is_heard_when_two_hundred_advertise(tmp_path: Path) -> None:
    """200 devices, 10 advertisements each at 2,000 a second: no device is left out, none of the newest is lost."""

    async def run() -> None:
        async with bluez() as stand_in:
            crowd = [stand_in.add(Peripheral(f"C0:FF:EE:00:02:{i:02X}")) for i in range(200)]
            h = harness(tmp_path, scan=BTHOME_RULE)
            await ready(h, stand_in, 5000)
            for count in range(1, 11):
                for device in crowd:
                    await stand_in.room()
                    device.advertise(service=bthome(count))
                await pause(0.1)
            await h.received(2000, 20)
            newest = {r.source: r.fields["count"] for r in h.readings}
            assert len(newest) == 200
            assert set(newest.values()) == {10}
            await h.close()

    asyncio.run(run())


def test_nothing_is_left_when_it_was_opened_and_closed_often(tmp_path: Path) -> None:
    """File descriptors, tasks and D-Bus connections are as many after thirty openings as after one."""

    async def run() -> None:
        async with bluez() as stand_in:
            fridge = stand_in.add(Peripheral(FRIDGE))
            h = harness(tmp_path, scan=BTHOME_RULE)
            counts = []
            for _ in range(31):
                await ready(h, stand_in, 1)
                fridge.advertise(service=bthome(len(counts)))
                await h.received(len(counts) + 1)
                await h.adapter.close()
                await h.quiet(0.01)  # BlueZ's side of the sockets
                counts.append(held())
            assert counts[-1] == counts[0]

    asyncio.run(run())
