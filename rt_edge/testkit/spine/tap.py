"""MqttTap: a cable between an MQTT client and its broker that counts what each has seen of the other at QoS 1."""

from __future__ import annotations

import asyncio
from typing import Self

from rt_edge.testkit.mqtt_broker import packets as p

MOST = 1_000_000


class MqttTap:
    """Listens on a port of its own, joins each connection to the broker; an asynchronous context manager.

    Args:
        broker: port of the broker on 127.0.0.1.

    Attributes:
        port: where the client connects.
        published: QoS 1 messages that the broker has sent, copies included.
        acknowledged: PUBACKs that have come back.
        outstanding: of the current connection, sent and not acknowledged. most: the most there ever were.
    """

    def __init__(self, broker: int) -> None:
        self._broker = broker
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.published = 0
        self.acknowledged = 0
        self.outstanding = 0
        self.most = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        there: asyncio.StreamWriter | None = None
        try:
            from_broker, there = await asyncio.open_connection("127.0.0.1", self._broker)
            self.outstanding = 0
            ways = [asyncio.ensure_future(self._carry(*way)) for way in ((reader, there, False), (from_broker, writer, True))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.wait(ways)
        except (OSError, asyncio.CancelledError):
            pass  # an end is gone, or the tap ends: so does this connection
        finally:
            self._tasks.discard(task)
            for end in (writer, there):
                if end is not None:
                    end.close()

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, down: bool) -> None:
        """One direction, packet by packet."""
        try:
            while True:
                kind, flags, body = await p.read_packet(source, MOST)
                if down and kind == p.PUBLISH and flags & 6:
                    self.published += 1
                    self.outstanding += 1
                    self.most = max(self.most, self.outstanding)
                elif not down and kind == p.PUBACK:
                    self.acknowledged += 1
                    self.outstanding -= 1
                target.write(p.frame(kind, body, flags))
                await target.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
