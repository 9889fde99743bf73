"""Payload codecs: bytes -> rows of (time or None, fields). Bad bytes raise CodecError with place and reason.

A codec is made once a subscription, from its settings, and is a plain callable afterwards. One payload may hold many rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapters.mqtt.codec_csv import CsvCodec
from rt_edge.sdk import CodecError, ConfigError, FatalAdapterError
from rt_edge.sdk.payload.json_rows import JsonCodec
from rt_edge.sdk.payload.raw_rows import RawCodec
from rt_edge.sdk.payload.values import Row

Decode = Callable[[bytes], list[Row]]


def make_codec(settings: Any) -> Decode:
    """The codec of one subscription.

    Args:
        settings: a `Subscribe` (see settings.py), or an object with its attributes.

    Raises:
        ConfigError: an unknown codec.
        FatalAdapterError: a descriptor set that cannot be used.
    """
    if settings.codec == "json":
        return JsonCodec(settings.at, settings.fields, settings.field, settings.time, settings.time_format)
    if settings.codec == "msgpack":
        from adapters.mqtt.codec_msgpack import MsgpackCodec

        return MsgpackCodec(settings.at, settings.fields, settings.field, settings.time, settings.time_format)
    if settings.codec == "protobuf":
        from adapters.mqtt.codec_protobuf import ProtobufCodec, load_schema

        try:
            schema = load_schema(settings.descriptors)
            return ProtobufCodec(schema, settings.message, settings.at, settings.fields, settings.time, settings.time_format)
        except CodecError as error:
            raise FatalAdapterError(
                f"descriptors: {error.message}", "protoc --include_imports --descriptor_set_out=FILE"
            ) from None
    if settings.codec == "csv":
        return CsvCodec(settings.columns, settings.fields, settings.delimiter, settings.time, settings.time_format)
    if settings.codec == "raw":
        return RawCodec(settings.field, settings.type)
    raise ConfigError(f"unknown codec {settings.codec!r}", "json, msgpack, protobuf, csv or raw")
