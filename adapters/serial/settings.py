"""What a user writes for `kind: serial`; imported by `check` and the forms only, never by a running node."""

from __future__ import annotations

from typing import Literal

from adapters.serial.codec import wire_bytes
from adapters.serial.commands import SAMPLES
from adapters.serial.formats import Format, TextFormat
from adapters.serial.frames import frame_of
from adapters.serial.points import place_of
from adapters.serial.send import ReadingText
from adapters.serial.settings_framing import DelimiterFraming, Framing
from adapters.serial.template import SEQUENCE, Template
from rt_edge.sdk import ConfigError, Duration, RtEdgeError
from rt_edge.sdk.serial_settings import Rs485
from rt_edge.sdk.settings import (
    DurationField,
    Field,
    Name,
    SettingError,
    SettingErrors,
    Settings,
    model_validator,
)


class Listen(Settings):
    """The instrument talks by itself."""

    device: Name = "instrument"
    """Its name; its readings are called ADAPTER/NAME."""
    tags: dict[str, str] = {}
    """Tags of every reading."""
    format: Format = TextFormat()
    """What a frame says."""
    ring_readings: int = Field(default=1000, ge=1, le=100_000)
    """Frames that wait while nothing is asked for, at most; with flow control none has to."""
    overflow: Literal["drop_oldest", "drop_newest"] = "drop_oldest"
    """Which frame is dropped when the ring is full; counted, and a gap record says of when."""
    silent_after: DurationField | None = Field(default=None, gt=0)
    """An instrument that says nothing for this long is said to be silent; never if not given."""


class Request(Settings):
    """One thing that is asked."""

    request: str = Field(min_length=1, max_length=1024)
    r"""What is sent: text in double quotes ("#{address:02d}\r"), with names of `values` and {sequence}, or hex:0103."""
    reply_begins: str = Field(default="", max_length=1024)
    """What its reply begins with, written like the request; anything else is not taken for it."""
    values: dict[str, int | float | str] = {}
    """Name -> value for the request and `reply_begins`."""
    framed: bool = False
    """Whether the request is put into a frame as replies are: checksum, then length, stuffing or delimiter."""
    every: DurationField = Field(default=Duration(1.0), gt=0)
    """How often it is asked."""
    timeout: DurationField = Field(default=Duration(0.5), gt=0)
    """Longest time from sending it to its whole reply."""
    tags: dict[str, str] = {}
    """Tags of every reading."""
    format: Format = TextFormat()
    """What the reply says."""

    @model_validator(mode="after")
    def _renders(self) -> Request:
        errors = []
        if SEQUENCE in self.values:
            errors.append(SettingError("`sequence` is the number of the request", "call it otherwise", ("values", SEQUENCE)))
        for name in ("request", "reply_begins"):
            try:
                Template(getattr(self, name), self.values)
            except ConfigError as error:
                errors.append(SettingError(error.message, error.hint, (name,)))
        if errors:
            raise SettingErrors(errors)
        return self


class Poll(Settings):
    """The instrument is asked, one request at a time."""

    requests: dict[Name, Request] = Field(min_length=1)
    """Name -> what is asked; its readings are called ADAPTER/NAME."""
    late_limit: DurationField = Field(default=Duration(2.0), gt=0)
    """How long after its time-out a reply may still come: until then nothing is asked whose reply could be confused with it."""
    pause: DurationField = Field(default=Duration(0.0), ge=0)
    """Time between a reply and the next request, for instruments that need it."""
    local_echo: bool = False
    """Whether the line or the instrument returns what is sent; it is skipped then."""


