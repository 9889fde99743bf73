"""SenML packs (RFC 8428), in JSON and in CBOR: base values resolved, records of one time together."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from rt_edge.sdk import CodecError, Value
from rt_edge.sdk.payload.values import INT_MAX, INT_MIN, shorten

VERSION = 10
"""Newest version that is read; 10 is the default (RFC 8428, 4.4)."""
RELATIVE = 2**28
"""Times below are relative to now (RFC 8428, 4.5.3)."""
LATEST = 2**63 / 1e9
MAX_RECORDS = 16_384
"""Records of one pack."""

LABELS = {-1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs", 0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s"}
LABELS |= {6: "t", 7: "ut", 8: "vd"}
"""Labels of the CBOR form (RFC 8428, 6)."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:./_-]*\Z", re.ASCII)
_VALUES = ("v", "vs", "vb", "vd")


class Pack(NamedTuple):
    """Records of one time.

    Attributes:
        ts: nanoseconds since 1970 UTC; None where the pack says none.
        fields: resolved name -> value; a sum is `NAME.sum`.
        units: field -> unit.
    """

    ts: int | None
    fields: dict[str, Value]
    units: dict[str, str]


class Senml:
    """Reads packs.

    Args:
        load: bytes to a document.
        strip: beginning of resolved names that is left out of field names.
    """

    def __init__(self, load: Callable[[bytes], Any], strip: str) -> None:
        self._load = load
        self._strip = strip

    def __call__(self, payload: bytes, now: int) -> list[Pack]:
        """The records of a pack, grouped by time in the order of first appearance.

        Args:
            payload: the pack.
            now: nanoseconds, for relative times.

        Raises:
            CodecError: not SenML, a newer version, or a label that must be understood.
        """
        document = self._load(payload)
        if type(document) is not list:
            raise CodecError("a SenML pack is an array of records")
        if len(document) > MAX_RECORDS:
            raise CodecError(f"{len(document)} records, more than {MAX_RECORDS}")
        packs: dict[tuple[int | None, int], Pack] = {}
        base: dict[str, Any] = {}
        for index, raw in enumerate(document):
            try:
                self._record(raw, base, packs, now)
            except CodecError as error:
                raise CodecError(f"record {index}: {error.message}") from None
        return [pack for pack in packs.values() if pack.fields]

    def _record(self, raw: Any, base: dict[str, Any], packs: dict[tuple[int | None, int], Pack], now: int) -> None:
        record = _labelled(raw)
        base |= {label: record[label] for label in ("bver", "bn", "bt", "bu", "bv", "bs") if label in record}
        if _number(base.get("bver", VERSION), "bver") > VERSION:
            raise CodecError(f"version {base['bver']} is newer than {VERSION}")
        present = [label for label in _VALUES if label in record]
        if len(present) > 1:
            raise CodecError(f"both {present[0]} and {present[1]}")
        if not present and "s" not in record:
            return  # base values only
        name = _text(base.get("bn", ""), "bn") + _text(record.get("n", ""), "n")
        if not _NAME.match(name) or len(name) > 255:
            raise CodecError(f"{shorten(name)} is not a name")
        field = name.removeprefix(self._strip) or name
        values = _values(field, record, base, present)
        pack = _place(packs, _time(record, base, now), values)
        pack.fields.update(values)
        unit = record.get("u", base.get("bu"))
        if unit is not None:
            pack.units[field] = _text(unit, "u")


def _values(field: str, record: dict[str, Any], base: dict[str, Any], present: list[str]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    if "v" in record:
        values[field] = _sum(record["v"], base.get("bv", 0), "v")
    elif present:
        values[field] = _other(present[0], record[present[0]])
    if "s" in record:
        values[f"{field}.sum"] = _sum(record["s"], base.get("bs", 0), "s")
    return values


def _place(packs: dict[tuple[int | None, int], Pack], ts: int | None, values: dict[str, Value]) -> Pack:
    """The pack of that time that has none of these fields yet."""
    for round_ in range(MAX_RECORDS):
        pack = packs.setdefault((ts, round_), Pack(ts, {}, {}))
        if pack.fields.keys().isdisjoint(values):
            return pack
    raise CodecError("too many records of one name and time")


def _labelled(raw: Any) -> dict[str, Any]:
    if type(raw) is not dict:
        raise CodecError("not an object")
    record = {}
    for key, value in raw.items():
        label = LABELS.get(key) if type(key) is int else key
        if label is None:
            if key < -6 or key > 8:
                continue  # a label registered later: may be ignored (RFC 8428, 4.4)
            raise CodecError(f"label {key}")
        if label.endswith("_"):
            raise CodecError(f"{shorten(label)} must be understood, and is not")
        record[label] = value
    return record


def _time(record: dict[str, Any], base: dict[str, Any], now: int) -> int | None:
    if "t" not in record and "bt" not in base:
        return None
    b, t = _number(base.get("bt", 0), "bt"), _number(record.get("t", 0), "t")
    seconds = b + t
    if seconds < RELATIVE:
        moment = now + round(seconds * 1e9)
    elif type(b) is int and type(t) is int:
        moment = int(seconds) * 10**9
    else:  # a double holds seconds of today to a quarter of a microsecond: more digits would be made up
        moment = round(seconds * 1e6) * 1000 if seconds < LATEST else 2**63
    if not 0 <= moment < 2**63:
        raise CodecError("a time before 1970 or after 2262")
    return moment


def _sum(value: Any, base: Any, label: str) -> Value:
    total = _number(value, label) + _number(base, f"b{label}")
    if isinstance(total, int) and not INT_MIN <= total <= INT_MAX:
        raise CodecError(f"{label}: a whole number of more than 64 bits")
    return total


def _other(label: str, value: Any) -> Value:
    if label == "vs":
        return _text(value, "vs")
    if label == "vb":
        if type(value) is not bool:
            raise CodecError("vb is not true or false")
        return value
    if type(value) is bytes:
        return value
    text = _text(value, "vd")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise CodecError("vd is not base64url") from None


def _number(value: Any, label: str) -> int | float:
    if type(value) is int and abs(value) < 2**70:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    raise CodecError(f"{label} is not a number")


def _text(value: Any, label: str) -> str:
    if type(value) is not str:
        raise CodecError(f"{label} is not a text")
    return value
