"""What an actor sends over links and hears of them and of its own sends.

None of these is ever pickled: frames have a wire of their own, and the others are made in the process that receives them.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Frame(msgspec.Struct, frozen=True, gc=False):
    """The one message of a link.

    Attributes:
        kind: a short ASCII name of the protocol above; the peer's role decides whether it may send it.
        number: 0 to 2**64 - 1.
        body: the payload; its size is bounded by the link's limits.
    """

    kind: str
    number: int
    body: bytes = b""

    def __str__(self) -> str:
        return f"Frame({self.kind}, {self.number}, {len(self.body)} bytes)"

    def __repr__(self) -> str:
        return str(self)  # Thespian writes messages into its log


class LinkUp(msgspec.Struct, frozen=True, gc=False):
    """A link is ready; the sender is its session address.

    Attributes:
        peer: node id of the peer, from its certificate (on a plain loopback link: as it says).
        role: `edge`, `upstream` or `operator`.
        dialled: the number that `dial` returned; 0 when the peer dialled.
    """

    peer: str
    role: str
    dialled: int = 0


class LinkDown(msgspec.Struct, frozen=True, gc=False):
    """A link is gone, or could not be made; the sender is its session address, or that of the attempt.

    Attributes:
        reason: for people; starts with `window exceeded` when a send did not fit.
        lost: whether bytes that this side had sent are known not to have left it. What the peer has is known by its
            confirmations alone.
        dialled: the number that `dial` returned; 0 when the peer dialled.
    """

    reason: str
    lost: bool
    dialled: int = 0


class SendFailed(msgspec.Struct, frozen=True, gc=False):
    """Messages to a local actor were not delivered; the sender of this notice is the target.

    Attributes:
        reason: for people.
        dead: the target is gone: what waited for it was dropped too.
        lost: how many messages are meant.
        kind: class name of the first.
    """

    reason: str
    dead: bool
    lost: int
    kind: str


class LinkLimits(msgspec.Struct, frozen=True, gc=False):
    """Bounds of a link, in bytes and seconds."""

    max_frame: int = 1_310_720
    max_buffered: int = 4 << 20
    read_budget: int = 512 << 10
    handshake: float = 5.0
    stall: float = 20.0
    keepalive: tuple[int, int, int] = (5, 3, 3)
    user_timeout: float = 14.0


def describe(message: Any) -> str:
    """Class name of a message; never its content."""
    return type(message).__name__
