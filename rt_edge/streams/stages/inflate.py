"""inflate: deflated bytes as they were."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._compressing import RAW, ZLIB, Decompressing, DecompressLogic


class Inflate(Decompressing, frozen=True, kw_only=True):
    """Decompresses a stream of bytes (RFC 1950), however it was cut into elements; several streams may follow each other.

    What comes out of an element has its receipt; an element of which nothing comes out yet is settled as dropped, `filtered`.

    Emits when: an element arrives, in blocks, as long as there is something to come out of it.
    Backpressures when: downstream does; an element is decompressed as far as that asks.
    Completes when: upstream completes and all has come out; in the middle of a compressed stream it fails.
    Cancels when: downstream cancels.
    On restart: the next element begins a new stream.

    Attributes:
        raw: without header and check sum (RFC 1951).
    """

    kind: ClassVar[str] = "inflate"

    raw: bool = False

    def create_logic(self) -> StageLogic:
        """A logic with the decompressor."""
        return DecompressLogic(self, RAW if self.raw else ZLIB)
