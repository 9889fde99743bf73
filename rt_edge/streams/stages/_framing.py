"""What the stages share that make frames of bytes: parameters, and the logic around a framer."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, is_gap
from rt_edge.streams.framing import Framer
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, ReceiptUse, Supervision
from rt_edge.streams.stages._common import Settle, at_least, bare
from rt_edge.streams.stages._holding import HoldingLogic
from rt_edge.streams.stages._joining import Share, share_each
from rt_edge.streams.stages._keys import Keyed, KeyTable

if TYPE_CHECKING:
    Bytes = str | bytes
else:
    Bytes = str  # as it is written in a configuration, see `parse_bytes`; msgspec knows no union of the two

GARBAGE = "garbage"
"""The reason of bytes that belong to no frame."""
INCOMPLETE = "incomplete"
"""The reason of bytes of a frame whose rest did not come."""
MAX_LENGTH = 8192
"""Bytes of a frame unless told otherwise."""
STREAMS = 256
"""Streams of bytes kept apart unless told otherwise."""


class Decoding(Keyed, frozen=True, kw_only=True):
    """Base of the stages that make frames of bytes.

    Attributes:
        field: the field of a reading that holds the bytes; empty: the elements are bytes themselves.
        max_length: bytes of a frame, at most.
        max_elements: elements of which bytes wait for the rest of their frame, of all keys; beyond, the key that was silent for
            longest loses what it has (`incomplete`).
        settle: end: what came in is settled when all frames made of it are. early: at once, and what waits is volatile.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    combines: ClassVar[bool] = True

    field: str = ""
    max_length: int = MAX_LENGTH
    max_elements: int = 1000
    settle: Settle = "end"
    max_keys: int = STREAMS

    def __post_init__(self) -> None:
        """Refuse no room, and what makes no framer."""
        super().__post_init__()
        at_least(1, max_length=self.max_length, max_elements=self.max_elements)
        self.framer()

    def holds(self) -> Hold:
        """What waits for the rest of its frame."""
        return Hold(0 if self.settle == "early" else self.max_elements)

    def framer(self) -> Framer:
        """A fresh framer, for the stream of one key."""
        raise NotImplementedError


def parse_bytes(name: str, text: str | bytes) -> bytes:
    """Bytes as they are written in a configuration: text (Latin-1), or `hex:` and hexadecimal digits.

    Raises:
        ConfigError: it is neither.
    """
    if isinstance(text, bytes):
        return text
    try:
        return bytes.fromhex(text[4:]) if text.startswith("hex:") else text.encode("latin-1")
    except ValueError as error:
        raise ConfigError(f"{name} is {text!r}, it has to be text or hexadecimal", r'like: "\r\n", or hex:0d0a') from error


class _Stream:
    """The bytes of one key.

    Attributes:
        framer: where they go.
        shares: (end in the stream, element) of what is needed still.
        fed: bytes so far.
    """

    __slots__ = ("fed", "framer", "shares")

    def __init__(self, framer: Framer, most: int) -> None:
        self.framer = framer
        self.shares: deque[tuple[int, Share]] = deque(maxlen=most)
        self.fed = 0


