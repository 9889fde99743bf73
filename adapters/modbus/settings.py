"""What a user writes for `kind: modbus`; imported by `check` and the forms only, never by a running node."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from adapters.modbus.address import framing_name, tcp_address
from adapters.modbus.plan import load, point_of, units_of, wire_of
from adapters.modbus.points import bound_problem
from rt_edge.sdk import ConfigError, Duration
from rt_edge.sdk.serial_settings import Rs485
from rt_edge.sdk.settings import DurationField, Field, Name, SettingError, SettingErrors, Settings, model_validator

Order = Literal[
    "ABCD",
    "CDAB",
    "BADC",
    "DCBA",
    "AB",
    "BA",
    "ABCDEFGH",
    "GHEFCDAB",
    "BADCFEHG",
    "HGFEDCBA",
    "CDABGHEF",
    "EFGHABCD",
    "ABCDEF",
    "EFCDAB",
    "BADCFE",
    "FEDCBA",
]
Type = Literal[
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int48",
    "uint48",
    "int64",
    "uint64",
    "bcd16",
    "bcd32",
    "float16",
    "float32",
    "float64",
    "string",
    "bytes",
]
RegisterAddress = Annotated[int, Field(ge=0, le=65536)]
FieldName = Annotated[str, Field(min_length=1, max_length=64)]

Lane = Literal["alarm", "poll", "background"]

_SERIAL_ONLY = ("baud", "data_bits", "parity", "stop_bits", "rs485", "local_echo")
_TCP_ONLY = ("connect_timeout",)


class Channel(Settings):
    """The physical line: one serial port, or one TCP address. One request at a time is on it."""

    serial: str | None = Field(default=None, min_length=1)
    """Serial device, best by id: /dev/serial/by-id/..."""
    baud: int = Field(default=19200, ge=300, le=4_000_000)
    """Bits per second of the serial line."""
    data_bits: Literal[7, 8] | None = None
    """Data bits of the serial line; 8, and 7 with `framing: ascii`, as the standard says."""
    parity: Literal["none", "even", "odd"] = "even"
    """Parity; even is the standard's default."""
    stop_bits: Literal[1, 2] = 1
    """Stop bits; the standard asks for 2 when there is no parity, most devices do with 1."""
    rs485: bool | Rs485 = False
    """Whether the kernel drives the RTS line of an RS-485 transceiver: true, or with which levels and times."""
    local_echo: bool = False
    """Whether the line driver returns what we send; it is skipped then."""
    tcp: str | None = Field(default=None, min_length=1)
    """HOST or HOST:PORT of a Modbus TCP device or gateway; port 502 if none is given."""
    framing: Literal["mbap", "rtu", "ascii"] | None = None
    """`rtu` (if not given on a serial line) or `ascii`, also through a TCP tunnel; `mbap` is Modbus TCP (if not given there)."""
    timeout: DurationField = Field(default=Duration(0.5), gt=0)
    """Longest time from the end of a request to its reply; a unit can have its own."""
    connect_timeout: DurationField = Field(default=Duration(5.0), gt=0)
    """Longest time to connect over TCP."""
    turnaround: DurationField | None = Field(default=None, ge=0)
    """What units need before they reply; decides how big a hole is read through. Measured if not given (5ms at first)."""
    pause: DurationField = Field(default=Duration(0.0), ge=0)
    """Additional time between a reply and the next request, for units that need it."""
    after_connect: DurationField = Field(default=Duration(0.0), ge=0)
    """Time between connecting and the first request, for devices that are not ready at once."""

    @model_validator(mode="after")
    def _one_line(self) -> Channel:
        if (self.serial is None) == (self.tcp is None):
            both = "two lines in one channel" if self.serial else "a channel without a line"
            raise SettingError(both, "write either `serial: DEVICE` or `tcp: HOST:PORT`; a second line is a second adapter")
        kind, others = ("a TCP", _SERIAL_ONLY) if self.serial is None else ("a serial", _TCP_ONLY)
        wrong = [name for name in others if name in self.model_fields_set]
        if wrong:
            raise SettingErrors(SettingError(f"{kind} channel has no {name}", f"remove {name}", (name,)) for name in wrong)
        if self.serial is not None and self.framing == "mbap":
            raise SettingError("mbap is the framing of Modbus TCP", "write rtu or ascii", ("framing",))
        if self.data_bits == 7 and framing_name(self) != "ascii":
            raise SettingError("RTU frames need 8 data bits", "remove data_bits, or write `framing: ascii`", ("data_bits",))
        if self.tcp is not None:
            try:
                tcp_address(self.tcp)
            except ConfigError as error:
                raise SettingError(error.message, error.hint, ("tcp",)) from None
        return self


