"""delimiter_encode: a delimiter behind bytes."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.errors import CodecError, ConfigError
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._encoding import EncodeLogic, FieldCode
from rt_edge.streams.stages._framing import Bytes, parse_bytes


class DelimiterEncode(FieldCode, frozen=True, kw_only=True):
    """Puts a delimiter behind bytes. Bytes that contain the delimiter fail alone: they would be taken for two frames.

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.

    Attributes:
        delimiter: text, or `hex:0d0a`.
    """

    kind: ClassVar[str] = "delimiter_encode"
    shorthand: ClassVar[str] = "delimiter"

    delimiter: Bytes = "\n"

    def __post_init__(self) -> None:
        """Refuse no delimiter."""
        if not parse_bytes("delimiter", self.delimiter):
            raise ConfigError("the delimiter is empty")

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        delimiter = parse_bytes("delimiter", self.delimiter)

        def encode(data: bytes) -> bytes:
            if delimiter in data:
                raise CodecError(f"the delimiter {delimiter!r} is in {data[:40]!r}")
            return data + delimiter

        return EncodeLogic(self, encode)
