"""What carries out the effects of `Sender` and `Receiver` in the simulation: a node's process, as short as it can be."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from random import Random
from typing import Protocol

from rt_edge.data.errors import TransientError
from rt_edge.data.record import LaneId, PositionConflict
from rt_edge.testkit.delivery_models import SpoolModel, StoreModel, verify_confirmed
from rt_edge.testkit.faulty_link import FaultyLink, Frame, Side
from rt_edge.testkit.simulated_time import Handle, SimulatedTime
from rt_edge.uplink import effects
from rt_edge.uplink.effects import Peer, ReceiverEffect, Report, SenderEffect
from rt_edge.uplink.parameters import ReceiverParameters, SenderParameters
from rt_edge.uplink.receiver import Receiver
from rt_edge.uplink.sender import Sender


class World(Protocol):
    """What the hosts see of the simulation."""

    time: SimulatedTime
    random: Random
    store: StoreModel
    calm: bool
    """No more faults."""

    def connect(self, edge: EdgeHost) -> FaultyLink | None:
        """A connection to an ingress that lives; None when there is none now."""
        ...

    def token(self) -> int:
        """64 random bits."""
        ...

    def reported(self, where: str, report: Report) -> None:
        """Somebody reported something."""
        ...


class EdgeHost:
    """The edge's process: dial, read, write the spool.

    Args:
        world: the simulation.
        spool: survives the process.
        host: see `rt_edge.uplink.frames.Hello`.
        parameters: of the sender.
        pace: longest time a read takes, seconds.
    """

    def __init__(self, world: World, spool: SpoolModel, host: str, parameters: SenderParameters, pace: float = 0.01) -> None:
        self.world, self.spool, self.host, self.parameters, self.pace = world, spool, host, parameters, pace
        self.link: FaultyLink | None = None
        self.alive = False
        self.sender = self._new_sender()
        self._life = 0
        self._timer: Handle | None = None
        self._dialling: Handle | None = None
        self._work: deque[SenderEffect] = deque(maxlen=100_000)
        self._busy = False

    def _new_sender(self) -> Sender:
        world = self.world
        instance = f"{world.token():016x}"
        return Sender(self.spool.node, instance, self.host, lambda: world.random.randbytes(16), world.token, self.parameters)

    def start(self) -> None:
        """A new process."""
        self.alive = True
        self._life += 1
        self.sender = self._new_sender()
        self._dial(0.0)

    def crash(self, at_once: bool) -> None:
        """SIGKILL (the kernel says goodbye) or loss of power (nobody does)."""
        self.alive = False
        self._life += 1
        self._work.clear()
        if self.link is not None:
            self.link.vanish(Side.EDGE, at_once)
        self.link = None
        for handle in (self._timer, self._dialling):
            if handle is not None:
                handle.cancel()
        self.spool.crash()

    def committed(self) -> None:
        """The spool has more."""
        self._apply(self.sender.offer(self.world.time.now, self.spool.states()))

    # --- the link's end

    def frame(self, frame: Frame) -> None:
        """From the link."""
        self._apply(self.sender.frame(self.world.time.now, *frame))

    def down(self, reason: str) -> None:
        """From the link."""
        self.link = None
        self._apply(self.sender.link_down(self.world.time.now, reason))
        self._dial(self.world.random.uniform(0.1, 2.0))

    def _dial(self, delay: float) -> None:
        if self._dialling is not None:
            self._dialling.cancel()
        self._dialling = self.world.time.call_later(delay, self._connect)

    def _connect(self) -> None:
        self.link = self.world.connect(self)
        if self.link is None:
            self._dial(self.world.random.uniform(0.5, 3.0))

    def connected(self, peer: Peer) -> None:
        """The handshake of the link is over; called by the world."""
        self._apply(self.sender.link_up(self.world.time.now, peer, self.spool.store, self.spool.states()))

    # --- effects

    def _apply(self, made: list[SenderEffect]) -> None:
        self._work.extend(made)
        if self._busy:
            return
        self._busy = True
        try:
            while self._work:
                self._carry_out(self._work.popleft())
        finally:
            self._busy = False

    def _later(self, call: Callable[[], None]) -> None:
        life = self._life
        self.world.time.call_later(self.world.random.uniform(0.0, self.pace), lambda: call() if life == self._life else None)

    def _carry_out(self, effect: SenderEffect) -> None:
        match effect:
            case effects.Send():
                if self.link is not None:
                    self.link.send(Side.EDGE, Frame(effect.kind, effect.number, effect.data))
            case effects.Close():
                if self.link is not None:
                    self.link.close(Side.EDGE, effect.code)
                self.link = None
                self._work.extend(self.sender.link_down(self.world.time.now, effect.code))
                self._dial(max(effect.retry_after, self.world.random.uniform(0.1, 2.0)))
            case effects.Report():
                self.world.reported(self.host, effect)
            case effects.SetTimer():
                if self._timer is not None:
                    self._timer.cancel()
                if effect.at is not None:
                    self._timer = self.world.time.call_at(effect.at, lambda: self._apply(self.sender.tick(self.world.time.now)))
            case _:
                self._tell_spool(effect)

    def _tell_spool(self, effect: SenderEffect) -> None:
        spool = self.spool
        match effect:
            case effects.WantRead():
                lane, request = effect.lane, effect.request
                records = spool.read(lane, effect.after, effect.max_bytes, effect.max_records)
                self._later(lambda: self._apply(self.sender.read_done(self.world.time.now, lane, request, records)))
            case effects.Confirm():
                gone = spool.confirm(effect.lane, effect.number, effect.checksum)
                verify_confirmed(self.world.store, effect.lane, effect.number, gone)
            case effects.SentThrough():
                spool.sent_through(effect.lane, effect.number)
            case effects.StoreKnown():
                spool.store = effect.store
            case effects.NewEpoch():
                state = spool.renumber(effect, self.world.time.wall_ns())
                old = effect.lane
                self._later(lambda: self._apply(self.sender.renumbered(self.world.time.now, old, state)))
            case _:
                raise TypeError(f"{effect} is not for the spool")


class _IngressEnd:
    """One link's end at the ingress."""

    def __init__(self, host: IngressHost, address: Hashable) -> None:
        self.host, self.address = host, address

    def frame(self, frame: Frame) -> None:
        """From the link."""
        if self.host.alive:
            self.host.apply(self.host.receiver.frame(self.host.world.time.now, self.address, *frame))

    def down(self, reason: str) -> None:
        """From the link."""
        self.host.links.pop(self.address, None)
        if self.host.alive:
            self.host.apply(self.host.receiver.link_down(self.host.world.time.now, self.address, reason))