class Point(Settings):
    """One value: where it is and what it means."""

    holding: RegisterAddress | None = None
    """Address of a holding register (read by function 3, written by 6 or 16)."""
    input: RegisterAddress | None = None
    """Address of an input register (function 4)."""
    coil: RegisterAddress | None = None
    """Address of a coil (read by function 1, written by 5 or 15)."""
    discrete: RegisterAddress | None = None
    """Address of a discrete input (function 2)."""
    type: Type | None = None
    """uint16 if not given; a coil, a discrete input and a `bit` are bool. bcd16 and bcd32 have a decimal digit in four bits."""
    order: Order = "ABCD"
    """Bytes in the order of the wire, A most significant: ABCD, CDAB, BADC, DCBA; 48 and 64 bits also in six or eight letters."""
    scale: int | float = 1
    """value = raw * scale + offset; for writes the other way round."""
    offset: int | float = 0
    """Added after scaling."""
    bit: int | None = Field(default=None, ge=0, le=15)
    """For a bool in a register: its bit, 0 is the least significant; with `width_bits`: the lowest bit of a number."""
    width_bits: int | None = Field(default=None, ge=2, le=15)
    """For a number that is a part of a register, such as a state in a status word: its bits, from `bit` on."""
    byte: Literal["high", "low"] = "low"
    """For int8 and uint8: which half of the register."""
    length_registers: int | None = Field(default=None, ge=1, le=125)
    """For a string or bytes: its registers, two bytes each; `order: BA` where the bytes of each register are swapped."""
    encoding: Literal["utf-8", "ascii", "latin-1", "utf-16"] = "utf-8"
    """For a string: how its characters are bytes; utf-16 is one character a register, most significant byte first."""
    unit: str = Field(default="", max_length=32)
    """Unit of measure, for people; not sent with the readings."""
    writable: bool = False
    """Whether `rt-edge write` and commands may set it."""
    min: float | None = None
    """Least value that a command may write; the range of the type bounds it anyway."""
    max: float | None = None
    """Greatest value that a command may write."""
    allowed: tuple[bool | int | float | str, ...] = ()
    """The only values that a command may write, if any are given."""
    verify: bool | None = None
    """Read back after a write and compare; as the unit says if not given."""
    function: Literal["single", "multiple", "mask"] = "single"
    """Write by function 5 or 6 (`single`), by 15 or 16 for devices that know only those, a bit or byte by 22 (`mask`)."""
    every: DurationField | None = Field(default=None, gt=0)
    """Period of this point, if not that of its unit; points of one period and lane make one reading."""
    lane: Lane | None = None
    """How urgent its polls are, if not as its unit's: alarm before poll before background; commands go before all."""

    @model_validator(mode="after")
    def _one_place(self) -> Point:
        given = [table for table in ("holding", "input", "coil", "discrete") if getattr(self, table) is not None]
        if len(given) != 1:
            message = f"{' and '.join(given)} in one point" if given else "the point has no address"
            raise SettingError(message, "a point is in exactly one of holding, input, coil, discrete")
        if self.scale == 0:
            raise SettingError("a scale of 0 makes every value the same", "leave scale out for the raw value", ("scale",))
        return self


