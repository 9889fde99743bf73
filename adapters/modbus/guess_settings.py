"""What `rt-edge modbus guess` can be told."""

from __future__ import annotations

from typing import Literal

from adapters.modbus.guess import TYPES, parse_expected
from adapters.modbus.scan_settings import LineSettings
from adapters.modbus.settings import RegisterAddress
from rt_edge.sdk import ConfigError, Duration
from rt_edge.sdk.settings import DurationField, Field, SettingError, field_validator, model_validator

GuessType = Literal[
    "uint16", "int16", "float32", "uint32", "int32", "float64", "uint64", "int64", "bcd16", "bcd32", "float16", "string"
]


class ModbusGuess(LineSettings):
    """Reading some registers in every way there is."""

    unit: int = Field(default=1, ge=0, le=255)
    """Unit identifier."""
    holding: RegisterAddress | None = None
    """First holding register, from 0."""
    input: RegisterAddress | None = None
    """First input register, from 0."""
    registers: int = Field(default=4, ge=1, le=32)
    """Registers that are read."""
    expect: str = ""
    """What the value should be: 21.5 (2 % either way), or 20..25; best read from the device's own display."""
    types: tuple[GuessType, ...] = TYPES  # type: ignore[assignment]
    """Types that are tried."""
    reads: int = Field(default=5, ge=1, le=1000)
    """How often the registers are read: a wrong order shows in values that jump."""
    every: DurationField = Field(default=Duration(0.5), ge=0, le=60)
    """Time between reads."""
    unit_timeout: DurationField = Field(default=Duration(0.5), gt=0, le=30)
    """How long the unit has for its answer."""

    @field_validator("expect")
    @classmethod
    def _expected(cls, text: str) -> str:
        try:
            if text:
                parse_expected(text)
        except ConfigError as error:
            raise SettingError(error.message, error.hint) from None
        return text

    @model_validator(mode="after")
    def _one_table(self) -> ModbusGuess:
        if (self.holding is None) == (self.input is None):
            raise SettingError("which registers?", "write either holding=ADDRESS or input=ADDRESS")
        return self
