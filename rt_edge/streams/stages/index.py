"""Which module has the stage of which kind, so that a kind is known before its module is imported."""

from __future__ import annotations

KINDS: dict[str, str] = {
    "balance": "balance",
    "broadcast": "broadcast",
    "buffer": "buffer",
    "conflate": "conflate",
    "deadband": "deadband",
    "drop": "drop",
    "filter": "filter_expression",
    "grouped": "grouped",
    "grouped_within": "grouped_within",
    "merge": "merge",
    "partition": "partition",
    "set": "set_fields",
    "take": "take",
    "throttle": "throttle",
    "zip": "zip",
}
"""Kind -> module in `rt_edge.streams.stages`; a test holds that it is whole."""
