"""Slips that spelling does not explain: the words of other tools for our keys, and a decimal comma."""

from __future__ import annotations

from collections.abc import Collection

_MEANT: dict[str, tuple[str, ...]] = {
    "address": ("unit", "holding", "url", "tcp", "listen", "address"),
    "baudrate": ("baud",),
    "broker": ("url",),
    "byte_order": ("order",),
    "data_type": ("type",),
    "datatype": ("type",),
    "destination": ("to",),
    "device": ("serial", "port"),
    "endian": ("order",),
    "factor": ("scale",),
    "format": ("codec",),
    "gain": ("scale",),
    "host": ("tcp", "url", "hosts", "peers", "listen"),
    "id": ("unit",),
    "interval": ("every",),
    "ip": ("tcp", "url", "peers", "listen"),
    "multiplier": ("scale",),
    "period": ("every",),
    "poll_interval": ("every",),
    "port": ("serial", "tcp", "url", "listen"),
    "protocol": ("kind",),
    "rate": ("every",),
    "register": ("holding", "input"),
    "server": ("url", "tcp", "peers"),
    "slave": ("unit",),
    "slave_id": ("unit",),
    "source": ("from",),
    "speed": ("baud",),
    "stopbits": ("stop_bits",),
    "target": ("to",),
    "topics": ("subscribe", "topic"),
    "type": ("kind",),
    "uri": ("url",),
    "word_order": ("order",),
}
"""Key of other tools -> keys of ours that may be meant; those that are known where it stands are named."""


def slip_hint(key: str, known: Collection[str], value: object) -> str:
    """What to write instead of the unknown `key`, if that is clear; else empty.

    Args:
        key: as written.
        known: keys that are known there.
        value: what stands behind it.
    """
    if key.isdigit() and value is None:
        return "numbers are written with a point: 0.1, not 0,1"
    lower = key.lower().replace("-", "_")
    if lower in known:
        return f"did you mean {lower!r}?"
    meant = [one for one in _MEANT.get(lower, ()) if one in known]
    return f"did you mean {' or '.join(map(repr, meant))}?" if meant else ""
