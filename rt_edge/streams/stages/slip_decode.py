"""slip_decode: frames in SLIP."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.streams.framing import SlipFramer
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._framing import DecodeLogic, Decoding


class SlipDecode(Decoding, frozen=True, kw_only=True):
    """Makes frames of bytes in SLIP (RFC 1055).

    What belongs to no frame is left out, counted (`garbage_bytes`) and settled as dropped, `garbage`; an element is settled when
    all frames that have bytes of it are. Each key has a stream of bytes of its own; a gap record ends a frame that is begun.
    A frame with an escape that does not exist is left out (`bad_frames`), one that is too long, too (`oversize`).

    Emits when: a frame is complete.
    Backpressures when: downstream does.
    Completes when: upstream completes and what is held has gone out; what there is of a frame is dropped, `incomplete`.
    Cancels when: downstream cancels.
    On restart: what there is of frames fails.
    """

    kind: ClassVar[str] = "slip_decode"

    def framer(self) -> SlipFramer:
        """A framer for one stream."""
        return SlipFramer(self.max_length)

    def create_logic(self) -> StageLogic:
        """A logic with a framer for each key."""
        return DecodeLogic(self)
