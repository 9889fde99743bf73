"""Serial instruments on a pty: a balance that talks, thermometers that are asked, a GPS receiver (NMEA 0183)."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from rt_edge.data.clock import Clock
from rt_edge.testkit.serial_instrument import Instrument
from rt_edge.testkit.simulators.faults import NO_FAULTS, Faults, FaultyLine
from rt_edge.testkit.simulators.serial_script import Script, ScriptedInstrument

ASKED = re.compile(rb"#([0-9]{2})T\?\Z")
KINDS = ("balance", "thermometers", "gps")


class SerialSimulator:
    """One instrument.

    Args:
        clock: time of its values.
        random: decides faults.
        path: link to its serial device.
        instrument: one of KINDS.
        every: seconds between what it says by itself.
        unplug_every: seconds after which the cable is pulled, for as long as `unplugged`; 0: never.
        unplugged: seconds.
        faults: of what it sends.
        script: what it says and answers instead of one of KINDS, at the speed of its line.
    """

    def __init__(
        self,
        clock: Clock,
        random: Random,
        path: Path,
        instrument: str = "balance",
        every: float = 1.0,
        unplug_every: float = 0.0,
        unplugged: float = 2.0,
        faults: Faults = NO_FAULTS,
        script: Script | None = None,
    ) -> None:
        self._clock = clock
        self._kind = instrument
        self._every = every
        self._cable = (unplug_every, unplugged)
        self._line = FaultyLine(faults, random)
        self._scripted = ScriptedInstrument(script) if script is not None else None
        self._began = clock.monotonic()
        if script is not None:
            answer = self._scripted_answer if script.answers else None
            self._instrument = Instrument(path, answer, script.delimiter.encode("latin-1"), byte_s=10 / script.baud)
        else:
            self._instrument = Instrument(path, self._answer if instrument == "thermometers" else None)
        self._task: asyncio.Task[None] | None = None
        self._said = 0

    async def __aenter__(self) -> Self:
        self._plug()
        if self._cable[0]:
            self._task = asyncio.create_task(self._pull(), name="cable")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._instrument.unplug()

    def _plug(self) -> None:
        self._instrument.plug()
        make: Callable[[], bytes] | None = {"balance": self._weight, "gps": self._position}.get(self._kind)
        if self._scripted is not None:
            make = self._scripted_says if self._scripted.script.says else None
        if make is not None:
            self._instrument.talk(self._every, self._mangled(make))

    async def _pull(self) -> None:
        every, away = self._cable
        while True:
            await asyncio.sleep(every)
            self._instrument.unplug()
            await asyncio.sleep(away)
            self._plug()

    def _mangled(self, make: Callable[[], bytes]) -> Callable[[], bytes]:
        def mangled() -> bytes:
            self._said += 1
            return self._line.fate(make())[1]

        return mangled

    def _scripted_says(self) -> bytes:
        assert self._scripted is not None
        return self._scripted.says(self._clock.monotonic() - self._began)

    def _scripted_answer(self, line: bytes) -> list[tuple[float, bytes]]:
        assert self._scripted is not None
        answer = self._scripted.answer(line, self._clock.monotonic() - self._began)
        if answer is None:
            return []
        self._said += 1
        late, sent = self._line.fate(answer[1])
        return [(answer[0] + late, sent)] if sent else []

    def _weight(self) -> bytes:
        kilograms = 12.5 + 2.5 * math.sin(self._clock.monotonic() / 20)
        return f"ST,{kilograms:=+9.3f} kg\r\n".encode()

    def _position(self) -> bytes:
        minutes = 30 + math.sin(self._clock.monotonic() / 60)
        seconds = self._clock.wall_ns() // 1_000_000_000 % 86_400
        time = f"{seconds // 3600:02}{seconds // 60 % 60:02}{seconds % 60:02}.00"
        body = f"GPGGA,{time},52{minutes:07.4f},N,01324.0000,E,1,08,0.9,34.0,M,45.0,M,,".encode()
        return b"$" + body + f"*{reduce(lambda a, b: a ^ b, body):02X}\r\n".encode()

    def _answer(self, line: bytes) -> list[tuple[float, bytes]]:
        match = ASKED.search(line)
        if match is None or match[1] not in (b"01", b"02"):
            return []
        self._said += 1
        celsius = 20.0 + 5 * int(match[1]) + math.sin(self._clock.monotonic() / 30)
        late, sent = self._line.fate(b">" + match[1] + f"{celsius:+06.2f}\r".encode())
        return [(0.02 + late, sent)] if sent else []

    def says(self) -> list[str]:
        """See `Simulator`."""
        return [f"{'an instrument of a script' if self._scripted else self._kind} on {self._instrument.path}"]

    def adapters(self) -> dict[str, Any]:
        """See `Simulator`."""
        port: dict[str, Any] = {"kind": "serial", "port": str(self._instrument.path), "baud": 9600}
        if self._scripted is not None:
            script = self._scripted.script
            port["baud"] = script.baud
            plain = {"instrument": {"framing": {"kind": "delimiter", "delimiter": script.delimiter}, "listen": {}}}
            return {name: {**port, **adapter} for name, adapter in (script.adapters or (plain if script.says else {})).items()}
        lines = {"kind": "delimiter", "delimiter": "\r\n"}
        if self._kind == "balance":
            form = {
                "kind": "regex",
                "pattern": "^(?P<state>ST|US),(?P<weight>[+-] *[0-9.]+) kg$",
                "fields": {"weight": {"type": "float"}},
            }
            return {"scale": {**port, "framing": lines, "listen": {"device": "scale-1", "format": form}}}
        if self._kind == "gps":
            return {"gps": {**port, "framing": lines, "listen": {"device": "gps-1", "format": {"kind": "nmea"}}}}
        ask = {"request": "#{address:02d}T?\r", "reply_begins": ">{address:02d}", "every": "1s", "timeout": "300ms"}
        form = {"kind": "regex", "pattern": r"^>\d\d(?P<temperature>[+-][0-9.]+)$"}
        requests = {name: {**ask, "values": {"address": n}, "format": form} for n, name in ((1, "inlet"), (2, "outlet"))}
        return {"baths": {**port, "framing": {"kind": "delimiter", "delimiter": "\r"}, "poll": {"requests": requests}}}

    def environment(self) -> dict[str, str]:
        """See `Simulator`."""
        return {}

    def counts(self) -> dict[str, int]:
        """See `Simulator`."""
        return {"frames": self._said, **self._line.counts}
