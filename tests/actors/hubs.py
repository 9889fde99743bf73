"""Hubs without actors: their own little loop, a clock wound by hand, and what was delivered."""

from __future__ import annotations

import select
import time
from pathlib import Path

from rt_edge.actors.transport.hub import Hub
from rt_edge.actors.transport.identity import Admission, Identity
from rt_edge.actors.transport.messages import Frame, LinkDown, LinkUp
from rt_edge.actors.transport.tls import Plain

ANY = Admission({"edge": None, "upstream": None})
FROM_EDGES = Admission({"edge": None})
FROM_UPSTREAM = Admission({"upstream": None})
PLAIN_EDGE = Plain(Identity("edge", "hall-3"))
PLAIN_UPSTREAM = Plain(Identity("upstream", "up-a"))


class HandClock:
    """Time that only moves when told to."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def wall_ns(self):
        return int(self.now * 1e9)


class Side:
    """A hub and all it has delivered."""

    alive = []

    def __init__(self, clock=None):
        self.clock = clock or HandClock()
        self.got = []
        Side.alive.append(self)
        self.hub = Hub(lambda sender, message: self.got.append((sender, message)), self.clock)

    def of(self, cls):
        return [(sender, message) for sender, message in self.got if isinstance(message, cls)]

    @property
    def frames(self):
        return [message for _, message in self.of(Frame)]

    @property
    def session(self):
        return self.of(LinkUp)[-1][0].addressDetails

    @property
    def down(self):
        return [message.reason for _, message in self.of(LinkDown)]


def turn(*sides, until, timeout=5.0):
    """Serve the hubs until a condition holds."""
    poll = select.poll()
    for side in sides:
        poll.register(side.hub.fileno(), select.POLLIN)
    end = time.monotonic() + timeout
    while not until():
        left = end - time.monotonic()
        assert left > 0, [side.got[-5:] for side in sides]
        poll.poll(min(left, 0.2) * 1000)
        for side in sides:
            side.hub.ready()
            side.hub.tick()


def linked(security, peer_security, clock=None, limits=None, peer_limits=None):
    """Two hubs with a link between them: (edge, upstream)."""
    edge, upstream = Side(clock), Side(clock)
    port = upstream.hub.listen("127.0.0.1", 0, peer_security, FROM_EDGES, peer_limits)
    edge.hub.dial("127.0.0.1", port, security, FROM_UPSTREAM, limits)
    turn(edge, upstream, until=lambda: edge.of(LinkUp) and upstream.of(LinkUp))
    return edge, upstream


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))
