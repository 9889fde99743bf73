"""Startup policies where the connection is there and the device behind it is silent: only `probe` asks the device.

With the peer there, and with the whole of it away, each policy of each adapter is shown by `AdapterContract`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import get_args

import pytest

from adapters.serial import SerialAdapter, probe
from adapters.serial.settings import SerialSettings
from rt_edge.sdk.runner import Startup
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.adapter_played import PlayedLife
from rt_edge.testkit.modbus_slave import SlaveBank, TcpSlave
from rt_edge.testkit.serial_instrument import plugged
from tests.adapters.modbus import test_contract as modbus


@asynccontextmanager
async def gateway_without_units(folder: Path) -> AsyncIterator[AdapterHarness]:
    """Modbus TCP: it accepts connections, and no unit answers."""
    async with TcpSlave(SlaveBank({})) as slave:
        yield modbus.harness(folder, {"tcp": f"{slave.host}:{slave.port}", "timeout": "20ms"})


@asynccontextmanager
async def port_without_instrument(folder: Path) -> AsyncIterator[AdapterHarness]:
    """A serial port that can be opened, and nobody at its other end."""
    with plugged(folder / "tty") as port:
        request = {"request": "V?\r", "every": "5ms", "timeout": "10ms"}
        written = {
            "port": str(port.path),
            "framing": {"kind": "delimiter", "delimiter": "\r"},
            "poll": {"requests": {"v": request}},
        }
        yield AdapterHarness(SerialAdapter, SerialSettings.model_validate(written), folder)


Silent = Callable[[Path], AbstractAsyncContextManager[AdapterHarness]]


@pytest.mark.parametrize("silent", [gateway_without_units, port_without_instrument])
@pytest.mark.parametrize("startup", get_args(Startup))
def test_adapter_is_left_off_when_it_is_to_be_probed_and_its_device_is_silent(
    silent: Silent, startup: Startup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`probe` says who is silent, and leaves it off; the others open the connection, which is there."""
    monkeypatch.setattr(probe, "SPEEDS", ())

    async def run() -> None:
        async with silent(tmp_path) as harness, PlayedLife(harness, startup) as life:
            if startup == "probe":
                await life.comes_to("off", 10)
                assert "left off (startup: probe): " in life.runner.error
                assert "open" not in life.states
            else:
                await life.comes_to("open", 10)
                assert not life.refusals

    asyncio.run(run())
