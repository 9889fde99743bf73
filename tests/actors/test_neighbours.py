"""Goal: batches between islands go directly, whole and in order, and only between islands of one node. Method: two real ends on
one loop, in the abstract name space, under a port number that a listening TCP socket keeps for the test."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from rt_edge.actors.island.neighbours import HIGH_WATER, MAX_FRAME, Neighbours, path_of
from rt_edge.testkit.waiting import Bell


class End:
    """One island."""

    def __init__(self, bell: Bell, guardian: str = "node-1") -> None:
        self.got: list[bytes] = []
        self.sent: list[str] = []
        self._bell = bell
        self.neighbours = Neighbours(guardian, self._receive, self._sent)

    def _receive(self, data: bytes) -> None:
        self.got.append(data)
        self._bell.ring()

    def _sent(self, island: str) -> None:
        self.sent.append(island)
        self._bell.ring()


async def reach(end: End, port: int, island: str = "b") -> None:
    """Dial, and wait until there is a connection or a reason against it."""
    end.neighbours.peers({island: port})
    await asyncio.wait(list(end.neighbours._tasks), timeout=5)  # dialling has no other end


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


def test_batches_arrive_whole_and_in_order_when_they_are_small_and_large(port):
    """What is written arrives as it was cut, whatever the sizes."""

    async def run() -> None:
        bell = Bell()
        a, b = End(bell), End(bell)
        b.neighbours.listen(port)
        await reach(a, port)
        batches = [bytes([i]) * size for i, size in enumerate([0, 1, 3, 300_000, 2, 1_500_000, 7])]
        for batch in batches:
            assert a.neighbours.send("b", batch) is not None
        await bell.until(lambda: len(b.got) == len(batches), 10, "all batches")
        assert b.got == batches
        a.neighbours.close()
        b.neighbours.close()

    asyncio.run(run())


def test_a_batch_is_under_way_until_it_is_taken_when_the_neighbour_does_not_read(port):
    """Beyond the high-water mark `send` says False, and `sent` follows when there is room."""

    async def run() -> None:
        bell = Bell()
        a = End(bell)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path_of(port))
            listener.listen()
            listener.setblocking(False)
            await reach(a, port)
            peer, _ = await asyncio.get_running_loop().sock_accept(listener)
            batch = bytes(400_000)
            written = 0
            while a.neighbours.send("b", batch):
                written += 1
                assert written * len(batch) < 10 * HIGH_WATER, "it takes without end"
            assert a.sent == []
            peer.setblocking(False)
            reading = asyncio.create_task(swallow(peer))
            await bell.until(lambda: a.sent == ["b"], 10, "sent")
            assert a.neighbours.send("b", b"more") is True
            reading.cancel()
            peer.close()
        a.neighbours.close()

    asyncio.run(run())


async def swallow(sock: socket.socket) -> None:
    while await asyncio.get_running_loop().sock_recv(sock, 1_000_000):
        pass


def test_nothing_is_taken_when_the_island_belongs_to_another_node(port):
    """A port that was used again leads to another node's island: it refuses, and the sender learns that the way is gone."""

    async def run() -> None:
        bell = Bell()
        a, b = End(bell, "node-1"), End(bell, "node-2")
        b.neighbours.listen(port)
        await reach(a, port)
        a.neighbours.send("b", b"secret")
        await bell.until(lambda: a.sent == ["b"], 10, "the end of the connection")
        assert a.neighbours.send("b", b"secret") is None
        assert b.got == []
        assert b.neighbours.counters["refused"] == 1
        b.neighbours.close()

    asyncio.run(run())


def test_there_is_no_way_when_nobody_listens(port):
    """An island that does not listen is left to the actors' own wire."""

    async def run() -> None:
        a = End(Bell())
        await reach(a, port)
        assert a.neighbours.send("b", b"x") is None

    asyncio.run(run())


def test_the_newer_process_gets_the_batches_when_an_island_was_started_again(port):
    """A new port for the same island replaces the old connection, and what waited on the old one is reported as gone."""

    async def run() -> None:
        bell = Bell()
        a, old, new = End(bell), End(bell), End(bell)
        with socket.create_server(("127.0.0.1", 0)) as other:
            old.neighbours.listen(port)
            await reach(a, port)
            new.neighbours.listen(other.getsockname()[1])
            await reach(a, other.getsockname()[1])
            a.neighbours.send("b", b"hello")
            await bell.until(lambda: bool(new.got), 10, "the batch")
            assert old.got == []
            assert a.sent == ["b"]
        for end in (a, old, new):
            end.neighbours.close()

    asyncio.run(run())


def test_the_connection_ends_when_a_batch_is_longer_than_any_can_be(port):
    """A length out of bounds is refused before any memory is taken for it."""

    async def run() -> None:
        bell = Bell()
        b = End(bell)
        b.neighbours.listen(port)
        reader, writer = await open_raw(port)
        hello = b"node-1"
        writer.write(struct.pack("<I", len(hello)) + hello + struct.pack("<I", MAX_FRAME + 1))
        assert await asyncio.wait_for(reader.read(), 10) == b""
        assert b.got == []
        writer.close()
        b.neighbours.close()

    asyncio.run(run())


async def open_raw(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    sock = socket.socket(socket.AF_UNIX)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, path_of(port))
    return await asyncio.open_unix_connection(sock=sock)
