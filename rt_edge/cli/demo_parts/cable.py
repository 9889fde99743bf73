"""Cable: what stands for the network between the two nodes. It can be cut and mended; it sees only what TLS lets it see."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self

CHUNK = 65_536


class Cable:
    """A TCP relay from a port of its own to the upstream node; an asynchronous context manager.

    Args:
        target: port of the upstream node on 127.0.0.1.

    Attributes:
        port: where the edge node dials.
        whole: whether anything gets through.
        carried: bytes, both ways.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.whole = True
        self.carried = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._server is not None:
            await self._server.wait_closed()

    def cut(self) -> None:
        """All connections break, and new ones break at once."""
        self.whole = False
        for writer in list(self._writers):
            writer.transport.abort()

    def mend(self) -> None:
        """Connections can be made again."""
        self.whole = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        onward: asyncio.StreamWriter | None = None
        try:
            if self.whole:
                back, onward = await asyncio.open_connection("127.0.0.1", self._target)
                self._writers.add(onward)
                await self._both(reader, writer, back, onward)
        except OSError:
            pass  # nobody listens at the other end: the dialler sees its connection close, and tries again
        except asyncio.CancelledError:
            pass  # by __aexit__; the stream machinery of 3.11 would log it
        finally:
            for one in (writer, onward):
                if one is not None:
                    one.transport.abort()
                    self._writers.discard(one)
            self._tasks.discard(task)

    async def _both(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.StreamReader, onward: asyncio.StreamWriter
    ) -> None:
        ways = [asyncio.ensure_future(self._carry(reader, onward)), asyncio.ensure_future(self._carry(back, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):  # the end of this way; the other one is ended by `_both`
            while data := await reader.read(CHUNK):
                self.carried += len(data)
                writer.write(data)
                await writer.drain()
