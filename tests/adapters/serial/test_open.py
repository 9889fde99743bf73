"""Opening: pulses on wires and a text before anything else, and what a probe finds out about the speed."""

from __future__ import annotations

import asyncio
import os
import re
import termios
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

import adapters.serial.probe
from adapters.serial import SerialAdapter
from adapters.serial.transport import wake
from rt_edge.sdk import FatalAdapterError, ProbeResult, TransientError
from rt_edge.sdk.serial_port import SerialPort
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.serial_instrument import Instrument, plugged

LINES = {"kind": "delimiter", "delimiter": "\n"}
NUMBER = {"kind": "text", "field": "n", "type": "float"}
SPEED = {getattr(termios, name): int(name[1:]) for name in dir(termios) if re.fullmatch("B[1-9][0-9]+", name)}


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 30))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Fake:
    """What pyserial is to a SerialPort, with wires."""

    def __init__(self, told: list[tuple[str, Any]], fails: int = 0) -> None:
        self.__dict__.update(told=told, fails=fails, port="/dev/x", is_open=True)
        self.__dict__["pipe"] = os.pipe()

    def __setattr__(self, name: str, value: Any) -> None:
        if self.fails:
            raise OSError(self.fails, os.strerror(self.fails))
        self.told.append((name, value))

    def fileno(self) -> int:
        return int(self.pipe[0])


def opening(**written: Any) -> Any:
    given = {"dtr_pulse": 0.0, "break_pulse": 0.0, "wait": 0.0, "send": "", **written}
    return SimpleNamespace(dtr=True, at_open=SimpleNamespace(**given))


def test_wires_are_pulsed_in_order_when_a_port_is_opened() -> None:
    """DTR to the other level and back, then a break."""

    async def main() -> None:
        told: list[tuple[str, Any]] = []
        port = SerialPort(Fake(told), SimpleNamespace(on_data=None, on_lost=None), paused=True)  # type: ignore[arg-type]
        await wake(port, opening(dtr_pulse=0.001, break_pulse=0.001))
        port._detach()
        assert told == [("dtr", False), ("dtr", True), ("break_condition", True), ("break_condition", False)]

    run(main())


@pytest.mark.parametrize(("number", "error"), [(25, FatalAdapterError), (22, FatalAdapterError), (5, TransientError)])
def test_port_cannot_be_used_when_it_has_no_such_wire(number: int, error: type[Exception]) -> None:
    """ENOTTY and EINVAL are for good, EIO is a pulled cable."""

    async def main() -> None:
        port = SerialPort(Fake([], number), SimpleNamespace(on_data=None, on_lost=None), paused=True)  # type: ignore[arg-type]
        with pytest.raises(error):
            await wake(port, opening(dtr_pulse=0.001))
        port._detach()

    run(main())


def test_pty_is_closed_again_when_it_has_no_dtr(settings: Any, tmp_path: Path) -> None:
    """It says so, with a hint, and another can open it."""

    async def main() -> None:
        with plugged(tmp_path / "tty") as instrument:
            made = settings(port=str(instrument.path), listen={}, at_open={"dtr_pulse": "1ms"})
            h = AdapterHarness(SerialAdapter, made, tmp_path)
            files = open_files()
            with pytest.raises(FatalAdapterError, match="has no DTR wire"):
                await h.open()
            assert open_files() == files

    run(main())


def test_text_is_sent_first_and_what_came_before_is_left_out(settings: Any, tmp_path: Path) -> None:
    """Each time the port is opened; a board's boot message is nobody's reply."""

    async def main() -> None:
        with plugged(tmp_path / "tty", lambda line: [(0.0, b"42\r")] if line == b"?" else []) as instrument:
            request = {"requests": {"v": {"request": "?\r", "every": "10ms", "format": NUMBER}}}
            line = {"kind": "delimiter", "delimiter": "\r"}
            at_open = {"wait": "100ms", "send": "REMOTE\r"}
            made = settings(port=str(instrument.path), framing=line, poll=request, at_open=at_open)
            h = AdapterHarness(SerialAdapter, made, tmp_path)
            h.demand(2)
            for life in (1, 2):
                opened = asyncio.ensure_future(h.open())
                await asyncio.wait([opened], timeout=0.005)
                instrument.say(b"boot v1.2\r1\r")
                await opened
                await h.received(life)
                await h.adapter.close()
            assert list(instrument.got) == [b"REMOTE", b"?", b"REMOTE", b"?"]
            assert [reading.fields["n"] for reading in h.readings] == [42.0, 42.0]
            assert "unasked_frames" not in h.context.counts

    run(main())


