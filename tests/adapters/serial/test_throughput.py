"""How much of a processor a busy line costs; `pytest -s` shows the figures. The bounds are far from them: machines differ."""

from __future__ import annotations

import asyncio
import resource
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from adapters.serial import SerialAdapter
from adapters.serial.frames import frame_of
from adapters.serial.nmea import checksum
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.serial_instrument import Instrument, plugged

BYTES_PER_S = 11_520
"""Of a line of 115,200 Bd, ten bits a character."""
BODY = "WIMWV,%05.1f,R,12.5,M,A"
FORMATS: dict[str, dict[str, Any]] = {
    "nmea": {"listen": {"format": {"kind": "nmea"}}},
    "csv": {"listen": {"format": {"kind": "csv", "columns": ["a", "b", "c", "d", "e", "f"]}}},
    "regex": {"listen": {"format": {"kind": "regex", "pattern": r"MWV,(?P<angle>[0-9.]+),R,(?P<speed>[0-9.]+)"}}},
    "cobs-crc-struct": {
        "framing": {"kind": "cobs", "crc": "CRC-16/MODBUS"},
        "listen": {"format": {"kind": "struct", "fields": {f"v{i}": {"at_byte": 4 * i, "type": "float32"} for i in range(6)}}},
    },
}


def cpu() -> float:
    """Seconds of processor time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def frame(settings: Any, n: int) -> bytes:
    if settings.framing.kind == "cobs":
        return frame_of(settings.framing, n.to_bytes(4, "big") * 6)
    body = (BODY % (n % 360)).encode()
    return b"$%s*%02X\r\n" % (body, checksum(body))


def harness(settings: Any, folder: Path, instrument: Instrument, kind: str) -> AdapterHarness:
    return AdapterHarness(SerialAdapter, settings(port=str(instrument.path), baud=115200, **FORMATS[kind]), folder)


@pytest.mark.parametrize("kind", FORMATS)
def test_line_at_115200_baud_is_a_small_load_when_it_is_full(settings: Any, tmp_path: Path, kind: str) -> None:
    """Two seconds at full speed, in pieces of 10 ms as a USB adapter gives them: nothing is lost, half a core is never needed."""

    async def main() -> None:
        with plugged(tmp_path / "tty") as instrument:
            h = harness(settings, tmp_path, instrument, kind)
            await h.open()
            h.demand(10**6)
            loop = asyncio.get_running_loop()
            numbers, began, sent, waiting = count(), loop.time(), 0, b"\n" if "framing" not in FORMATS[kind] else b"\0"

            def due() -> bytes:
                nonlocal sent, waiting
                allowed = int((loop.time() - began) * BYTES_PER_S) - sent
                while len(waiting) < allowed:
                    waiting += frame(h.settings, next(numbers))
                piece, waiting = waiting[:allowed], waiting[allowed:]
                sent += len(piece)
                return piece

            used = cpu()
            instrument.talk(0.01, due)
            await h.until(lambda: sent >= 2 * BYTES_PER_S)
            took, used = loop.time() - began, cpu() - used
            await h.close()
            wanted = next(numbers) - 2  # one may be in the air
            print(f"\n{kind}: {len(h.emitted) / took:,.0f} frames/s, {sent / took:,.0f} B/s, {100 * used / took:.1f} % of a core")
            assert len(h.emitted) >= wanted
            assert not {name for name in h.context.counts if name.startswith(("dropped", "garbage"))}
            assert used / took < 0.5

    asyncio.run(asyncio.wait_for(main(), 30))


@pytest.mark.parametrize("kind", FORMATS)
def test_frames_are_cheap_when_they_come_as_fast_as_they_can(settings: Any, tmp_path: Path, kind: str) -> None:
    """20,000 frames without a pause, the line held back by the reader alone: more than a line of 921,600 Bd could carry."""

    async def main() -> None:
        with plugged(tmp_path / "tty") as instrument:
            h = harness(settings, tmp_path, instrument, kind)
            data = b"".join(frame(h.settings, n) for n in range(20_000))
            await h.open()
            h.demand(10**6)
            instrument.say(b"\n" if "framing" not in FORMATS[kind] else b"\0")
            began, used = asyncio.get_running_loop().time(), cpu()
            await instrument.say_all(data)
            await h.received(20_000)
            took, used = asyncio.get_running_loop().time() - began, cpu() - used
            await h.close()
            print(f"\n{kind}: {20_000 / took:,.0f} frames/s, {20_000 / used:,.0f} frames per second of processor time")
            assert 20_000 / used > 8 * BYTES_PER_S / (len(data) / 20_000)

    asyncio.run(asyncio.wait_for(main(), 30))