class IngressHost:
    """An upstream node's process; several share the store of the world.

    Args:
        world: the simulation.
        node: its id.
        parameters: of the receiver.
        pace: longest time the store takes, seconds.
        failures: share of commits that fail for a passing reason; half of them are durable all the same.
    """

    def __init__(
        self, world: World, node: str, parameters: ReceiverParameters, pace: float = 0.02, failures: float = 0.0
    ) -> None:
        self.world, self.node, self.parameters, self.pace, self.failures = world, node, parameters, pace, failures
        self.alive = False
        self.links: dict[Hashable, FaultyLink] = {}
        self.receiver = self._new_receiver()
        self._life = 0
        self._timer: Handle | None = None
        self._work: deque[ReceiverEffect] = deque(maxlen=100_000)
        self._busy = False

    def _new_receiver(self) -> Receiver:
        return Receiver(self.node, self.world.store.store_id, self.world.token, self.parameters)

    def start(self) -> None:
        """A new process."""
        self.alive = True
        self._life += 1
        self.receiver = self._new_receiver()

    def crash(self, at_once: bool) -> None:
        """The process dies; commits under way become durable or not."""
        self.alive = False
        self._life += 1
        self._work.clear()
        for link in list(self.links.values()):
            link.vanish(Side.INGRESS, at_once)
        self.links = {}
        if self._timer is not None:
            self._timer.cancel()

    def end(self, address: Hashable) -> _IngressEnd:
        """The end of a new link."""
        return _IngressEnd(self, address)

    def connected(self, address: Hashable, link: FaultyLink, peer: Peer) -> None:
        """The handshake of a link is over; called by the world."""
        self.links[address] = link
        self.apply(self.receiver.link_up(self.world.time.now, address, peer))

    def apply(self, made: list[ReceiverEffect]) -> None:
        """Carry out effects, in order."""
        self._work.extend(made)
        if self._busy:
            return
        self._busy = True
        try:
            while self._work:
                self._carry_out(self._work.popleft())
        finally:
            self._busy = False

    def _later(self, call: Callable[[], list[ReceiverEffect]]) -> None:
        """Let the store work for a while; if the process dies meanwhile, the work may be done, but nobody hears of it."""
        life = self._life

        def run() -> None:
            if life == self._life:
                self.apply(call())
            elif self.world.random.random() < 0.5:
                call()

        pace = min(self.pace, 0.05) if self.world.calm else self.pace
        self.world.time.call_later(self.world.random.uniform(0.0, pace), run)

    def _carry_out(self, effect: ReceiverEffect) -> None:
        match effect:
            case effects.SendTo():
                link = self.links.get(effect.address)
                if link is not None:
                    link.send(Side.INGRESS, Frame(effect.kind, effect.number, effect.data))
            case effects.CloseLink():
                link = self.links.pop(effect.address, None)
                if link is not None:
                    link.close(Side.INGRESS, effect.code)
            case effects.OpenSession():
                opening = effect
                self._later(lambda: self._open(opening))
            case effects.Commit():
                commit = effect
                self._later(lambda: self._commit(commit))
            case effects.ReadStored():
                read = effect
                self._later(lambda: self._read(read.address, read.lane, read.first, read.last, read.max_bytes))
            case effects.Report():
                self.world.reported(self.node, effect)
            case effects.SetTimer():
                if self._timer is not None:
                    self._timer.cancel()
                if effect.at is not None:
                    self._timer = self.world.time.call_at(effect.at, lambda: self.apply(self.receiver.tick(self.world.time.now)))

    def _open(self, effect: effects.OpenSession) -> list[ReceiverEffect]:
        position, checksum = self.world.store.open_session(effect.lane, effect.session)
        return self.receiver.session_opened(self.world.time.now, effect.address, effect.lane, position, checksum)

    def _commit(self, effect: effects.Commit) -> list[ReceiverEffect]:
        now, store, random = self.world.time.now, self.world.store, self.world.random
        fails = random.random() < self.failures
        error: Exception = TransientError("the store is busy")
        try:
            if not fails or random.random() < 0.5:
                position = store.commit(effect.lane, effect.session, effect.first, effect.batch, effect.checksum)
        except PositionConflict as conflict:
            fails, error = True, conflict
        if fails:
            return self.receiver.commit_failed(now, effect.address, effect.lane, error)
        return self.receiver.committed(now, effect.address, effect.lane, position)

    def _read(self, address: Hashable, lane: LaneId, first: int, last: int, max_bytes: int) -> list[ReceiverEffect]:
        records = self.world.store.read(lane, first, last, max_bytes)
        return self.receiver.stored_read(self.world.time.now, address, lane, records)
