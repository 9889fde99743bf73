"""`rt-edge scan modbus`: which units answer, on a serial line and over TCP, from pymodbus and from a slave with faults."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.modbus import ModbusAdapter
from adapters.modbus.scan import IDENTITY, identity
from adapters.modbus.scan_settings import ModbusScan, unit_numbers
from rt_edge.sdk import TransientError
from rt_edge.sdk.settings import SettingError
from rt_edge.settings.frozen import freeze
from rt_edge.settings.validate import melt
from rt_edge.testkit.modbus_slave import RtuSlave, SlaveBank, SlaveUnit
from rt_edge.testkit.scan_report import RecordingReport
from tests.adapters.modbus.test_pymodbus_peer import peer


def scan_settings(**given: Any) -> Any:
    return freeze(melt(ModbusScan.model_validate(given)))


@pytest.mark.parametrize("kind", ["rtu", "tcp"])
def test_units_of_pymodbus_are_found_when_they_are_asked(kind: str) -> None:
    """Units 1 and 2 have values; pymodbus answers for those that it does not have with an exception."""

    async def main() -> RecordingReport:
        report = RecordingReport()
        async with peer(kind) as channel:
            await ModbusAdapter.scan(scan_settings(channel=channel, units="1-3", unit_timeout="100ms"), report)
        return report

    report = asyncio.run(asyncio.wait_for(main(), 30))
    assert list(report.seen) == ["unit 1", "unit 2", "unit 3"]
    assert report.seen["unit 3"].details["exception"] == 4
    first = report.seen["unit 1"]
    assert first.details["value"] == 0xCFC7  # -12345, the first of its registers
    assert first.settings == {"unit-1": {"unit": 1, "points": {}}}
    assert report.steps[-1] == (3, 3, "done")


def test_exceptions_are_answers_and_late_ones_are_named_when_a_line_has_both() -> None:
    """Unit 1 refuses the register, unit 2 is too slow for the time-out, unit 3 answers."""

    async def main() -> RecordingReport:
        report = RecordingReport()
        bank = SlaveBank({1: SlaveUnit(), 2: SlaveUnit([7]), 3: SlaveUnit([5])})
        bank[2].delay, bank[3].delay = 0.15, 0.09
        async with RtuSlave(bank) as slave:
            given = {"target": str(slave.path), "parity": "none", "baud": 115200, "units": "1-3", "unit_timeout": "120ms"}
            await ModbusAdapter.scan(scan_settings(**given), report)
        return report

    report = asyncio.run(asyncio.wait_for(main(), 30))
    assert list(report.seen) == ["unit 1", "unit 3"]
    assert report.seen["unit 1"].details["exception"] == 2
    assert report.seen["unit 3"].details["value"] == 5
    assert any("too late" in note for note in report.notes)


def test_a_line_that_is_lost_says_so_when_it_is_pulled_out() -> None:
    """The port goes while a unit is asked."""

    async def main() -> None:
        bank = SlaveBank({})
        async with RtuSlave(bank) as slave:
            settings = scan_settings(target=str(slave.path), parity="none", unit_timeout="5s")
            scan = asyncio.create_task(ModbusAdapter.scan(settings, RecordingReport()))
            await asyncio.wait((scan,), timeout=0.1)
            slave.unplug()
            with pytest.raises(TransientError, match="lost"):
                await scan

    asyncio.run(asyncio.wait_for(main(), 30))


def test_units_are_refused_when_they_are_no_numbers() -> None:
    """Ranges, and what is none."""
    assert unit_numbers("1-3,50,2") == [1, 2, 3, 50]
    for wrong in ("a", "5-1", "1-256", "1,,2", "-"):
        with pytest.raises(SettingError, match="names no units"):
            unit_numbers(wrong)
    with pytest.raises(ValidationError):
        ModbusScan.model_validate({"target": "/dev/ttyUSB0", "units": "300"})
    assert len(scan_settings(target="/dev/ttyUSB0").numbers) == 247
    assert scan_settings(target="plc.local").numbers == (*range(1, 21), 255)


def test_identity_takes_what_is_there_when_a_reply_is_cut_short() -> None:
    """Whatever bytes come, no exception."""
    reply = IDENTITY.pdu[:2] + bytes((1, 1, 0, 0, 2)) + b"\x00\x04Acme" + b"\x01\x02X1"
    assert identity(reply) == {"vendor": "Acme", "product": "X1"}
    for end in range(len(reply)):
        assert set(identity(reply[:end])) <= {"vendor", "product"}
    assert identity(None) == {}
    assert identity(b"\xab\x01") == {}


@pytest.mark.parametrize("framing", ["rtu", "ascii"])
def test_identification_is_read_when_units_on_a_serial_line_have_one(framing: Any) -> None:
    """Function 43/14: the reply says itself how long it is; who does not know it refuses, and the scan goes on."""

    async def main() -> RecordingReport:
        report = RecordingReport()
        bank = SlaveBank({1: SlaveUnit([7]), 2: SlaveUnit([5])})
        bank[1].identity = ("Acme", "P-100", "2.1")
        async with RtuSlave(bank, framing=framing) as slave:
            given = {"target": str(slave.path), "parity": "none", "data_bits": 8, "units": "1-2", "framing": framing}
            await ModbusAdapter.scan(scan_settings(**given), report)
        return report

    report = asyncio.run(asyncio.wait_for(main(), 30))
    found = report.seen["unit 1"].details
    assert (found["vendor"], found["product"], found["revision"]) == ("Acme", "P-100", "2.1")
    assert "vendor" not in report.seen["unit 2"].details
