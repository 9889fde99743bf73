"""The settings of how frames are told apart: `framing`; imported by settings.py only."""

from __future__ import annotations

from typing import Annotated, Literal

from adapters.serial.codec import wire_bytes
from adapters.serial.frames import length_field_of
from rt_edge.sdk import ConfigError
from rt_edge.sdk.framing import crc_named
from rt_edge.sdk.settings import Field, SettingError, Settings, field_validator, model_validator


def _wire(text: str, at: str = "") -> str:
    try:
        wire_bytes(text)
    except ConfigError as error:
        raise SettingError(error.message, error.hint, (at,) if at else ()) from None
    return text


class _Framing(Settings):
    max_length_bytes: int = Field(default=1024, ge=1, le=65_536)
    """Bytes of a frame as it is on the line, at most; a longer one is left out and counted."""
    crc: str | None = None
    """Checksum at the end of a frame, verified and taken off: CRC-16/MODBUS, CRC-8, CRC-32, ..."""
    crc_order: Literal["usual", "big", "little"] = "usual"
    """Order of its bytes; usual: little for reflected algorithms, like CRC-16/MODBUS and CRC-32, else big."""
    crc_skip_bytes: int = Field(default=0, ge=0, le=64)
    """Bytes at the beginning of a frame that the checksum leaves out."""

    @field_validator("crc")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                crc_named(name)
            except ConfigError as error:
                raise SettingError(error.message, error.hint) from None
        return name


class DelimiterFraming(_Framing):
    """Frames end with a delimiter: lines."""

    kind: Literal["delimiter"] = "delimiter"
    """Frames end with a delimiter, which is not part of them; empty ones are left out."""
    delimiter: str = Field(default="\n", min_length=1, max_length=16)
    r"""What a frame ends with, in double quotes ("\r\n"), or bytes (hex:0d0a)."""

    @field_validator("delimiter")
    @classmethod
    def _bytes(cls, text: str) -> str:
        if "\\" in text:
            raise SettingError(f"{text!r} has a backslash in it", r'write it in double quotes: "\r\n"')
        return _wire(text)


class LengthFraming(_Framing):
    """Frames say how long they are. The frame stays whole: places in it count from its first byte."""

    kind: Literal["length_field"]
    """Frames say how long they are."""
    offset_bytes: int = Field(default=0, ge=0, le=64)
    """Bytes before the length."""
    size_bytes: Literal[1, 2, 3, 4, 8] = 2
    """Bytes of the length."""
    order: Literal["big", "little"] = "big"
    """Order of its bytes."""
    includes_header: bool = False
    """Whether the length counts itself and what is before it."""
    trailer_bytes: int = Field(default=0, ge=0, le=64)
    """Bytes at the end that the length does not count, like a checksum."""
    magic: str = ""
    """What every frame begins with, text or hex:aa55; the next frame behind garbage is found by it."""

    @model_validator(mode="after")
    def _fits(self) -> LengthFraming:
        _wire(self.magic, "magic")
        try:
            length_field_of(self).check()
        except ConfigError as error:
            raise SettingError(error.message, error.hint, ("magic",)) from None
        return self


class CobsFraming(_Framing):
    """Frames are stuffed by COBS, a zero behind each."""

    kind: Literal["cobs"]
    """Frames are stuffed by COBS, a zero behind each."""


class SlipFraming(_Framing):
    """Frames are stuffed by SLIP (RFC 1055)."""

    kind: Literal["slip"]
    """Frames are stuffed by SLIP (RFC 1055)."""


Framing = Annotated[DelimiterFraming | LengthFraming | CobsFraming | SlipFraming, Field(discriminator="kind")]
