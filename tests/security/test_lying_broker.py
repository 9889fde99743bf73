"""A broker that lies: whatever it sends, the adapter says so as an error of its own, and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rt_edge.data.errors import RtEdgeError
from rt_edge.testkit.mqtt_broker import packets as p
from tests.adapters.mqtt.bench import harness

LIVES = 12
"""Connections of one seed."""


class Liar:
    """Answers each CONNECT with a mixture of what is right, what is damaged and what is random."""

    def __init__(self, random: Random, v5: bool) -> None:
        self._random = random
        self._v5 = v5
        self.lives: set[asyncio.Task[None]] = set()

    def _damaged(self, data: bytes) -> bytes:
        random, out = self._random, bytearray(data)
        for _ in range(random.randint(1, 4)):
            how = random.randrange(3)
            if how == 0 and out:
                out[random.randrange(len(out))] = random.randrange(256)
            elif how == 1 and out:
                del out[random.randrange(len(out)) :]
            else:
                out += random.randbytes(random.randint(1, 20))
        return bytes(out)

    def _publish(self) -> bytes:
        qos = self._random.randrange(3)
        topic = self._random.choice(["t/1", "t/\ufffd\x00", "other", "t/" + "x" * 300])
        message = p.Publish(topic, self._random.randbytes(10), qos, mid=self._random.randint(1, 5) if qos else 0)
        return p.encode_publish(message, self._v5)

    def _anything(self) -> bytes:
        random = self._random
        choices: list[Callable[[], bytes]] = [
            self._publish,
            lambda: self._damaged(self._publish()),
            lambda: p.frame(random.randrange(16), random.randbytes(random.choice([0, 1, 2, 3, 5, 30])), random.randrange(16)),
            lambda: p.encode_ack(random.choice([4, 5, 6, 7]), random.randint(0, 9), 0, self._v5),
            lambda: self._damaged(p.encode_ack(4, 1, random.randrange(256), self._v5)),
            lambda: p.encode_connack(True, 0, self._v5),
            lambda: bytes((0x30, 0xFF, 0xFF, 0xFF, 0x7F)),  # a PUBLISH of 256 MB is about to come
            lambda: bytes((0x90, 0xFF, 0xFF, 0xFF, 0x7F)),  # and a SUBACK of that size
        ]
        return random.choice(choices)()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        random = self._random
        task = asyncio.current_task()
        assert task is not None
        self.lives.add(task)
        with suppress(OSError, EOFError, ValueError, TimeoutError):  # the adapter leaves when it has seen enough
            async with asyncio.timeout(1):
                await p.read_packet(reader, 1 << 20)
                connack = p.encode_connack(False, 0, self._v5)
                writer.write(connack if random.random() < 0.8 else self._damaged(connack))
                if random.random() < 0.7:
                    kind, _, body = await p.read_packet(reader, 1 << 20)
                    if kind == 8:
                        suback = p.encode_codes(9, int.from_bytes(body[:2], "big"), [1], self._v5)
                        writer.write(suback if random.random() < 0.8 else self._damaged(suback))
                for _ in range(random.randint(1, 15)):
                    writer.write(self._anything())
                    await writer.drain()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                writer.close()
                await writer.wait_closed()
        writer.transport.abort()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
@pytest.mark.parametrize("seed", range(3))
def test_adapter_says_so_and_comes_back_when_the_broker_lies(tmp_path: Path, seed: int, version: str) -> None:
    """No exception but our own leaves the adapter, nothing hangs, nothing breaks its contract, through many lying connections."""

    async def main() -> list[Any]:
        surprises: list[Any] = []
        liar = Liar(Random(seed), version == "5")
        server = await asyncio.start_server(liar.serve, "127.0.0.1", 0)
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: surprises.append(context))
        h = harness(server.sockets[0].getsockname()[1], tmp_path, version=version, timeout="500ms")
        for _ in range(LIVES):
            losses = len(h.context.losses)
            with suppress(RtEdgeError):
                async with asyncio.timeout(10):
                    await h.open()
                    h.demand(100)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(1.5):
                            await h.context.bell.until(lambda seen=losses: len(h.context.losses) > seen)
            async with asyncio.timeout(10):
                await h.close()
        server.close()
        await asyncio.wait(liar.lives)
        return [*surprises, *h.context.violations]

    assert asyncio.run(main()) == []
