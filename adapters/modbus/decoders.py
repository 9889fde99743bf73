"""From the data of a reply to fields: all points of a block by one `unpack`."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any

from adapters.modbus.codec import PointCodec
from adapters.modbus.kinds import Unsound
from rt_edge.sdk import Value


class RegisterDecoder:
    """All points of one block of registers by one `unpack`.

    Args:
        points: (name, first register within the block, codec).
        count: registers of the block.
    """

    __slots__ = ("_fixes", "_gather", "_names", "_unpack")

    def __init__(self, points: Sequence[tuple[str, int, PointCodec]], count: int) -> None:
        self._names = [name for name, _, _ in points]
        self._fixes = [(i, codec.fix) for i, (_, _, codec) in enumerate(points) if codec.fix is not None]
        places = [2 * at + place for _, at, codec in points for place in codec.places]
        rising = all(a < b for a, b in pairwise(places))
        if rising:  # the registers can be unpacked where they are, with holes as padding
            text, end = ">", 0
            for _, at, codec in points:
                start = 2 * at + codec.places[0]
                text += f"{start - end}x" if start > end else ""
                text += codec.format
                end = start + codec.size
            text += f"{2 * count - end}x"
            self._gather: Callable[[bytes], tuple[int, ...]] | None = None
        else:
            text = ">" + "".join(codec.format for _, _, codec in points)
            self._gather = itemgetter(*places)
        self._unpack = struct.Struct(text).unpack

    def decode(self, data: bytes) -> tuple[dict[str, Value], dict[str, str]]:
        """The fields, and the points without a value -> what is wrong with their registers ("": the device has no value).

        `data` is as long as the block.
        """
        raw = self._unpack(bytes(self._gather(data)) if self._gather else data)
        if not self._fixes:
            return dict(zip(self._names, raw, strict=True)), {}
        values: list[Any] = list(raw)
        missing: dict[str, str] = {}
        for i, fix in self._fixes:
            value = fix(values[i])
            values[i] = value
            if value is None:
                missing[self._names[i]] = ""
            elif value.__class__ is Unsound:
                missing[self._names[i]] = value.reason
        fields = dict(zip(self._names, values, strict=True))
        for name in missing:
            del fields[name]
        return fields, missing


class BitDecoder:
    """All points of one block of coils or discrete inputs.

    Args:
        points: (name, number of the bit within the block).
    """

    __slots__ = ("_points",)

    def __init__(self, points: Sequence[tuple[str, int]]) -> None:
        self._points = [(name, at >> 3, 1 << (at & 7)) for name, at in points]

    def decode(self, data: bytes) -> tuple[dict[str, Value], dict[str, str]]:
        """The fields; bits always have a value."""
        return {name: data[byte] & mask != 0 for name, byte, mask in self._points}, {}
