"""What a user writes for `kind: modbus`; imported by `check` and the forms only, never by a running node."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from adapters.modbus.address import tcp_address
from adapters.modbus.plan import load, unit_plan, wire_of
from rt_edge.sdk import ConfigError, parse_duration

Order = Literal[
    "ABCD", "CDAB", "BADC", "DCBA", "AB", "BA", "ABCDEFGH", "GHEFCDAB", "BADCFEHG", "HGFEDCBA", "CDABGHEF", "EFGHABCD"
]
Type = Literal[
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "string"
]
Address = Annotated[int, Field(ge=0, le=65536)]


def _seconds(value: object) -> object:
    if isinstance(value, float):  # the default of a field, already in seconds
        return value
    try:
        return float(parse_duration(value))
    except ConfigError as error:
        raise ValueError(str(error)) from None


Duration = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=str)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Channel(_Model):
    """The physical line: one serial port, or one TCP address. One request at a time is on it."""

    serial: str | None = Field(None, min_length=1, description="Serial device, best by id: /dev/serial/by-id/...")
    baud: int = Field(19200, ge=300, le=4_000_000, description="Bits per second of the serial line.")
    parity: Literal["none", "even", "odd"] = Field("even", description="Parity; the standard's default is even.")
    stop_bits: Literal[1, 2] = Field(
        1, description="Stop bits; the standard asks for 2 when there is no parity, most devices do with 1."
    )
    rs485: bool = Field(False, description="Let the kernel drive the RTS line of an RS-485 transceiver.")
    local_echo: bool = Field(False, description="The line driver returns what we send: skip it.")
    tcp: str | None = Field(
        None, min_length=1, description="HOST or HOST:PORT of a Modbus TCP device or gateway; port 502 if not given."
    )
    framing: Literal["mbap", "rtu"] = Field(
        "mbap", description="On TCP: `mbap` (Modbus TCP) or `rtu` (serial frames through a plain tunnel)."
    )
    timeout: Duration = Field(0.5, gt=0, description="Most time from the end of a request to its reply; a unit can have its own.")
    connect_timeout: Duration = Field(5.0, gt=0, description="Most time to connect over TCP.")
    turnaround: Duration | None = Field(
        None, ge=0, description="What units need before they reply; decides how big a hole is read through. 5ms serial, 1ms TCP."
    )
    pause: Duration = Field(0.0, ge=0, description="Additional time between a reply and the next request.")
    after_connect: Duration = Field(0.0, ge=0, description="Time between connecting and the first request.")

    @model_validator(mode="after")
    def _one_line(self) -> Channel:
        if (self.serial is None) == (self.tcp is None):
            raise ValueError("a channel is either `serial: DEVICE` or `tcp: HOST:PORT`")
        only = ("baud", "parity", "stop_bits", "rs485", "local_echo") if self.serial is None else ("framing", "connect_timeout")
        wrong = [name for name in only if name in self.model_fields_set]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: not for a {'TCP' if self.serial is None else 'serial'} channel")
        if self.tcp is not None:
            try:
                tcp_address(self.tcp)
            except ConfigError as error:
                raise ValueError(str(error)) from None
        return self


class Point(_Model):
    """One value: where it is and what it means."""

    holding: Address | None = Field(None, description="Address of a holding register (read by function 3, written by 6 or 16).")
    input: Address | None = Field(None, description="Address of an input register (function 4).")
    coil: Address | None = Field(None, description="Address of a coil (read by function 1, written by 5 or 15).")
    discrete: Address | None = Field(None, description="Address of a discrete input (function 2).")
    type: Type | None = Field(None, description="uint16 if not given; a coil, a discrete input and a `bit` are bool.")
    order: Order = Field("ABCD", description="Bytes in the order of the wire, A most significant: ABCD, CDAB, BADC, DCBA.")
    scale: int | float = Field(1, description="value = raw * scale + offset; for writes the other way round.")
    offset: int | float = Field(0, description="See `scale`.")
    bit: int | None = Field(None, ge=0, le=15, description="For a bool in a register: its bit, 0 is the least significant.")
    byte: Literal["high", "low"] = Field("low", description="For int8 and uint8: which half of the register.")
    length: int | None = Field(None, ge=1, le=125, description="For a string: its registers, two bytes each.")
    unit: str = Field("", max_length=32, description="Unit of measure, for people (`status`, forms).")
    writable: bool = Field(False, description="Whether `rt-edge write` and commands may set it.")
    verify: bool | None = Field(None, description="Read back after a write and compare; as the unit says if not given.")
    function: Literal["single", "multiple"] = Field(
        "single", description="Write one value by function 5/6, or 15/16 for devices that know only those."
    )
    every: Duration | None = Field(None, gt=0, description="Period of this point, if not that of its unit.")

    @model_validator(mode="after")
    def _one_place(self) -> Point:
        given = [t for t in ("holding", "input", "coil", "discrete") if getattr(self, t) is not None]
        if len(given) != 1:
            raise ValueError(
                "a point is in exactly one of holding, input, coil, discrete" + (f", not {' and '.join(given)}" if given else "")
            )
        if self.scale == 0:
            raise ValueError("a scale of 0 makes every value the same")
        return self


class Unit(_Model):
    """One device on the line."""

    unit: int = Field(1, ge=0, le=255, description="Unit identifier: 1..247 on a serial line, 0..255 on TCP.")
    every: Duration = Field(1.0, gt=0, description="Period of its points.")
    timeout: Duration | None = Field(None, gt=0, description="As in the channel, for this unit.")
    address_base: Literal[0, 1] = Field(0, description="1 if the manual counts registers from 1 (40001 is `holding: 1`).")
    max_registers: int = Field(125, ge=1, le=125, description="Most registers the device gives in one reply.")
    max_bits: int = Field(2000, ge=1, le=2000, description="Most coils or discrete inputs the device gives in one reply.")
    hole: int | None = Field(
        None, ge=0, le=124, description="Most unwanted registers read through in a row; computed from the line if not given."
    )
    verify: bool = Field(False, description="Read back after each write and compare.")
    tags: dict[str, str] = Field(default_factory=dict, description="Tags of every Reading of this unit.")
    points: dict[Annotated[str, Field(min_length=1, max_length=64)], Point] = Field(
        min_length=1, description="Name of the field -> point."
    )


class ModbusSettings(_Model):
    """A Modbus line and the devices on it."""

    kind: Literal["modbus"] = Field("modbus", description="The kind of adapter.")
    channel: Channel = Field(description="The line.")
    units: dict[Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")], Unit] = Field(
        min_length=1, description="Name of the device -> unit; its Readings are called ADAPTER/NAME."
    )
    failures: int = Field(3, ge=1, le=100, description="Unanswered polls in a row after which a unit is given up for a while.")
    retry_min: Duration = Field(5.0, gt=0, description="Time to the first new try of a unit that was given up.")
    retry_max: Duration = Field(60.0, gt=0, description="Longest time between tries; it doubles up to here.")
    write_expiry: Duration = Field(10.0, gt=0, description="A command that could not be sent for this long fails.")
    overload: Literal["refuse", "coalesce"] = Field(
        "refuse",
        description="A plan above the capacity of the line is an error (`refuse`), or missed slots are left out (`coalesce`).",
    )

    @model_validator(mode="after")
    def _plan(self) -> ModbusSettings:
        """Everything that is only wrong together: unit ids, points that do not fit, a plan above the line's capacity."""
        problems: list[str] = []
        seen: dict[int, str] = {}
        for name, unit in self.units.items():
            if unit.unit in seen:
                problems.append(
                    f"units.{name}: unit {unit.unit} is {seen[unit.unit]} already; put the points of one device together"
                )
            seen.setdefault(unit.unit, name)
            if (self.channel.serial is not None or self.channel.framing == "rtu") and not 1 <= unit.unit <= 247:
                problems.append(f"units.{name}: unit {unit.unit} is not 1..247, as a serial line needs")
        if self.retry_max < self.retry_min:
            problems.append(f"retry_max ({self.retry_max:g}s) is shorter than retry_min ({self.retry_min:g}s)")
        wire = wire_of(self.channel)
        plans = []
        for name, unit in self.units.items():
            try:
                plans.append(unit_plan(name, unit, self.channel, wire))
            except ConfigError as error:
                problems.append(f"units.{name}: {error}")
        needed = load(plans, wire)
        if needed > 1 and self.overload == "refuse":
            problems.append(
                f"this plan needs {needed:.0%} of the bus; poll less often, raise `baud`, or say `overload: coalesce`".replace(
                    "%", " %", 1
                )
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self
