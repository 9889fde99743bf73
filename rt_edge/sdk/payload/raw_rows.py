"""Codec `raw`: the whole payload is one value."""

from __future__ import annotations

from collections.abc import Callable

from rt_edge.data.reading import Value
from rt_edge.sdk.payload.values import Row, to_bool, to_float, to_int, to_text


class RawCodec:
    """The payload as one field.

    Args:
        field: its name.
        type_: `str` (UTF-8), `bytes`, or `float`, `int`, `bool` written as text.
    """

    def __init__(self, field: str, type_: str) -> None:
        self._field = field
        readers: dict[str, Callable[[bytes], Value]] = {
            "bytes": bytes,
            "str": to_text,
            "int": lambda payload: to_int(to_text(payload).strip()),
            "float": lambda payload: to_float(to_text(payload).strip()),
            "bool": lambda payload: to_bool(to_text(payload).strip()),
        }
        self._read = readers[type_]

    def __call__(self, payload: bytes) -> list[Row]:
        """One row; none for an empty payload (which clears a retained message).

        Raises:
            CodecError: not a value of that type.
        """
        return [(None, {self._field: self._read(payload)})] if payload else []
