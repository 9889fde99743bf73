"""The serial adapter keeps the contract of adapters: listening into a ring, holding the line back, and asking."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

import adapters.serial.probe
from adapters.serial import SerialAdapter
from adapters.serial.settings import SerialSettings
from rt_edge.data.reading import Reading
from rt_edge.settings.frozen import freeze
from rt_edge.settings.validate import melt
from rt_edge.testkit.adapter_contract import AdapterBench, AdapterContract
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.serial_instrument import Instrument, plugged


class Bench(AdapterBench):
    """An adapter and its instrument."""

    def __init__(self, harness: AdapterHarness, instrument: Instrument) -> None:
        super().__init__(harness)
        self._instrument = instrument
        self._number = 0

    def number(self, reading: Reading) -> int:
        return int(str(reading.fields["value"]))

    async def produce(self, n: int) -> None:
        for _ in range(0 if self._instrument.answer else n):  # one that answers is asked
            self._number += 1
            self._instrument.say(b"\r%d\r" % self._number)  # the first end of a line is where a frame begins

    async def vanish(self) -> None:
        self._instrument.unplug()

    async def appear(self) -> None:
        self._instrument.plug()


class OnPty:
    """An instrument on a pseudo-terminal."""

    written: ClassVar[dict[str, Any]]

    @asynccontextmanager
    async def bench(self, tmp_path: Path) -> AsyncIterator[AdapterBench]:
        count = iter(range(1_000_000))
        asked = "poll" in self.written
        with plugged(tmp_path / "tty", (lambda line: [(0.0, b"%d\r" % next(count))]) if asked else None) as instrument:
            framing = {"delimiter": "\r", "kind": "delimiter"}
            s = SerialSettings.model_validate({"port": str(instrument.path), "framing": framing, **self.written})
            yield Bench(AdapterHarness(SerialAdapter, freeze(melt(s)), tmp_path), instrument)


class Listening(OnPty):
    """Without flow control."""

    written: ClassVar[dict[str, Any]] = {"listen": {}}


class Holding(OnPty):
    """With flow control."""

    written: ClassVar[dict[str, Any]] = {"listen": {}, "flow_control": "rts_cts"}


class Asking(OnPty):
    """Request and reply."""

    written: ClassVar[dict[str, Any]] = {"poll": {"requests": {"value": {"request": "V?\r", "every": "5ms"}}}}


class TestListening(Listening, AdapterContract):
    pass


class TestHolding(Holding, AdapterContract):
    pass


class TestAsking(Asking, AdapterContract):
    pass


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener is silent here until it is told to produce: a probe need not wait long for that."""
    monkeypatch.setattr(adapters.serial.probe, "HEARD_S", 0.05)
