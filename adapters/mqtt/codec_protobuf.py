"""Codec `protobuf`: messages described by a descriptor set (`protoc --include_imports --descriptor_set_out=FILE`).

Written by hand on `protobuf_wire.py`, without Google's library: the description is a message itself, and reading is a table
look-up a field. Sources: protobuf.dev, "Encoding" and "Field Presence"; google/protobuf/descriptor.proto.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from adapters.mqtt.protobuf_wire import FIXED32, FIXED64, VARINT, fields, float32, float64, packed, signed, text, zigzag
from rt_edge.sdk import CodecError
from rt_edge.sdk.payload.json_rows import DocumentCodec
from rt_edge.sdk.payload.times import TimeFormat
from rt_edge.sdk.payload.values import MAX_DEPTH, MAX_ROWS

MAX_DESCRIPTORS = 16_777_216
"""Bytes of a descriptor set."""

_DOUBLE, _FLOAT, _INT64, _UINT64, _INT32, _FIXED64, _FIXED32, _BOOL, _STRING, _GROUP, _MESSAGE, _BYTES = range(1, 13)
_UINT32, _ENUM, _SFIXED32, _SFIXED64, _SINT32, _SINT64 = range(13, 19)
_REPEATED = 3

_NUMBERS: dict[int, tuple[int, Callable[[int], Any], Any]] = {
    _DOUBLE: (FIXED64, lambda v: _real(float64(v)), 0.0),
    _FLOAT: (FIXED32, lambda v: _real(float32(v)), 0.0),
    _INT64: (VARINT, lambda v: signed(v, 64), 0),
    _UINT64: (VARINT, int, 0),
    _INT32: (VARINT, lambda v: signed(v, 32), 0),
    _FIXED64: (FIXED64, int, 0),
    _FIXED32: (FIXED32, int, 0),
    _BOOL: (VARINT, bool, False),
    _UINT32: (VARINT, lambda v: v & 0xFFFF_FFFF, 0),
    _SFIXED32: (FIXED32, lambda v: signed(v, 32), 0),
    _SFIXED64: (FIXED64, lambda v: signed(v, 64), 0),
    _SINT32: (VARINT, lambda v: zigzag(v & 0xFFFF_FFFF), 0),
    _SINT64: (VARINT, zigzag, 0),
}
"""Type -> (wire type, reader, the value of a field that is not there)."""


class FieldInfo(msgspec.Struct):
    """A field of a message type; `default` is what stands for it where it is not there (None: nothing)."""

    name: str
    type: int
    repeated: bool
    default: Any
    of: str = ""
    keyed: bool = False


class MessageInfo(msgspec.Struct):
    """A message type."""

    name: str
    by_number: dict[int, FieldInfo]
    defaults: dict[str, Any]
    is_map: bool = False


class Schema:
    """Message types and enums of a descriptor set.

    Args:
        data: a FileDescriptorSet.

    Attributes:
        messages: full name -> type.

    Raises:
        CodecError: not one, or with what is not read here (groups, editions).
    """

    def __init__(self, data: bytes) -> None:
        self.messages: dict[str, MessageInfo] = {}
        self._enums: dict[str, dict[int, str]] = {}
        if len(data) > MAX_DESCRIPTORS:
            raise CodecError(f"a descriptor set of {len(data)} bytes, more than {MAX_DESCRIPTORS}")
        for number, _, value in fields(data):
            if number == 1 and isinstance(value, bytes):
                self._file(value)
        for message in self.messages.values():
            for info in message.by_number.values():
                if info.type == _MESSAGE:
                    if info.of not in self.messages:
                        raise CodecError(f"{info.of}, of which {message.name}.{info.name} is, is not in it: --include_imports")
                    info.keyed = info.repeated and self.messages[info.of].is_map
                if info.type == _ENUM and info.default is not None:
                    message.defaults[info.name] = info.default = self.enum(info.of, 0)

    def enum(self, name: str, value: int) -> str | int:
        """The name of a value; the number where it has none (open enums)."""
        return self._enums.get(name, {}).get(value, value)

    def _file(self, data: bytes) -> None:
        package, syntax = "", "proto2"
        types: list[bytes] = []
        enums: list[bytes] = []
        for number, _, value in fields(data):
            if not isinstance(value, bytes):
                continue
            if number == 2:
                package = text(value)
            elif number == 12:
                syntax = text(value)
            elif number in (4, 5):
                (types if number == 4 else enums).append(value)
        if syntax not in ("proto2", "proto3"):
            raise CodecError(f"a file of package {package!r} in {syntax}: proto2 and proto3 are read")
        prefix = f"{package}." if package else ""
        for value in enums:
            self._enum(value, prefix)
        for value in types:
            self._message(value, prefix, syntax == "proto3")

    def _enum(self, data: bytes, prefix: str) -> None:
        name = ""
        values: dict[int, str] = {}
        for number, _, value in fields(data):
            if number == 1 and isinstance(value, bytes):
                name = text(value)
            elif number == 2 and isinstance(value, bytes):
                found = {n: v for n, _, v in fields(value)}
                said, what = found.get(1, b""), found.get(2, 0)
                if isinstance(said, bytes) and isinstance(what, int):
                    values.setdefault(signed(what, 32), text(said))
        self._enums[prefix + name] = values

    def _message(self, data: bytes, prefix: str, implicit: bool) -> None:
        name, parts, is_map = "", [], False
        for number, _, value in fields(data):
            if isinstance(value, bytes):
                if number == 1:
                    name = prefix + text(value)
                elif number == 7:
                    is_map = any(n == 7 and bool(v) for n, _, v in fields(value))
                else:
                    parts.append((number, value))
        info = self.messages[name] = MessageInfo(name, {}, {}, is_map)
        for number, value in parts:
            if number == 3:
                self._message(value, f"{name}.", implicit)
            elif number == 4:
                self._enum(value, f"{name}.")
            elif number == 2:
                place, field = _field(value, implicit, name)
                info.by_number[place] = field
                if field.default is not None:
                    info.defaults[field.name] = field.default


def _field(data: bytes, implicit: bool, owner: str) -> tuple[int, FieldInfo]:
    found = {number: value for number, _, value in fields(data)}
    name, of = found.get(1, b""), found.get(6, b"")
    number, kind = found.get(3, 0), found.get(5, 0)
    if not (isinstance(name, bytes) and isinstance(of, bytes) and isinstance(number, int) and isinstance(kind, int)):
        raise CodecError(f"a field of {owner} that is not described as one")
    if kind == _GROUP or (kind not in _NUMBERS and kind not in (_STRING, _BYTES, _MESSAGE, _ENUM)):
        raise CodecError(f"{owner}.{text(name)}: a group, or a type that is not known ({kind})")
    repeated = found.get(4) == _REPEATED
    default: Any = None
    # without presence a value of zero is not written, and means zero (protobuf.dev, "Field Presence"); oneofs have presence
    if implicit and not repeated and 9 not in found and kind != _MESSAGE:
        default = "" if kind == _STRING else b"" if kind == _BYTES else _NUMBERS[kind][2] if kind in _NUMBERS else 0
    return number, FieldInfo(text(name), kind, repeated, default, text(of).removeprefix("."))


class ProtobufCodec(DocumentCodec):
    """Messages of one type; field names as in the .proto file. See `DocumentCodec` for the other arguments.

    Args:
        schema: the descriptor set.
        message: full name of the type.

    Raises:
        CodecError: the type is not in it.
    """

    def __init__(
        self,
        schema: Schema,
        message: str,
        at: str,
        fields: Sequence[str] | Mapping[str, str] | None,
        time: str | None,
        time_format: TimeFormat,
    ) -> None:
        super().__init__(at, fields, "value", time, time_format)
        self._schema = schema
        if message not in schema.messages:
            known = ", ".join(sorted(schema.messages)[:8])
            raise CodecError(f"the message {message!r} is not in the descriptor set, which has {known}")
        self._message = schema.messages[message]

    def parse(self, payload: bytes) -> Any:
        """See `DocumentCodec`."""
        return self._read(payload, self._message, 0)

    def _read(self, data: bytes, message: MessageInfo, depth: int) -> dict[str, Any]:
        if depth > MAX_DEPTH:
            raise CodecError(f"{message.name}: nested deeper than {MAX_DEPTH}")
        found: dict[str, Any] = dict(message.defaults)
        by_number = message.by_number
        for number, kind, raw in fields(data):
            info = by_number.get(number)
            if info is None:
                continue  # of a newer version of the type
            if info.repeated:
                self._append(found, info, kind, raw, message, depth)
            else:
                value = self._value(info, kind, raw, message, depth)
                if info.type == _MESSAGE and isinstance(found.get(info.name), dict):
                    found[info.name] |= value  # a message that is written in two parts
                else:
                    found[info.name] = value
        return found

    def _append(
        self, found: dict[str, Any], info: FieldInfo, kind: int, raw: int | bytes, message: MessageInfo, depth: int
    ) -> None:
        if info.keyed:
            if not isinstance(raw, bytes):
                raise CodecError(f"{message.name}.{info.name}: not written as a map")
            entry = self._read(raw, self._schema.messages[info.of], depth + 1)
            found.setdefault(info.name, {})[str(entry.get("key", ""))] = entry.get("value")
            return
        items = found.setdefault(info.name, [])
        wire = VARINT if info.type == _ENUM else _NUMBERS[info.type][0] if info.type in _NUMBERS else None
        if isinstance(raw, bytes) and wire is not None:
            items.extend([self._value(info, wire, one, message, depth) for one in packed(raw, wire)])
        else:
            items.append(self._value(info, kind, raw, message, depth))
        if len(items) > MAX_ROWS:
            raise CodecError(f"{message.name}.{info.name}: more than {MAX_ROWS} elements")

    def _value(self, info: FieldInfo, kind: int, raw: int | bytes, message: MessageInfo, depth: int) -> Any:
        if isinstance(raw, bytes):
            if info.type == _MESSAGE:
                return self._read(raw, self._schema.messages[info.of], depth + 1)
            if info.type == _STRING:
                return text(raw)
            if info.type == _BYTES:
                return raw
        elif info.type == _ENUM and kind == VARINT:
            return self._schema.enum(info.of, signed(raw, 32))
        elif info.type in _NUMBERS and _NUMBERS[info.type][0] == kind:
            return _NUMBERS[info.type][1](raw)
        raise CodecError(
            f"{message.name}.{info.name}: not written as its type (wire type {kind}): another version of the message?"
        )


def _real(value: float) -> float | None:
    """Not-a-number and infinity are not values of a Reading."""
    return value if math.isfinite(value) else None


def load_schema(source: Any) -> Schema:
    """A descriptor set in a file.

    Raises:
        CodecError: it cannot be read, or is none.
    """
    try:
        return Schema(Path(source).read_bytes())
    except OSError as error:
        raise CodecError(f"{source}: {error.strerror}") from None
