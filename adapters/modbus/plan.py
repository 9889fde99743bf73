"""From settings to what the bus does: units, their polls, and how much of the bus they need. For `check` and the adapter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from adapters.modbus.address import data_bits_of, framing_name
from adapters.modbus.blocks import BIT_TABLES, Block, Limits, Point, merge
from adapters.modbus.codec import PointCodec
from adapters.modbus.kinds import VARIABLE
from adapters.modbus.timing import Wire, serial_wire, tcp_wire
from rt_edge.sdk import Advice, ConfigError, show_duration

RANKS = {"command": 0, "alarm": 1, "poll": 2, "background": 3}
"""Lane -> rank; the lower goes first."""

SERIAL_TURNAROUND = 0.005
TCP_TURNAROUND = 0.001
"""Assumed where the channel does not say; the capacity check uses it."""


class PointPlan(NamedTuple):
    """A point with what writing it needs; `multiple`: by function 15 or 16, `mask`: by function 22."""

    point: Point
    writable: bool
    verify: bool
    multiple: bool
    mask: bool = False


class PollPlan(NamedTuple):
    """Points of one unit that are read together: one Reading.

    Attributes:
        every: seconds.
        lane: a key of RANKS.
        points: what is read.
        blocks: the requests that it takes as far as the settings say; the unit may teach better.
    """

    every: float
    lane: str
    points: tuple[Point, ...]
    blocks: list[Block]


class UnitPlan(NamedTuple):
    """One unit (device) of the channel.

    Attributes:
        name: as configured.
        id: unit identifier on the wire.
        timeout: seconds it has to start its reply.
        polls: by period and lane.
        points: by name.
        tags: carried by each of its Readings.
        limits: of its requests.
        wire: timing of the channel.
        measured: whether the hole follows from the turnaround as it is measured: neither is set.
    """

    name: str
    id: int
    timeout: float
    polls: list[PollPlan]
    points: Mapping[str, PointPlan]
    tags: Mapping[str, str]
    limits: Limits
    wire: Wire
    measured: bool


def wire_of(channel: Any) -> Wire:
    """The timing of a channel; `channel` as in the settings."""
    if channel.serial is not None:
        ascii_frames = framing_name(channel) == "ascii"
        bits = 1 + data_bits_of(channel) + (channel.parity != "none") + channel.stop_bits
        turnaround = SERIAL_TURNAROUND if channel.turnaround is None else channel.turnaround
        return serial_wire(channel.baud, bits, turnaround, channel.pause, ascii_frames)
    return tcp_wire(TCP_TURNAROUND if channel.turnaround is None else channel.turnaround, channel.pause)


def table_of(point: Any) -> tuple[str, int]:
    """Table and configured address of a point.

    Raises:
        ConfigError: none or several are given.
    """
    given = [(t, getattr(point, t)) for t in ("coil", "discrete", "holding", "input") if getattr(point, t) is not None]
    if len(given) != 1:
        raise ConfigError("a point is in exactly one of holding, input, coil, discrete")
    return given[0]


def point_of(name: str, settings: Any, base: int) -> Point:
    """The point `name`, checked.

    Raises:
        ConfigError: the attributes do not go together.
    """
    table, written = table_of(settings)
    address = written - base
    codec = PointCodec("bool") if _is_bit(table, settings) else _codec_of(settings)
    point = Point(name, table, address, codec)
    if address < 0 or address + point.size > 0x10000:
        raise ConfigError(f"{table} {written} with {point.size} is outside 0..65535 (base {base})")
    if settings.function == "mask" and not codec.partial:
        raise ConfigError("function 22 changes bits within a register", "use it for a `bit`, an int8 or a uint8")
    if settings.writable and table in ("input", "discrete"):
        raise ConfigError(f"{table} cannot be written in Modbus", "take holding or coil, or drop `writable`")
    return point


def _is_bit(table: str, settings: Any) -> bool:
    if table not in BIT_TABLES:
        return False
    if settings.type not in (None, "bool") or settings.bit is not None or settings.width_bits is not None:
        raise ConfigError(f"a {table} is a bool: it has no other type and no bit")
    return True


def _codec_of(settings: Any) -> PointCodec:
    """How a point lies in its registers."""
    width = settings.width_bits
    kind = settings.type or ("uint16" if settings.bit is None or width is not None else "bool")
    if width is not None:
        if kind != "uint16" or settings.bit is None:
            raise ConfigError("`width_bits` is for a part of a register, a uint16, from `bit` on", "`bit` is its lowest")
        if settings.bit + width > 16:
            raise ConfigError(f"{width} bits from bit {settings.bit} on do not fit a register")
    elif (kind == "bool") != (settings.bit is not None):
        message = "a bool in a register needs `bit: 0..15`, and only a bool has one"
        raise ConfigError(message, "add `width_bits` for a number of several bits")
    if (kind in VARIABLE) != (settings.length_registers is not None):
        needs = f"a {kind} needs" if kind in VARIABLE else f"a {kind} has no"
        raise ConfigError(f"{needs} `length_registers`: a string or bytes have it")
    if kind in ("bool", *VARIABLE) and (settings.scale != 1 or settings.offset != 0):
        raise ConfigError(f"a {kind} has no scale or offset")
    if kind != "string" and settings.encoding != "utf-8":
        raise ConfigError("only a string has an encoding")
    return PointCodec(
        kind,
        settings.order,
        settings.scale,
        settings.offset,
        settings.bit,
        settings.byte == "high",
        settings.length_registers or 1,
        settings.encoding,
        width or 1,
    )


def unit_plan(name: str, settings: Any, channel: Any, wire: Wire) -> UnitPlan:
    """What the unit `name` is asked.

    Raises:
        ConfigError: a point does not work.
    """
    hole = wire.hole() if settings.hole_registers is None else settings.hole_registers
    limits = Limits(settings.max_registers, settings.max_bits, hole)
    points: dict[str, PointPlan] = {}
    periods: dict[tuple[float, int, str], list[Point]] = {}
    for point_name, p in settings.points.items():
        point = point_of(point_name, p, settings.address_base)
        verify = settings.verify if p.verify is None else p.verify
        points[point_name] = PointPlan(point, p.writable, verify, p.function == "multiple", p.function == "mask")
        lane = p.lane or settings.lane
        periods.setdefault((float(p.every or settings.every), RANKS[lane], lane), []).append(point)
    polls = [
        PollPlan(every, lane, tuple(members), merge(members, limits)) for (every, _, lane), members in sorted(periods.items())
    ]
    timeout = channel.timeout if settings.timeout is None else settings.timeout
    measured = settings.hole_registers is None and channel.turnaround is None
    return UnitPlan(name, settings.unit, timeout, polls, points, dict(settings.tags), limits, wire, measured)


def units_of(settings: Any) -> list[UnitPlan]:
    """All units of an adapter's settings."""
    wire = wire_of(settings.channel)
    return [unit_plan(name, unit, settings.channel, wire) for name, unit in settings.units.items()]


