"""Compressing and decompressing with zlib, element by element, within bounds: `gzip`, `gunzip`, `deflate`, `inflate`."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_BYTES, CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import CodecError, ConfigError
from rt_edge.data.units import Size
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, ReceiptUse
from rt_edge.streams.stages._common import UserCode, at_least
from rt_edge.streams.stages._expanding import ExpandLogic
from rt_edge.streams.stages._last_word import LastWordLogic
from rt_edge.streams.stages._unfolding import Unfolding
from rt_edge.streams.stages._user_code import attempt

BLOCK = 65_536
"""Bytes of an element that comes out of a decompressor, at most."""
AT_ONCE = 2
"""Blocks that are made at once: they are a chunk."""
FEED = 8_192
"""Bytes that zlib is given at a time: what it does not consume it copies."""
GZIP = 31
"""Window bits of zlib for RFC 1952 ..."""
ZLIB = 15
"""... for RFC 1950 ..."""
RAW = -15
"""... and for RFC 1951."""


class Compressing(UserCode, frozen=True, kw_only=True):
    """Base of compressors.

    Attributes:
        level: 1 (fast) to 9 (small); 0 does not compress.
        on_error: what happens when an element is no bytes. stop: the stage fails. resume, restart: that element fails alone.
    """

    level: int = 6

    def __post_init__(self) -> None:
        """Refuse another level."""
        if not 0 <= self.level <= 9:
            raise ConfigError(f"level is {self.level}, it has to be 0 to 9")


class CompressLogic(LastWordLogic):
    """Compresses each element so that it can be decompressed when it arrives.

    Args:
        stage: the compressor.
        form: window bits of zlib.
    """

    def __init__(self, stage: Compressing, form: int) -> None:
        super().__init__(stage)
        self._zlib = zlib.compressobj(stage.level, zlib.DEFLATED, form)

    def _compress(self, item: Any) -> bytes:
        return self._zlib.compress(item) + self._zlib.flush(zlib.Z_SYNC_FLUSH)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """One for one."""
        results, failures = attempt(self._compress, chunk.items, self._policy)
        rest: Chunk | None = chunk
        if failures:
            rest, results = self.survivors(chunk, results, failures)
        else:
            self.note_success()
        if rest is not None:
            self.push(OUT, rest.replace(results))
        if failures and not self.stop_after(failures):
            self.request(IN, len(failures))

    def last_word(self) -> Chunk | None:
        """What ends the stream: a check sum, in most forms."""
        return Chunk([self._zlib.flush()])


class Decompressing(UserCode, frozen=True, kw_only=True):
    """Base of decompressors.

    Attributes:
        block: bytes of an element that comes out, at most.
        most: bytes that may come out of one element; more fails it: who sends a kilobyte that becomes a gigabyte means no good.
        on_error: what happens when an element is not what it should be. stop: the stage fails. resume, restart: that element
            fails alone, and the next begins a new stream.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    block: Size | int = BLOCK
    most: Size | int = 16_000_000

    def __post_init__(self) -> None:
        """Refuse blocks of which `AT_ONCE` make no chunk."""
        at_least(1, block=self.block, most=self.most)
        if self.block > CHUNK_BYTES // AT_ONCE:
            raise ConfigError(f"block is {self.block} bytes, it can be {CHUNK_BYTES // AT_ONCE} at most")

    def holds(self) -> Hold:
        """The elements that wait for being expanded; it does not wait for further elements."""
        return Hold(CHUNK_ELEMENTS, 0.0)


class DecompressLogic(ExpandLogic):
    """Decompresses as far as there is demand, and never more than a chunk at once.

    Args:
        stage: the decompressor.
        form: window bits of zlib.
    """

    lazy = AT_ONCE
    at_once = 1

    def __init__(self, stage: Decompressing, form: int) -> None:
        super().__init__(stage, self._pieces)
        self._block, self._most, self._form = int(stage.block), int(stage.most), form
        self._zlib: Any = None  # of a stream that has begun and not ended

    def _pieces(self, data: Any) -> Iterator[bytes]:
        view = memoryview(data).cast("B")
        made = place = 0
        while place < len(view):
            if self._zlib is None:
                self._zlib = zlib.decompressobj(self._form)
            part = view[place : place + FEED]
            place += len(part)
            try:
                piece = self._zlib.decompress(part, self._block)
                while piece:
                    made += len(piece)
                    if made > self._most:
                        raise CodecError(f"more than {self._most} bytes came out of one element", "raise `most` if that is right")
                    yield piece
                    piece = self._more(piece)
            except zlib.error as error:
                raise CodecError(f"it cannot be decompressed: {error}") from error
            if self._zlib.eof:
                place -= len(self._zlib.unused_data)  # another stream may follow
                self._zlib = None

    def _more(self, piece: bytes) -> bytes:
        rest = self._zlib.unconsumed_tail
        if self._zlib.eof or (not rest and len(piece) < self._block):
            return b""
        more: bytes = self._zlib.decompress(rest, self._block)
        return more

    def fail_element(self, guilty: Chunk | Unfolding, error: Exception) -> None:
        """The next element begins a new stream."""
        self._zlib = None
        super().fail_element(guilty, error)

    def ended(self) -> None:
        """All is well if the last stream has ended."""
        if self._zlib is None:
            self.complete_stage()
        else:
            error = CodecError("the compressed stream ended in the middle")
            self.fail_behind(OUT, error)
            self.fail_stage(error)
