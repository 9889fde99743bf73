"""cobs_encode: bytes into frames of consistent overhead byte stuffing."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.streams.framing import cobs_encode
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._encoding import EncodeLogic, FieldCode


class CobsEncode(FieldCode, frozen=True, kw_only=True):
    """Puts bytes into frames of consistent overhead byte stuffing (COBS), a zero behind each.

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    """

    kind: ClassVar[str] = "cobs_encode"

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return EncodeLogic(self, lambda data: cobs_encode(data) + b"\x00")
