"""The protocol between the real spool and the real store, both on disk: the effects mean there what they say."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random

import pytest

from rt_edge.data.record import LaneId, RecordKind
from rt_edge.spool.pending import Pending
from rt_edge.spool.spool import Spool
from rt_edge.testkit.simulated_time import SimulatedTime
from rt_edge.uplink import effects
from rt_edge.uplink.effects import LaneState, Peer, ReceiverEffect, SenderEffect
from rt_edge.uplink.parameters import ReceiverParameters, SenderParameters
from rt_edge.uplink.receiver import Receiver
from rt_edge.uplink.reconcile import note
from rt_edge.uplink.sender import Sender
from rt_edge.uplink.stores.sqlite import SqliteStore


class Line:
    """Edge and upstream on one desk; the link can be cut after any number of frames."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path, self.random, self.time = path, Random(seed), SimulatedTime()
        self.tokens = count(1)
        self.store = SqliteStore(path / "store.db", self.time)
        self.spool = self._open()
        self.reports: list[str] = []
        self.links = count(1)
        self.written = 0
        self.receiver = Receiver(
            "up-1", self.store.store_id, lambda: next(self.tokens), ReceiverParameters(window=3000, min_window=3000)
        )
        self.sender = Sender(
            "edge-1", "i", "h", lambda: self.random.randbytes(16), lambda: next(self.tokens), SenderParameters(batch_bytes=500)
        )

    def _open(self) -> Spool:
        return Spool.open(self.path / "edge" / "hq.db", "edge-1", "hq", self.time, 16_000_000, reserve=0)

    def close(self) -> None:
        self.spool.close()
        self.store.close()

    def write(self, records: int) -> None:
        batch = []
        for _ in range(records):
            self.written += 1
            batch.append(
                Pending(
                    b"%d:" % self.written + bytes(self.random.choice((5, 200))), 1, lane=self.random.choice(("main", "alarm"))
                )
            )
        self.spool.append(batch)

    def states(self) -> list[LaneState]:
        return [LaneState(lane.id, lane.last, lane.confirmed, lane.checksum) for lane in self.spool.lanes()]

    def session(self, frames: int) -> None:
        """Deliver until nothing moves, or until `frames` have passed: then the link is gone, with what was under way."""
        self.address = f"link-{next(self.links)}"
        up: list[SenderEffect] = []
        down: list[ReceiverEffect] = list(self.receiver.link_up(self.time.now, self.address, Peer("edge-1", "edge")))
        up += self.sender.link_up(self.time.now, Peer("up-1", "upstream"), self.spool.store_id, self.states())
        passed = 0
        while (up or down) and passed < frames:
            next_up: list[SenderEffect] = []
            next_down: list[ReceiverEffect] = []
            for effect in up:
                passed += isinstance(effect, effects.Send)
                self._edge(effect, next_up, next_down)
            for answer in down:
                self._ingress(answer, next_up, next_down)
            up, down = next_up, next_down
        self.sender.link_down(self.time.now, "cut")
        self.receiver.link_down(self.time.now, self.address, "cut")

    def _edge(self, effect: SenderEffect, up: list[SenderEffect], down: list[ReceiverEffect]) -> None:
        now, spool = self.time.now, self.spool
        match effect:
            case effects.Send():
                down += self.receiver.frame(now, self.address, effect.kind, effect.number, effect.data)
            case effects.WantRead():
                records = spool.read(effect.lane, effect.after, effect.max_bytes, effect.max_records)
                up += self.sender.read_done(now, effect.lane, effect.request, records)
            case effects.Confirm():
                assert self.store.position(effect.lane) >= effect.number
                spool.confirm(effect.lane, effect.number, effect.checksum)
            case effects.SentThrough():
                spool.sent_through(effect.lane, effect.number)
            case effects.StoreKnown():
                spool.remember_store(effect.store)
            case effects.NewEpoch():
                gap = note(str(effect.lane), effect.reason, self.time.wall_ns())
                new = spool.renumber(effect.lane, effect.epoch, gap, effect.stored)
                up += self.sender.renumbered(now, effect.lane, LaneState(new.id, new.last, new.confirmed, new.checksum))
            case effects.Report():
                self.reports.append(effect.code)

    def _ingress(self, effect: ReceiverEffect, up: list[SenderEffect], down: list[ReceiverEffect]) -> None:
        now, store = self.time.now, self.store
        match effect:
            case effects.SendTo():
                up += self.sender.frame(now, effect.kind, effect.number, effect.data)
            case effects.OpenSession():
                position = store.open_session(effect.lane, effect.session)
                down += self.receiver.session_opened(now, effect.address, effect.lane, position, store.checksum(effect.lane))
            case effects.Commit():
                position = store.commit(effect.lane, effect.session, effect.first, effect.batch, effect.checksum)
                down += self.receiver.committed(now, effect.address, effect.lane, position)
            case effects.ReadStored():
                found = store.read(effect.lane, effect.first, effect.last, effect.max_bytes)
                down += self.receiver.stored_read(now, effect.address, effect.lane, found)

    def reopen(self) -> None:
        self.spool.close()
        self.spool = self._open()

    def stored(self) -> list[int]:
        """Payload numbers in the store, over all lanes and epochs it may have."""
        found = []
        for lane in self.lanes:
            expected = 1
            for record in self.store.read(lane, 1, 1_000_000, 10**9):
                assert record.first == expected
                expected = record.last + 1
                if record.kind is RecordKind.DATA:
                    found.append(int(record.payload.partition(b":")[0]))
        return found

    @property
    def lanes(self) -> set[LaneId]:
        self.known: set[LaneId] = getattr(self, "known", set()) | {lane.id for lane in self.spool.lanes()}
        return self.known


@pytest.fixture(params=range(4))
def line(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Line]:
    desk = Line(tmp_path, request.param)
    yield desk
    desk.close()


def test_each_record_is_stored_once_when_the_link_is_cut_again_and_again(line: Line) -> None:
    """Cuts after any frame, the spool closed and opened in between: 1..n in the store, and the spool ends empty."""
    for _ in range(15):
        line.write(line.random.randint(1, 30))
        line.session(line.random.randint(1, 25))
        if line.random.random() < 0.3:
            line.reopen()
    line.session(10_000)
    assert sorted(line.stored()) == list(range(1, line.written + 1))
    assert line.spool.depth().records == 0
    assert "renumbered" not in line.reports


def test_an_old_image_of_the_card_doubles_nothing_when_it_is_restored(line: Line) -> None:
    """Copied, run on, restored, written to, connected: a new epoch, every record of the card once, and it ends empty."""
    line.write(40)
    line.session(6)
    line.spool.close()
    shutil.copytree(line.path / "edge", line.path / "image")
    line.spool = line._open()
    line.write(20)
    line.session(10_000)
    before = line.stored()
    assert sorted(before) == list(range(1, 61))
    line.spool.close()
    shutil.rmtree(line.path / "edge")
    shutil.copytree(line.path / "image", line.path / "edge")
    line.spool = line._open()
    line.write(15)
    line.session(10_000)
    line.session(10_000)
    assert "renumbered" in line.reports
    assert sorted(line.stored()) == list(range(1, 76))
    assert line.spool.depth().records == 0
