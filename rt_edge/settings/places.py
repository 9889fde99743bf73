"""Places in a configuration file, and what is wrong there."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from rt_edge.data.text import visible

SHOWN_MAX = 2_000
"""Characters of a path or a message that are shown: a file may have a value of a megabyte where a name should be."""

PathElement = str | int
Path = tuple[PathElement, ...]
"""Keys and list indices from the top of the file, e.g. ("adapters", "plc", "units", "pump-1", "every")."""


class Place(NamedTuple):
    """A place in a file; line and column count from 1; 0 when only the file is known."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


def path_words(path: Path) -> str:
    """The path as a person reads it: `adapters > plc > units > pump-1 > every`; list items count from 1: `peers > item 2`."""
    return " > ".join(part if isinstance(part, str) else f"item {part + 1}" for part in path)


class Problem(msgspec.Struct, frozen=True, order=True):
    """One error or warning about a configuration; ordered by place.

    Attributes:
        place: file, line, column.
        path: in words (`path_words`); empty for the file as a whole.
        message: what is wrong.
        hint: what to do.
    """

    place: Place
    path: str
    message: str
    hint: str = ""

    @property
    def words(self) -> str:
        """Path, message and hint, on one line, in bounds, fit for a terminal."""
        path, message, hint = (visible(_cut(text)) for text in (self.path, self.message, self.hint))
        return (f"{path}: " if path else "") + message + (f" ({hint})" if hint else "")

    def __str__(self) -> str:
        return f"{self.place}: {self.words}"


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX // 2]} ... {text[-SHOWN_MAX // 2 :]}"
