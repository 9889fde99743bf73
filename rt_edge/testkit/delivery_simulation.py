"""The delivery protocol under seeded faults: edges, ingresses, a store and a network in simulated time.

`simulate(seed)` runs one world and raises AssertionError where a promise is broken. The same seed gives the same run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import NamedTuple

import msgspec

from rt_edge.data.record import RecordKind
from rt_edge.testkit.delivery_hosts import EdgeHost, IngressHost
from rt_edge.testkit.delivery_models import SpoolModel, StoreModel
from rt_edge.testkit.faulty_link import Faults, FaultyLink
from rt_edge.testkit.simulated_time import SimulatedTime
from rt_edge.uplink.effects import Peer, Report
from rt_edge.uplink.frames import MAX_FRAME
from rt_edge.uplink.parameters import ReceiverParameters, SenderParameters

CALM = 600.0
"""Simulated seconds within which everything must have arrived once the faults stop (refusals last 60, silence 35)."""

NEVER = (
    "garbled",
    "violation",
    "window-violation",
    "store-disagrees",
    "spool-not-in-order",
    "spool-read-failed",
    "too-many-lanes",
    "wrong-node",
    "store-mismatch",
)
"""Reports that no fault of the network or of a process may bring about between nodes that keep to the protocol."""


class Plan(msgspec.Struct, kw_only=True):
    """What a world does; `Plan.draw` makes one of a seed.

    Attributes:
        lanes: lanes of the edge.
        ingresses: upstream nodes, sharing the store.
        appends: records written while the faults go on.
        duration: seconds of faults.
        faults: of the links.
        cuts, crashes, outages, drops: how many link cuts, edge deaths, ingress deaths and `drop_oldest` happen.
        images: restores of an old image of the edge's card.
        backups: restores of an old backup of the store.
        clone: a copy of the card runs in a second machine.
        replays: whether a new connection may first carry frames of the last one.
        window: bytes; small, so that it is met.
        failures: share of commits that fail for a passing reason.
        store_pace: longest time the store takes, seconds.
        checksums: whether the store keeps running checksums.
        readable: whether the store can say which records it has.
        last_cut: whether the calm begins with new connections; if not, the living ones have to recover by themselves.
    """

    lanes: int = 1
    ingresses: int = 1
    appends: int = 200
    duration: float = 60.0
    faults: Faults = Faults()
    cuts: int = 4
    crashes: int = 2
    outages: int = 2
    drops: int = 0
    images: int = 0
    backups: int = 0
    clone: bool = False
    replays: bool = False
    window: int = 4000
    failures: float = 0.0
    store_pace: float = 0.02
    checksums: bool = True
    readable: bool = True
    last_cut: bool = True

    @classmethod
    def draw(cls, random: Random) -> Plan:
        """A plan at random: a third of the worlds is only ordinarily bad, the others have something special."""
        lossy = random.random() < 0.3
        faults = Faults(
            delay=(0.001, random.choice((0.005, 0.05, 0.5))),
            loss=random.choice((0.01, 0.1)) if lossy else 0.0,
            repeat=random.choice((0.0, 0.1)) if lossy else 0.0,
            reorder=random.choice((0.0, 0.1)) if lossy else 0.0,
        )
        special = random.choice(("", "", "image", "backup", "clone", "drop"))
        return cls(
            lanes=random.choice((1, 1, 2, 4)),
            ingresses=random.choice((1, 1, 2)),
            appends=random.choice((100, 500, 1500)),
            duration=random.choice((20.0, 60.0, 120.0)),
            faults=faults,
            cuts=random.randint(0, 12),
            crashes=random.randint(0, 4),
            outages=random.randint(0, 3),
            drops=random.randint(1, 10) if special == "drop" else 0,
            images=special == "image",
            backups=special == "backup",
            clone=special == "clone",
            replays=random.random() < 0.3,
            window=random.choice((1500, 4000, 20_000)),
            failures=random.choice((0.0, 0.0, 0.05)),
            store_pace=random.choice((0.0, 0.02, 0.02, 0.5, 15.0)),
            checksums=random.random() < 0.8,
            last_cut=random.random() < 0.5,
        )


class Outcome(NamedTuple):
    """What a run came to."""

    written: int
    stored: int
    renumbered: int
    went_back: int
    refused: int
    steps: int
    took: float


class Simulation:
    """One world.

    Args:
        seed: of everything that is random.
        plan: what happens; None draws one from the seed.
    """

    def __init__(self, seed: int, plan: Plan | None = None) -> None:
        self.random = Random(seed)  # noqa: S311  # a simulation wants repeatable numbers
        self.plan = plan or Plan.draw(self.random)
        self.time = SimulatedTime()
        self.store = StoreModel("store-1", self.plan.checksums, self.plan.readable)
        self.reports: dict[str, int] = {}
        self.steps = 0
        self._made = 0
        self._connections = 0
        self.calm = False
        self._former: dict[int, FaultyLink] = {}
        self.durable: list[bytes] = []
        self.excused: set[bytes] = set()
        """Payloads that may be missing, because a fault took them away that no protocol can undo."""
        names = [f"lane{number}" for number in range(self.plan.lanes)]
        self.edges = [self._edge(SpoolModel("edge-1", names, self._epoch), "machine-1")]
        receiver = ReceiverParameters(window=self.plan.window, min_window=min(self.plan.window, 1500))
        self.ingresses = [
            IngressHost(self, f"up-{number}", receiver, self.plan.store_pace, self.plan.failures)
            for number in range(self.plan.ingresses)
        ]

    def _epoch(self) -> bytes:
        return self.random.randbytes(16)

    def _edge(self, spool: SpoolModel, host: str) -> EdgeHost:
        parameters = SenderParameters(window=self.plan.window * 2, batch_bytes=self.random.choice((200, 1000)), read_bytes=1000)
        return EdgeHost(self, spool, host, parameters)

    # --- what hosts see

    def token(self) -> int:
        """64 random bits."""
        return self.random.getrandbits(64)

    def reported(self, where: str, report: Report) -> None:
        """Count it."""
        self.reports[report.code] = self.reports.get(report.code, 0) + 1

    def connect(self, edge: EdgeHost) -> FaultyLink | None:
        """Connect to one of the ingresses that live."""
        living = [ingress for ingress in self.ingresses if ingress.alive]
        if not living:
            return None
        ingress = self.random.choice(living)
        self._connections += 1
        address = f"{edge.spool.node}#{self._connections}"
        faults = Faults(delay=self.plan.faults.delay) if self.calm else self.plan.faults
        link = FaultyLink(self.time, self.random, faults, edge, ingress.end(address))
        former = self._former.get(id(edge))
        self._former[id(edge)] = link
        ingress.connected(address, link, Peer(edge.spool.node, "edge"))
        edge.link = link
        edge.connected(Peer(ingress.node, "upstream"))
        if former is not None and self.plan.replays and not self.calm and self.random.random() < 0.5:
            former.replay(link)
        return link

    # --- what goes wrong

    def _append(self, edge: EdgeHost, records: int) -> None:
        if not edge.alive:
            return
        for _ in range(records):
            self._made += 1
            size = self.random.choice((0, 10, 10, 100, 400))
            payload = b"%d:" % self._made + bytes(size)
            edge.spool.waiting.append((self.random.choice(list(edge.spool.lanes)), payload))
        life = edge.sender
        self.time.call_later(self.random.uniform(0.0, 0.05), lambda: self._commit(edge) if edge.sender is life else None)

    def _commit(self, edge: EdgeHost) -> None:
        if edge.alive:
            self.durable += edge.spool.commit()
            edge.committed()

    def _crash_edge(self, edge: EdgeHost) -> None:
        if edge.alive:
            edge.crash(self.random.random() < 0.5)
            self.time.call_later(self.random.uniform(0.0, 5.0), edge.start)

    def _crash_ingress(self, ingress: IngressHost) -> None:
        if ingress.alive:
            ingress.crash(self.random.random() < 0.5)
            self.time.call_later(self.random.uniform(0.0, 10.0), ingress.start)

    def _cut(self) -> None:
        for edge in self.edges:
            if edge.link is not None:
                edge.link.cut()

    def _take_image(self) -> None:
        edge = self.edges[0]
        image = edge.spool.image()
        image.waiting = []
        self.time.call_later(self.random.uniform(1.0, self.plan.duration / 2), lambda: self._restore_image(edge, image))

    def _restore_image(self, edge: EdgeHost, image: SpoolModel) -> None:
        if edge.alive:
            edge.crash(at_once=self.random.random() < 0.5)
            self.time.call_later(0.5, edge.start)
        kept = {record.payload for lane in image.lanes.values() for record in lane.records}
        held = {record.payload for lane in edge.spool.lanes.values() for record in lane.records}
        self.excused |= (held - kept) | edge.spool.dropped
        image.crash()
        edge.spool = image

    def _take_backup(self) -> None:
        backup = self.store.backup()
        self.time.call_later(self.random.uniform(1.0, self.plan.duration / 2), lambda: self._restore_backup(backup))

    def _restore_backup(self, backup: StoreModel) -> None:
        for ingress in self.ingresses:
            if ingress.alive:
                ingress.crash(at_once=True)
                self.time.call_later(0.5, ingress.start)
        had = {record.payload for rows in self.store.rows.values() for record in rows}
        has = {record.payload for rows in backup.rows.values() for record in rows}
        held = {record.payload for edge in self.edges for lane in edge.spool.lanes.values() for record in lane.records}
        self.excused |= had - has - held
        backup.sessions = {}
        self.store = backup

    def _clone(self) -> None:
        clone = self._edge(self.edges[0].spool.image(), "machine-2")
        clone.spool.crash()
        self.edges.append(clone)
        clone.start()

    def _schedule(self) -> None:
        plan = self.plan
        left = plan.appends
        while left > 0:
            burst = min(left, self.random.randint(1, 30))
            left -= burst
            self._some_time(partial(self._append_somewhere, burst))
        for _ in range(plan.cuts):
            self._some_time(self._cut)
        for _ in range(plan.crashes):
            self._some_time(lambda: self._crash_edge(self.random.choice(self.edges)))
        for _ in range(plan.outages):
            self._some_time(lambda: self._crash_ingress(self.random.choice(self.ingresses)))
        for _ in range(plan.drops):
            self._some_time(self._drop)
        for _ in range(plan.images):
            self._some_time(self._take_image, 0.5)
        for _ in range(plan.backups):
            self._some_time(self._take_backup, 0.5)
        if plan.clone:
            self._some_time(self._clone, 0.5)

    def _some_time(self, call: Callable[[], None], share: float = 1.0) -> None:
        self.time.call_at(self.random.uniform(0.0, self.plan.duration * share), call)

    def _append_somewhere(self, records: int) -> None:
        self._append(self.random.choice(self.edges), records)

    def _drop(self) -> None:
        spool = self.edges[0].spool
        spool.drop_oldest(self.random.choice(list(spool.lanes)), self.random.randint(1, 20))

    # --- the run

    def run(self) -> Outcome:
        """All of it; AssertionError where a promise is broken."""
        for ingress in self.ingresses:
            ingress.start()
        for edge in self.edges:
            edge.start()
        self._schedule()
        self._run_until(self.plan.duration)
        self.calm = True
        for edge in self.edges:
            if edge.link is not None:
                edge.link.faults = Faults(delay=self.plan.faults.delay)
        if self.plan.last_cut:
            self._cut()
        drained = self._run_until(self.time.now + CALM)
        if self.plan.clone:  # two live nodes of one name cannot both drain: switch one off, then the other
            for edge in self.edges:
                for other in self.edges:
                    if other is not edge and other.alive:
                        other.crash(at_once=True)
                if not edge.alive:
                    edge.start()
                drained = self._run_until(self.time.now + CALM, edge)
                assert drained, f"{edge.host} does not drain once it is alone: {self._left(edge)}"
        assert drained or self.plan.clone, f"not drained {CALM:g} s after the last fault: {self._left(self.edges[0])}"
        return self._check()

    def _run_until(self, at: float, only: EdgeHost | None = None) -> bool:
        while self.time.now < at:
            edges = self.edges if only is None else [only]
            if self.calm and all(self._is_drained(edge) for edge in edges):
                return True
            if not self.time.run_until(min(at, self.time.now + 1.0), self._look):
                continue
        return False

    def _look(self) -> bool:
        """Bounds, after every event."""
        self.steps += 1
        for edge in self.edges:
            in_flight, _ = edge.sender.in_flight()
            assert in_flight <= self.plan.window * 2 + MAX_FRAME, f"{in_flight} bytes are in flight"
        return False

    @staticmethod
    def _is_drained(edge: EdgeHost) -> bool:
        return edge.alive and not edge.spool.waiting and not any(lane.records for lane in edge.spool.lanes.values())

    @staticmethod
    def _left(edge: EdgeHost) -> str:
        lanes = {str(lane.lane): (lane.confirmed, lane.last) for lane in edge.spool.lanes.values()}
        return f"alive {edge.alive}, lanes {lanes}, sender {edge.sender.lanes()}"

    def _check(self) -> Outcome:
        self.store.check()
        plan = self.plan
        never = set(NEVER)
        if not (plan.cuts or plan.crashes or plan.outages or plan.failures or plan.backups or plan.clone or plan.images):
            never.add("position-conflict")  # one session, one writer
        seen = never & set(self.reports)
        assert not seen, f"honest nodes accuse each other of {seen}"
        times: dict[bytes, int] = {}
        for lane, rows in self.store.rows.items():
            previous = 0
            for record in rows:
                if record.kind is RecordKind.DATA:
                    times[record.payload] = times.get(record.payload, 0) + 1
                    number = int(record.payload.partition(b":")[0])
                    assert number > previous, f"{lane}: {number} is stored after {previous}"
                    previous = number
        doubled = [payload.partition(b":")[0] for payload, count in times.items() if count > 1]
        assert not doubled, f"stored twice: {doubled[:10]}"
        dropped = set().union(*(edge.spool.dropped for edge in self.edges))
        lost = [p.partition(b":")[0] for p in self.durable if p not in times and p not in dropped and p not in self.excused]
        assert not lost, f"lost: {lost[:10]} of {len(self.durable)}"
        stats = [edge.sender.stats for edge in self.edges]
        return Outcome(
            len(self.durable),
            len(times),
            self.reports.get("renumbered", 0),
            sum(each.went_back for each in stats),
            self.reports.get("duplicate-node", 0),
            self.steps,
            self.time.now,
        )


def simulate(seed: int, plan: Plan | None = None) -> Outcome:
    """Run the world of `seed`; an AssertionError names it."""
    simulation = Simulation(seed, plan)
    try:
        return simulation.run()
    except AssertionError as error:
        error.add_note(f"seed {seed}, plan {simulation.plan}, reports {simulation.reports}")
        raise
