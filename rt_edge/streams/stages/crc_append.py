"""crc_append: a checksum behind bytes."""

from __future__ import annotations

from typing import ClassVar, Literal

from rt_edge.streams.framing import crc_named
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._encoding import EncodeLogic, FieldCode


class CrcAppend(FieldCode, frozen=True, kw_only=True):
    """Puts a checksum behind bytes.

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.

    Attributes:
        crc: CRC-8, CRC-16/MODBUS, CRC-16/CCITT-FALSE, CRC-32 and others; see `rt_edge.streams.framing.CRCS`.
        order: of its bytes; usual: little for a reflected algorithm (MODBUS, CRC-32), else big.
    """

    kind: ClassVar[str] = "crc_append"
    shorthand: ClassVar[str] = "crc"

    crc: str
    order: Literal["usual", "big", "little"] = "usual"

    def __post_init__(self) -> None:
        """Refuse a checksum that does not exist."""
        crc_named(self.crc)

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        crc = crc_named(self.crc)
        order = None if self.order == "usual" else self.order
        return EncodeLogic(self, lambda data: data + crc.bytes_of(data, order))
