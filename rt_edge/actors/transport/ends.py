"""The two ends at which links are born: listeners and dials."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable
from typing import Protocol

from rt_edge.actors.transport.dialling import Address, Resolution, connect
from rt_edge.actors.transport.link import Link
from rt_edge.actors.transport.tls import Security, require_secure
from rt_edge.data.errors import RtEdgeError

_log = logging.getLogger("rt_edge.actors.hub")
_ACCEPTS = 64
_MAX_ADDRESSES = 8


class Ready(Protocol):
    """What the hub's epoll serves."""

    def event(self, events: int) -> None:
        """The descriptor is ready."""
        ...


class HubEnds(Protocol):
    """What a listener and a dial ask of their hub."""

    def pause(self, listener: Listener) -> None:
        """Accept nothing for a second."""
        ...

    def forget(self, fd: int) -> None:
        """Watch no more."""
        ...

    def dial_failed(self, dial: Dial, reason: str) -> None:
        """Nothing is left to try."""
        ...


class Listener:
    """A listening socket.

    Args:
        hub: whose it is.
        sock: it listens, and does not block.
        make: takes an accepted connection.
    """

    def __init__(self, hub: HubEnds, sock: socket.socket, make: Callable[[socket.socket], None]) -> None:
        self._hub, self.sock, self._make = hub, sock, make
        self.paused_until: float | None = None

    def event(self, _events: int) -> None:
        """Accept what has come, at most 64 connections."""
        for _ in range(_ACCEPTS):
            try:
                connection, _ = self.sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._hub.pause(self)  # else the loop would spin on a listener that stays readable
                    _log.warning("no connection can be accepted for now: %s", error.strerror)
                    return
                continue  # that one had gone already
            try:
                self._make(connection)
            except OSError as error:
                connection.close()
                _log.info("a connection was gone before it was served: %s", error)


class Dial:
    """One call of `dial`: what is left to try, and what came of the last address.

    Args:
        hub: whose it is.
        number: connection number.
        where: for people.
        security: a plain link is made to loopback addresses alone, whatever a name resolves to.
        make: makes a link of a connecting socket.
    """

    def __init__(
        self, hub: HubEnds, number: int, where: str, security: Security, make: Callable[[socket.socket, Dial], Link]
    ) -> None:
        self._hub, self.number, self._make, self._security = hub, number, make, security
        self.left: list[Address] = []
        self.resolution: Resolution | None = None
        self.name = where

    def event(self, _events: int) -> None:
        """The look-up is done."""
        resolution = self.resolution
        if resolution is None:
            return
        self._hub.forget(resolution.fileno())
        resolution.close()
        self.resolution = None
        self.left = resolution.addresses[:_MAX_ADDRESSES]
        self.next(resolution.error or f"{resolution.host} has no address")

    def next(self, reason: str) -> None:
        """Try the next address; without one the dial has failed for `reason`."""
        while self.left:
            address = self.left.pop(0)
            try:
                require_secure(address[1][0], self._security)
                link = self._make(connect(address), self)
            except (OSError, RtEdgeError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                continue
            link.connecting()
            return
        self._hub.dial_failed(self, reason)
