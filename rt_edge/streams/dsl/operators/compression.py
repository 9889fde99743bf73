"""Compression: operators that make bytes fewer, and as they were."""

from __future__ import annotations

from rt_edge.data.units import Size
from rt_edge.streams.dsl.operators.continuation import A, Continuation, builds
from rt_edge.streams.stages._common import OnError
from rt_edge.streams.stages._compressing import BLOCK
from rt_edge.streams.stages.deflate import Deflate
from rt_edge.streams.stages.gunzip import Gunzip
from rt_edge.streams.stages.gzip import Gzip
from rt_edge.streams.stages.inflate import Inflate


class Compression(Continuation[A]):
    """Operators that make bytes fewer, and as they were."""

    @builds(Gzip)
    def gzip(self, level: int = 6, on_error: OnError = "stop", name: str = "") -> Continuation[bytes]:
        """Bytes compressed (RFC 1952)."""
        return self._becomes(Gzip(level=level, on_error=on_error), name)

    @builds(Gunzip)
    def gunzip(
        self, block: Size | int = BLOCK, most: Size | int = 16_000_000, on_error: OnError = "stop", name: str = ""
    ) -> Continuation[bytes]:
        """Compressed bytes (RFC 1952) as they were, in blocks; at most so many of one element."""
        return self._becomes(Gunzip(block=block, most=most, on_error=on_error), name)

    @builds(Deflate)
    def deflate(self, level: int = 6, raw: bool = False, on_error: OnError = "stop", name: str = "") -> Continuation[bytes]:
        """Bytes compressed (RFC 1950, or 1951 if `raw`)."""
        return self._becomes(Deflate(level=level, raw=raw, on_error=on_error), name)

    @builds(Inflate)
    def inflate(
        self,
        block: Size | int = BLOCK,
        most: Size | int = 16_000_000,
        raw: bool = False,
        on_error: OnError = "stop",
        name: str = "",
    ) -> Continuation[bytes]:
        """Compressed bytes (RFC 1950, or 1951 if `raw`) as they were, in blocks; at most so many of one element."""
        return self._becomes(Inflate(block=block, most=most, raw=raw, on_error=on_error), name)
