"""Links as an island's loop sees them, on the sockets of its actor's transport.

The loop side calls `listen`, `dial`, `send`, `close`: each is handed to the actor's thread. What comes in is handed to the loop.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from thespian.actors import ActorAddress

from rt_edge.actors.island.links import FrameArrived, LinkClosed, LinkEvent, LinkOpened, Token
from rt_edge.actors.loop_thread import LoopThread
from rt_edge.actors.transport.addresses import LinkDetails, link_details
from rt_edge.actors.transport.hub import MAX_LINKS
from rt_edge.actors.transport.identity import Admission, Identity
from rt_edge.actors.transport.messages import Frame, LinkDown, LinkUp
from rt_edge.actors.transport.node_transport import NodeTransport
from rt_edge.actors.transport.tls import NodePki, Plain, Security
from rt_edge.data.errors import BufferOverflow, RtEdgeError
from rt_edge.sdk.address import Address
from rt_edge.settings.plan import TlsPlan

OnEvent = Callable[[LinkEvent], None]

CLOSE_AGAIN_S = 0.2
"""A link that is to be closed while the actor's queue is full is closed so much later."""


class ActorLinks:
    """Implements `rt_edge.actors.island.links.Links`.

    Args:
        loop: the island's second thread.
        transport: of this process; used on the main thread only.
        node: id of this node, for plain links on loopback.
    """

    def __init__(self, loop: LoopThread, transport: NodeTransport, node: str) -> None:
        self._loop = loop
        self._transport = transport
        self._node = node
        self._server: OnEvent | None = None
        self._dials: dict[int, OnEvent] = {}
        self._links: dict[Token, OnEvent] = {}
        self._closing: set[Token] = set()

    # -- called on the loop ------------------------------------------------------------------------------------------

    def listen(
        self,
        address: Address,
        tls: TlsPlan | None,
        kinds: dict[str, frozenset[str]],
        on_event: OnEvent,
        done: Callable[[int, RtEdgeError | None], None],
    ) -> None:
        """Accept links; `done` is told the port, or why not."""
        try:
            self._loop.to_actor(lambda: self._listen(address, tls, kinds, on_event, done))
        except BufferOverflow as error:
            self._loop.loop.call_soon(done, 0, error)

    def dial(self, address: Address, tls: TlsPlan | None, kinds: dict[str, frozenset[str]], on_event: OnEvent) -> None:
        """Try once to make a link."""
        try:
            self._loop.to_actor(lambda: self._dial(address, tls, kinds, on_event))
        except BufferOverflow as error:  # else nobody would ever say what became of it, and nothing would be tried again
            self._loop.loop.call_soon(on_event, LinkClosed((str(address), 0), str(error), 0))

    def send(self, token: Token, kind: str, number: int, body: bytes) -> None:
        """Put a frame on a link."""
        frame = Frame(kind, number, body)
        try:
            self._loop.to_actor(lambda: self._transport.send_frame(LinkDetails(*token), frame))
        except BufferOverflow:
            self.close(token, "too many frames wait for the actor")
            raise

    def close(self, token: Token, reason: str) -> None:
        """End a link; where the actor does not keep up, as soon as it does."""
        try:
            self._loop.to_actor(lambda: self._transport.hub.close_link(LinkDetails(*token), reason))
        except BufferOverflow:
            if token not in self._closing and len(self._closing) < MAX_LINKS:
                self._closing.add(token)
                self._loop.loop.call_later(CLOSE_AGAIN_S, self._close_again, token, reason)

    def _close_again(self, token: Token, reason: str) -> None:
        self._closing.discard(token)
        self.close(token, reason)

    # -- on the actor's thread ---------------------------------------------------------------------------------------

    def _listen(
        self, address: Address, tls: TlsPlan | None, kinds: dict[str, frozenset[str]], on_event: OnEvent, done: Any
    ) -> None:
        try:
            security = self._security(tls, "upstream")
            port = self._transport.hub.listen(address.host, address.port, security, Admission(dict(kinds)))
        except (RtEdgeError, OSError) as error:
            problem = error if isinstance(error, RtEdgeError) else RtEdgeError(str(error))
            self._loop.tell_loop(done, 0, problem)
            return
        self._server = on_event
        self._loop.tell_loop(done, port, None)

    def _dial(self, address: Address, tls: TlsPlan | None, kinds: dict[str, frozenset[str]], on_event: OnEvent) -> None:
        try:
            security = self._security(tls, "edge")
            number = self._transport.hub.dial(address.host, address.port, security, Admission(dict(kinds)))
        except (RtEdgeError, OSError) as error:
            self._loop.tell_loop(on_event, LinkClosed((str(address), 0), str(error), 0))
            return
        self._dials[number] = on_event

    def _security(self, tls: TlsPlan | None, role: str) -> Security:
        if tls is None:
            return Plain(Identity(role, self._node))
        return NodePki(Path(tls.ca), Path(tls.cert), Path(tls.key))

    def up(self, message: LinkUp, sender: ActorAddress) -> None:
        """The actor heard `LinkUp`."""
        token = _token(sender)
        on_event = self._dials.pop(message.dialled, None) if message.dialled else self._server
        if on_event is None:
            return
        self._links[token] = on_event
        self._loop.tell_loop(on_event, LinkOpened(token, message.peer, message.role, message.dialled))

    def down(self, message: LinkDown, sender: ActorAddress) -> None:
        """The actor heard `LinkDown`."""
        token = _token(sender)
        on_event = self._links.pop(token, None)
        if on_event is None and message.dialled:
            on_event = self._dials.pop(message.dialled, None)
        if on_event is not None:
            self._loop.tell_loop(on_event, LinkClosed(token, message.reason, message.dialled))

    def frame(self, message: Frame, sender: ActorAddress) -> None:
        """The actor heard a frame; a loop that does not keep up loses the link, not the frame alone."""
        token = _token(sender)
        on_event = self._links.get(token)
        if on_event is None:
            return
        try:
            self._loop.to_loop(on_event, FrameArrived(token, message.kind, message.number, message.body))
        except BufferOverflow:
            self._transport.hub.close_link(LinkDetails(*token), "this node does not keep up")


def _token(sender: ActorAddress) -> Token:
    details = link_details(sender)
    return (details.peer, details.number) if details is not None else ("", 0)
