"""Settings as a running node has them, and a context under hand-wound time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from adapters.modbus.address import framing_name
from adapters.modbus.breaker import BreakerLimits
from adapters.modbus.bus import Bus
from adapters.modbus.framing import make_framing
from adapters.modbus.link import Link
from adapters.modbus.plan import units_of, wire_of
from adapters.modbus.settings import ModbusSettings
from rt_edge.settings.frozen import freeze
from rt_edge.settings.validate import melt
from rt_edge.testkit.adapter_harness import RecordingContext
from rt_edge.testkit.modbus_wire import FramingName, frame_of, take_requests
from rt_edge.testkit.simulated_time import SimulatedTime


@pytest.fixture(name="settings")
def _settings() -> Callable[..., Any]:
    """Validated and frozen settings of what a user wrote."""
    return lambda **written: freeze(melt(ModbusSettings.model_validate(written)))


@pytest.fixture(name="time")
def _time() -> SimulatedTime:
    return SimulatedTime()


@pytest.fixture(name="context")
def _context(tmp_path: Path, time: SimulatedTime) -> RecordingContext:
    return RecordingContext(tmp_path, "plc", time, Random(7))


class SimLoop:
    """Timers of an event loop under hand-wound time."""

    def __init__(self, time: SimulatedTime) -> None:
        self._time = time

    def call_soon(self, callback: Callable[[], None]) -> object:
        return self._time.call_later(0.0, callback)

    def call_later(self, delay: float, callback: Callable[[], None]) -> Any:
        return self._time.call_later(delay, callback)


class SimAlarm:
    """What `fine_timer` is on a real loop, under hand-wound time."""

    def __init__(self, time: SimulatedTime) -> None:
        self._time = time
        self._set: Any = None
        self._callback: Callable[[], None] = lambda: None

    def start(self, callback: Callable[[], None]) -> None:
        self._callback = callback

    def set(self, delay: float) -> None:
        self.close()
        self._set = self._time.call_later(delay, self._callback)

    def close(self) -> None:
        if self._set is not None:
            self._set.cancel()


class Fate(NamedTuple):
    """What becomes of the reply to one request: how late it is, what precedes it, how it is damaged and cut into pieces."""

    delay: float = 0.0
    silent: bool = False
    noise: bytes = b""
    damage: str = "none"
    pieces: int = 1
    flip: int = -3
    """With damage `flip`: which byte has one bit wrong."""
    bit: int = 4


class Line:
    """A serial line under hand-wound time; slaves answer in order, each register of a reply being the number of its request.

    As it knows every request, it can tell whether a reply was taken for the answer to another one (`misattributed`).
    """

    def __init__(self, time: SimulatedTime, wire: Any, framing: FramingName = "rtu") -> None:
        self.time, self.wire, self.framing = time, wire, framing
        self.turnaround: Callable[[int], float] = lambda unit: wire.turnaround
        self.fates: Callable[[int], Fate] = lambda unit: Fate()
        self.refuses: Callable[[int, int, int, int], int] = lambda unit, function, address, count: 0
        """(unit, function, address, count) -> exception code, 0 for none."""
        self.link: Any = None
        self.serial = 0
        self.unit_of: dict[int, int] = {}
        self.truth = b""
        self.sent: list[tuple[float, bytes]] = []
        self.misattributed: list[tuple[bytes, bytes]] = []
        self.too_early: list[float] = []
        """Requests that did not leave the line silent for long enough after the last byte: the gap before each."""
        self._heard = -1.0
        self._free: dict[int, float] = {}

    def watch(self, bus: Any) -> None:
        """Compare every reply that the bus gets with what the asked unit said to that very request."""
        answered = bus.answered

        def checked(tx: Any, pdu: bytes, now: float) -> None:
            if pdu != self.truth:
                self.misattributed.append((self.truth, pdu))
            answered(tx, pdu, now)

        bus.answered = checked

    def write(self, data: bytes) -> None:
        ((unit, pdu),), rest = take_requests(self.framing, data)
        assert not rest
        function = pdu[0]
        self.serial += 1
        self.unit_of[self.serial] = unit
        self.sent.append((self.time.now, data))
        if self.time.now - self._heard < self.wire.silence - 1e-9:
            self.too_early.append(self.time.now - self._heard)
        if function <= 2:
            count = int.from_bytes(pdu[3:5], "big")
            size = (count + 7) // 8
            self.truth = bytes((function, size)) + bytes((self.serial + i) & 0xFF for i in range(size))
        elif function <= 4:
            count = int.from_bytes(pdu[3:5], "big")
            self.truth = bytes((function, 2 * count)) + self.serial.to_bytes(2, "big") * count
        else:
            self.truth = pdu[:5]
        exception = self.refuses(unit, function, int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big"))
        if exception:
            self.truth = bytes((function | 0x80, exception))
        fate = self.fates(unit)
        if fate.silent:
            return
        frame = frame_of(self.framing, unit, self.truth)
        if fate.damage == "flip":
            at = fate.flip % len(frame)
            frame = frame[:at] + bytes((frame[at] ^ 1 << fate.bit,)) + frame[at + 1 :]
        elif fate.damage == "cut":
            frame = frame[: len(frame) // 2]
        elif fate.damage == "twice":
            frame += frame
        elif fate.damage == "exception":
            self.truth = bytes((function | 0x80, 4))
            frame = frame_of(self.framing, unit, self.truth)
        took = (len(data) + len(frame)) * self.wire.char + self.turnaround(unit)
        at = max(self._free.get(unit, 0.0), self.time.now + fate.delay + took)  # a slave answers in order
        self._free[unit] = at
        wire = fate.noise + frame
        step = max(1, len(wire) // fate.pieces)
        for i in range(0, len(wire), step):
            self.time.call_at(at, lambda piece=wire[i : i + step]: self.say(piece))

    def say(self, data: bytes) -> None:
        """Bytes that the master hears now."""
        self._heard = self.time.now
        self.link.on_data(data)

    async def close(self) -> None:
        pass


class World(NamedTuple):
    """A bus on a line."""

    time: SimulatedTime
    context: RecordingContext
    bus: Bus
    line: Line
    link: Link
    framing: Any

    def demand(self, n: int) -> None:
        self.context.asked += n
        self.bus.demand(n)
        self.link.kick()


def make_world(settings: Any, context: RecordingContext, time: SimulatedTime) -> World:
    wire = wire_of(settings.channel)
    bus = Bus(units_of(settings), BreakerLimits(settings.failures, settings.retry_min, settings.retry_max), context)
    framing = make_framing(settings.channel, context.count, 30.0)
    line = Line(time, wire, framing_name(settings.channel))  # type: ignore[arg-type]
    line.watch(bus)
    losses: list[Exception] = []
    link = Link(bus, framing, wire, context, losses.append, SimLoop(time))
    line.link = link
    link.start(line, 0.0, SimAlarm(time) if settings.channel.serial is not None else None)
    return World(time, context, bus, line, link, framing)


@pytest.fixture(name="world")
def _world(settings: Any, context: RecordingContext, time: SimulatedTime) -> Callable[..., World]:
    """A bus with the written settings on a simulated line."""
    return lambda **written: make_world(settings(**written), context, time)


@pytest.fixture(name="new_world")
def _new_world(settings: Any, tmp_path: Path) -> Callable[..., World]:
    """As `world`, with time of its own: for many worlds in one test."""

    def make(**written: Any) -> World:
        time = SimulatedTime()
        return make_world(settings(**written), RecordingContext(tmp_path, "plc", time, Random(7)), time)

    return make


@pytest.fixture(name="fate")
def _fate() -> type[Fate]:
    return Fate
