"""Framing: operators that make frames of bytes, and bytes of frames."""

from __future__ import annotations

from typing import Literal, Self

from rt_edge.streams.dsl.operators.continuation import A, Continuation, builds
from rt_edge.streams.stages._common import OnError, Settle
from rt_edge.streams.stages._framing import MAX_LENGTH, STREAMS
from rt_edge.streams.stages._keys import Per
from rt_edge.streams.stages.cobs_decode import CobsDecode
from rt_edge.streams.stages.cobs_encode import CobsEncode
from rt_edge.streams.stages.crc_append import CrcAppend
from rt_edge.streams.stages.crc_check import CrcCheck
from rt_edge.streams.stages.delimiter_decode import DelimiterDecode
from rt_edge.streams.stages.delimiter_encode import DelimiterEncode
from rt_edge.streams.stages.length_field_decode import LengthFieldDecode
from rt_edge.streams.stages.length_field_encode import LengthFieldEncode
from rt_edge.streams.stages.slip_decode import SlipDecode
from rt_edge.streams.stages.slip_encode import SlipEncode


class Framing(Continuation[A]):
    """Operators that make frames of bytes, and bytes of frames: of elements that are bytes, or of a field of readings."""

    @builds(DelimiterDecode)
    def delimiter_decode(
        self,
        delimiter: str | bytes = "\n",
        field: str = "",
        max_length: int = MAX_LENGTH,
        max_elements: int = 1000,
        settle: Settle = "end",
        per: Per = "source",
        max_keys: int = STREAMS,
        on_error: OnError = "resume",
        name: str = "",
    ) -> Self:
        """Frames of bytes that end with a delimiter, like lines."""
        stage = DelimiterDecode(
            delimiter=delimiter,
            field=field,
            max_length=max_length,
            max_elements=max_elements,
            settle=settle,
            per=per,
            max_keys=max_keys,
            on_error=on_error,
        )
        return self.via(stage, name)

    @builds(LengthFieldDecode)
    def length_field_decode(
        self,
        offset: int = 0,
        size: int = 2,
        order: Literal["big", "little"] = "big",
        includes_header: bool = False,
        trailer: int = 0,
        magic: str | bytes = "",
        strip: bool = True,
        field: str = "",
        max_length: int = MAX_LENGTH,
        max_elements: int = 1000,
        settle: Settle = "end",
        per: Per = "source",
        max_keys: int = STREAMS,
        on_error: OnError = "resume",
        name: str = "",
    ) -> Self:
        """Frames of bytes that say how long they are."""
        stage = LengthFieldDecode(
            offset=offset,
            size=size,
            order=order,
            includes_header=includes_header,
            trailer=trailer,
            magic=magic,
            strip=strip,
            field=field,
            max_length=max_length,
            max_elements=max_elements,
            settle=settle,
            per=per,
            max_keys=max_keys,
            on_error=on_error,
        )
        return self.via(stage, name)

    @builds(CobsDecode)
    def cobs_decode(
        self,
        field: str = "",
        max_length: int = MAX_LENGTH,
        max_elements: int = 1000,
        settle: Settle = "end",
        per: Per = "source",
        max_keys: int = STREAMS,
        on_error: OnError = "resume",
        name: str = "",
    ) -> Self:
        """Frames of bytes in consistent overhead byte stuffing."""
        stage = CobsDecode(
            field=field,
            max_length=max_length,
            max_elements=max_elements,
            settle=settle,
            per=per,
            max_keys=max_keys,
            on_error=on_error,
        )
        return self.via(stage, name)

    @builds(SlipDecode)
    def slip_decode(
        self,
        field: str = "",
        max_length: int = MAX_LENGTH,
        max_elements: int = 1000,
        settle: Settle = "end",
        per: Per = "source",
        max_keys: int = STREAMS,
        on_error: OnError = "resume",
        name: str = "",
    ) -> Self:
        """Frames of bytes in SLIP."""
        stage = SlipDecode(
            field=field,
            max_length=max_length,
            max_elements=max_elements,
            settle=settle,
            per=per,
            max_keys=max_keys,
            on_error=on_error,
        )
        return self.via(stage, name)

    @builds(DelimiterEncode)
    def delimiter_encode(
        self,
        delimiter: str | bytes = "\n",
        field: str = "",
        on_error: OnError = "resume",
        name: str = "",
    ) -> Self:
        """Bytes with a delimiter behind them."""
        stage = DelimiterEncode(
            delimiter=delimiter,
            field=field,
            on_error=on_error,
        )
        return self.via(stage, name)

    @builds(LengthFieldEncode)
    def length_field_encode(
        self,
        offset: int = 0,
        size: int = 2,
        order: Literal["big", "little"] = "big",
        includes_header: bool = False,
        trailer: int = 0,
        field: str = "",
        on_error: OnError = "resume",
        name: str = "",
    ) -> Self:
        """Bytes with their length in front of them."""
        stage = LengthFieldEncode(
            offset=offset,
            size=size,
            order=order,
            includes_header=includes_header,
            trailer=trailer,
            field=field,
            on_error=on_error,
        )
        return self.via(stage, name)

    @builds(CobsEncode)
    def cobs_encode(
        self,
        field: str = "",
        on_error: OnError = "resume",
        name: str = "",
    ) -> Self:
        """Bytes in frames of consistent overhead byte stuffing."""
        stage = CobsEncode(
            field=field,
            on_error=on_error,
        )
        return self.via(stage, name)

    @builds(SlipEncode)
    def slip_encode(
        self,
        field: str = "",
        on_error: OnError = "resume",
        name: str = "",
    ) -> Self:
        """Bytes in frames of SLIP."""
        stage = SlipEncode(
            field=field,
            on_error=on_error,
        )
        return self.via(stage, name)

    @builds(CrcCheck)
    def crc_check(
        self,
        crc: str,
        order: Literal["usual", "big", "little"] = "usual",
        strip: bool = True,
        field: str = "",
        on_error: OnError = "resume",
        name: str = "",
    ) -> Self:
        """The bytes whose checksum is right, without it."""
        stage = CrcCheck(
            crc=crc,
            order=order,
            strip=strip,
            field=field,
            on_error=on_error,
        )
        return self.via(stage, name)

    @builds(CrcAppend)
    def crc_append(
        self,
        crc: str,
        order: Literal["usual", "big", "little"] = "usual",
        field: str = "",
        on_error: OnError = "resume",
        name: str = "",
    ) -> Self:
        """Bytes with a checksum behind them."""
        stage = CrcAppend(
            crc=crc,
            order=order,
            field=field,
            on_error=on_error,
        )
        return self.via(stage, name)
