"""What `Sender` is made of below the protocol's messages: the connection's state, effects, timers, accounts."""

from __future__ import annotations

import enum
from collections.abc import Callable

import msgspec

from rt_edge.data.errors import CodecError
from rt_edge.data.record import LaneId, Record
from rt_edge.uplink import effects, frames
from rt_edge.uplink.effects import LaneState, Peer, SenderEffect
from rt_edge.uplink.lane_out import OutLane, Phase
from rt_edge.uplink.parameters import SenderParameters

UPSTREAM_ROLE = "upstream"


class Situation(enum.Enum):
    """Where the connection is."""

    DOWN = "no link"
    HELLO = "waits for Welcome"
    UP = "session open"


class SenderStats(msgspec.Struct):
    """Counters since the start."""

    sessions: int = 0
    records: int = 0
    bytes: int = 0
    batches: int = 0
    resent_records: int = 0
    resent_bytes: int = 0
    went_back: int = 0
    pings: int = 0
    stale_frames: int = 0
    renumbered: int = 0
    closes: int = 0


class SenderBase:
    """See `rt_edge.uplink.sender.Sender`."""

    def __init__(self, node: str, instance: str, host: str, tokens: Callable[[], int], parameters: SenderParameters) -> None:
        self.node = node
        self.parameters = parameters
        self.stats = SenderStats()
        self._instance, self._host, self._tokens = instance, host, tokens
        self._out: list[SenderEffect] = []
        self._situation = Situation.DOWN
        self._timer: float | None = None
        self._requests = 0
        self._reset(0.0, Peer("", ""), "")

    def _reset(self, now: float, peer: Peer, store: str) -> None:
        self._peer, self._store = peer, store
        self._lanes: dict[int, OutLane] = {}
        self._by_lane: dict[LaneId, OutLane] = {}
        self._later: dict[LaneId, LaneState] = {}
        self._attempt = self._session = self._nonce = 0
        self._granted_bytes = self._granted_records = 0
        self._keepalive = self.parameters.keepalive
        self._since = self._heard = self._spoke = now
        self._resend_at: float | None = None
        self._resend_after = self.parameters.resend_min
        self._full_told = False
        self._renew_at: float | None = None
        """When the session is closed to give lanes that rest another chance."""

    # --- what a host may look at

    @property
    def is_up(self) -> bool:
        """Whether a session is open."""
        return self._situation is Situation.UP

    def in_flight(self) -> tuple[int, int]:
        """Bytes and records sent and not confirmed."""
        used, records, released, released_records = self._accounts()
        return used - released, records - released_records

    def lanes(self) -> dict[LaneId, Phase]:
        """What is going on with each lane of the session."""
        return {lane.lane: lane.phase for lane in self._lanes.values()}

    # --- inputs: the link and the clock

    def _connect(self, now: float, peer: Peer, store: str, lanes: list[LaneState]) -> None:
        self._reset(now, peer, store)
        self._situation = Situation.HELLO
        self.stats.sessions += 1
        if peer.role != UPSTREAM_ROLE:
            self._close("wrong-role", f"{peer.node} has the role {peer.role!r} in its certificate, not {UPSTREAM_ROLE!r}")
            return
        for state in sorted(lanes, key=lambda lane: lane.last == lane.confirmed):  # lanes with a backlog come first
            if state.lane.node != self.node:
                self._report("foreign-lane", f"{state.lane} is not a lane of {self.node}", state.lane)
                continue
            self._add_lane(now, state)
        self._attempt = self._tokens() or 1
        hellos = [lane.hello() for lane in self._lanes.values()]
        whose = (self.node, self._instance, self._host)
        self._send(now, frames.Hello(frames.VERSION, frames.OLDEST_VERSION, *whose, store, hellos, frames.FEATURES))

    def link_down(self, now: float, reason: str = "") -> list[SenderEffect]:
        """The link is gone. What was read stays pinned until the next handshake says what arrived."""
        if self._situation is not Situation.DOWN:
            self._situation = Situation.DOWN
            self._report("link-down", f"the link to {self._peer.node} is gone: {reason or 'closed'}")
        self._reset(now, Peer("", ""), "")
        return self._done(now)

    def tick(self, now: float) -> list[SenderEffect]:
        """The time asked for by `SetTimer` has come; calling it earlier does no harm."""
        self._timer = None
        if self._situation is Situation.DOWN:
            return self._done(now)
        if now >= self._handshake_deadline():
            self._close("no-answer", f"{self._peer.node} did not answer within {self.parameters.handshake:g} s")
        elif now >= self._heard + self.parameters.idle:
            self._close("silent", f"nothing was heard of {self._peer.node} for {self.parameters.idle:g} s")
        elif self._renew_at is not None and now >= self._renew_at:
            self._close("lane-rests", "a lane could not be read; a new session tries again")
        elif self._situation is Situation.UP:
            if self._resend_at is not None and now >= self._resend_at:
                self._resend_after = min(self._resend_after * 2, self.parameters.resend_max)
                self._resend_at = now + self._resend_after
                self._ping(now)
            elif now >= self._spoke + self._keepalive:
                self._ping(now)
        return self._done(now)

    # --- parts

    def _handshake_deadline(self) -> float:
        waits = [lane.waiting_since for lane in self._lanes.values() if lane.waiting_since is not None]
        if self._situation is Situation.HELLO:
            waits.append(self._since)
        return min(waits, default=float("inf")) + self.parameters.handshake

    def _add_lane(self, now: float, state: LaneState) -> OutLane | None:
        if len(self._lanes) >= min(self.parameters.max_lanes, frames.MAX_LANES):
            if not self._full_told:
                self._full_told = True
                self._report("too-many-lanes", f"{state.lane} waits for another session: {len(self._lanes)} lanes are open")
            return None
        name = (state.lane.route, state.lane.lane)
        before = [lane for lane in self._lanes.values() if (lane.lane.route, lane.lane.lane) == name]
        lane = OutLane(len(self._lanes), state, self.parameters, before[-1] if before else None)
        lane.waiting_since = now
        self._lanes[lane.index] = lane
        self._by_lane[lane.lane] = lane
        return lane

    def _lane(self, index: int) -> OutLane:
        lane = self._lanes.get(index)
        if lane is None:
            raise CodecError(f"lane {index} was not opened")
        return lane

    def _end_lane(self, now: float, lane: OutLane, code: str, reason: str) -> None:
        lane.phase = Phase.ENDED
        lane.waiting_since = None
        lane.buffer.clear()
        lane.buffered = 0
        self._report(code, f"{lane.lane}: {reason}; the lane rests", lane.lane)
        if self._renew_at is None:
            self._renew_at = now + self.parameters.resend_max

    def _want_read(self, lane: OutLane, after: int, records: int) -> None:
        self._requests += 1
        lane.request = self._requests
        self._effect(effects.WantRead(lane.lane, lane.request, after, self.parameters.read_bytes, records))

    def _accounts(self) -> tuple[int, int, int, int]:
        used = records = released = released_records = 0
        for lane in self._lanes.values():
            base = lane.base
            used, records = used + lane.high_offset, records + lane.high_records
            released, released_records = released + base.offset, released_records + base.records
        return used, records, released, released_records

    def _room(self, lane: OutLane) -> tuple[int, int]:
        """Bytes and records that window and demand leave to a lane."""
        behind, behind_records = lane.behind()
        used, records, released, released_records = self._accounts()
        return (
            min(self._granted_bytes, released + self.parameters.window) - used + behind,
            min(self._granted_records, released_records + self.parameters.window_records) - records + behind_records,
        )

    def _count_sent(self, batch: list[Record], size: int, high: int) -> None:
        self.stats.batches += 1
        self.stats.records += len(batch)
        self.stats.bytes += size
        if batch[0].first <= high:
            self.stats.resent_records += len(batch)
            self.stats.resent_bytes += size

    def _ping(self, now: float) -> None:
        self._nonce = self._tokens() or 1
        for lane in self._lanes.values():
            lane.ping_mark = lane.sent if lane.tail else None
        self.stats.pings += 1
        self._send(now, frames.Ping(self._nonce))

    def _progress(self, now: float) -> None:
        self._resend_after = self.parameters.resend_min
        self._resend_at = now + self._resend_after

    def _arm_resend(self, now: float) -> None:
        if not any(lane.tail for lane in self._lanes.values()):
            self._resend_at = None
            self._resend_after = self.parameters.resend_min
        elif self._resend_at is None:
            self._resend_at = now + self._resend_after

    def _send(self, now: float, message: frames.Message) -> None:
        if self._situation is Situation.DOWN:
            return
        kind, data = frames.encode(message)
        self._spoke = now
        number = self._attempt if self._situation is Situation.HELLO else self._session
        self._effect(effects.Send(kind, number, data))

    def _close(self, code: str, reason: str, retry_after: float = 0.0) -> None:
        if self._situation is Situation.DOWN:
            return
        self._situation = Situation.DOWN
        self.stats.closes += 1
        self._report(code, reason)
        self._effect(effects.Close(code, reason, retry_after))
        self._lanes, self._by_lane = {}, {}

    def _report(self, code: str, message: str, lane: LaneId | None = None) -> None:
        self._effect(effects.Report(code, message, self._peer.node, lane))

    def _effect(self, effect: SenderEffect) -> None:
        self._out.append(effect)

    def _done(self, now: float) -> list[SenderEffect]:
        """All effects so far, with the timer if it moved."""
        at: float | None = None
        if self._situation is not Situation.DOWN:
            at = min(self._handshake_deadline(), self._heard + self.parameters.idle)
            if self._situation is Situation.UP:
                at = min(at, self._spoke + self._keepalive)
                at = min(at, *(due for due in (self._resend_at, self._renew_at) if due is not None), at)
        if at != self._timer and (at is None or self._timer is None or at < self._timer or self._timer <= now):
            self._timer = at
            self._out.append(effects.SetTimer(at))
        out, self._out = self._out, []
        return out
