"""Feeder: numbered MQTT messages at QoS 1 from several devices, at a pace and up to a limit that the test moves on."""

from __future__ import annotations

import asyncio

from rt_edge.data.clock import SystemClock
from rt_edge.data.errors import TransientError
from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.mqtt_client import RawClient

STEP_S = 0.05


class Feeder:
    """One connection a device; device `d` publishes `{"n": 0}`, `{"n": 1}`, ... on `plant/d/telemetry`, in order.

    Args:
        port: of the broker on 127.0.0.1.
        devices: their names.
        total: messages in all.
        rate: messages a second in all, at most.
        pad: bytes of text in each beside its number.

    Attributes:
        limit: messages in all that may be published so far; `asyncio` and other threads may raise it.
        published, acknowledged: device -> messages; acknowledged by the broker.
    """

    def __init__(self, port: int, devices: list[str], total: int, rate: float, pad: int = 0) -> None:
        self._port = port
        self._total = total
        self._share = total // len(devices)
        self._rate = rate
        self._text = b', "text": "%s"' % (b"x" * pad) if pad else b""
        self.limit = total
        self.published = dict.fromkeys(devices, 0)
        self.acknowledged = dict.fromkeys(devices, 0)

    @property
    def sent(self) -> int:
        """Messages acknowledged by the broker."""
        return sum(self.acknowledged.values())

    @property
    def done(self) -> bool:
        """Whether all are."""
        return self.sent >= self._share * len(self.acknowledged)

    async def run(self) -> None:
        """Publish all.

        Raises:
            TransientError: the broker closed a connection.
        """
        await asyncio.gather(*map(self._device, self.published))

    async def _device(self, device: str) -> None:
        clock = SystemClock()
        share = self._rate / len(self.published)
        async with RawClient(self._port, p.Connect(f"feeder-{device}")) as client:
            began = clock.monotonic()
            allowance = 0.0
            while self.published[device] < self._share:
                now = clock.monotonic()
                allowance = min(allowance + share * (now - began), 4 * share * STEP_S)  # no burst after a pause
                began = now
                n = min(int(allowance), self._share - self.published[device])
                if self.limit < self._total:
                    n = min(n, (self.limit - sum(self.published.values())) // len(self.published))
                if n <= 0:
                    await client.quiet(STEP_S)
                    continue
                allowance -= n
                first = self.published[device]
                self.published[device] += n
                payloads = [b'{"n": %d, "temp": 20.5%s}' % (i, self._text) for i in range(first, first + n)]
                await client.publish_many(f"plant/{device}/telemetry", payloads)
                if client.ended:
                    raise TransientError(f"the broker closed the connection of {device}")
                self.acknowledged[device] += n
                await client.quiet(STEP_S)
