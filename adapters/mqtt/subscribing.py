"""SUBSCRIBE in as few packets as there are subscription identifiers: MQTT has one identifier a packet (MQTT 5, 3.8.2.1.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from adapters.mqtt.seam import Subscription
from rt_edge.sdk import TransientError


async def subscribe_all(
    add: Sequence[Subscription], send: Callable[[list[Subscription], int], Awaitable[list[int]]], address: str
) -> list[int]:
    """The reason codes of all, in order.

    Args:
        add: what to subscribe.
        send: sends one SUBSCRIBE of filters with this identifier (0: none) and waits for its SUBACK.
        address: of the broker, for errors.

    Raises:
        TransientError: an answer that does not fit the question.
    """
    groups: dict[int, list[Subscription]] = {}
    for subscription in add:
        groups.setdefault(subscription.identifier, []).append(subscription)
    by_filter: dict[str, int] = {}
    for identifier, group in groups.items():
        said = await send(group, identifier)
        if len(said) != len(group):
            raise TransientError(f"{address} answered {len(group)} subscriptions with {len(said)} codes")
        by_filter.update({s.filter: code for s, code in zip(group, said, strict=True)})
    return [by_filter[s.filter] for s in add]
