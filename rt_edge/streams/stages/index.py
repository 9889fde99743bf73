"""Which module has the stage of which kind, so that a kind is known before its module is imported."""

from __future__ import annotations

KINDS: dict[str, str] = {
    "balance": "balance",
    "broadcast": "broadcast",
    "buffer": "buffer",
    "change_of_value": "change_of_value",
    "conflate": "conflate",
    "counter_delta": "counter_delta",
    "deadband": "deadband",
    "debounce": "debounce",
    "drop": "drop",
    "filter": "filter_expression",
    "grouped": "grouped",
    "grouped_within": "grouped_within",
    "latest_per_key": "latest_per_key",
    "merge": "merge",
    "partition": "partition",
    "rate_of_change": "rate_of_change",
    "sample": "sample",
    "set": "set_fields",
    "take": "take",
    "throttle": "throttle",
    "zip": "zip",
}
"""Kind -> module in `rt_edge.streams.stages`; a test holds that it is whole."""
