"""Answers to who published with a response topic (MQTT 5, 4.10), once what was published is settled, and not before."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from adapters.mqtt.properties import CORRELATION, PropertyError, binary, told_by
from adapters.mqtt.seam import Message, Transport
from adapters.mqtt.topics import matches
from rt_edge.sdk import AdapterContext, RtEdgeError

AT_ONCE = 256
"""Answers being written; those beyond are dropped and counted."""

Reply = tuple[str, bytes, bytes]
"""Topic, payload, properties."""


def reply_to(answer: Any, message: Message) -> Reply | None:
    """The answer to a message; None where it wants none, or to a topic that may not be answered to."""
    try:
        told = told_by(message.properties)
    except PropertyError:
        return None
    topic = told.response_topic
    if not topic or "+" in topic or "#" in topic or "\0" in topic or not matches(answer.topics, topic):
        return None
    properties = binary(CORRELATION, told.correlation) if told.correlation is not None else b""
    return topic, answer.payload.encode(), properties


class Replies:
    """Answers that wait for the receipts of what they answer; of one connection.

    Args:
        transport: connected.
        context: for counters.
        most: of them, which is the bound of unacknowledged messages.
    """

    def __init__(self, transport: Transport, context: AdapterContext, most: int) -> None:
        self._transport = transport
        self._context = context
        self._waiting: deque[tuple[int, Reply]] = deque(maxlen=most)
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, last: int, reply: Reply) -> None:
        """To be sent when the first `last` Readings are settled."""
        self._waiting.append((last, reply))

    def settled(self, through: int) -> None:
        """The first `through` Readings are settled."""
        while self._waiting and self._waiting[0][0] <= through:
            self.say(self._waiting.popleft()[1])

    def say(self, reply: Reply) -> None:
        """Send one now."""
        if len(self._tasks) >= AT_ONCE:
            self._context.count("dropped_answers")
            return
        task = asyncio.get_running_loop().create_task(self._send(reply))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, reply: Reply) -> None:
        topic, payload, properties = reply
        try:
            await self._transport.publish(topic, payload, 0, False, properties)
        except RtEdgeError:
            self._context.count(
                "dropped_answers"
            )  # what it answers is stored; it comes again, with DUP, if its PUBACK was lost too
        else:
            self._context.count("answers")

    def close(self) -> None:
        """The connection is gone."""
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
