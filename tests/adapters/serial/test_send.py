"""The adapter as a sink: texts of readings, in order, held back by the line, once each where they are confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.serial import SerialAdapter
from adapters.serial.codec import FrameError
from adapters.serial.send import ReadingText
from rt_edge.sdk import FatalAdapterError, Reading, TransientError
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.serial_instrument import Instrument, plugged
from rt_edge.testkit.waiting import until

LINE = {"kind": "delimiter", "delimiter": "\r"}


def reading(n: int, /, **more: Any) -> Reading:
    return Reading("hall/sensor-1", n, {"n": n, "celsius": 20 + n / 8, **more}, tags={"room": "a 1"})


def run(
    settings: Callable[..., Any],
    folder: Path,
    work: Callable[[AdapterHarness, Instrument], Any],
    answer: Any = None,
    **written: Any,
) -> None:
    async def main() -> None:
        with plugged(folder / "tty", answer) as instrument:
            made = settings(port=str(instrument.path), framing=LINE, **written)
            h = AdapterHarness(SerialAdapter, made, folder, "lab")
            await h.open()
            await work(h, instrument)
            await h.close()

    asyncio.run(asyncio.wait_for(main(), 30))


def test_text_is_what_the_template_makes_of_a_reading() -> None:
    """Names with dots, formats, braces; a value is never looked into."""
    text = ReadingText("{{{device}}} {source} {tags.room} {fields.n:03d} {fields.celsius:.1f}°\r\n")
    assert text(reading(7)) == b"{sensor-1} hall/sensor-1 a 1 007 20.9\xb0\r\n"


@pytest.mark.parametrize(
    ("template", "value", "why"),
    [
        ("{fields.x}", "a\rRESET", "fields.x of a reading of hall/sensor-1 is not plain text"),
        ("{fields.x}", b"\x00", "fields.x of a reading of hall/sensor-1 is not plain text"),
        ("{fields.y}", 1, "fields.y of a reading of hall/sensor-1 is not there"),
        ("{fields.x:d}", 1.5, "does not fit"),
        ("{fields.x}", "€", "does not fit"),
    ],
)
def test_reading_is_left_out_when_it_cannot_be_sent(template: str, value: Any, why: str) -> None:
    """What would be a second command, is not there, or does not fit."""
    with pytest.raises(FrameError, match=why):
        ReadingText(template)(reading(1, x=value))


def test_readings_go_out_in_order_when_nothing_confirms_them(settings: Any, tmp_path: Path) -> None:
    """All are delivered when the line has taken them; one that cannot be sent is counted and left out."""

    async def work(h: AdapterHarness, instrument: Instrument) -> None:
        await h.adapter.deliver([reading(1), reading(2, n="x\ry"), reading(3)])
        await instrument.bell.until(lambda: len(instrument.got) == 2)
        assert list(instrument.got) == [b"N1", b"N3"]
        assert h.context.counts == {"sends_ok": 2, "dropped_unsendable": 1}

    run(settings, tmp_path, work, send={"template": "N{fields.n}\r"})


def test_rest_is_sent_when_a_delivery_failed_in_its_middle(settings: Any, tmp_path: Path) -> None:
    """Confirmed ones are not sent again with the same readings; one that was refused is left out; others go out anew."""
    seen: list[bytes] = []
    deaf = {b"N2"}

    def answer(line: bytes) -> list[tuple[float, bytes]]:
        seen.append(line)
        if line in deaf:
            return []
        return [(0.0, b"NO\r" if line == b"N3" else b"OK\r")]

    async def work(h: AdapterHarness, _instrument: Instrument) -> None:
        readings = [reading(n) for n in range(1, 5)]
        with pytest.raises(TransientError, match="no reply within"):
            await h.adapter.deliver(readings)
        deaf.clear()
        await h.adapter.deliver(list(readings))
        assert seen == [b"N1", b"N2", b"N2", b"N3", b"N4"]
        assert h.context.counts["sends_ok"] == 3
        assert h.context.counts["sends_refused"] == 1
        await h.adapter.deliver(readings[:1])
        assert seen[-1] == b"N1"

    send = {"template": "N{fields.n}\r", "reply_begins": "OK", "refusal_begins": "NO", "timeout": "100ms"}
    request = {"request": "?\r", "every": "1h", "reply_begins": "V"}
    run(settings, tmp_path, work, answer, send=send, poll={"requests": {"v": request}, "late_limit": "20ms"})


def test_delivery_waits_when_the_instrument_holds_the_line(settings: Any, tmp_path: Path) -> None:
    """A full line (CTS low looks the same to us): nothing more is taken than fits, and all arrives when it goes on."""

    async def work(h: AdapterHarness, instrument: Instrument) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(instrument._master)
        delivery = asyncio.ensure_future(h.adapter.deliver([reading(n) for n in range(2000)]))
        port = h.adapter._port  # type: ignore[attr-defined]
        await until(lambda: bool(port._unsent))
        taken = h.context.counts["sends_ok"]
        assert await h.quiet(0.1) == 0
        assert h.context.counts["sends_ok"] == taken < 1000
        assert len(port._unsent) < 300
        loop.add_reader(instrument._master, instrument._readable)
        await delivery
        await instrument.bell.until(lambda: len(instrument.got) == 2000)
        assert list(instrument.got) == [b"%0100d" % n for n in range(2000)]

    run(settings, tmp_path, work, send={"template": "{fields.n:0100d}\r"}, flow_control="rts_cts")


def test_delivery_fails_and_is_repeated_when_the_cable_is_pulled(settings: Any, tmp_path: Path) -> None:
    """While the line is full: at once, and what was not taken is sent when it is back."""

    async def work(h: AdapterHarness, instrument: Instrument) -> None:
        asyncio.get_running_loop().remove_reader(instrument._master)
        readings = [reading(n) for n in range(2000)]
        delivery = asyncio.ensure_future(h.adapter.deliver(readings))
        port = h.adapter._port  # type: ignore[attr-defined]
        await until(lambda: bool(port._unsent))
        instrument.unplug()
        with pytest.raises(TransientError):
            await delivery
        await h.until(lambda: bool(h.context.losses))
        await h.adapter.close()
        with pytest.raises(TransientError, match="not connected"):
            await h.adapter.deliver(readings)
        instrument.plug()
        await h.open()
        await h.adapter.deliver(readings)
        await instrument.bell.until(lambda: bool(instrument.got) and instrument.got[-1].endswith(b"1999"))
        sent = [int(line) for line in instrument.got]
        assert sent == list(range(sent[0], 2000))
        assert sent[0] == 2000 - (h.context.counts["sends_ok"] - sent[0]) > 0

    run(settings, tmp_path, work, send={"template": "{fields.n:0100d}\r"})


def test_adapter_is_no_sink_when_it_has_no_template(settings: Any, tmp_path: Path) -> None:
    """It says which setting is missing."""

    async def work(h: AdapterHarness, _instrument: Instrument) -> None:
        with pytest.raises(FatalAdapterError, match="not set up as a sink"):
            await h.adapter.deliver([reading(1)])

    run(settings, tmp_path, work, listen={})


def test_commands_pass_readings_that_wait_when_both_do(settings: Any, tmp_path: Path) -> None:
    """A command waits for what is on the line, and for nothing else."""
    seen: list[bytes] = []

    def answer(line: bytes) -> list[tuple[float, bytes]]:
        seen.append(line)
        return [(0.02, b"OK\r")]

    async def work(h: AdapterHarness, instrument: Instrument) -> None:
        delivery = asyncio.ensure_future(h.adapter.deliver([reading(n) for n in range(5)]))
        await instrument.bell.until(lambda: len(seen) == 2)
        result = await h.adapter.write("stop", 1, "k")
        assert result.status == "confirmed"
        assert seen.index(b"STOP") <= 3
        await delivery

    send = {"template": "N{fields.n}\r", "reply_begins": "OK"}
    commands = {"stop": {"command": "STOP\r", "reply_begins": "OK"}}
    run(settings, tmp_path, work, answer, send=send, commands=commands)
