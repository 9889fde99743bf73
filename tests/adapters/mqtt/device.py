"""A device behind a broker: it takes commands, shows its state, answers who wants an answer; on any broker."""

from __future__ import annotations

import json
from typing import Any

from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.mqtt_client import RawClient

RESPONSE_TOPIC, CORRELATION = 0x08, 0x09


class Device(RawClient):
    """Holds one number: set by `dev/set`, shown (retained) at `dev/state` as {"v": number}.

    Args:
        port: of the broker.
        version: 5 or 4.

    Attributes:
        taken: the values it was told to take, in order.
        shows: whether it publishes its state. says: what it answers; None: nothing.
    """

    def __init__(self, port: int, version: int = 5) -> None:
        super().__init__(port, p.Connect("device", version))
        self.taken: list[float] = []
        self.shows = True
        self.says: dict[str, Any] | None = {"status": "ok"}

    async def start(self) -> None:
        """Connect, show the first value, and wait for commands."""
        await self.open()
        await self.publish("dev/state", b'{"v": 1.0}', retain=True)
        await self.subscribe(p.Wanted("dev/set", 2))

    def _take(self, kind: int, flags: int, body: bytes) -> None:
        super()._take(kind, flags, body)
        if kind != p.PUBLISH:
            return
        message = p.decode_publish(flags, body, self._v5)
        if message.qos:
            self.ack(message)
        value = float(json.loads(message.payload)["set"])
        self.taken.append(value)
        if self.shows:
            self._say("dev/state", {"v": value}, {}, retain=True)
        topic = message.properties.get(RESPONSE_TOPIC)
        if topic and self.says is not None:
            self._say(topic.decode(), self.says, {CORRELATION: message.properties[CORRELATION]})

    def _say(self, topic: str, document: dict[str, Any], properties: p.Properties, retain: bool = False) -> None:
        payload = json.dumps(document).encode()
        self.send(p.encode_publish(p.Publish(topic, payload, 0, retain, properties=properties), self._v5))
