"""The plant of the demo as a process of its own: an MQTT broker, and a device for each other kind of adapter.

Two pumps on a serial line, a meter on Modbus TCP, a balance on a serial port, a CoAP device, Bluetooth sensors on a stand-in for
BlueZ. The broker is mosquitto where there is one, else the small broker of the testkit; without a dbus-daemon there is no
Bluetooth. The process says on stdout where everything is, and ends when its stdin ends.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Self

import msgspec

from rt_edge.data.clock import SystemClock
from rt_edge.data.errors import TransientError
from rt_edge.testkit.modbus_slave import RtuSlave, SlaveBank, TcpSlave, pump
from rt_edge.testkit.mosquitto import MosquittoProcess
from rt_edge.testkit.mqtt_broker import TestBroker
from rt_edge.testkit.simulators.ble import BleSimulator
from rt_edge.testkit.simulators.coap import CoapDevice
from rt_edge.testkit.simulators.serial import SerialSimulator

AT_LEAST = (2, 0, 20)
"""Older mosquittos send more than Receive Maximum once they have a backlog."""

PEERS = Path(__file__).resolve().parents[3] / ".peers" / "bin"
QUEUE = 100_000
START_S = 20.0


class Ports(msgspec.Struct, frozen=True):
    """Where the devices are.

    Attributes:
        broker: which one it is, for people.
        mqtt: its port on 127.0.0.1.
        serial: device of the serial line.
        modbus: port of the Modbus TCP device on 127.0.0.1.
        balance: device of the balance's port.
        coap: port of the CoAP device on 127.0.0.1.
        bluetooth: address of the D-Bus with the stand-in for BlueZ; empty if there is none.
        no_bluetooth: why there is none.
    """

    broker: str
    mqtt: int
    serial: str
    modbus: int
    balance: str
    coap: int
    bluetooth: str = ""
    no_bluetooth: str = ""


def find_mosquitto() -> tuple[Path, str] | None:
    """The first mosquitto that is new enough, on PATH, in /usr/sbin or unpacked in `.peers/`, and its version."""
    on_path = shutil.which("mosquitto")
    places = [Path(on_path)] if on_path else []
    for program in (*places, Path("/usr/sbin/mosquitto"), PEERS / "mosquitto", Path(".peers/bin/mosquitto").absolute()):
        if not os.access(program, os.X_OK):
            continue
        try:
            said = subprocess.run([program, "-h"], capture_output=True, text=True, timeout=20, check=False).stdout  # noqa: S603
        except (OSError, subprocess.TimeoutExpired):
            continue
        match = re.search(r"mosquitto version (\d+)\.(\d+)\.(\d+)", said)
        if match and tuple(int(part) for part in match.groups()) >= AT_LEAST:
            return program, ".".join(match.groups())
    return None


async def serve(folder: Path, broker: str) -> None:
    """Run all devices until stdin ends.

    Args:
        folder: for the broker's files and the serial device.
        broker: `auto`, `mosquitto` or `small`.
    """
    clock = SystemClock()
    found = find_mosquitto() if broker != "small" else None
    if broker == "mosquitto" and found is None:
        raise TransientError(f"there is no mosquitto {'.'.join(map(str, AT_LEAST))} or newer", "scripts/peers gets one")
    async with AsyncExitStack() as stack:
        if found is not None:
            lines = [f"max_queued_messages {QUEUE}", "max_inflight_messages 0"]
            mosquitto = await stack.enter_async_context(MosquittoProcess(found[0], folder / "mosquitto", lines))
            name, port = f"mosquitto {found[1]}", mosquitto.port
        else:
            small = await stack.enter_async_context(TestBroker(max_queued=QUEUE))
            name, port = "small broker of the testkit", small.port
        line = SlaveBank({11: pump(clock), 12: pump(clock, 0.3)})
        rtu = await stack.enter_async_context(RtuSlave(line, folder / "ttyDEMO0", baud=19200))
        tcp = await stack.enter_async_context(TcpSlave(SlaveBank({1: pump(clock, 0.6)})))
        balance = folder / "ttyDEMO1"
        random = Random()  # noqa: S311  # nothing goes wrong with these
        await stack.enter_async_context(SerialSimulator(clock, random, balance))
        device = await stack.enter_async_context(CoapDevice(clock))
        bluetooth, missing = await _bluetooth(stack, folder)
        ports = Ports(name, port, str(rtu.path), tcp.port, str(balance), device.port, bluetooth, missing)
        sys.stdout.write(msgspec.json.encode(ports).decode() + "\n")
        sys.stdout.flush()
        await _end_of_stdin()


async def _bluetooth(stack: AsyncExitStack, folder: Path) -> tuple[str, str]:
    """The address of a D-Bus with sensors, in the demo's folder, which the janitor removes; or nothing, and why."""
    try:
        simulator = await stack.enter_async_context(BleSimulator(devices=2, places=PEERS, folder=folder))
    except TransientError as error:
        return "", f"{error.message} ({error.hint})" if error.hint else error.message
    return simulator.address, ""


async def _end_of_stdin() -> None:
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def readable() -> None:
        if not os.read(0, 4096) and not ended.done():
            ended.set_result(None)

    loop.add_reader(0, readable)
    await ended


class Devices:
    """The process with the devices; an asynchronous context manager.

    Args:
        folder: of the demo.
        broker: `auto`, `mosquitto` or `small`.

    Attributes:
        ports: where they are.
    """

    def __init__(self, folder: Path, broker: str) -> None:
        self._folder = folder
        self._broker = broker
        self._process: asyncio.subprocess.Process | None = None
        self.ports: Ports

    async def __aenter__(self) -> Self:
        log = self._folder / "devices.log"
        with log.open("wb") as errors:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                __name__,
                str(self._folder),
                self._broker,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        try:
            self.ports = await self._said(self._process, log)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _said(self, process: asyncio.subprocess.Process, log: Path) -> Ports:
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_S):
                said = await process.stdout.readline()
            return msgspec.json.decode(said, type=Ports)
        except (TimeoutError, msgspec.MsgspecError) as error:
            raise TransientError(f"the devices of the demo did not start: {_last_line(log) or error}") from error

    async def __aexit__(self, *exc: object) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            async with asyncio.timeout(5.0):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _last_line(log: Path) -> str:
    return "".join(log.read_text(errors="replace").strip().splitlines()[-1:])


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2]))
