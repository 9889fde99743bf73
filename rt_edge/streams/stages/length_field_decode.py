"""length_field_decode: frames that say how long they are."""

from __future__ import annotations

from typing import ClassVar, Literal

from rt_edge.streams.framing import LengthField, LengthFieldFramer
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._framing import Bytes, DecodeLogic, Decoding, parse_bytes


class LengthFieldDecode(Decoding, frozen=True, kw_only=True):
    """Makes frames of bytes that say how long they are.

    What belongs to no frame is left out, counted (`garbage_bytes`) and settled as dropped, `garbage`; an element is settled when
    all frames that have bytes of it are. Each key has a stream of bytes of its own; a gap record ends a frame that is begun.
    Behind a length that cannot be (`bad_frames`, `oversize`) each byte is tried, or each `magic`, until a frame fits.

    Emits when: a frame is complete.
    Backpressures when: downstream does.
    Completes when: upstream completes and what is held has gone out; what there is of a frame is dropped, `incomplete`.
    Cancels when: downstream cancels.
    On restart: what there is of frames fails.

    Attributes:
        offset: bytes before the length.
        size: bytes of the length: 1, 2, 3, 4 or 8.
        order: of these bytes.
        includes_header: whether the length counts itself and what is before it.
        trailer: bytes at the end that the length does not count, like a checksum.
        magic: what each frame begins with, text or `hex:aa55`; it is part of what is before the length.
        strip: whether the length is taken out of the frame; what is before it stays.
    """

    kind: ClassVar[str] = "length_field_decode"

    offset: int = 0
    size: int = 2
    order: Literal["big", "little"] = "big"
    includes_header: bool = False
    trailer: int = 0
    magic: Bytes = ""
    strip: bool = True

    @property
    def length_field(self) -> LengthField:
        """Where the length is."""
        magic = parse_bytes("magic", self.magic)
        return LengthField(self.offset, self.size, self.order, self.includes_header, self.trailer, magic)

    def framer(self) -> LengthFieldFramer:
        """A framer for one stream."""
        return LengthFieldFramer(self.length_field, self.max_length, self.strip)

    def create_logic(self) -> StageLogic:
        """A logic with a framer for each key."""
        return DecodeLogic(self)
