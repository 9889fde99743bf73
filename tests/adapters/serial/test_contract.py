"""The serial adapter keeps the contract of adapters: listening into a ring, holding the line back, and asking."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from adapters.serial import SerialAdapter
from rt_edge.testkit.adapter_contract import AdapterBench, AdapterContract
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.serial_instrument import Instrument, plugged


class Bench(AdapterBench):
    """An adapter and its instrument."""

    def __init__(self, harness: AdapterHarness, instrument: Instrument) -> None:
        super().__init__(harness)
        self._instrument = instrument
        self._number = 0

    async def produce(self, n: int) -> None:
        for _ in range(n):
            self._number += 1
            self._instrument.say(b"\r%d\r" % self._number)  # the first end of a line is where a frame begins

    async def cut(self) -> None:
        self._instrument.unplug()
        self._instrument.plug()


class _Serial(AdapterContract):
    written: ClassVar[dict[str, Any]]

    @pytest.fixture(autouse=True)
    def _use(self, settings: Any) -> None:
        self.make = settings

    @asynccontextmanager
    async def bench(self, tmp_path: Path) -> AsyncIterator[AdapterBench]:  # type: ignore[override]
        count = iter(range(1_000_000))
        asked = "poll" in self.written
        with plugged(tmp_path / "tty", lambda line: [(0.0, b"%d\r" % next(count))] if asked else []) as instrument:
            s = self.make(port=str(instrument.path), framing={"delimiter": "\r", "kind": "delimiter"}, **self.written)
            yield Bench(AdapterHarness(SerialAdapter, s, tmp_path), instrument)


class TestListening(_Serial):
    """Without flow control."""

    written: ClassVar[dict[str, Any]] = {"listen": {}}


class TestHolding(_Serial):
    """With flow control."""

    written: ClassVar[dict[str, Any]] = {"listen": {}, "flow_control": "rts_cts"}


class TestAsking(_Serial):
    """Request and reply."""

    written: ClassVar[dict[str, Any]] = {"poll": {"requests": {"value": {"request": "V?\r", "every": "5ms"}}}}