def load(units: list[UnitPlan], wire: Wire) -> float:
    """Share of the bus that the polls need: 1.43 is 143 %."""
    return sum(
        wire.exchange(len(block.request.pdu), block.request.reply) / poll.every
        for unit in units
        for poll in unit.polls
        for block in poll.blocks
    )


def advice_of(settings: Any, units: list[UnitPlan]) -> list[Advice]:
    """Time-outs that are longer than the period of another unit: on one line that one waits, and loses polls.

    One for each time-out that was set: the channel's, or a unit's own.
    """
    fastest = sorted((min(poll.every for poll in unit.polls), unit.name) for unit in units)
    patience: dict[tuple[str | int, ...], tuple[str, float, list[tuple[float, str]]]] = {}
    for unit in units:
        own = settings.units[unit.name].timeout is not None
        at = ("units", unit.name, "timeout") if own else ("channel", "timeout")
        held = [(every, name) for every, name in fastest if name != unit.name and every < unit.timeout]
        _, _, most = patience.get(at, ("", 0.0, []))
        if len(held) > len(most):
            patience[at] = (unit.name if own else "a unit", unit.timeout, held)
    return [_advice(who, timeout, held, at) for at, (who, timeout, held) in patience.items()]


def _advice(who: str, timeout: float, held: list[tuple[float, str]], at: tuple[str | int, ...]) -> Advice:
    (every, name), *rest = held
    return Advice(
        f"while {who} does not answer, a time-out of {show_duration(timeout)} holds up {name} (every {show_duration(every)})"
        f"{f' and {len(rest)} more' if rest else ''}: polls are left out until the unit is given up",
        "shorten the time-out, or put slow and fast units on two lines",
        at,
    )
