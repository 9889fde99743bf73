"""The edge's side of the delivery protocol, as a state machine without I/O (design 7; Akka's producer controller is the model).

One `Sender` per uplink. It sends what the spool has, bounded by a window of bytes and by upstream's demand, and forgets
nothing before upstream has said that it is stored: what is on its way is read from the spool again when it has to be sent
again. All methods return effects to be carried out in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from rt_edge.data.errors import CodecError
from rt_edge.data.record import LaneId, Record
from rt_edge.uplink import effects, frames
from rt_edge.uplink.effects import LaneState, Peer, SenderEffect
from rt_edge.uplink.lane_out import OutLane, Phase
from rt_edge.uplink.parameters import SenderParameters
from rt_edge.uplink.reconcile import Reconciler, Step
from rt_edge.uplink.sender_base import SenderBase, Situation

MIN_KEEPALIVE = 1.0
"""Seconds: an upstream may not ask for more pings than that."""


class Sender(SenderBase):
    """Delivers the lanes of one spool to one upstream at a time.

    Args:
        node: id of this node, as its certificate says.
        instance: differs for every process that ever speaks for the node (see `frames.Hello`).
        host: equal in two processes only if a lock keeps them from living at the same time.
        epochs: makes 128 random bits; `rt_edge.data.ids.new_epoch`.
        tokens: makes random numbers below 2**64.
        parameters: windows and intervals.
    """

    def __init__(
        self,
        node: str,
        instance: str,
        host: str,
        epochs: Callable[[], bytes],
        tokens: Callable[[], int],
        parameters: SenderParameters | None = None,
    ) -> None:
        super().__init__(node, instance, host, tokens, parameters or SenderParameters())
        self._epochs = epochs
        self._rotation: deque[int] = deque(maxlen=frames.MAX_LANES)

    # --- inputs: the spool

    def link_up(self, now: float, peer: Peer, store: str, lanes: Iterable[LaneState]) -> list[SenderEffect]:
        """A link to `peer` is there; `store` is the last `StoreKnown` ("" if none), `lanes` what the spool has."""
        self._rotation.clear()
        self._connect(now, peer, store, list(lanes))
        return self._done(now)

    def offer(self, now: float, lanes: Iterable[LaneState]) -> list[SenderEffect]:
        """What the spool has by now: call it after each commit; new lanes are opened. Harmless without a link."""
        self._offer(now, list(lanes))
        return self._done(now)

    def _offer(self, now: float, lanes: list[LaneState]) -> None:
        if self._situation is Situation.HELLO:
            self._later = {**self._later, **{state.lane: state for state in lanes}}
        if self._situation is not Situation.UP:
            return
        opening = []
        for state in lanes:
            known = self._by_lane.get(state.lane)
            if known is not None:
                known.last = max(known.last, state.last)
            elif (lane := self._add_lane(now, state)) is not None:
                opening.append(lane.hello())
        if opening:
            self._send(now, frames.Open(opening))
        self._pump(now)

    def read_done(self, now: float, lane: LaneId, request: int, records: list[Record]) -> list[SenderEffect]:
        """The answer to `WantRead`; one that is not wanted any more is ignored."""
        out = self._asked(lane, request)
        if out is not None:
            try:
                if out.phase is Phase.READING:
                    self._reconcile_read(now, out, records)
                elif out.phase is Phase.ACTIVE:
                    out.fill(records)
            except CodecError as error:
                self._end_lane(now, out, "spool-not-in-order", str(error))
            self._pump(now)
        return self._done(now)

    def read_failed(self, now: float, lane: LaneId, request: int, error: Exception) -> list[SenderEffect]:
        """The spool could not read: the lane rests for `resend_max` seconds, the others go on."""
        out = self._asked(lane, request)
        if out is not None:
            self._end_lane(now, out, "spool-read-failed", str(error))
            self._pump(now)
        return self._done(now)

    def _asked(self, lane: LaneId, request: int) -> OutLane | None:
        out = self._by_lane.get(lane)
        if out is None or out.request != request or not request:
            return None
        out.request = 0
        return out

    def renumber_failed(self, now: float, old: LaneId, error: Exception) -> list[SenderEffect]:
        """The spool could not renumber: the lane rests for `resend_max` seconds, the others go on."""
        out = self._by_lane.get(old)
        if out is not None and out.phase is Phase.RENUMBERING:
            self._end_lane(now, out, "spool-renumber-failed", str(error))
        return self._done(now)

    def renumbered(self, now: float, old: LaneId, new: LaneState) -> list[SenderEffect]:
        """The answer to `NewEpoch`."""
        out = self._by_lane.get(old)
        if out is None or out.phase is not Phase.RENUMBERING:
            return self._done(now)
        out.phase = Phase.ENDED
        self._offer(now, [new])
        return self._done(now)

    # --- inputs: the link

    def frame(self, now: float, kind: str, number: int, data: bytes) -> list[SenderEffect]:
        """A frame came up the link; whatever it holds, the worst it can do is to close the session."""
        if self._situation is Situation.DOWN:
            return self._done(now)
        if number != (self._attempt if self._situation is Situation.HELLO else self._session):
            self.stats.stale_frames += 1
            return self._done(now)
        self._heard = now
        try:
            message = frames.decode(kind, data)
            self._dispatch(now, message)
        except CodecError as error:
            self._close("garbled", f"{kind[:32]!r} from {self._peer.node}: {error}")
        self._pump(now)
        return self._done(now)

    def _dispatch(self, now: float, message: frames.Message) -> None:
        match message:
            case frames.Welcome() if self._situation is Situation.HELLO:
                self._welcome(now, message)
            case frames.Refuse() if self._situation is Situation.HELLO:
                reason = f"{self._peer.node} refuses: {frames.shown(message.reason)}"
                self._close(frames.reason_of(message.code), reason, message.retry_after)
            case frames.Confirm() if self._situation is Situation.UP:
                self._confirm(now, message)
            case frames.Resend() if self._situation is Situation.UP:
                lane = self._lane(message.index)
                if lane.phase is Phase.ACTIVE and lane.go_back(message.number - 1):
                    self.stats.went_back += 1
            case frames.Opened() if self._situation is Situation.UP:
                for entry in message.lanes:
                    self._reconcile(now, entry)
            case frames.Compared() if self._situation is Situation.UP:
                self._compared(now, self._lane(message.index), message)
            case frames.Probe() if self._situation is Situation.UP:
                self._send(now, frames.Alive(message.nonce))
            case frames.Notice():
                self._report(frames.reason_of(message.code), f"{self._peer.node} says: {frames.shown(message.reason)}")
            case _:
                raise CodecError(f"{type(message).__name__} does not belong here")

    def _welcome(self, now: float, message: frames.Welcome) -> None:
        if message.node != self._peer.node:
            raise CodecError(f"Welcome of {message.node!r} over the link of {self._peer.node!r}")
        if not frames.OLDEST_VERSION <= message.version <= frames.VERSION:
            raise CodecError(f"version {message.version} of the protocol was not offered")
        if self._store and self._store != message.store and any(lane.confirmed for lane in self._lanes.values()):
            self._close(
                "store-mismatch",
                f"{message.node} keeps its records in store {frames.shown(message.store)}, this node's are in {self._store}",
                self.parameters.resend_max,
            )
            return
        if self._store != message.store:
            self._store = message.store
            self._effect(effects.StoreKnown(message.store))
        self._session = message.session
        self._granted_bytes, self._granted_records = message.granted_bytes, message.granted_records
        self._keepalive = min(self.parameters.keepalive, max(message.keepalive, MIN_KEEPALIVE))
        self._situation = Situation.UP
        self._report("session-open", f"session with {message.node} is open")
        if {entry.index for entry in message.lanes} != set(self._lanes):
            raise CodecError("Welcome does not answer for the lanes of the Hello")
        for entry in message.lanes:
            self._reconcile(now, entry)
        later, self._later = self._later, {}
        self._offer(now, list(later.values()))

    # --- the handshake of a lane

    def _reconcile(self, now: float, entry: frames.LaneWelcome) -> None:
        lane = self._lane(entry.index)
        if lane.phase is not Phase.OPENING:
            self.stats.stale_frames += 1  # said twice
            return
        lane.reconciler = Reconciler(lane.state(), entry.position, entry.checksum)
        self._step(now, lane, lane.reconciler, lane.reconciler.begin())

    def _reconcile_read(self, now: float, lane: OutLane, records: list[Record]) -> None:
        assert lane.reconciler is not None
        if records:
            frames.check_records(records)
            if records[0].first != lane.reconciler.cursor + 1:
                raise CodecError(f"records from {records[0].first} on, {lane.reconciler.cursor + 1} was asked for")
        self._step(now, lane, lane.reconciler, lane.reconciler.read(records))

    def _compared(self, now: float, lane: OutLane, answer: frames.Compared) -> None:
        step = lane.reconciler.compared(answer) if lane.phase is Phase.COMPARING and lane.reconciler else None
        if step is None or lane.reconciler is None:
            self.stats.stale_frames += 1  # said twice
            return
        self._step(now, lane, lane.reconciler, step)

    def _step(self, now: float, lane: OutLane, reconciler: Reconciler, step: Step) -> None:
        lane.waiting_since = None
        if step is Step.GO:
            if reconciler.position > lane.confirmed:
                self._effect(effects.Confirm(lane.lane, reconciler.position, reconciler.agreed))
            lane.start(reconciler.position, reconciler.agreed)
            self._effect(effects.SentThrough(lane.lane, reconciler.position))
            self._rotation.append(lane.index)
        elif step is Step.READ:
            lane.phase = Phase.READING
            self._want_read(lane, reconciler.cursor, frames.MAX_PROOFS)
        elif step is Step.ASK:
            lane.phase = Phase.COMPARING
            lane.waiting_since = now
            self._send(now, frames.Compare(lane.index, reconciler.proofs()))
        else:
            lane.phase = Phase.RENUMBERING
            lane.reconciler = None
            self.stats.renumbered += 1
            self._report("renumbered", f"{lane.lane}: {reconciler.reason}; what is not confirmed gets a new epoch", lane.lane)
            stored = tuple(reconciler.stored)
            self._effect(effects.NewEpoch(lane.lane, self._epochs(), reconciler.reason, stored))

    # --- the stream

    def _confirm(self, now: float, message: frames.Confirm) -> None:
        self._granted_bytes = max(self._granted_bytes, message.granted_bytes)
        self._granted_records = max(self._granted_records, message.granted_records)
        answers_ping = message.echo != 0 and message.echo == self._nonce
        for entry in message.lanes:
            lane = self._lane(entry.index)
            if lane.phase is not Phase.ACTIVE:
                continue
            if lane.confirm(entry.confirmed, entry.checksum):
                self._progress(now)
                self._effect(effects.Confirm(lane.lane, lane.confirmed, lane.checksum))
            if answers_ping and lane.ping_mark is not None:
                if entry.received < lane.ping_mark and lane.go_back(entry.received):
                    self.stats.went_back += 1
                lane.ping_mark = None

    def _pump(self, now: float) -> None:
        """Send what window and demand allow, a batch of each lane in turn, measured in bytes; then read ahead."""
        if self._situation is not Situation.UP:
            return
        turns = 0  # lanes in a row that sent nothing
        while turns < len(self._rotation):
            lane = self._lanes[self._rotation[0]]
            self._rotation.rotate(-1)
            turns += 1
            bytes_left, records_left = self._room(lane)
            if not lane.buffer or lane.is_held() or bytes_left <= 0 or records_left <= 0:
                lane.credit = 0
                continue
            turns = 0
            lane.credit = min(lane.credit + self.parameters.batch_bytes, self.parameters.batch_bytes)
            if lane.credit <= 0:
                continue
            high = lane.high
            batch, size = lane.take(self.parameters.batch_bytes, bytes_left, records_left)
            lane.credit -= size
            self._count_sent(batch, size, high)
            self._send(now, frames.Batch(lane.index, batch))
        for index in self._rotation:
            lane = self._lanes[index]
            wanted = lane.wants_read(self.parameters)
            if wanted and min(self._room(lane)) > 0:
                self._want_read(lane, lane.read, wanted)
        self._arm_resend(now)
