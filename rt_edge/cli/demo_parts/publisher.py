"""The machines of the demo: they publish numbered messages at QoS 1, and count what the broker has acknowledged."""

from __future__ import annotations

import asyncio
import json
import math
from contextlib import suppress

from rt_edge.data.clock import Clock
from rt_edge.data.errors import TransientError
from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.mqtt_client import RawClient

LINES = ("press-1", "press-2", "press-3")
STEP_S = 0.1
BROKEN = 50
"""Every so-manieth message is of a broken sensor: the graph filters it out."""


def wanted(n: int) -> bool:
    """Whether message `n` passes the graph."""
    return n % BROKEN != BROKEN - 1


def filtered_of(count: int) -> int:
    """How many of the messages 0..count-1 the graph filters out."""
    return count // BROKEN


def payload(n: int, wall_ns: int) -> bytes:
    """Message `n`."""
    temperature = 21.5 + 2.5 * math.sin(n / 300) if wanted(n) else -99.0
    return json.dumps({"n": n, "ts": wall_ns // 1_000_000, "temperature": round(temperature, 2)}).encode()


class Publisher:
    """Publishes `rate` messages a second until it is stopped.

    Args:
        port: of the broker.
        rate: messages a second.
        clock: time.

    Attributes:
        sent: messages published so far: numbers 0..sent-1.
        acknowledged: those that the broker has acknowledged.
        error: why it gave up, or None.
    """

    def __init__(self, port: int, rate: float, clock: Clock) -> None:
        self._port = port
        self._rate = rate
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self.sent = 0
        self.acknowledged = 0
        self.error: Exception | None = None

    def start(self) -> None:
        """Begin, on the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Publish no more, and return when the broker has acknowledged all; idempotent."""
        self._stop.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def abandon(self) -> None:
        """End it where it stands."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            async with RawClient(self._port, p.Connect("demo-machines")) as client:
                if client.code != 0:
                    raise TransientError(f"the broker refuses the demo's machines (code {client.code})")
                began = self._clock.monotonic()
                while not self._stop.is_set():
                    due = int((self._clock.monotonic() - began) * self._rate)
                    await self._publish(client, min(due, self.sent + max(100, int(self._rate))))
                    with suppress(TimeoutError):
                        async with asyncio.timeout(STEP_S):
                            await self._stop.wait()
        except (OSError, TimeoutError, KeyError, TransientError) as error:
            self.error = error

    async def _publish(self, client: RawClient, until: int) -> None:
        by_line: dict[str, list[bytes]] = {}
        now = self._clock.wall_ns()
        for n in range(self.sent, until):
            by_line.setdefault(LINES[n % len(LINES)], []).append(payload(n, now))
        self.sent = max(self.sent, until)
        for line, payloads in by_line.items():
            await client.publish_many(f"plant/{line}/telemetry", payloads)
            if client.ended:
                raise TransientError("the broker has closed the connection of the demo's machines")
        self.acknowledged = self.sent
