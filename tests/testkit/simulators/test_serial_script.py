"""Instruments of a script: what they say, answer and remember, at the speed of their line; mistakes in a script have a place."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from random import Random

import pytest

from rt_edge.data.clock import SystemClock
from rt_edge.data.errors import ConfigError
from rt_edge.testkit.serial_instrument import plugged
from rt_edge.testkit.simulators.serial import SerialSimulator
from rt_edge.testkit.simulators.serial_script import ScriptedInstrument, load_script

BATH = r"""
baud: 1200
state: {sp: 20.0}
waves: {temperature: {middle: 21, swing: 2, period: 40s}}
says: ["{count:d} {temperature:+06.2f}\r\n", "{{sp}}={sp}\r\n"]
answers:
  - {request: '#01T\?', reply: ">01{temperature:+06.2f}\r", after: 20ms}
  - {request: '#01S(?P<sp>[0-9.]+)', reply: ">01OK\r"}
  - {request: '#01S\?', reply: ">01{sp}\r"}
  - {request: 'QUIET'}
  - {request: '#01F(?P<x>.*)', reply: "{x:.1f}\r"}
adapters: {bath: {kind: serial, poll: {requests: {t: {request: "#01T?\r"}}}}}
"""


def script(folder: Path, text: str) -> Path:
    path = folder / "script.yaml"
    path.write_text(text)
    return path


def test_instrument_answers_and_remembers_as_it_is_written(tmp_path: Path) -> None:
    """Waves, groups of requests, doubled braces, requests that nobody knows, formats that do not fit."""
    bath = ScriptedInstrument(load_script(script(tmp_path, BATH)))
    assert bath.says(0.0) == b"0 +21.00\r\n"
    assert bath.says(0.0) == b"{sp}=20.0\r\n"
    assert bath.answer(b"#01T?", 10.0) == (0.02, b">01+23.00\r")
    assert bath.answer(b"#01S35.5", 0.0) == (0.0, b">01OK\r")
    assert bath.answer(b"#01S?", 0.0) == (0.0, b">0135.5\r")
    assert bath.answer(b"#01Fabc", 0.0) == (0.0, b"?\r")
    assert bath.answer(b"QUIET", 0.0) is None
    assert bath.answer(b"xx#01T?", 0.0) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("baud: 9600\n", "without `says` and `answers`"),
        ("says: ['x']\nbaud: 5\n", "`baud` is not 50 to"),
        ("says: ['{nothing}']\n", "says > 1: {nothing} is not known (there are count, seconds)"),
        ("says: ['{']\n", "says > 1: "),
        ("answers: [{request: '(', reply: x}]\n", "answers > 1 > request is no regular expression"),
        ("answers: [{request: x, reply: x, after: 3}]\n", "answers > 1 > after: 3 is not a duration (write a number with a unit"),
        ("answers: [{request: x, reply: x, after: soon}]\n", "answers > 1 > after"),
        ("answers: [{request: x, rply: x}]\n", "unknown field `rply`"),
        ("waves: {a: {period: 0s}}\nsays: [x]\n", "waves > a > period: must be more than 0"),
        ("waves: {a: {period: 60}}\nsays: [x]\n", "waves > a > period: 60 is not a duration (write a number with a unit"),
        ("says: [\n", "is no YAML"),
    ],
)
def test_mistake_has_its_place_when_a_script_is_read(tmp_path: Path, text: str, said: str) -> None:
    """What is wrong, and where."""
    with pytest.raises(ConfigError) as caught:
        load_script(script(tmp_path, text))
    assert said in str(caught.value)


def test_script_is_no_file_when_it_is_not_there(tmp_path: Path) -> None:
    """It says so."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load_script(tmp_path / "none.yaml")


def test_reply_takes_its_time_when_the_line_has_a_speed(tmp_path: Path) -> None:
    """Request of 6 bytes, 20 ms, reply of 10 bytes at 1,200 Bd: 153.3 ms, and no sooner; printed adapters have the port."""

    async def run() -> None:
        loaded = load_script(script(tmp_path, BATH.replace("says:", "# says:")))
        async with SerialSimulator(SystemClock(), Random(1), tmp_path / "tty", script=loaded) as bath:
            (adapter,) = bath.adapters().values()
            assert (adapter["port"], adapter["baud"]) == (str(tmp_path / "tty"), 1200)
            loop = asyncio.get_running_loop()
            port = os.open(tmp_path / "tty", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            come = asyncio.Event()
            loop.add_reader(port, come.set)
            began = loop.time()
            os.write(port, b"#01T?\r")
            await come.wait()
            took = loop.time() - began
            loop.remove_reader(port)
            assert len(os.read(port, 100)) == 10
            os.close(port)
            assert 0.02 + 16 * 10 / 1200 <= took < 2
            assert bath.counts()["frames"] == 1

    asyncio.run(run())


def test_replies_follow_each_other_when_the_line_is_busy(tmp_path: Path) -> None:
    """Two that are due at once take twice the time of one: a line carries one bit after the other."""

    async def run() -> None:
        with plugged(tmp_path / "tty", lambda _line: [(0.0, b"x" * 5), (0.0, b"y" * 5)]) as instrument:
            instrument.byte_s = 0.001
            loop = asyncio.get_running_loop()
            now = loop.time()
            for delay, reply in instrument.answer(b""):  # type: ignore[misc]
                instrument._later(delay, reply)
            assert instrument._free_at == pytest.approx(now + 0.010, abs=0.002)

    asyncio.run(run())
