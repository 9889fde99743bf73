"""One edge's session at the ingress: the handshake of its lanes, its records, its window."""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable

import msgspec

from rt_edge.data.errors import CodecError
from rt_edge.data.record import MAX_RECORD, LaneId, PositionConflict, Record
from rt_edge.uplink import effects, frames
from rt_edge.uplink.effects import Peer, ReceiverEffect
from rt_edge.uplink.lane_in import Comparison, InLane
from rt_edge.uplink.parameters import ReceiverParameters

STALE_FRAMES = 10_000
"""Frames of another session that one link may carry before it is closed."""


class Stage(enum.Enum):
    """Where a session is."""

    HELLO = "link is up, waits for Hello"
    WAITING = "waits until an earlier session of the node has proved to be dead"
    OPENING = "waits for the store"
    UP = "open"
    CLOSED = "over"


class Violation(CodecError):
    """The peer does what an honest one never does; its session is closed with `why`."""

    def __init__(self, why: str, message: str) -> None:
        super().__init__(message)
        self.args = (why, message)
        self.why = why


class ReceiverStats(msgspec.Struct):
    """Counters since the start, over all sessions."""

    sessions: int = 0
    records: int = 0
    bytes: int = 0
    batches: int = 0
    repeated_records: int = 0
    out_of_order: int = 0
    stale_frames: int = 0
    commits: int = 0
    commit_failures: int = 0
    confirms: int = 0
    refused: int = 0
    superseded: int = 0
    closed: int = 0


