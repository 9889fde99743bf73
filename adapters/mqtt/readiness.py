"""Waiting until a non-blocking socket can be read or written, on the event loop: for handshakes."""

from __future__ import annotations

import asyncio
from typing import Any


async def ready(sock: Any, for_write: bool) -> None:
    """Return when `sock` (anything with a descriptor that the loop can watch) can be read, or written."""
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not woken.done():
            woken.set_result(None)

    (loop.add_writer if for_write else loop.add_reader)(sock, wake)
    try:
        await woken
    finally:
        (loop.remove_writer if for_write else loop.remove_reader)(sock)