def test_port_is_closed_when_opening_is_given_up_in_its_pulse(settings: Any, tmp_path: Path) -> None:
    """Cancelled, or the cable is pulled meanwhile."""

    async def main() -> None:
        with plugged(tmp_path / "tty") as instrument:
            made = settings(port=str(instrument.path), listen={}, at_open={"wait": "100ms", "send": "x"})
            h = AdapterHarness(SerialAdapter, made, tmp_path)
            files = open_files()
            opened = asyncio.ensure_future(h.open())
            await asyncio.wait([opened], timeout=0.005)
            opened.cancel()
            await asyncio.wait([opened])
            assert open_files() == files
            opened = asyncio.ensure_future(h.open())
            await asyncio.wait([opened], timeout=0.005)
            instrument.unplug()
            with pytest.raises(TransientError):
                await opened
            instrument.plug()
            await h.open()
            await h.close()

    run(main())


class Clocked(Instrument):
    """An instrument with a speed: a line that is set to another one carries noise. The pty's other end tells its setting."""

    baud = 19_200

    def right(self) -> bool:
        return SPEED[termios.tcgetattr(self._master)[5]] == self.baud

    def say(self, data: bytes) -> int:
        return super().say(data if self.right() else Random(1).randbytes(len(data)))


def probed(settings: Callable[..., Any], folder: Path, replies: bool = True, talks: bytes = b"", **written: Any) -> ProbeResult:
    found: list[ProbeResult] = []

    async def main() -> None:
        instrument = Clocked(folder / "tty", delimiter=b"\n")
        instrument.answer = lambda line: [(0.0, b"21.5\n")] if replies and instrument.right() and line == b"?" else []
        instrument.plug()
        if talks:
            instrument.talk(0.005, lambda: talks)
        try:
            made = settings(**{"port": str(instrument.path), "framing": LINES, **written})
            found.append(await SerialAdapter(made, AdapterHarness(SerialAdapter, made, folder).context).probe())
        finally:
            instrument.unplug()

    run(main())
    return found[0]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters.serial.probe, "HEARD_S", 0.15)


LISTEN = {"listen": {"format": NUMBER}}
POLL = {"poll": {"requests": {"v": {"request": "?\n", "timeout": "60ms", "format": NUMBER}}}}


@pytest.mark.parametrize("written", [LISTEN, POLL], ids=["listen", "poll"])
def test_probe_says_the_value_when_all_is_right(settings: Any, tmp_path: Path, written: dict[str, Any]) -> None:
    """Heard, or asked for."""
    result = probed(settings, tmp_path, talks=b"21.5\n" if written is LISTEN else b"", baud=19200, **written)
    assert result.ok
    assert "n=21.5" in result.message


@pytest.mark.parametrize("written", [LISTEN, POLL], ids=["listen", "poll"])
def test_probe_names_the_speed_when_it_is_another(settings: Any, tmp_path: Path, written: dict[str, Any]) -> None:
    """What comes at the speed of the settings is noise, or nothing."""
    result = probed(settings, tmp_path, talks=b"21.5\n" if written is LISTEN else b"", baud=9600, **written)
    assert not result.ok
    assert result.details == {"baud": 19200}
    assert "at 9600 Bd nothing can be read, at 19200 Bd it can" in result.message


def test_probe_says_what_it_could_not_tell(settings: Any, tmp_path: Path) -> None:
    """Silence, no reply, a reply to one of two, and bytes that are no frame at any speed."""
    silent = probed(settings, tmp_path, **LISTEN)
    assert silent.ok
    assert "nothing was heard" in silent.message
    mute = probed(settings, tmp_path, replies=False, **POLL)
    assert not mute.ok
    assert "no reply, at no usual speed" in mute.message
    two = {"v": POLL["poll"]["requests"]["v"], "w": {"request": "W\n", "timeout": "60ms"}}
    half = probed(settings, tmp_path, baud=19200, poll={"requests": two})
    assert not half.ok
    assert "no reply to w" in half.message
    noise = probed(settings, tmp_path, talks=b"\xff\xfe21\n", baud=19200, **LISTEN)
    assert not noise.ok
    assert "the first are hex:fffe" in noise.message
