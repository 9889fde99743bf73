"""CBOR (RFC 8949): bytes to a document of objects, arrays and values, within bounds."""

from __future__ import annotations

import io
import math
from typing import Any

import cbor2

from rt_edge.sdk import CodecError
from rt_edge.sdk.payload.json_rows import DocumentCodec
from rt_edge.sdk.payload.values import INT_MAX, INT_MIN

MAX_DEPTH = 16
"""Deepest nesting of maps and arrays."""


def load(payload: bytes) -> Any:
    """The one item in `payload`, as it stands: the keys of maps may be numbers.

    Raises:
        CodecError: not CBOR, something behind it, nested too deep, or what is no value (a date, a shared
            value, ...).
    """
    stream = io.BytesIO(payload)
    try:
        document = cbor2.CBORDecoder(stream, tag_hook=_refuse).decode()
    except CodecError:
        raise
    except (cbor2.CBORDecodeError, ValueError, TypeError, OverflowError, RecursionError, MemoryError, EOFError) as error:
        raise CodecError(f"not CBOR: {str(error)[:120]}") from None
    rest = len(payload) - stream.tell()
    if rest > 0:
        raise CodecError(f"{rest} bytes behind the CBOR item")
    return plain(document, 0)


def dump(document: Any) -> bytes:
    """A document as CBOR."""
    return cbor2.dumps(document)


def plain(item: Any, depth: int) -> Any:
    """`item` of numbers, texts, bytes, true, false, null, lists and dicts only.

    Raises:
        CodecError: it holds something else, or is nested too deep.
    """
    if depth > MAX_DEPTH:
        raise CodecError(f"nested deeper than {MAX_DEPTH}")
    kind = type(item)
    if kind in (str, bytes, bool) or item is None:
        return item
    if kind is int:
        if not INT_MIN <= item <= INT_MAX:
            raise CodecError("a whole number of more than 64 bits")
        return item
    if kind is float:
        if not math.isfinite(item):
            raise CodecError("not-a-number and infinity are not values")
        return item
    if kind is list:
        return [plain(value, depth + 1) for value in item]
    if kind is dict:
        if not all(type(key) in (str, int) for key in item):
            raise CodecError("a key of a map is neither text nor a whole number")
        return {key: plain(value, depth + 1) for key, value in item.items()}
    raise CodecError(f"a {kind.__name__} is not a value")


class CborCodec(DocumentCodec):
    """CBOR documents, read by the same paths as JSON; a number as a key is written as text."""

    def parse(self, payload: bytes) -> Any:
        """See `DocumentCodec`."""
        return _texts(load(payload))


def _texts(item: Any) -> Any:
    if type(item) is dict:
        return {key if type(key) is str else str(key): _texts(value) for key, value in item.items()}
    return [_texts(value) for value in item] if type(item) is list else item


def _refuse(_decoder: Any, tag: Any) -> Any:
    raise CodecError(f"CBOR tag {getattr(tag, 'tag', '')} is not read")
