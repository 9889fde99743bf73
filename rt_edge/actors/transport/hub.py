"""All links of a process behind one descriptor (design 8).

Thespian builds a new selector on every turn and cannot watch a socket for reading and writing at once; so links and listeners
have an epoll of their own, whose descriptor is one entry in Thespian's loop.
"""

from __future__ import annotations

import logging
import select
import socket
from collections import Counter
from collections.abc import Callable

from thespian.actors import ActorAddress

from rt_edge.actors.transport.addresses import LinkDetails, link_address
from rt_edge.actors.transport.channel import Channel, PlainChannel, TlsChannel
from rt_edge.actors.transport.dialling import Resolution, literal
from rt_edge.actors.transport.ends import Dial, Listener, Ready
from rt_edge.actors.transport.entry import LoopEntry
from rt_edge.actors.transport.identity import Admission
from rt_edge.actors.transport.link import IN, Link, State
from rt_edge.actors.transport.messages import Frame, LinkDown, LinkLimits, LinkUp
from rt_edge.actors.transport.peer_user import may_talk, peer_user
from rt_edge.actors.transport.tls import ListenerContext, Plain, Security, context, require_secure
from rt_edge.data.clock import Clock
from rt_edge.data.errors import ConfigError

_log = logging.getLogger("rt_edge.actors.hub")
SAID_MAX = 1000
"""Most pairs of a host and a reason for which a refused connection is a warning."""
_EVENTS = 64
_PAUSE_S = 1.0
MAX_LINKS = 1024
MAX_UNPROVED = 128
"""Links that may be on their way to being up at a time: what an unknown peer can make this process hold."""
MAX_RESOLUTIONS = 4


