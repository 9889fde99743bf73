"""What `rt-edge simulate` is told reaches the frames: shares of faults, dead units, speed of the line, a cable that is pulled."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rt_edge.cli.app import main
from rt_edge.data.clock import SystemClock
from rt_edge.testkit.simulators.serial import SerialSimulator
from rt_edge.testkit.waiting import until

SHARES = ["--silent", "10%", "--garbled", "0.2", "--truncated", "15%", "--noise", "25%"]
FRAMES = 2000


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What each command line makes, instead of running it."""
    kept: list[Any] = []
    monkeypatch.setattr("rt_edge.cli.simulate.run", lambda make, _duration, _json: kept.append(make()))
    return kept


def shares(simulator: Any) -> dict[str, float]:
    counts = {name: n for name, n in simulator.counts().items() if name in ("silent", "late", "garbled", "truncated", "noise")}
    return {name: n / FRAMES for name, n in counts.items()}


def test_pumps_fail_as_often_as_they_are_told(made: list[Any]) -> None:
    """Each fault has its share of the replies; a late one is a second late, a dead unit says nothing."""
    assert main(["simulate", "modbus", "--units", "2", "--dead", "2", "--late", "5%", *SHARES]) == 0
    (pumps,) = made
    delays = set()
    for _ in range(FRAMES):
        pumps.bank[1].mangle(b"a reply")
        delays.add(pumps.bank[1].delay)
    wanted = {"silent": 0.1, "late": 0.05, "garbled": 0.2, "truncated": 0.15, "noise": 0.25}
    assert shares(pumps) == pytest.approx(wanted, abs=0.03)
    assert delays == {0.0, 1.0}
    assert [unit.dead for unit in pumps.bank.values()] == [False, True]


@pytest.mark.parametrize("instrument", ["balance", "thermometers", "gps"])
def test_instruments_fail_as_often_as_they_are_told(made: list[Any], tmp_path: Path, instrument: str) -> None:
    """Those that talk, and those that are asked."""
    assert main(["simulate", "serial", str(tmp_path / "tty"), "--instrument", instrument, *SHARES]) == 0
    (simulator,) = made
    make = simulator._mangled({"balance": simulator._weight, "gps": simulator._position}.get(instrument))
    for _ in range(FRAMES):
        simulator._answer(b"#01T?") if instrument == "thermometers" else make()
    assert shares(simulator) == pytest.approx({"silent": 0.1, "garbled": 0.2, "truncated": 0.15, "noise": 0.25}, abs=0.03)


def test_a_cable_is_pulled_as_often_as_it_is_told(made: list[Any], tmp_path: Path) -> None:
    """The port is gone and back under its name, and whoever had it open has lost it; the instrument talks on."""
    assert main(["simulate", "serial", str(tmp_path / "tty"), "--unplug-every", "30s"]) == 0
    assert made[0]._cable == (30.0, 2.0)

    async def run() -> None:
        path = tmp_path / "tty"
        async with SerialSimulator(SystemClock(), Random(1), path, every=0.01, unplug_every=0.1, unplugged=0.05) as simulator:
            port = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
            await until(lambda: not path.is_symlink())
            while os.read(port, 4096):  # to its end; a line that is there has none, and would block
                pass
            os.close(port)
            await until(path.is_symlink)
            said = simulator.counts()["frames"]
            await until(lambda: simulator.counts()["frames"] > said)

    asyncio.run(run())


def test_pumps_on_a_line_take_as_long_as_it_needs(made: list[Any], tmp_path: Path) -> None:
    """Request and reply at 11 bits a character and the speed that was told, and 5 ms in between."""
    assert main(["simulate", "modbus", "--pty", str(tmp_path / "tty"), "--baud", "1200", "--units", "1"]) == 0

    async def run() -> None:
        async with made[0] as pumps:
            loop = asyncio.get_running_loop()
            port = os.open(tmp_path / "tty", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            come = asyncio.Event()
            loop.add_reader(port, come.set)
            began = loop.time()
            os.write(port, bytes.fromhex("01 03 0002 0001 25ca"))
            async with asyncio.timeout(5):
                await come.wait()
            took = loop.time() - began
            loop.remove_reader(port)
            assert len(os.read(port, 100)) == 7
            os.close(port)
            assert (8 + 7) * 11 / 1200 + 0.005 <= took < 2
            assert pumps.counts()["overruns"] == 0

    asyncio.run(run())