class Command(Settings):
    """Something that can be set or done."""

    command: str = Field(min_length=1, max_length=1024)
    r"""What is sent: text in double quotes ("SP {value:.2f}\r"), with {value} and names of `values`, or hex:0103."""
    type: Literal["float", "int", "str"] = "float"
    """What a value is; a text is without control characters."""
    unit: str = Field(default="", max_length=32)
    """Unit of measure of the value, for people."""
    minimum: int | float | None = None
    """Least value that is sent."""
    maximum: int | float | None = None
    """Greatest value that is sent."""
    reply_begins: str = Field(default="", max_length=256)
    """What the reply begins with that confirms it; without it (and refusal_begins) none is waited for, and nothing is known."""
    refusal_begins: str = Field(default="", max_length=256)
    """What the reply begins with that refuses it."""
    values: dict[str, int | float | str] = {}
    """Name -> value for the command."""
    framed: bool = False
    """Whether it is put into a frame as replies are."""
    timeout: DurationField = Field(default=Duration(0.5), gt=0)
    """Longest time from sending it to its whole reply."""
    read_back: str = ""
    """REQUEST/FIELD of `poll` that has the value afterwards: it is asked at once, and tells whether the command was done."""

    @model_validator(mode="after")
    def _renders(self) -> Command:
        errors = []
        for name in ("reply_begins", "refusal_begins"):
            try:
                wire_bytes(getattr(self, name))
            except ConfigError as error:
                errors.append(SettingError(error.message, error.hint, (name,)))
        try:
            Template(self.command, self.values, SAMPLES[self.type])
        except ConfigError as error:
            errors.append(SettingError(error.message, error.hint, ("command",)))
        if self.type == "str" and (self.minimum is not None or self.maximum is not None):
            errors.append(SettingError("a text has no least and greatest", "remove minimum and maximum", ("type",)))
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            errors.append(SettingError(f"minimum is above maximum {self.maximum}", "exchange them", ("minimum",)))
        if errors:
            raise SettingErrors(errors)
        return self


class Send(Settings):
    """Readings of a graph (`to: NAME`) are sent to the instrument."""

    template: str = Field(min_length=1, max_length=1024)
    r"""What is sent for a reading ("T={fields.celsius:.1f}\r"): {source}, {adapter}, {device}, {fields.NAME}, {tags.NAME}."""
    framed: bool = False
    """Whether it is put into a frame as what comes is."""
    reply_begins: str = Field(default="", max_length=256)
    """What the reply begins with that confirms it; without it a reading is delivered when the line has taken it."""
    refusal_begins: str = Field(default="", max_length=256)
    """What the reply begins with that refuses it: the reading is left out, counted, and not sent again."""
    timeout: DurationField = Field(default=Duration(0.5), gt=0)
    """Longest time from sending it to its whole reply."""
    pause: DurationField = Field(default=Duration(0.0), ge=0)
    """Time between two readings, for printers and displays that need it."""

    @model_validator(mode="after")
    def _renders(self) -> Send:
        for name, make in (("template", ReadingText), ("reply_begins", wire_bytes), ("refusal_begins", wire_bytes)):
            try:
                make(getattr(self, name))
            except ConfigError as error:
                raise SettingError(error.message, error.hint, (name,)) from None
        if self.refusal_begins and not self.reply_begins:
            raise SettingError("what is not refused would never be confirmed", "write reply_begins, too", ("refusal_begins",))
        return self


class AtOpen(Settings):
    """What is done each time the port is opened, before anything is read or asked; in this order."""

    dtr_pulse: DurationField = Field(default=Duration(0.0), ge=0, le=10)
    """DTR is lowered for so long: it resets many boards, and hangs up modems."""
    break_pulse: DurationField = Field(default=Duration(0.0), ge=0, le=10)
    """The line is held in the break condition for so long: it wakes or resets some instruments."""
    wait: DurationField = Field(default=Duration(0.0), ge=0, le=60)
    """Time for the instrument to start; what it says meanwhile is thrown away."""
    send: str = Field(default="", max_length=1024)
    r"""What is sent then, like text in double quotes ("REMOTE\r"), or hex:1b40; no reply is waited for."""

    @model_validator(mode="after")
    def _is_something(self) -> AtOpen:
        try:
            wire_bytes(self.send)
        except ConfigError as error:
            raise SettingError(error.message, error.hint, ("send",)) from None
        return self


