"""The loop's side of links when the queues between the two threads are full."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from rt_edge.actors.island.links import LinkClosed
from rt_edge.actors.island_links import ActorLinks
from rt_edge.data.errors import BufferOverflow
from rt_edge.sdk.address import Address

PEER = Address("127.0.0.1", 1)


class FullLoop:
    """A loop thread whose actor takes nothing until `room`."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.room = asyncio.Event()
        self.taken: list[Callable[[], Any]] = []
        self.tried = asyncio.Event()

    def to_actor(self, item: Callable[[], Any]) -> None:
        if not self.room.is_set():
            raise BufferOverflow("full")
        self.taken.append(item)
        self.tried.set()


async def heard(start: Callable[[ActorLinks, Callable[..., None]], None]) -> Any:
    """What a driver is told of what it started while the actor's queue is full."""
    told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    start(ActorLinks(FullLoop(), None, "n"), lambda *args: told.set_result(args))  # type: ignore[arg-type]
    async with asyncio.timeout(5):
        return await told


def test_dial_is_told_as_failed_when_the_actor_is_too_busy_to_hear_of_it() -> None:
    """Else an uplink would wait for the fate of a dial that was never made, for ever."""
    (event,) = asyncio.run(heard(lambda links, tell: links.dial(PEER, None, {}, tell)))
    assert isinstance(event, LinkClosed)
    assert "full" in event.reason


def test_listening_is_told_as_failed_when_the_actor_is_too_busy_to_hear_of_it() -> None:
    """Else an ingress would never listen."""
    port, error = asyncio.run(heard(lambda links, tell: links.listen(PEER, None, {}, tell, tell)))
    assert (port, type(error)) == (0, BufferOverflow)


def test_link_is_closed_later_when_a_frame_and_its_close_found_no_room() -> None:
    """A frame that does not fit costs the link, even when the order to close it does not fit either."""

    async def main() -> int:
        loop = FullLoop()
        links = ActorLinks(loop, None, "n")  # type: ignore[arg-type]
        with pytest.raises(BufferOverflow):
            links.send(("up-a", 1), "x", 1, b"")
        links.close(("up-a", 1), "again")
        loop.room.set()
        async with asyncio.timeout(5):
            await loop.tried.wait()
        return len(loop.taken)

    assert asyncio.run(main()) == 1