class Unit(Settings):
    """One device on the line."""

    unit: int = Field(default=1, ge=0, le=255)
    """Unit identifier: 1..247 on a serial line, 0..255 on TCP."""
    every: DurationField = Field(default=Duration(1.0), gt=0)
    """How often its points are read."""
    timeout: DurationField | None = Field(default=None, gt=0)
    """Longest time to its reply; the channel's if not given."""
    lane: Lane = "poll"
    """How urgent its polls are: alarm before poll before background; the lower ones keep at least an eighth of the requests."""
    address_base: Literal[0, 1] = 0
    """1 if the manual counts registers from 1 (40001 is `holding: 1`)."""
    max_registers: int = Field(default=125, ge=1, le=125)
    """Most registers the device gives in one reply."""
    max_bits: int = Field(default=2000, ge=1, le=2000)
    """Most coils or discrete inputs the device gives in one reply."""
    hole_registers: int | None = Field(default=None, ge=0, le=124)
    """Most unwanted registers read through in a row; computed from baud and turnaround if not given."""
    verify: bool = False
    """Read back after each write and compare."""
    tags: dict[str, str] = {}
    """Tags of every reading of this unit."""
    points: dict[FieldName, Point] = Field(min_length=1)
    """Name of the field -> where it is."""

    @model_validator(mode="after")
    def _points_work(self) -> Unit:
        errors = []
        for name, point in self.points.items():
            try:
                found = point_of(name, point, self.address_base)
            except ConfigError as error:
                errors.append(SettingError(error.message, error.hint, ("points", name)))
                continue
            problem = bound_problem(found.codec, point)
            if problem is not None:
                errors.append(SettingError(problem[0], problem[1], ("points", name, problem[2])))
            if found.size > self.max_registers:
                message = f"{name} has {found.size} registers, and the unit gives at most {self.max_registers} at once"
                errors.append(SettingError(message, "raise max_registers", ("points", name)))
        if errors:
            raise SettingErrors(errors)
        return self


class ModbusSettings(Settings):
    """A Modbus line and the devices on it."""

    channel: Channel
    """The line: {serial: DEVICE, baud: 19200} or {tcp: HOST:PORT}."""
    units: dict[Name, Unit] = Field(min_length=1)
    """Name of the device -> what it is asked; its readings are called ADAPTER/NAME."""
    failures: int = Field(default=3, ge=1, le=100)
    """Unanswered requests in a row after which a unit is given up for a while."""
    retry_min: DurationField = Field(default=Duration(5.0), gt=0)
    """Time to the first new try of a unit that was given up; at least 20 times its time-out."""
    retry_max: DurationField = Field(default=Duration(60.0), gt=0)
    """Longest time between tries; it doubles up to here."""
    write_expiry: DurationField = Field(default=Duration(10.0), gt=0)
    """A command that could not be sent for this long fails."""
    overload: Literal["refuse", "coalesce"] = "refuse"
    """A plan above the capacity of the line is an error (`refuse`), or missed slots are left out (`coalesce`)."""

    @model_validator(mode="after")
    def _work_together(self) -> ModbusSettings:
        """What is only wrong together: unit ids, times, and a plan above the line's capacity."""
        errors: list[SettingError] = []
        seen: dict[int, str] = {}
        numbered = framing_name(self.channel) == "mbap"
        for name, unit in self.units.items():
            at = ("units", name, "unit")
            if unit.unit in seen:
                message = f"unit {unit.unit} is {seen[unit.unit]!r} already"
                errors.append(SettingError(message, "put all points of one device under one name", at))
            seen.setdefault(unit.unit, name)
            if not numbered and unit.unit == 0:
                hint = "name the unit: write 1..247"
                errors.append(SettingError("unit 0 is the broadcast address: all units obey it and none answers", hint, at))
            elif not numbered and unit.unit > 247:
                errors.append(SettingError(f"unit {unit.unit} cannot be on a serial line", "write 1..247", at))
        if self.retry_max < self.retry_min:
            errors.append(SettingError("retry_max is shorter than retry_min", "raise retry_max", ("retry_max",)))
        plans, wire = units_of(self), wire_of(self.channel)
        percent = math.ceil(100 * load(plans, wire) - 1e-6)  # six sixths of the bus are a little more than one, as floats
        if percent > 100 and self.overload == "refuse":
            shares = sorted(((load([plan], wire), plan.name) for plan in plans), reverse=True)
            most = ", ".join(f"{name} {100 * share:.0f} %" for share, name in shares[:3])
            hint = "poll less often, raise the baud rate, or write `overload: coalesce`"
            errors.append(SettingError(f"this plan needs {percent} % of the bus (most of it: {most})", hint, ("units",)))
        if errors:
            raise SettingErrors(errors)
        return self
