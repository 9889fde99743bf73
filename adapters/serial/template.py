"""Requests and what their replies begin with, from a text with names in braces: `#{address:02d}{sequence:04d}?`."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter

from adapters.serial.codec import wire_bytes
from rt_edge.sdk import ConfigError

SEQUENCE = "sequence"
SEQUENCE_WRAP = 10_000
"""`{sequence}` counts 0 to 9,999 and begins again."""


class Template:
    """Bytes with values put in.

    Args:
        text: `hex:...`, or text with `{NAME}` or `{NAME:FORMAT}`, and `{{` for a brace.
        values: name -> value; `sequence` is the number of the request.

    Raises:
        ConfigError: braces that do not pair, an unknown name, a format that does not fit.
    """

    def __init__(self, text: str, values: Mapping[str, int | float | str]) -> None:
        self._text = text
        self._values = dict(values)
        names = [] if text.startswith("hex:") else _names(text)
        unknown = [name for name in names if name != SEQUENCE and name not in values]
        if unknown:
            raise ConfigError(f"{text!r} uses {unknown[0]!r}, which `values` does not name", "add it to values")
        self._fixed: bytes | None = None
        if text.startswith("hex:"):
            self._fixed = wire_bytes(text)
        elif SEQUENCE not in names:
            self._fixed = self._made(0)
        else:
            self._made(SEQUENCE_WRAP - 1)

    @property
    def numbered(self) -> bool:
        """Whether each request is another one."""
        return self._fixed is None

    def render(self, sequence: int) -> bytes:
        """The bytes of request `sequence`."""
        return self._fixed if self._fixed is not None else self._made(sequence % SEQUENCE_WRAP)

    def _made(self, sequence: int) -> bytes:
        try:
            text = self._text.format_map({**self._values, SEQUENCE: sequence})
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
