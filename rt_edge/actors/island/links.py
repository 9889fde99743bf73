"""Links: what the loop side of an island may ask of the actor about links to other nodes, and what it is told.

The sockets live in the transport of the actor, on the main thread; every call here is handed over to it, every callback comes
back on the loop. A link is named by a token: (peer's node id, connection number).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from rt_edge.data.errors import RtEdgeError
from rt_edge.sdk.address import Address
from rt_edge.settings.plan import TlsPlan

Token = tuple[str, int]


class LinkOpened(msgspec.Struct, frozen=True):
    """A link is ready."""

    token: Token
    peer: str
    role: str
    dialled: int


class LinkClosed(msgspec.Struct, frozen=True):
    """A link is gone, or an attempt to make one has failed."""

    token: Token
    reason: str
    dialled: int


class FrameArrived(msgspec.Struct, frozen=True, gc=False):
    """A frame came in."""

    token: Token
    kind: str
    number: int
    body: bytes


LinkEvent = LinkOpened | LinkClosed | FrameArrived


class Links(Protocol):
    """The actor's side."""

    def listen(
        self,
        address: Address,
        tls: TlsPlan | None,
        kinds: dict[str, frozenset[str]],
        on_event: Callable[[LinkEvent], None],
        done: Callable[[int, RtEdgeError | None], None],
    ) -> None:
        """Accept links from peers of the roles in `kinds`, which may send the kinds of frame there.

        Args:
            address: where; port 0 takes a free one.
            tls: certificates; None on loopback only.
            kinds: role -> kinds of frame.
            on_event: hears of all links accepted.
            done: told the port, or 0 and why it does not work.
        """
        ...

    def dial(
        self, address: Address, tls: TlsPlan | None, kinds: dict[str, frozenset[str]], on_event: Callable[[LinkEvent], None]
    ) -> None:
        """Try once to make a link; `on_event` hears LinkOpened or LinkClosed, and what follows."""
        ...

    def send(self, token: Token, kind: str, number: int, body: bytes) -> None:
        """Put a frame on a link; if that fails the link is closed and says so."""
        ...

    def close(self, token: Token, reason: str) -> None:
        """End a link."""
        ...
