"""What is subscribed with which options, and whether the broker grants it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from adapters.mqtt.reasons import subscribe_error
from adapters.mqtt.seam import Connected, Subscription
from rt_edge.sdk import FatalAdapterError

RETAIN_HANDLING = {"changed": 0, "always": 0, "new": 1, "never": 2}


def identified(settings: Any) -> bool:
    """Whether subscriptions carry identifiers: 1 for the first, and the one after the last for those of points."""
    return bool(settings.overlap) and settings.version == "5"


def subscriptions_of(settings: Any, ours: Sequence[Subscription]) -> list[Subscription]:
    """The subscriptions of the settings, then those `ours` that are not among them already."""
    marked = identified(settings)
    found = [
        Subscription(entry.filter, entry.qos, RETAIN_HANDLING[entry.retained], index if marked else 0, entry.no_local)
        for index, entry in enumerate(settings.subscribe, 1)
    ]
    there = {one.filter for one in found}
    return [*found, *(one for one in ours if one.filter not in there)]


def remembered(settings: Any, salts: Sequence[int]) -> list[Subscription]:
    """The subscriptions whose retained messages are compared with what was taken in; subscribed like this they all come."""
    found = subscriptions_of(settings, ())
    return [msgspec.structs.replace(one, retain_handling=0) for one, salt in zip(found, salts, strict=True) if salt]


def check_shared(settings: Any, connected: Connected) -> None:
    """Whether the broker has what the settings ask for.

    Raises:
        FatalAdapterError: it has no shared subscriptions.
    """
    shared = [entry.filter for entry in settings.subscribe if entry.filter.startswith("$share/")]
    if shared and not connected.shared:
        raise FatalAdapterError(f"the broker has no shared subscriptions, and {shared[0]!r} is one", "subscribe without $share/")


def check_granted(wanted: Sequence[Subscription], codes: Sequence[int]) -> None:
    """Whether a SUBACK grants what was asked for.

    Raises:
        TransientError, FatalAdapterError: what it refuses, and who can mend it.
    """
    for subscription, code in zip(wanted, codes, strict=True):
        if code >= 0x80:
            raise subscribe_error(code, subscription.filter)
        if code < subscription.qos:
            raise FatalAdapterError(
                f"the broker grants QoS {code} for {subscription.filter!r}, not {subscription.qos}",
                f"set qos: {code}, which promises less, or use another broker",
            )
