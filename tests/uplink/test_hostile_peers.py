"""Peers that speak well-formed nonsense: the machines end the session at worst, and never do what they must not."""

from __future__ import annotations

from itertools import count
from random import Random

import pytest

from rt_edge.data.record import Record, RecordKind
from rt_edge.testkit.delivery_models import SpoolModel, StoreModel
from rt_edge.uplink import effects, frames
from rt_edge.uplink.effects import Peer, ReceiverEffect, SenderEffect
from rt_edge.uplink.parameters import ReceiverParameters, SenderParameters
from rt_edge.uplink.receiver import Receiver
from rt_edge.uplink.sender import Sender

FRAMES = 80
SEEDS = range(150)


class Nonsense:
    """Messages that decode, with numbers small enough to hit what exists."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def number(self) -> int:
        return self.random.choice((0, 1, 2, 3, 4, 5, 8, 9, 2**63 - 1))

    def index(self) -> int:
        return self.random.choice((0, 0, 0, 1, 2, 255))

    def checksum(self) -> int | None:
        return self.random.choice((None, 0, 1, 2**32 - 1))

    def lane(self) -> frames.LaneHello:
        epoch = bytes([self.random.randint(0, 2)]) * 16
        numbers = sorted((self.number(), self.number()), reverse=self.random.random() < 0.8)
        return frames.LaneHello(self.index(), "up", self.random.choice(("main", "side")), epoch, *numbers, self.checksum())

    def records(self) -> list[Record]:
        first = self.random.choice((1, 1, 1, 2, 3, 5, 9))
        rows = []
        for _ in range(self.random.randint(1, 4)):
            last = first + (self.random.randint(0, 3) if self.random.random() < 0.2 else 0)
            kind = RecordKind.TOMBSTONE if last > first else RecordKind.DATA
            rows.append(Record(first, last, kind, 1, bytes(self.random.choice((0, 10, 900)))))
            first = last + 1
        return rows

    def of_an_edge(self) -> frames.Message:
        lanes = [self.lane() for _ in range(self.random.randint(1, 3))]
        first = self.random.randint(1, 5)
        proofs = [frames.Proof(n, n + self.random.choice((0, 0, 0, 1)), bytes(16)) for n in range(first, first + 3)]
        batch = frames.Batch(self.index(), self.records())
        return self.random.choice(
            [
                batch, batch, batch,
                frames.Hello(1, 1, "edge-1", "i", "h", "", lanes),
                frames.Open(lanes),
                frames.Ping(self.number()),
                frames.Alive(self.number()),
                frames.Compare(self.index(), proofs),
                frames.Resend(self.index(), self.number()),
            ]
        )  # fmt: skip

    def of_an_ingress(self) -> frames.Message:
        confirm = frames.LaneConfirm(self.index(), self.number(), self.checksum(), self.number())
        lanes = [frames.LaneWelcome(self.index(), self.number(), self.checksum()) for _ in range(self.random.randint(1, 2))]
        return self.random.choice(
            [
                frames.Confirm(self.number(), self.number(), self.random.randint(0, 5), [confirm]),
                frames.Resend(self.index(), self.number()),
                frames.Opened(lanes),
                frames.Welcome(1, "up-1", "S", 7, self.number(), self.number(), 10.0, lanes),
                frames.Compared(self.index(), self.number(), [(self.number(), self.number())], self.random.random() < 0.5),
                frames.Probe(self.number()),
                frames.Notice("n", "n"),
                frames.Refuse("r", "r", 1.0),
                frames.Ping(1),
            ]
        )  # fmt: skip


def _attack_ingress(seed: int) -> int:
    """One edge from nowhere; returns how many records it got stored."""
    nonsense, tokens, store = Nonsense(seed), count(100), StoreModel("S")
    receiver = Receiver("up-1", "S", lambda: next(tokens), ReceiverParameters(window=2000, min_window=2000))
    session, made, links = 0, list[ReceiverEffect](), count()
    address = -1
    for step in range(FRAMES):
        if address not in receiver.sessions():
            address = next(links)
            made += receiver.link_up(float(step), address, Peer("edge-1", "edge"))
            lanes = [frames.LaneHello(0, "up", "main", bytes(16), 0, 0, None)]
            kind, data = frames.encode(frames.Hello(1, 1, "edge-1", "i", "h", "", lanes))
            made += receiver.frame(float(step), address, kind, 5, data)
        while made:
            effect = made.pop(0)
            match effect:
                case effects.OpenSession():
                    made += receiver.session_opened(
                        float(step), effect.address, effect.lane, *store.open_session(effect.lane, effect.session)
                    )
                case effects.Commit():
                    position = store.commit(effect.lane, effect.session, effect.first, effect.batch, effect.checksum)
                    made += receiver.committed(float(step), effect.address, effect.lane, position)
                case effects.ReadStored():
                    found = store.read(effect.lane, effect.first, effect.last, effect.max_bytes)
                    made += receiver.stored_read(float(step), effect.address, effect.lane, found)
                case effects.SendTo():
                    message = frames.decode(effect.kind, effect.data)
                    session = message.session if isinstance(message, frames.Welcome) else session
        kind, data = frames.encode(nonsense.of_an_edge())
        number = nonsense.random.choice((session, session, session, 5, 6))
        made += receiver.frame(float(step), address, kind, number, data)
    store.check()
    assert len(receiver.sessions()) <= 1
    return sum(len(rows) for rows in store.rows.values())


def _attack_edge(seed: int) -> tuple[int, int]:
    """One ingress from nowhere; returns how often it was hung up on, and what the spool has let go."""
    nonsense, tokens = Nonsense(seed), count(100)
    spool = SpoolModel("edge-1", ["main"], lambda: nonsense.random.randbytes(16))
    spool.waiting = [("main", b"%d:" % n) for n in range(1, 10)]
    spool.commit()
    sender = Sender(
        "edge-1", "i", "h", lambda: nonsense.random.randbytes(16), lambda: next(tokens), SenderParameters(window=2000)
    )
    closes, attempt, is_linked = 0, 0, False
    for step in range(FRAMES):
        made: list[SenderEffect] = []
        if not is_linked:
            is_linked, attempt = True, 0
            made += sender.link_up(float(step), Peer("up-1", "upstream"), spool.store, spool.states())
        else:
            kind, data = frames.encode(nonsense.of_an_ingress())
            made += sender.frame(float(step), kind, 7 if sender.is_up else attempt, data)
        while made:
            effect = made.pop(0)
            match effect:
                case effects.Send():
                    attempt = attempt or effect.number
                    assert effect.kind in frames.EDGE_KINDS
                case effects.WantRead():
                    rows = spool.read(effect.lane, effect.after, effect.max_bytes, effect.max_records)
                    made += sender.read_done(float(step), effect.lane, effect.request, rows)
                case effects.Confirm():
                    spool.confirm(effect.lane, effect.number, effect.checksum)
                case effects.StoreKnown():
                    spool.store = effect.store
                case effects.NewEpoch():
                    made += sender.renumbered(float(step), effect.lane, spool.renumber(effect, 0))
                case effects.Close():
                    closes += 1
                    is_linked = False
                    made += sender.link_down(float(step))
    return closes, sum(lane.confirmed for lane in spool.lanes.values())


@pytest.mark.parametrize("block", range(2))
def test_the_store_stays_in_order_when_an_edge_sends_nonsense(block: int) -> None:
    """Nothing raises, one session at most is open, lanes are stored without gap or double; some of it was even taken."""
    assert sum(_attack_ingress(seed) for seed in SEEDS[block::2]) > 100


@pytest.mark.parametrize("block", range(2))
def test_the_edge_hangs_up_and_goes_on_when_an_ingress_sends_nonsense(block: int) -> None:
    """Nothing raises; each session that cannot be is closed."""
    closes = [_attack_edge(seed)[0] for seed in SEEDS[block::2]]
    assert min(closes) >= 1
    assert max(closes) < FRAMES
