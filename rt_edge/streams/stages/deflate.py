"""deflate: bytes compressed, with little around them."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._compressing import RAW, ZLIB, Compressing, CompressLogic


class Deflate(Compressing, frozen=True, kw_only=True):
    """Compresses a stream of bytes (RFC 1950). Each element is flushed, so that what has arrived can be decompressed at once.

    Emits when: an element arrives; upstream completes: the end of the compressed stream.
    Backpressures when: downstream does.
    Completes when: upstream completes and the end was emitted.
    Cancels when: downstream cancels.
    On restart: the compressed stream goes on.

    Attributes:
        raw: without header and check sum (RFC 1951).
    """

    kind: ClassVar[str] = "deflate"

    raw: bool = False

    def create_logic(self) -> StageLogic:
        """A logic with the compressor."""
        return CompressLogic(self, RAW if self.raw else ZLIB)
