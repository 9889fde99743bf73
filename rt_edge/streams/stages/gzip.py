"""gzip: bytes compressed."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._compressing import GZIP, Compressing, CompressLogic


class Gzip(Compressing, frozen=True):
    """Compresses a stream of bytes (RFC 1952). Each element is flushed, so that what has arrived can be decompressed at once.

    Emits when: an element arrives; upstream completes: the end of the compressed stream.
    Backpressures when: downstream does.
    Completes when: upstream completes and the end was emitted.
    Cancels when: downstream cancels.
    On restart: the compressed stream goes on.
    """

    kind: ClassVar[str] = "gzip"

    def create_logic(self) -> StageLogic:
        """A logic with the compressor."""
        return CompressLogic(self, GZIP)
