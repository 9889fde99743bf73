"""cobs_decode: frames in consistent overhead byte stuffing."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.streams.framing import CobsFramer
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._framing import DecodeLogic, Decoding


class CobsDecode(Decoding, frozen=True, kw_only=True):
    """Makes frames of bytes in consistent overhead byte stuffing (COBS), a zero behind each.

    What belongs to no frame is left out, counted (`garbage_bytes`) and settled as dropped, `garbage`; an element is settled when
    all frames that have bytes of it are. Each key has a stream of bytes of its own; a gap record ends a frame that is begun.
    A frame that cannot be decoded is left out (`bad_frames`), one that is too long, too (`oversize`).

    Emits when: a frame is complete.
    Backpressures when: downstream does.
    Completes when: upstream completes and what is held has gone out; what there is of a frame is dropped, `incomplete`.
    Cancels when: downstream cancels.
    On restart: what there is of frames fails.
    """

    kind: ClassVar[str] = "cobs_decode"

    def framer(self) -> CobsFramer:
        """A framer for one stream."""
        return CobsFramer(self.max_length)

    def create_logic(self) -> StageLogic:
        """A logic with a framer for each key."""
        return DecodeLogic(self)
