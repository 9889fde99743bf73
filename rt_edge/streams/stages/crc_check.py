"""crc_check: bytes with the right checksum, without it."""

from __future__ import annotations

from typing import ClassVar, Literal

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import CodecError
from rt_edge.streams.framing import crc_named
from rt_edge.streams.stage import IN, OUT, Inlet, StageLogic
from rt_edge.streams.stages._encoding import EncodeLogic, FieldCode
from rt_edge.streams.stages._user_code import attempt

BAD_CRC = "bad_crc"
"""The reason of what has a wrong checksum."""


class CrcCheck(FieldCode, frozen=True, kw_only=True):
    """Takes the checksum off bytes; those with a wrong one are settled as dropped, `bad_crc`. Readings without the field pass.

    Emits when: an element arrives whose checksum is right.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.

    Attributes:
        crc: CRC-8, CRC-16/MODBUS, CRC-16/CCITT-FALSE, CRC-32 and others; see `rt_edge.streams.framing.CRCS`.
        order: of its bytes; usual: little for a reflected algorithm (MODBUS, CRC-32), else big.
        strip: whether the checksum is taken off.
    """

    kind: ClassVar[str] = "crc_check"
    shorthand: ClassVar[str] = "crc"

    crc: str
    order: Literal["usual", "big", "little"] = "usual"
    strip: bool = True

    def __post_init__(self) -> None:
        """Refuse a checksum that does not exist."""
        crc_named(self.crc)

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        crc = crc_named(self.crc)
        order = None if self.order == "usual" else self.order

        def check(data: bytes) -> bytes:
            if not crc.is_right(data, order):
                raise _Wrong(f"wrong {crc.name}")
            return data[: -crc.size] if self.strip else data

        return _Logic(self, check)


class _Wrong(CodecError):
    """A wrong checksum: not a failure, but a reason to drop."""


class _Logic(EncodeLogic):
    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        came = len(chunk)
        results, found = attempt(self._encoded, chunk.items)
        wrong = {place for place, error in found if isinstance(error, _Wrong)}
        failures = [(place, error) for place, error in found if place not in wrong]
        rows = [(result, place not in wrong) for place, result in enumerate(results)]
        rest: Chunk | None = chunk
        if failures:
            rest, rows = self.survivors(chunk, rows, failures)
        kept = None
        if rest is not None:
            kept = rest.replace([result for result, _ in rows]).select([good for _, good in rows], BAD_CRC)
            dropped = len(rest) - (len(kept) if kept is not None else 0)
            if dropped:
                self.ctx.count(f"dropped_{BAD_CRC}", dropped)
        if kept is not None:
            self.push(OUT, kept)
        missing = came - (len(kept) if kept is not None else 0)
        if not self.stop_after(failures) and missing:
            self.request(IN, missing)
