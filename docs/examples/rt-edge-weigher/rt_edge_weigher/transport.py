"""A connection to a weigher: one line out, one line back. A protocol's library would be imported here, and only here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self

from rt_edge.sdk import TransientError

LINE_BYTES = 256
"""A longer reply is no line of a weigher."""


class Connection:
    """Asks one thing at a time, and notices its end even while nobody asks.

    Args:
        reader, writer: of the open connection.
        timeout: seconds until a reply is given up.
        lost: told why it has ended, once; not after `close`.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout: float, lost: Callable[[Exception], None]
    ) -> None:
        self._reader, self._writer, self._timeout = reader, writer, timeout
        self._lost: Callable[[Exception], None] | None = lost
        self._turn = asyncio.Lock()
        self._reply: asyncio.Future[bytes] | None = None
        self._reading = asyncio.create_task(self._read(), name="weigher reads")

    @classmethod
    async def open(cls, host: str, port: int, timeout: float, lost: Callable[[Exception], None]) -> Self:
        """Connect.

        Raises:
            TransientError: it is not there.
        """
        try:
            async with asyncio.timeout(timeout):
                return cls(*await asyncio.open_connection(host, port, limit=LINE_BYTES), timeout, lost)
        except OSError as error:  # a time-out is one, too
            raise TransientError(f"{host}:{port} cannot be reached: {error.strerror or 'no answer in time'}") from None

    async def ask(self, request: bytes) -> bytes:
        """The line that answers `request`.

        Raises:
            TransientError: there is none; the connection is of no more use.
        """
        async with self._turn:
            if self._lost is None:
                raise TransientError("the connection has ended")
            self._reply = asyncio.get_running_loop().create_future()
            self._writer.write(request)
            try:
                async with asyncio.timeout(self._timeout):
                    return await self._reply
            except TimeoutError:
                error = TransientError(f"no answer within {self._timeout:g} s")
                self._end(error)
                raise error from None
            finally:
                self._reply = None

    async def _read(self) -> None:
        try:
            while True:
                line = await self._reader.readuntil(b"\n")
                if self._reply is not None and not self._reply.done():
                    self._reply.set_result(line)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            self._end(TransientError(f"the weigher is gone: {error}"))

    def _end(self, error: TransientError) -> None:
        lost, self._lost = self._lost, None
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(error)
        if lost is not None:
            lost(error)

    async def close(self) -> None:
        """Hang up; returns when nothing is left of it."""
        self._lost = None
        self._reading.cancel()
        self._writer.transport.abort()
        await asyncio.wait([self._reading, asyncio.ensure_future(self._writer.wait_closed())])