class SerialSettings(Settings):
    """A serial port and the instrument on it."""

    port: str = Field(min_length=1)
    """The device, best by id: /dev/serial/by-id/..."""
    baud: int = Field(default=9600, ge=50, le=4_000_000)
    """Bits per second."""
    data_bits: Literal[5, 6, 7, 8] = 8
    """Bits of a character."""
    parity: Literal["none", "even", "odd", "mark", "space"] = "none"
    """Parity."""
    stop_bits: Literal[1, 2] = 1
    """Stop bits."""
    flow_control: Literal["none", "rts_cts", "xon_xoff"] = "none"
    """How the line is held back: by the RTS and CTS lines, by characters, or not."""
    dtr: bool = True
    """Whether DTR is raised when the port is opened; false for boards that reset by it."""
    rts: bool = True
    """Whether RTS is raised when the port is opened; flow control and RS-485 drive it themselves."""
    rs485: bool | Rs485 = False
    """Whether the kernel drives the RTS line of an RS-485 transceiver: true, or with which levels and times."""
    at_open: AtOpen = AtOpen()
    """What is done when the port is opened."""
    framing: Framing = DelimiterFraming()
    """How frames are told apart."""
    listen: Listen | None = None
    """The instrument talks by itself."""
    poll: Poll | None = None
    """The instrument is asked."""
    send: Send | None = None
    """Readings of a graph are sent to it; needed to use the adapter as a sink."""
    commands: dict[Name, Command] = {}
    """Name -> what can be set or done."""
    write_expiry: DurationField = Field(default=Duration(10.0), gt=0)
    """A command that could not be sent for this long fails."""

    @model_validator(mode="after")
    def _work_together(self) -> SerialSettings:
        if self.listen is not None and self.poll is not None:
            raise SettingError("the instrument both talks and is asked", "write either `listen:` or `poll:`")
        if self.listen is None and self.poll is None and self.send is None:
            raise SettingError("nothing is read from the port", "write `listen:`, `poll:` or `send:`")
        errors = []
        if self.flow_control == "xon_xoff" and self.framing.kind != "delimiter":
            message = f"XON and XOFF are bytes that frames of {self.framing.kind} hold, too"
            errors.append(SettingError(message, "write rts_cts, or none", ("flow_control",)))
        if self.flow_control == "rts_cts" and self.rs485:
            errors.append(SettingError("RS-485 drives RTS: it is not there for flow control", "write none", ("flow_control",)))
        for name, request in (self.poll.requests if self.poll else {}).items():
            errors += _framed(self, name, request)
        for name, command in self.commands.items():
            if self.listen is not None and (command.reply_begins or command.refusal_begins):
                hint = "an instrument that talks by itself cannot be told from its replies: remove it, or poll"
                errors.append(SettingError("no reply is waited for while listening", hint, ("commands", name)))
            if command.read_back and place_of(self, name) is None:
                hint = "write REQUEST/FIELD, like the readings that are polled"
                errors.append(SettingError(f"nothing polled is {command.read_back!r}", hint, ("commands", name, "read_back")))
        if self.listen is not None and self.send is not None and self.send.reply_begins:
            hint = "an instrument that talks by itself cannot be told from its replies: remove it, or poll"
            errors.append(SettingError("no reply is waited for while listening", hint, ("send", "reply_begins")))
        if errors:
            raise SettingErrors(errors)
        return self


def _framed(settings: SerialSettings, name: str, request: Request) -> list[SettingError]:
    """What is wrong with a request that is put into a frame."""
    if not request.framed:
        return []
    try:
        frame_of(settings.framing, Template(request.request, request.values).render(0))
    except RtEdgeError as error:
        return [SettingError(f"the request cannot be framed: {error.message}", "", ("poll", "requests", name, "request"))]
    return []
