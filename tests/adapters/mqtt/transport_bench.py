"""What the tests of a client behind the seam need: a listener that remembers, one end of a connection, a way to run."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from adapters.mqtt import seam
from adapters.mqtt.adapter import CLIENTS
from adapters.mqtt.seam import Connect, Connected, Message, Subscription
from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.mqtt_client import RawClient
from rt_edge.testkit.waiting import Bell

OURS = str(Path(seam.__file__).parent)
versions = pytest.mark.parametrize("version", [5, 4], ids=["v5", "v311"])


class Ears:
    """A listener that remembers, and says when it wants no more.

    Attributes:
        messages: all that came.
        room: messages taken before reading is to stop; None: no end.
        late: calls after the transport was told to stop, which must not be.
    """

    def __init__(self) -> None:
        self.bell = Bell()
        self.connected: list[Connected] = []
        self.messages: list[Message] = []
        self.batches = 0
        self.through = 0
        self.losses: list[Exception] = []
        self.room: int | None = None
        self.late = 0
        self._stopped = False

    def on_connected(self, connected: Connected) -> None:
        assert not self.messages
        self.connected.append(connected)
        self.bell.ring()

    def on_messages(self, messages: list[Message]) -> bool:
        self.late += self._stopped
        self.batches += 1
        self.messages += messages
        self._stopped = self.room is not None and len(self.messages) >= self.room
        self.bell.ring()
        return not self._stopped

    def more(self, room: int | None = None) -> None:
        self.room, self._stopped = room, False

    def on_acknowledged(self, through: int) -> None:
        self.through = through
        self.bell.ring()

    def on_lost(self, error: Exception) -> None:
        self.losses.append(error)
        self.bell.ring()

    async def got(self, n: int) -> list[Message]:
        await self.bell.until(lambda: len(self.messages) >= n or bool(self.losses), 20, f"{n} messages")
        assert not self.losses
        return self.messages


class End:
    """One transport and its listener."""

    def __init__(self, client: str, port: int, version: int, **options: Any) -> None:
        known: dict[str, Any] = {
            "client_id": "us", "clean": False, "session_expiry": 600, "window": 100, "keepalive": 60, "max_packet": 1_000_000,
            "timeout": 5.0,
        }  # fmt: skip
        self.ears = Ears()
        self.version = version
        self.transport = CLIENTS[client](Connect("127.0.0.1", port, version, **(known | options)), self.ears)

    async def open(self, *filters: str, qos: int = 2) -> Connected:
        connected = await self.transport.connect()
        if filters:
            assert await self.transport.subscribe([Subscription(f, qos) for f in filters], []) == [qos] * len(filters)
        return connected

    def ack(self, *messages: Message, through: int = 0) -> None:
        self.transport.acknowledge([(m.mid, m.qos) for m in messages if m.qos], through)

    async def echo(self, topic: str = "t/echo") -> None:
        """It is not deaf: what is published here comes back here."""
        n = len(self.ears.messages)
        assert await self.transport.publish(topic, b"echo", 1, False) in (0, 0x10)
        await self.ears.bell.until(lambda: any(m.payload == b"echo" for m in self.ears.messages[n:]), 5, "the echo")

    async def close(self) -> None:
        await self.transport.close()


class TransportBench:
    """What a class of tests needs: a client by name, something to connect to, and a way to run."""

    client: ClassVar[str]

    def broker(self, tmp_path: Path) -> AbstractAsyncContextManager[Any]:
        """A broker with the attribute `port`."""
        raise NotImplementedError

    def run(self, tmp_path: Path, body: Callable[[Any], Awaitable[None]]) -> None:
        """Run with a broker; nothing may reach the loop's exception handler, and nothing be left behind."""
        stray: list[dict[str, Any]] = []
        raised: list[Any] = []

        async def main() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, about: stray.append(about))
            async with self.broker(tmp_path) as broker:
                await body(broker)
                coros: list[Any] = [t.get_coro() for t in asyncio.all_tasks()]
                assert [c for c in coros if c.cr_code.co_filename.startswith(OURS)] == []

        gc.collect()  # of others
        hook, sys.unraisablehook = sys.unraisablehook, raised.append
        try:
            asyncio.run(main())
            gc.collect(1)
        finally:
            sys.unraisablehook = hook
        assert stray == []
        assert [str(r.exc_value) for r in raised] == []

    def end(self, port: int, version: int, **options: Any) -> End:
        return End(self.client, port, version, **options)

    def feeder(self, port: int) -> RawClient:
        return RawClient(port, p.Connect("feeder"))
