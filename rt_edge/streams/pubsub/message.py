"""Message: what is published under a topic; and which of them go together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from rt_edge.streams.hubs.ports import Port


class Message(msgspec.Struct, frozen=True):
    """What was published under a topic.

    Attributes:
        topic: a name without wildcards.
        payload: anything but None; an empty text or empty bytes, retained, forgets what is retained.
        retain: kept as the last message of its topic, for those who subscribe later.
        retained: it was kept, and is given to a new subscriber.
        relayed: it came from the broker of another node, and is not sent to others.
        key: messages of one key stay in order in a group; empty: as `group_order` of the broker says.
    """

    topic: str
    payload: Any
    retain: bool = False
    retained: bool = False
    relayed: bool = False
    key: str = ""


def rooms(ports: Sequence[Port]) -> Iterator[int]:
    """Messages that each can take, where one may be there several times: as a single subscriber, and in groups."""
    for port in ports:
        times = ports.count(port) if len(ports) > 1 else 1
        yield port.room() if times == 1 else max(port.room() // times, port.room() if port.size < times else 0)


def end_of_run(items: Sequence[Message], start: int) -> int:
    """Where the messages end that are of the same topic and key as the one at `start`."""
    first = items[start]
    end = start + 1
    while end < len(items) and _alike(items[end], first):
        end += 1
    return end


def _alike(one: Message, other: Message) -> bool:
    return one.topic == other.topic and one.relayed == other.relayed and one.key == other.key
