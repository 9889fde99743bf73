"""delimiter_decode: frames that end with a delimiter."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.streams.framing import DelimiterFramer
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._framing import Bytes, DecodeLogic, Decoding, parse_bytes


class DelimiterDecode(Decoding, frozen=True, kw_only=True):
    """Makes frames of bytes that end with a delimiter, like lines; the delimiter is not part of a frame. Empty ones are left
    out.

    What belongs to no frame is left out, counted (`garbage_bytes`) and settled as dropped, `garbage`; an element is settled when
    all frames that have bytes of it are. Each key has a stream of bytes of its own; a gap record ends a frame that is begun.
    A frame that is too long is left out up to its delimiter (`oversize`).

    Emits when: a frame is complete.
    Backpressures when: downstream does.
    Completes when: upstream completes and what is held has gone out; what there is of a frame is dropped, `incomplete`.
    Cancels when: downstream cancels.
    On restart: what there is of frames fails.

    Attributes:
        delimiter: text, or `hex:0d0a`.
    """

    kind: ClassVar[str] = "delimiter_decode"
    shorthand: ClassVar[str] = "delimiter"

    delimiter: Bytes = "\n"

    def framer(self) -> DelimiterFramer:
        """A framer for one stream."""
        return DelimiterFramer(parse_bytes("delimiter", self.delimiter), self.max_length)

    def create_logic(self) -> StageLogic:
        """A logic with a framer for each key."""
        return DecodeLogic(self)