class Session:
    """Made by `Receiver` for a link; it raises `CodecError` (or `Violation`) when the link has to be closed.

    Args:
        address: of the link.
        peer: from the certificate.
        number: this session's, random.
        name: what the store calls it.
        store: the store's id.
        node: id of this node, as its certificate says.
        now: seconds of the monotonic clock.
        parameters: windows and intervals.
        stats: shared counters.
        emit: takes effects.
        share: bytes that this session may be granted now.
    """

    def __init__(
        self,
        address: Hashable,
        peer: Peer,
        number: int,
        name: str,
        store: str,
        node: str,
        now: float,
        parameters: ReceiverParameters,
        stats: ReceiverStats,
        emit: Callable[[ReceiverEffect], None],
        share: Callable[[], int],
    ) -> None:
        self.address, self.peer, self.number, self.name = address, peer, number, name
        self.stage = Stage.HELLO
        self.since = self.heard = now
        self.hello: frames.Hello | None = None
        self.attempt = 0
        self.scheduled = float("inf")
        """When the receiver will look at the deadlines of this session next."""
        self._store, self._node = store, node
        self._parameters, self._stats = parameters, stats
        self._emit, self._share = emit, share
        self._lanes: dict[int, InLane] = {}
        self._by_lane: dict[LaneId, InLane] = {}
        self._announced: list[int] = []
        self._granted_bytes = self._granted_records = 0
        self._since_confirm = 0
        self._waste = 0
        self._stale = 0

    # --- handshake

    def open(self, hello: frames.Hello) -> None:
        """Ask the store for the position of each lane; Welcome follows when all have answered."""
        self.stage = Stage.OPENING
        self._open_lanes(hello.lanes)
        self._answer_opened()

    def session_opened(self, lane: LaneId, position: int, checksum: int | None) -> None:
        """The store's answer for one lane."""
        found = self._by_lane.get(lane)
        if found is None or found.open:
            return
        found.opened(position, checksum)
        self._answer_opened()

    def _open_lanes(self, lanes: list[frames.LaneHello]) -> None:
        for entry in lanes:
            lane = LaneId(self.peer.node, entry.route, entry.lane, entry.epoch)
            known = self._lanes.get(entry.index)
            if known is not None and known.lane == lane:
                continue  # said twice
            if known is not None or lane in self._by_lane:
                raise Violation("violation", f"lane {entry.index} ({lane}) is named twice")
            if len(self._lanes) >= self._parameters.max_lanes:
                raise Violation("too-many-lanes", f"more than {self._parameters.max_lanes} lanes")
            if not (entry.route.isprintable() and entry.lane.isprintable() and entry.route and entry.lane):
                raise CodecError(f"lane {entry.index} has a name that cannot be shown")
            if entry.confirmed > entry.last:
                raise CodecError(f"{lane}: confirmed {entry.confirmed} is beyond its last number {entry.last}")
            found = InLane(entry.index, lane, self._parameters.window_records)
            self._lanes[entry.index] = self._by_lane[lane] = found
            self._announced.append(entry.index)
            self._emit(effects.OpenSession(self.address, lane, self.name))

    def _answer_opened(self) -> None:
        lanes = [self._lanes[index] for index in self._announced]
        if not all(lane.open for lane in lanes):
            return
        if self.stage is Stage.OPENING:
            self._announced = []
            self._grow_demand()
            self.send(
                frames.Welcome(
                    frames.VERSION,
                    self._node,
                    self._store,
                    self.number,
                    self._granted_bytes,
                    self._granted_records,
                    self._parameters.keepalive,
                    [lane.welcome() for lane in lanes],
                )
            )
            self.stage = Stage.UP
        elif lanes:
            self._announced = []
            self.send(frames.Opened([lane.welcome() for lane in lanes]))

    # --- frames

    def frame(self, now: float, kind: str, number: int, data: bytes) -> frames.Message | None:
        """Handle what belongs to an open session; returns what concerns the receiver as a whole (Hello, Alive).

        Raises:
            CodecError: the session has to be closed.
        """
        handshake = kind == frames.kind_of(frames.Hello)
        if not handshake and number != self.number:
            self._stats.stale_frames += 1
            self._stale += 1
            if self._stale > STALE_FRAMES:
                raise Violation("violation", f"{self._stale} frames of other sessions")
            return None
        if handshake and self.stage is Stage.HELLO:
            self.attempt = number
        message = frames.decode(kind, data)
        self.heard = now
        if isinstance(message, frames.Hello):
            if number != self.attempt or self.hello not in (None, message):
                raise Violation("hello-again", "a second Hello, and a different one")
            return message
        if self.stage is not Stage.UP:
            raise Violation("violation", f"{kind} before Welcome")
        match message:
            case frames.Batch():
                self._batch(now, message)
            case frames.Ping():
                self._confirm([lane for lane in self._lanes.values() if lane.open], message.nonce)
            case frames.Open():
                self._open_lanes(message.lanes)
            case frames.Compare():
                self._compare(message)
            case frames.Alive():
                return message
            case _:
                raise Violation("violation", f"{kind} is not for an edge to send")
        return None

    def _lane(self, index: int) -> InLane:
        lane = self._lanes.get(index)
        if lane is None or not lane.open:
            raise Violation("violation", f"lane {index} is not open")
        return lane

    def _batch(self, now: float, batch: frames.Batch) -> None:
        lane = self._lane(batch.index)
        self._stats.batches += 1
        records = batch.records
        expected = lane.received + 1
        if records[0].first > expected:
            self._gap(now, lane, records)
            return
        if records[-1].last < expected:
            self._repeated(lane, records)
            return
        if records[0].first < expected:
            known = [record for record in records if record.last < expected]
            records = records[len(known) :]
            if records[0].first != expected:
                raise Violation("violation", f"{lane.lane}: {records[0].first}..{records[0].last} was cut differently before")
            self._waste_of(known)
            self._stats.repeated_records += len(known)
        used_bytes = sum(each.offset for each in self._lanes.values())
        used_records = sum(each.records for each in self._lanes.values())
        for record in records:
            # The last record granted may reach over the limit. Which one it was is not known here: lanes can arrive in another
            # order than they were sent when something was sent again, so the largest there is may be over.
            if used_bytes > self._granted_bytes + MAX_RECORD or used_records >= self._granted_records:
                raise Violation("window-violation", f"{lane.lane}: record {record.first} is beyond what was granted")
            size = lane.append(record)
            used_bytes += size
            used_records += 1
            self._stats.bytes += size
        self._stats.records += len(records)
        self._waste = 0
        lane.missing = lane.resend_at = None
        self._commit(lane)

    def _gap(self, now: float, lane: InLane, records: list[Record]) -> None:
        self._stats.out_of_order += len(records)
        self._waste_of(records)
        expected = lane.received + 1
        if lane.missing != expected:
            lane.missing = expected
            lane.resend_after = self._parameters.resend_min
            lane.resend_at = now + lane.resend_after
            self.send(frames.Resend(lane.index, expected))

    def _repeated(self, lane: InLane, records: list[Record]) -> None:
        self._stats.repeated_records += len(records)
        self._waste_of(records)
        self._confirm([lane], 0)

    def _waste_of(self, records: list[Record]) -> None:
        self._waste += sum(map(frames.size_of, records))
        if self._waste > self._parameters.max_waste * max(self._parameters.window, frames.MAX_FRAME):
            raise Violation("violation", f"{self._waste} bytes of repeated or unordered records, and no progress")

    # --- the store

    def _commit(self, lane: InLane) -> None:
        batch = lane.next_commit(self._parameters.commit_bytes)
        if batch:
            self._stats.commits += 1
            checksum = lane.commit_checksum()
            self._emit(effects.Commit(self.address, lane.lane, self.name, batch[0].first, batch, checksum))

    def committed(self, lane_id: LaneId, position: int) -> None:
        """The store has the batch that was given for this lane."""
        lane = self._by_lane.get(lane_id)
        if lane is None or not lane.committing:
            return
        if position != lane.commit_last():
            raise Violation("store-disagrees", f"{lane_id}: the store says {position} after a commit of {lane.commit_last()}")
        self._since_confirm += lane.committed()
        lane.retry_after = 0.0
        if lane.failed:
            lane.failed = False
            self.report("store-recovered", f"{lane_id}: the store takes records again", lane_id)
        self._commit(lane)
        idle = not any(each.committing for each in self._lanes.values())
        if idle or self._since_confirm >= self._parameters.window // 4:
            self._confirm([each for each in self._lanes.values() if each.dirty], 0)

    def commit_failed(self, now: float, lane_id: LaneId, error: Exception) -> None:
        """The store did not take the batch; a passing reason is waited out, holding the edge back meanwhile."""
        lane = self._by_lane.get(lane_id)
        if lane is None or not lane.committing:
            return
        self._stats.commit_failures += 1
        if isinstance(error, PositionConflict):
            raise Violation("position-conflict", f"{lane_id}: {error}")
        lane.committing = 0
        lane.retry_after = min(max(lane.retry_after * 2, self._parameters.retry_min), self._parameters.retry_max)
        lane.retry_at = now + lane.retry_after
        if not lane.failed:
            lane.failed = True
            self.report("store-failed", f"{lane_id}: the store does not take records: {error}", lane_id)

    def _grow_demand(self) -> None:
        committed = sum(lane.committed_offset for lane in self._lanes.values())
        records = sum(lane.committed_records for lane in self._lanes.values())
        self._granted_bytes = max(self._granted_bytes, committed + self._share())
        self._granted_records = max(self._granted_records, records + self._parameters.window_records)

    def _confirm(self, lanes: list[InLane], echo: int) -> None:
        self._grow_demand()
        self._since_confirm = 0
        self._stats.confirms += 1
        for lane in lanes:
            lane.dirty = False
        entries = [lane.confirmation() for lane in lanes]
        self.send(frames.Confirm(self._granted_bytes, self._granted_records, echo, entries))

    # --- comparing, after a contradiction

    def _compare(self, message: frames.Compare) -> None:
        lane = self._lane(message.index)
        if lane.comparison is not None or lane.records:
            self._stats.stale_frames += 1  # said twice
            return
        lane.comparison = Comparison(message.proofs)
        self._read_stored(lane, lane.comparison)

    def _read_stored(self, lane: InLane, comparison: Comparison) -> None:
        first, last = comparison.cursor, comparison.through
        self._emit(effects.ReadStored(self.address, lane.lane, first, last, self._parameters.commit_bytes))

    def stored_read(self, lane_id: LaneId, records: list[Record] | None) -> None:
        """Records of the store, as asked for; None: it cannot tell."""
        lane = self._by_lane.get(lane_id)
        if lane is None or lane.comparison is None:
            return
        comparison = lane.comparison
        if comparison.feed(records):
            lane.comparison = None
            self.send(frames.Compared(lane.index, comparison.through, comparison.stored, comparison.known))
        else:
            self._read_stored(lane, comparison)

    # --- time

    def deadline(self) -> float:
        """When `tick` has something to do at the latest."""
        if self.stage is Stage.HELLO:
            return self.since + self._parameters.hello
        at = self.heard + self._parameters.idle
        for lane in self._lanes.values():
            if lane.retry_at is not None and lane.retry_at < at:
                at = lane.retry_at
            if lane.resend_at is not None and lane.resend_at < at:
                at = lane.resend_at
        return at

    def tick(self, now: float) -> None:
        """Do what is due.

        Raises:
            Violation: the peer is silent.
        """
        if self.stage is Stage.HELLO and now >= self.since + self._parameters.hello:
            raise Violation("no-hello", f"no Hello within {self._parameters.hello:g} s")
        if now >= self.heard + self._parameters.idle:
            raise Violation("silent", f"nothing was heard for {self._parameters.idle:g} s")
        for lane in self._lanes.values():
            if lane.retry_at is not None and now >= lane.retry_at:
                lane.retry_at = None
                self._commit(lane)
            if lane.resend_at is not None and now >= lane.resend_at:
                lane.resend_after = min(lane.resend_after * 2, self._parameters.resend_max)
                lane.resend_at = now + lane.resend_after
                self.send(frames.Resend(lane.index, lane.received + 1))

    # --- out

    def send(self, message: frames.Message) -> None:
        """Put a frame on this session's link."""
        kind, data = frames.encode(message)
        number = self.number if self.stage is Stage.UP else self.attempt
        self._emit(effects.SendTo(self.address, kind, number, data))

    def report(self, code: str, message: str, lane: LaneId | None = None) -> None:
        """Tell the operator of this node."""
        self._emit(effects.Report(code, f"{self.peer.node}: {message}", self.peer.node, lane))
