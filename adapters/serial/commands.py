"""Commands to an instrument: the checked value in its template, and what became of it."""

from __future__ import annotations

import math
import re
from typing import Any

from adapters.serial.codec import wire_bytes
from adapters.serial.frames import frame_of
from adapters.serial.template import Template
from rt_edge.sdk import ConfigError, PointInfo, Value

MAX_TEXT = 256
"""Characters of a text that is written."""
_DECIMALS = re.compile(r"\{value:[^{}]*\.([0-9])f\}")
SAMPLES: dict[str, int | float | str] = {"float": 1.5, "int": 1, "str": "x"}
"""A value of each type, to try a template with."""


class Command:
    """One command of the settings.

    Args:
        settings: of the command.
        framing: of the line.
    """

    def __init__(self, settings: Any, framing: Any) -> None:
        self._settings = settings
        self._framing = framing
        self._template = Template(settings.command, settings.values, SAMPLES[settings.type])
        self.begins = (wire_bytes(settings.reply_begins),) if settings.reply_begins else ()
        self.refusals = (wire_bytes(settings.refusal_begins),) if settings.refusal_begins else ()
        self.timeout: float = settings.timeout

    @staticmethod
    def info(settings: Any) -> PointInfo:
        """What the command takes; it can be read if a request tells what was set."""
        decimals = _DECIMALS.search(settings.command)
        return PointInfo(
            kind=settings.type,
            writable=True,
            readable=bool(settings.read_back),
            min=settings.minimum,
            max=settings.maximum,
            max_bytes=None if settings.type != "str" else MAX_TEXT,
            unit=settings.unit,
            step=10.0 ** -int(decimals[1]) if decimals and settings.type == "float" else 0.0,
        )

    def frame(self, value: Value) -> bytes:
        """What is sent to set `value`.

        Raises:
            ConfigError: the value is not of the type, or not allowed.
        """
        data = self._template.render(0, self._checked(value))
        return frame_of(self._framing, data) if self._settings.framed else data

    def _checked(self, value: Value) -> int | float | str:
        settings, kind = self._settings, self._settings.type
        if kind == "str":
            if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
                raise ConfigError(f"not a text of at most {MAX_TEXT} characters without control characters")
            return value
        if isinstance(value, bool) or not isinstance(value, int if kind == "int" else int | float):
            raise ConfigError(f"{value!r} is not {'a whole number' if kind == 'int' else 'a number'}")
        if not math.isfinite(value):
            raise ConfigError(f"{value!r} is not finite")
        if (settings.minimum is not None and value < settings.minimum) or (
            settings.maximum is not None and value > settings.maximum
        ):
            raise ConfigError(f"{value!r} is not within {settings.minimum} to {settings.maximum}")
        return float(value) if kind == "float" else value
