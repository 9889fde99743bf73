"""What the stages share that change bytes, one for one: elements that are bytes, or a field of readings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from rt_edge.data.chunk import Chunk
from rt_edge.data.reading import Reading, is_gap
from rt_edge.streams.stage import IN, OUT, Inlet
from rt_edge.streams.stages._common import ReadingCode
from rt_edge.streams.stages._user_code import ElementLogic, attempt


class FieldCode(ReadingCode, frozen=True, kw_only=True):
    """Base of stages that change bytes, one for one.

    Attributes:
        field: the field of a reading that holds the bytes; empty: the elements are bytes themselves.
    """

    field: str = ""


class EncodeLogic(ElementLogic):
    """Replaces bytes, or a field of a reading, by a function of them; readings without the field pass.

    Args:
        stage: what it runs.
        encode: bytes -> bytes; raises CodecError for what it cannot encode.
    """

    def __init__(self, stage: FieldCode, encode: Callable[[bytes], bytes]) -> None:
        super().__init__(stage)
        self._field = stage.field
        self._encode = encode

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """One for one."""
        results, failures = attempt(self._encoded, chunk.items, self._policy)
        if not failures:
            self.push(OUT, chunk.replace(results))
            self.note_success()
            return
        rest, results = self.survivors(chunk, results, failures)
        if rest is not None:
            self.push(OUT, rest.replace(results))
        if not self.stop_after(failures):
            self.request(IN, len(failures))

    def _encoded(self, item: Any) -> Any:
        if not isinstance(item, Reading):
            return self._encode(need_bytes(item))
        if self._field not in item.fields:
            if not is_gap(item):
                self.ctx.count("missing_field")
            return item
        data = self._encode(need_bytes(item.fields[self._field]))
        return msgspec.structs.replace(item, fields={**item.fields, self._field: data})


def need_bytes(data: Any) -> bytes:
    """`data`, if it is bytes; raises TypeError."""
    if not isinstance(data, bytes):
        raise TypeError(f"bytes are needed, not {type(data).__name__}")
    return data
