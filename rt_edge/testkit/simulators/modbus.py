"""Modbus slaves: pumps on a pty with the timing of a line, or on TCP, with faults."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from rt_edge.data.clock import Clock
from rt_edge.testkit.modbus_slave import RtuSlave, SlaveBank, SlaveUnit, TcpSlave, pump
from rt_edge.testkit.modbus_wire import FramingName
from rt_edge.testkit.simulators.faults import NO_FAULTS, Faults, FaultyLine

POINTS = {
    "pressure": {"holding": 0, "type": "float32", "unit": "bar"},
    "speed": {"holding": 2, "scale": 0.1},
    "set_point": {"holding": 3, "writable": True},
    "running": {"coil": 0, "writable": True},
    "door_open": {"discrete": 0},
}


class ModbusSimulator:
    """Pumps, as units 1, 2, ...

    Args:
        clock: time of their values.
        random: decides faults.
        units: how many.
        path: link to the serial device; None: Modbus TCP on a port of the loopback.
        port: of Modbus TCP; 0: a free one.
        baud: speed of the serial line; replies take as long as on a wire of 11 bits a character.
        turnaround: seconds that a unit needs before its reply.
        dead: units that never answer.
        faults: of all others.
        framing: of the serial line.
    """

    def __init__(
        self,
        clock: Clock,
        random: Random,
        units: int = 3,
        path: Path | None = None,
        port: int = 0,
        baud: int = 19_200,
        turnaround: float = 0.005,
        dead: frozenset[int] = frozenset(),
        faults: Faults = NO_FAULTS,
        framing: FramingName = "rtu",
    ) -> None:
        self.bank = SlaveBank({number: pump(clock, number / 10) for number in range(1, units + 1)})
        self._line = FaultyLine(faults, random)
        for number, unit in self.bank.items():
            unit.dead = number in dead
            unit.delay = turnaround if path is not None else 0.0
            if faults.any:
                unit.mangle = self._line.mangler(partial(_delay, unit, unit.delay))
        self._baud = baud
        self._framing: FramingName = framing
        self._path = path
        self._stack = AsyncExitStack()
        self._tcp = TcpSlave(self.bank)
        self._tcp.port = port
        self._rtu = RtuSlave(self.bank, path, baud, framing) if path is not None else None

    async def __aenter__(self) -> Self:
        slave: RtuSlave | TcpSlave = self._tcp if self._rtu is None else self._rtu
        await self._stack.enter_async_context(slave)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._stack.aclose()

    def says(self) -> list[str]:
        """See `Simulator`."""
        where = f"127.0.0.1:{self._tcp.port} (Modbus TCP)" if self._rtu is None else f"{self._path} at {self._baud} baud"
        dead = [str(number) for number, unit in self.bank.items() if unit.dead]
        return [
            f"{len(self.bank)} pumps, units 1 to {len(self.bank)}, on {where}" + (f"; dead: {', '.join(dead)}" if dead else "")
        ]

    def adapters(self) -> dict[str, Any]:
        """See `Simulator`."""
        serial: dict[str, Any] = {"serial": str(self._path), "baud": self._baud, "parity": "none"}
        if self._framing == "ascii":
            serial |= {"framing": "ascii", "data_bits": 8}
        channel = {"tcp": f"127.0.0.1:{self._tcp.port}"} if self._rtu is None else serial
        units = {f"pump-{number}": {"unit": number, "every": "1s", "points": POINTS} for number in self.bank}
        return {"plant": {"kind": "modbus", "channel": channel, "units": units}}

    def environment(self) -> dict[str, str]:
        """See `Simulator`."""
        return {}

    def counts(self) -> dict[str, int]:
        """See `Simulator`."""
        overruns = self._rtu.overruns if self._rtu is not None else 0
        return {"requests": self.bank.requests, "overruns": overruns, **self._line.counts}


def _delay(unit: SlaveUnit, base: float, late: float) -> None:
    unit.delay = base + late
