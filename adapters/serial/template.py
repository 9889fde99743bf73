"""Requests and what their replies begin with, from a text with names in braces: `#{address:02d}{sequence:04d}?`."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter

from adapters.serial.codec import wire_bytes
from rt_edge.sdk import ConfigError

SEQUENCE = "sequence"
VALUE = "value"
SEQUENCE_WRAP = 10_000
"""`{sequence}` counts 0 to 9,999 and begins again."""


class Template:
    """Bytes with values put in.

    Args:
        text: `hex:...`, or text with `{NAME}` or `{NAME:FORMAT}`, and `{{` for a brace.
        values: name -> value; `sequence` is the number of the request.
        sample: for a command: a value of its type, for `{value}`; there is no sequence then.

    Raises:
        ConfigError: braces that do not pair, an unknown name, a format that does not fit.
    """

    def __init__(self, text: str, values: Mapping[str, int | float | str], sample: float | str | None = None) -> None:
        self._text = text
        self._values = dict(values)
        names = [] if text.startswith("hex:") else _names(text)
        free = SEQUENCE if sample is None else VALUE
        unknown = [name for name in names if name != free and name not in values]
        if unknown:
            raise ConfigError(f"{text!r} uses {unknown[0]!r}, which `values` does not name", "add it to values")
        self._fixed: bytes | None = None
        if text.startswith("hex:"):
            self._fixed = wire_bytes(text)
        elif free not in names:
            self._fixed = self._made(0, None)
        else:
            self._made(SEQUENCE_WRAP - 1, sample)

    @property
    def numbered(self) -> bool:
        """Whether each request is another one."""
        return self._fixed is None

    def render(self, sequence: int, value: float | str | None = None) -> bytes:
        """The bytes of request `sequence`, or of a command with `value`.

        Raises:
            ConfigError: the value does not fit.
        """
        return self._fixed if self._fixed is not None else self._made(sequence % SEQUENCE_WRAP, value)

    def _made(self, sequence: int, value: float | str | None) -> bytes:
        try:
            text = self._text.format_map({**self._values, SEQUENCE: sequence, VALUE: value})
        except (ValueError, TypeError, OverflowError) as error:
            raise ConfigError(f"{self._text!r}: {error}", "a format is like {address:02d} or {value:.2f}") from None
        return wire_bytes(text) if not text.startswith("hex:") else text.encode("latin-1")


def _names(text: str) -> list[str]:
    try:
        parts = [part for part in Formatter().parse(text) if part[1] is not None]
    except ValueError as error:
        raise ConfigError(f"{text!r}: {error}", "write {{ and }} for braces that are sent") from None
    for _, name, form, conversion in parts:
        if not name or not name.isidentifier() or conversion or "{" in (form or ""):
            raise ConfigError(f"{text!r}: {{{name}}} is not a name", "a name and a format at most, like {address:02d}")
    return [str(name) for _, name, _, _ in parts]
