"""What `rt-edge scan modbus` can be told."""

from __future__ import annotations

from typing import Any, Literal

from adapters.modbus.settings import Channel, RegisterAddress
from rt_edge.sdk import Duration
from rt_edge.sdk.settings import DurationField, Field, SettingError, Settings, computed_field, field_validator, model_validator

_LINE = ("baud", "data_bits", "parity", "stop_bits", "framing", "local_echo")


class LineSettings(Settings):
    """Which line, and how it is set: for commands that ask devices without a running node."""

    target: str = ""
    """The line: a serial device (/dev/...), or HOST[:PORT]."""
    channel: Channel
    """The line as in the adapter's settings; made of `target` and the next six where it is not given."""
    baud: int | None = None
    """Bits per second of a serial line; 19200."""
    data_bits: Literal[7, 8] | None = None
    """Data bits of a serial line; 8, and 7 with `framing=ascii`."""
    parity: Literal["none", "even", "odd"] | None = None
    """Parity of a serial line; even."""
    stop_bits: Literal[1, 2] | None = None
    """Stop bits of a serial line; 1."""
    framing: Literal["mbap", "rtu", "ascii"] | None = None
    """`rtu` (if not given on a serial line) or `ascii`, also through a TCP tunnel; `mbap` is Modbus TCP (if not given there)."""
    local_echo: bool | None = None
    """Whether a serial line's driver returns what we send."""

    @model_validator(mode="before")
    @classmethod
    def _line(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        line = {key: given[key] for key in _LINE if key in given}
        target = given.get("target")
        if target and isinstance(target, str):
            place = {"serial": target} if target.startswith("/") else {"tcp": target.removeprefix("tcp://")}
            return {**given, "channel": {**place, **line}}
        channel = given.get("channel")
        return {**given, "channel": {**channel, **line}} if isinstance(channel, dict) else {**given, "channel": line}


class ModbusScan(LineSettings):
    """Asking every unit of a line whether it is there."""

    units: str = ""
    """Which units are asked: 1-247, or 1-20,50; 1-247 on a serial line, 1-20 and 255 on TCP by default."""
    table: Literal["holding", "input", "coil", "discrete"] = "holding"
    """What is read: an exception is an answer too, so this hardly matters."""
    address: RegisterAddress = 0
    """Its address on the wire, from 0."""
    unit_timeout: DurationField = Field(default=Duration(0.2), gt=0, le=30)
    """How long each unit has for its answer."""

    @computed_field
    def numbers(self) -> list[int]:
        """The units that are asked."""
        default = "1-247" if self.channel.serial is not None else "1-20,255"
        return unit_numbers(self.units or default)

    @field_validator("units")
    @classmethod
    def _ranges(cls, text: str) -> str:
        unit_numbers(text)
        return text


def unit_numbers(text: str) -> list[int]:
    """The numbers of `1-20,50`, each once, in order.

    Raises:
        SettingError: it is no such list.
    """
    numbers: dict[int, None] = {}
    for part in text.split(",") if text else ():
        first, dash, last = part.strip().partition("-")
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last) <= 255):
            raise SettingError(f"{part.strip()!r} names no units", "write 1-247, or 1-20,50 (0 to 255)")
        numbers.update(dict.fromkeys(range(int(first), int(last) + 1)))
    return list(numbers)
