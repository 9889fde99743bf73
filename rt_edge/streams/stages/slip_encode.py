"""slip_encode: bytes into frames of SLIP."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.streams.framing import slip_encode
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._encoding import EncodeLogic, FieldCode


class SlipEncode(FieldCode, frozen=True, kw_only=True):
    """Puts bytes into frames of SLIP (RFC 1055), an END before and behind each.

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    """

    kind: ClassVar[str] = "slip_encode"

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return EncodeLogic(self, lambda data: b"\xc0" + slip_encode(data) + b"\xc0")