class DecodeLogic(HoldingLogic):
    """Feeds a framer for each key. Gap records and readings without the field pass; behind a gap a new frame begins.

    Args:
        stage: what it runs.
    """

    def __init__(self, stage: Decoding) -> None:
        super().__init__(stage)
        self._stage = stage
        self._streams: KeyTable[_Stream] = KeyTable(stage.max_keys, self._note_evicted)
        self._held = 0
        self._items: list[Any] = []
        self._shares: list[list[Share]] = []

    def ask(self) -> None:
        """A chunk at a time, as long as something is wanted."""
        n = CHUNK_ELEMENTS - self.requested(IN)
        if self.demand(OUT) > self.out.elements and n > 0:
            self.request(IN, n)

    bound = 4 * CHUNK_ELEMENTS  # what passes, and frames between, of a chunk

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Feed what came, element by element; what passes keeps its place between frames."""
        rest, keys, failures = self.keyed(chunk)
        if rest is not None:
            wrong = [(place, error) for place, item in enumerate(rest.items) if (error := self._wrong(item)) is not None]
            if wrong:
                rest, keys = self.survivors(rest, keys, wrong)
                failures = [*failures, *wrong]
        if failures and self._policy is Supervision.RESTART:
            self._forget(failures[0][1])
        if rest is not None:
            self._feed(rest, keys)
        if not self.stop_after(failures):
            self.proceed()

    def _wrong(self, item: Any) -> Exception | None:
        data: Any = item
        if self._stage.field and isinstance(item, Reading):
            data = item.fields.get(self._stage.field, b"")
        if isinstance(data, bytes):
            return None
        return TypeError(f"bytes are needed, not {type(data).__name__}")

    def _feed(self, chunk: Chunk, keys: list[Any]) -> None:
        field = self._stage.field
        if self._stage.settle == "early":
            chunk.settle()
            chunk = Chunk(chunk.items)
        for place, (item, key) in enumerate(zip(chunk.items, keys, strict=True)):
            piece = chunk.take([place])
            if not isinstance(item, Reading):
                self._feed_one(piece, key, item, None)
            elif field in item.fields:
                self._feed_one(piece, key, item.fields[field], item)  # type: ignore[arg-type]  # bytes, see `_wrong`
            else:
                if is_gap(item):
                    self._reset(self._streams.get(key))
                else:
                    self.ctx.count("missing_field")
                self._flush()
                self.out.put(piece)
        self._flush()

    def _feed_one(self, piece: Chunk, key: Any, data: bytes, reading: Reading | None) -> None:
        stream = self._streams.get(key)
        if stream is None:
            stream = _Stream(self._stage.framer(), self._stage.max_elements + 1)
            self._streams.put(key, stream)
        stream.fed += len(data)
        stream.shares.append((stream.fed, Share(bare(piece), GARBAGE)))
        self._held += 1
        for frame in stream.framer.feed(data):
            self._settle_before(stream, frame.start)
            own = []
            begin = frame.start
            for end, share in stream.shares:
                if begin >= frame.end:
                    break
                own.append(share)
                begin = end
            for share in own:
                share.use()
            self._shares.append(own)
            self._items.append(
                frame.payload
                if reading is None
                else msgspec.structs.replace(reading, fields={**reading.fields, self._stage.field: frame.payload})
            )
        self._settle_before(stream, stream.framer.kept_from)
        self._note_counts(stream.framer)
        while self._held > self._stage.max_elements:
            self._streams.evict()

    def _settle_before(self, stream: _Stream, offset: int) -> None:
        """No more is made of what ends at or before `offset`."""
        while stream.shares and stream.shares[0][0] <= offset:
            self._close(stream.shares.popleft()[1], None, GARBAGE)

    def _close(self, share: Share, error: BaseException | None, reason: str) -> None:
        self._held -= 1
        if error is None and share.is_unused:
            self.ctx.count(f"dropped_{reason}")
        share.close(error, reason)

    def _note_counts(self, framer: Framer) -> None:
        for name, n in framer.counts.items():
            self.ctx.count(name, n)
        framer.counts.clear()

    def _flush(self) -> None:
        """Emit the frames that are complete."""
        if self._items:
            items, shares = self._items, self._shares
            self._items, self._shares = [], []
            self.out.put(share_each(items, shares))

    def _reset(self, stream: _Stream | None, error: BaseException | None = None) -> None:
        """Forget what is there of a frame."""
        if stream is not None:
            stream.framer.reset()
            self._note_counts(stream.framer)
            while stream.shares:
                self._close(stream.shares.popleft()[1], error, INCOMPLETE)

    def _note_evicted(self, _key: Any, stream: _Stream) -> None:
        self.ctx.count("evicted")
        self._reset(stream)

    def _forget(self, error: BaseException | None) -> None:
        for stream in self._streams.values():
            self._reset(stream, error)
        self._streams.clear()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """A frame whose rest did not come is dropped."""
        self._forget(None)
        super().on_upstream_finish(inlet)

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
        super().on_stop(error)
        self._forget(error)

    def residue(self) -> list[Chunk]:
        """The frames that wait; what there is of another is dropped, as on completion."""
        self._forget(None)
        return super().residue()
