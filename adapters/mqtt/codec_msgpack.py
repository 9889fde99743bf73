"""Codec `msgpack`: MessagePack documents, as `json` reads JSON ones; bytes are values, timestamps (extension -1) are times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from rt_edge.sdk import CodecError
from rt_edge.sdk.payload.json_rows import DocumentCodec

_DECODE = msgspec.msgpack.Decoder().decode


class MsgpackCodec(DocumentCodec):
    """MessagePack documents; see `DocumentCodec` for the arguments."""

    def parse(self, payload: bytes) -> Any:
        """See `DocumentCodec`."""
        try:
            return _plain(_DECODE(payload))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CodecError(f"not MessagePack: {error}") from None
        except RecursionError:
            raise CodecError("not MessagePack that can be read: nested too deep") from None


def _plain(item: Any) -> Any:
    """Keys as texts, times in ISO 8601, not-a-number left out; other extensions are no values."""
    kind = type(item)
    if kind is dict:
        return {key if type(key) is str else str(key): _plain(value) for key, value in item.items()}
    if kind is list:
        return [_plain(value) for value in item]
    if kind is datetime:
        return item.astimezone(UTC).isoformat()
    if kind is float:
        return item if item - item == 0 else None
    if kind is msgspec.msgpack.Ext:
        raise CodecError(f"an extension of type {item.code}, which is no value")
    return item
