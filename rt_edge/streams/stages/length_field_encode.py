"""length_field_encode: bytes into frames that say how long they are."""

from __future__ import annotations

from typing import ClassVar, Literal

from rt_edge.streams.framing import LengthField
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._encoding import EncodeLogic, FieldCode


class LengthFieldEncode(FieldCode, frozen=True, kw_only=True):
    """Puts in front of bytes how many they are.

    Bytes that are too many for the length, or too few for its offset, fail alone.

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.

    Attributes:
        offset: bytes that go before the length, of those that come.
        size: bytes of the length: 1, 2, 3, 4 or 8.
        order: of these bytes.
        includes_header: whether the length counts itself and what is before it.
        trailer: bytes at the end, of those that come, that the length does not count.
    """

    kind: ClassVar[str] = "length_field_encode"

    offset: int = 0
    size: int = 2
    order: Literal["big", "little"] = "big"
    includes_header: bool = False
    trailer: int = 0

    def __post_init__(self) -> None:
        """Refuse a field that cannot be."""
        self.length_field.check()

    @property
    def length_field(self) -> LengthField:
        """Where the length goes."""
        return LengthField(self.offset, self.size, self.order, self.includes_header, self.trailer)

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return EncodeLogic(self, self.length_field.encode)