class Hub(LoopEntry):
    """Listeners, links and dials of one process; only for the transport's thread.

    Args:
        deliver: hands a message to the actor, with its sender.
        clock: for deadlines.

    Attributes:
        links: session address -> link, of links that are up.
        counters: `accepted`, `refused`, `refused_user`, `overload`, `displaced`, `up`, `down`, `errors`.
    """

    def __init__(self, deliver: Callable[[ActorAddress, object], None], clock: Clock) -> None:
        self._deliver = deliver
        self.clock = clock
        self.links: dict[LinkDetails, Link] = {}
        self.counters: Counter[str] = Counter()
        self._epoll = select.epoll()
        self._by_fd: dict[int, Ready] = {}
        self._dials: dict[int, Dial] = {}
        self._listeners: list[Listener] = []
        self._count = 0
        self._unproved: dict[Link, None] = {}  # oldest first
        self._deadline: float | None = None
        self._said: set[tuple[str, str]] = set()

    # -- what actors use -----------------------------------------------------------------------------------------------

    def listen(self, host: str, port: int, security: Security, admission: Admission, limits: LinkLimits | None = None) -> int:
        """Listen for links.

        Args:
            host: an address of this host, written as an address; "" or "::" for all.
            port: 0: any that is free.
            security: certificates, read again for new connections when the files change; or plain on loopback.
            admission: which peers, and what they may send.
            limits: bounds of the links.

        Returns:
            The port.

        Raises:
            ConfigError: the address cannot be bound, the certificates do not work, or it is plain and not loopback.
        """
        require_secure(host, security)
        channel, claim = _channels(security, server=True)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            both = host == "::" and socket.has_dualstack_ipv6()
            sock = socket.create_server((host, port), family=family, backlog=128, dualstack_ipv6=both)
        except OSError as error:
            raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        sock.setblocking(False)
        bounds = limits or LinkLimits()

        def accepted(connection: socket.socket) -> None:
            if not self._room() or (isinstance(security, Plain) and not self._own_user(connection)):
                connection.close()
                return
            self.counters["accepted"] += 1
            self._count += 1
            link = Link(self, connection, channel(), bounds, admission, claim, self._count)
            self._unproved[link] = None
            link.connected()

        listener = Listener(self, sock, accepted)
        self._listeners.append(listener)
        self._add(sock.fileno(), listener, IN)
        return int(sock.getsockname()[1])

    def dial(self, host: str, port: int, security: Security, admission: Admission, limits: LinkLimits | None = None) -> int:
        """Start to make a link. `LinkUp` or `LinkDown` with the returned number tells what came of it; nothing is tried
        again by itself.

        Args:
            host: address or name; all its addresses are tried.
            port: where the peer listens.
            security: certificates, or plain on loopback.
            admission: who the peer must be, and what it may send.
            limits: bounds of the link.

        Raises:
            ConfigError: the certificates do not work, or it is plain and not loopback.
        """
        require_secure(host, security)
        channel, claim = _channels(security, server=False)
        bounds = limits or LinkLimits()
        self._count += 1
        number = self._count

        def make(sock: socket.socket, dial: Dial) -> Link:
            link = Link(self, sock, channel(), bounds, admission, claim, dial.number, dialled=True)
            self._unproved[link] = None
            return link

        dial = self._dials[number] = Dial(self, number, f"{host}:{port}", security, make)
        address = literal(host, port)
        if address is not None:
            dial.left = [address]
            dial.next("")
        elif sum(other.resolution is not None for other in self._dials.values()) >= MAX_RESOLUTIONS:
            dial.next("too many names are being looked up")
        else:
            dial.resolution = Resolution(host, port)
            self._add(dial.resolution.fileno(), dial, IN)
        return number

    def send(self, details: LinkDetails, frame: Frame) -> bool:
        """Put a frame into a link; False: there is none, or it was full and has been closed."""
        link = self.links.get(details)
        return link is not None and link.put(frame)

    def close_link(self, details: LinkDetails, reason: str) -> None:
        """Close a link, if it is there; the actor hears `LinkDown` with the reason."""
        link = self.links.get(details)
        if link is not None:
            link.close(reason)

    def buffered(self, details: LinkDetails) -> int:
        """Bytes that wait in a link for its socket; 0 when there is no such link."""
        link = self.links.get(details)
        return 0 if link is None else link.buffered()

    def stop_listening(self) -> None:
        """Close all listeners; links stay."""
        for listener in self._listeners:
            self.forget(listener.sock.fileno())
            listener.sock.close()
        self._listeners.clear()

    # -- what links and dials tell -------------------------------------------------------------------------------------

    def wait_for(self, link: Link, mask: int) -> None:
        """See `Owner`."""
        fd = link.fileno()
        if fd in self._by_fd:
            self._epoll.modify(fd, mask)
        else:
            self._add(fd, link, mask)

    def went_up(self, link: Link) -> None:
        """See `Owner`."""
        assert link.peer is not None
        self._unproved.pop(link, None)
        self._dials.pop(link.number, None)
        address = link_address(link.peer.node, link.number)
        link.details = address.addressDetails
        self.links[address.addressDetails] = link
        self.counters["up"] += 1
        self._deliver(address, LinkUp(link.peer.node, link.peer.role, link.number if link.dialled else 0))

    def received(self, link: Link, frame: Frame) -> None:
        """See `Owner`."""
        self._deliver(ActorAddress(link.details), frame)

    def went_down(self, link: Link, reason: str, was: State, lost: bool) -> None:
        """See `Owner`."""
        self.forget(link.fileno())
        self._unproved.pop(link, None)
        if link.details is not None:
            self.links.pop(link.details, None)
            self.counters["down"] += 1
            self._deliver(ActorAddress(link.details), LinkDown(reason, lost, link.number if link.dialled else 0))
            return
        self.counters["refused"] += 1
        dial = self._dials.get(link.number)
        if dial is not None:
            dial.next(reason)
        else:
            self._refused(link.host, reason)

    def _refused(self, host: str, reason: str) -> None:
        """A warning for each host and reason, once: an edge with a wrong certificate dials for ever."""
        news = (host, reason) not in self._said and len(self._said) < SAID_MAX
        if news:
            self._said.add((host, reason))
        _log.log(logging.WARNING if news else logging.DEBUG, "a connection from %s did not become a link: %s", host, reason)

    def dial_failed(self, dial: Dial, reason: str) -> None:
        """Nothing is left to try."""
        self._dials.pop(dial.number, None)
        self._deliver(link_address(dial.name, dial.number), LinkDown(reason, False, dial.number))

    def note_deadline(self, deadline: float) -> None:
        """See `Owner`."""
        if self._deadline is None or deadline < self._deadline:
            self._deadline = deadline

    def forget(self, fd: int) -> None:
        """Watch no more."""
        if self._by_fd.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def pause(self, listener: Listener) -> None:
        """Accept nothing for a second."""
        self.forget(listener.sock.fileno())
        listener.paused_until = self.clock.monotonic() + _PAUSE_S
        self.note_deadline(listener.paused_until)

    def _add(self, fd: int, ready: Ready, mask: int) -> None:
        self._by_fd[fd] = ready
        self._epoll.register(fd, mask)

    def _room(self) -> bool:
        if len(self.links) < MAX_LINKS:
            if len(self._unproved) < MAX_UNPROVED:
                return True
            # Who has said nothing yet makes room, the oldest first: else a few silent connections would keep all others out.
            silent = next((link for link in self._unproved if not link.dialled and not link.bytes_in), None)
            if silent is not None:
                self.counters["displaced"] += 1
                silent.close("it said nothing while others waited")
                return True
        self.counters["overload"] += 1
        return False

    def _own_user(self, connection: socket.socket) -> bool:
        if connection.family == socket.AF_INET and may_talk(peer_user(connection)):
            return True
        self.counters["refused_user"] += 1
        _log.warning("refused a plain link of another user")
        return False

    # -- the entry in Thespian's loop ----------------------------------------------------------------------------------

    def fileno(self) -> int:
        """Of the epoll."""
        return self._epoll.fileno()

    def filenos(self) -> list[int]:
        """Of everything in the epoll, for a child to close."""
        return list(self._by_fd)

    def ready(self) -> None:
        """Serve what is ready, at most 64 descriptors a turn."""
        for fd, events in self._epoll.poll(0, _EVENTS):
            ready = self._by_fd.get(fd)
            if ready is None:
                continue
            try:
                ready.event(events)
            except Exception as error:  # noqa: BLE001 - one link must not end the actor and all others
                self._failed(ready, error)

    def _failed(self, ready: Ready, error: Exception) -> None:
        self.counters["errors"] += 1
        _log.error("serving %s failed", type(ready).__name__, exc_info=error)
        if isinstance(ready, Link):
            ready.close(f"internal error: {error}")

    def tick(self) -> None:
        """Act on deadlines."""
        if self._deadline is None or (now := self.clock.monotonic()) < self._deadline:
            return
        self._deadline = None
        for listener in self._listeners:
            if listener.paused_until is not None:
                if now >= listener.paused_until:
                    listener.paused_until = None
                    self._add(listener.sock.fileno(), listener, IN)
                else:
                    self.note_deadline(listener.paused_until)
        for link in [*self.links.values(), *self._unproved]:
            again = link.tick(now)
            if again is not None:
                self.note_deadline(again)

    def deadline_in(self) -> float | None:
        """Seconds until the next deadline."""
        return None if self._deadline is None else max(0.0, self._deadline - self.clock.monotonic())

    def release(self) -> None:
        """The transport closes: drop all without a word."""
        self._deliver = _nobody
        self._dials.clear()
        for link in [*self.links.values(), *self._unproved]:
            link.close("the node stops")
        self.stop_listening()
        self._epoll.close()


def _nobody(_sender: ActorAddress, _message: object) -> None:
    """The actor is gone."""


def _channels(security: Security, server: bool) -> tuple[Callable[[], Channel], str]:
    """What makes the channel of a link, and the claim in its preface."""
    if isinstance(security, Plain):
        return PlainChannel, str(security.identity)
    if server:
        listener = ListenerContext(security)
        return lambda: TlsChannel(listener.current(), server=True), ""
    tls = context(security, server=False)
    return lambda: TlsChannel(tls, server=False), ""
