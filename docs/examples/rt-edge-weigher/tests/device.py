"""A weigher on loopback: `python device.py PORT` runs one; tests start it in their loop."""

from __future__ import annotations

import asyncio
import sys


class Weigher:
    """Weighs a gram more each time it is asked.

    Args:
        port: 0 takes a free one, and keeps it over `stop` and `start`.
    """

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.grams = 12_340
        self.zero = 0.0
        self.told: list[float] = []
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and all connections; idempotent."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for writer in self._writers:
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while line := await reader.readline():
                writer.write(self._answer(line.strip()) + b"\n")
        except ConnectionError:
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    def _answer(self, line: bytes) -> bytes:
        if line == b"W":
            self.grams += 1
            return b"%.3f kg" % (self.grams / 1000 - self.zero)
        if line.startswith(b"Z "):
            self.zero = float(line[2:])
            self.told.append(self.zero)
            return b"OK"
        return b"%.3f kg" % self.zero if line == b"Z" else b"?"


async def _main(port: int) -> None:
    weigher = Weigher(port)
    await weigher.start()
    print(weigher.port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
