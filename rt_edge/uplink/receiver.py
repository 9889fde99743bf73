"""The ingress' side of the delivery protocol, as a state machine without I/O (design 7).

One `Receiver` per listening ingress, with a session per link. Records go to the store in order and are confirmed only when
it has them. All methods return effects to be carried out in order.

**Two sessions of one node id.** A half-dead connection must not lock its own node out, and a cloned card must not talk in
between. When a Hello names a node that has a session already:

1. same `instance` (the process has dialled again) or same `host` (its lock says that the older process is dead): the new
   session supersedes the old one at once;
2. else the old session is asked to prove that it lives (`Probe`, answered by `Alive` with its nonce, so that bytes
   buffered from a dead node do not count) while the new one waits. Proof in time: the new one is refused and told why, the
   old one is told too, the operator here gets a report. No proof within `probe` seconds, or its link goes down: it is
   superseded.

Superseding is safe whatever the old session still has under way: the store takes commits of the last opened session only.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

import msgspec

from rt_edge.data.errors import CodecError
from rt_edge.data.record import LaneId, Record
from rt_edge.uplink import effects, frames
from rt_edge.uplink.effects import Peer, ReceiverEffect
from rt_edge.uplink.parameters import ReceiverParameters
from rt_edge.uplink.session import ReceiverStats, Session, Stage, Violation

_T = TypeVar("_T")


class _Node(msgspec.Struct):
    """The sessions of one node id."""

    active: Session
    waiting: Session | None = None
    nonce: int = 0
    until: float = 0.0


class Receiver:
    """Takes the records of many edges for one store.

    Args:
        node: id of this node, as its certificate says.
        store: the store's id.
        tokens: makes random numbers below 2**64.
        parameters: windows and intervals.
    """

    def __init__(self, node: str, store: str, tokens: Callable[[], int], parameters: ReceiverParameters | None = None) -> None:
        self.node, self.store = node, store
        self.parameters = parameters or ReceiverParameters()
        self.stats = ReceiverStats()
        self._tokens = tokens
        self._out: list[ReceiverEffect] = []
        self._sessions: dict[Hashable, Session] = {}
        self._nodes: dict[str, _Node] = {}
        self._deadlines: list[tuple[float, int, Session]] = []
        self._counter = 0
        self._timer: float | None = None

    def sessions(self) -> dict[Hashable, tuple[Peer, Stage]]:
        """Who is there, by link address."""
        return {address: (session.peer, session.stage) for address, session in self._sessions.items()}

    def features(self, address: Hashable) -> Mapping[str, int]:
        """What the edge behind a link says that it does beyond the delivery, name -> version; an older one says nothing."""
        session = self._sessions.get(address)
        return session.hello.features if session is not None and session.hello is not None else {}

    # --- inputs: links

    def link_up(self, now: float, address: Hashable, peer: Peer) -> list[ReceiverEffect]:
        """A link is there; `peer` is from its certificate. `address` must not have been used before."""
        if len(self._sessions) >= self.parameters.max_sessions:
            self._emit(effects.Report("too-many-sessions", f"{peer.node} is turned away: {len(self._sessions)} links", peer.node))
            self._emit(effects.CloseLink(address, "too-many-sessions", f"{self.node} has all the links it takes"))
            return self._done(now)
        number = self._tokens()
        session = Session(
            address,
            peer,
            number,
            f"{self.node}/{number:016x}",
            self.store,
            self.node,
            now,
            self.parameters,
            self.stats,
            self._emit,
            self._share,
        )
        self._sessions[address] = session
        return self._done(now, session)

    def link_down(self, now: float, address: Hashable, reason: str = "") -> list[ReceiverEffect]:
        """A link is gone; commits under way may still become durable, and are found by the next handshake."""
        session = self._sessions.get(address)
        if session is not None:
            session.report("link-down", f"the link is gone: {reason or 'closed'}")
            self._forget(now, session)
        return self._done(now)

    def frame(self, now: float, address: Hashable, kind: str, number: int, data: bytes) -> list[ReceiverEffect]:
        """A frame came; whatever it holds, the worst it can do is to close its own session."""
        session = self._sessions.get(address)
        if session is None:
            return self._done(now)
        message = self._guard(now, session, session.frame, now, kind, number, data)
        if isinstance(message, frames.Hello) and session.stage is Stage.HELLO:
            session.hello = message
            self._hello(now, session, message)
        elif isinstance(message, frames.Alive):
            self._alive(now, session, message)
        return self._done(now, session)

    def tick(self, now: float) -> list[ReceiverEffect]:
        """The time asked for by `SetTimer` has come; calling it earlier does no harm."""
        self._timer = None
        for node in [node for node in self._nodes.values() if node.waiting is not None and now >= node.until]:
            assert node.waiting is not None
            self._supersede(now, node, node.waiting, f"its last session gave no sign of life for {self.parameters.probe:g} s")
        while self._deadlines and self._deadlines[0][0] <= now:
            at, _, session = heapq.heappop(self._deadlines)
            if session.stage is Stage.CLOSED or at != session.scheduled:
                continue
            session.scheduled = float("inf")
            if session.deadline() <= now:
                self._guard(now, session, session.tick, now)
            self._schedule(session)
        return self._done(now)

    # --- inputs: the store. An answer for a session that is over is ignored

    def session_opened(
        self, now: float, address: Hashable, lane: LaneId, position: int, checksum: int | None
    ) -> list[ReceiverEffect]:
        """The answer to `OpenSession`."""
        return self._store_said(now, address, lambda session: session.session_opened(lane, position, checksum))

    def open_failed(self, now: float, address: Hashable, lane: LaneId, error: Exception) -> list[ReceiverEffect]:
        """The store could not open the lane: the session is refused for now."""
        session = self._sessions.get(address)
        if session is not None:
            session.report("store-failed", f"{lane}: the store does not open: {error}", lane)
            self._refuse(now, session, "store-unavailable", f"the store does not open {lane}: {error}", self.parameters.retry_max)
        return self._done(now)

    def committed(self, now: float, address: Hashable, lane: LaneId, position: int) -> list[ReceiverEffect]:
        """The answer to `Commit`: durable up to `position`."""
        return self._store_said(now, address, lambda session: session.committed(lane, position))

    def commit_failed(self, now: float, address: Hashable, lane: LaneId, error: Exception) -> list[ReceiverEffect]:
        """The other answer to `Commit`: `PositionConflict` closes the session, all else is tried again."""
        return self._store_said(now, address, lambda session: session.commit_failed(now, lane, error))

    def stored_read(self, now: float, address: Hashable, lane: LaneId, records: list[Record] | None) -> list[ReceiverEffect]:
        """The answer to `ReadStored`."""
        return self._store_said(now, address, lambda session: session.stored_read(lane, records))

    def _store_said(self, now: float, address: Hashable, tell: Callable[[Session], None]) -> list[ReceiverEffect]:
        session = self._sessions.get(address)
        if session is not None:
            self._guard(now, session, tell, session)
        return self._done(now, session)

    # --- who may come in

    def _hello(self, now: float, session: Session, hello: frames.Hello) -> None:
        peer = session.peer
        if hello.node != peer.node:
            self._refuse(now, session, "wrong-node", f"the certificate names {peer.node}, the Hello {frames.shown(hello.node)}")
        elif peer.role not in self.parameters.roles:
            self._refuse(now, session, "wrong-role", f"role {peer.role!r} of {peer.node} may not deliver")
        elif hello.oldest > frames.VERSION or hello.version < frames.OLDEST_VERSION:
            mine = f"{frames.OLDEST_VERSION} to {frames.VERSION}"
            self._refuse(
                now, session, "wrong-version", f"{self.node} speaks versions {mine}, not {hello.oldest}..{hello.version}"
            )
        elif hello.store and hello.store != self.store and any(lane.confirmed for lane in hello.lanes):
            self._refuse(
                now,
                session,
                "store-mismatch",
                f"records of {peer.node} are in store {frames.shown(hello.store)}, this is {self.store}",
            )
        else:
            self._admit(now, session, hello)

    def _admit(self, now: float, session: Session, hello: frames.Hello) -> None:
        node = self._nodes.get(session.peer.node)
        if node is None:
            self._nodes[session.peer.node] = _Node(session)
            self._start(now, session, hello)
        elif self._same_life(node.active, hello):
            if node.waiting is not None:
                self._duplicate(now, node.waiting, node.active)
            self._supersede(now, node, session, "it dialled again")
        elif node.waiting is None or self._same_life(node.waiting, hello):
            if node.waiting is not None:
                self._end(now, node.waiting, "superseded", "the node dialled again")
            node.waiting = session
            session.stage = Stage.WAITING
            node.nonce, node.until = self._tokens() or 1, now + self.parameters.probe
            if node.active.stage is Stage.UP:
                node.active.send(frames.Probe(node.nonce))
            self._schedule_at(node.until, session)
        else:
            self._refuse(
                now, session, "duplicate-node", f"two other sessions of {session.peer.node} are there", self.parameters.probe
            )

    @staticmethod
    def _same_life(session: Session, hello: frames.Hello) -> bool:
        old = session.hello
        return old is not None and (old.instance == hello.instance or (old.host == hello.host and old.host != ""))

    def _alive(self, now: float, session: Session, message: frames.Alive) -> None:
        node = self._nodes.get(session.peer.node)
        if node is None or node.active is not session or node.waiting is None or message.nonce != node.nonce:
            return
        waiting, node.waiting = node.waiting, None
        self._duplicate(now, waiting, session)

    def _duplicate(self, now: float, refused: Session, live: Session) -> None:
        name = live.peer.node
        where = f"{refused.address} while {live.address} is live"
        live.report("duplicate-node", f"a second node calls itself {name} ({where}); it is refused: is it a cloned card?")
        if live.stage is Stage.UP:
            live.send(
                frames.Notice("duplicate-node", f"a second node calls itself {name}, from {refused.address}; it was refused")
            )
        reason = f"a node {name} is connected to {self.node} and alive; two with one id cannot be"
        self._refuse(now, refused, "duplicate-node", reason, self.parameters.duplicate_retry)

    def _supersede(self, now: float, node: _Node, session: Session, why: str) -> None:
        old = node.active
        node.active, node.waiting = session, None
        self.stats.superseded += 1
        self._end(now, old, "superseded", f"a new session of {old.peer.node} takes over: {why}")
        self._nodes[session.peer.node] = node
        assert session.hello is not None
        self._start(now, session, session.hello)

    def _start(self, now: float, session: Session, hello: frames.Hello) -> None:
        self.stats.sessions += 1
        session.report("session-open", f"session {session.name} with {len(hello.lanes)} lanes")
        self._guard(now, session, session.open, hello)

    # --- endings

    def _guard(self, now: float, session: Session, call: Callable[..., _T], *args: object) -> _T | None:
        """`call(*args)`; what it raises about the peer closes the peer's session."""
        try:
            return call(*args)
        except Violation as error:
            self._end(now, session, error.why, error.message)
        except CodecError as error:
            self._end(now, session, "garbled", str(error))
        return None

    def _refuse(self, now: float, session: Session, code: str, reason: str, retry_after: float = 30.0) -> None:
        self.stats.refused += 1
        self._end(now, session, code, reason, retry_after)

    def _end(self, now: float, session: Session, code: str, reason: str, retry_after: float = 0.0) -> None:
        if session.stage is Stage.CLOSED:
            return
        self.stats.closed += 1
        if session.stage is Stage.UP:
            session.send(frames.Notice(code, reason[:2000]))
        elif session.attempt:
            session.send(frames.Refuse(code, reason[:2000], retry_after))
        session.report(code, reason)
        self._emit(effects.CloseLink(session.address, code, reason))
        self._forget(now, session)

    def _forget(self, now: float, session: Session) -> None:
        session.stage = Stage.CLOSED
        self._sessions.pop(session.address, None)
        node = self._nodes.get(session.peer.node)
        if node is None:
            return
        if node.waiting is session:
            node.waiting = None
        elif node.active is session:
            if node.waiting is None:
                del self._nodes[session.peer.node]
                return
            node.active, node.waiting = node.waiting, None
            assert node.active.hello is not None
            self._start(now, node.active, node.active.hello)

    # --- demand and time

    def _share(self) -> int:
        parameters = self.parameters
        share = parameters.total_window // max(1, len(self._sessions))
        return min(parameters.window, max(parameters.min_window, share))

    def _schedule(self, session: Session) -> None:
        if session.stage is not Stage.CLOSED:
            self._schedule_at(session.deadline(), session)

    def _schedule_at(self, at: float, session: Session) -> None:
        if at < session.scheduled:
            session.scheduled = at
            self._counter += 1
            heapq.heappush(self._deadlines, (at, self._counter, session))

    def _emit(self, effect: ReceiverEffect) -> None:
        self._out.append(effect)

    def _done(self, now: float, session: Session | None = None) -> list[ReceiverEffect]:
        if session is not None:
            self._schedule(session)
        while self._deadlines and self._stale(self._deadlines[0]):
            heapq.heappop(self._deadlines)
        at = self._deadlines[0][0] if self._deadlines else None
        if at != self._timer and (at is None or self._timer is None or at < self._timer or self._timer <= now):
            self._timer = at
            self._emit(effects.SetTimer(at))
        out, self._out = self._out, []
        return out

    @staticmethod
    def _stale(entry: tuple[float, int, Session]) -> bool:
        return entry[2].stage is Stage.CLOSED or entry[0] != entry[2].scheduled
