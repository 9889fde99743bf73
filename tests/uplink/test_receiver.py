"""The ingress' side, transition by transition, against frames made by hand."""

from __future__ import annotations

from itertools import count
from typing import TypeVar

import pytest

from rt_edge.data.errors import TransientError
from rt_edge.data.record import MAX_RECORD, LaneId, PositionConflict, Record, RecordKind
from rt_edge.uplink import effects, frames
from rt_edge.uplink.checksum import EMPTY, chain_all, fingerprint
from rt_edge.uplink.effects import Peer, ReceiverEffect
from rt_edge.uplink.parameters import ReceiverParameters
from rt_edge.uplink.receiver import Receiver
from rt_edge.uplink.session import Stage

T = TypeVar("T")
MAIN = LaneId("edge-1", "up", "main", bytes(16))
SIDE = LaneId("edge-1", "up", "side", bytes(16))
ATTEMPT = 5


def _records(first: int, last: int, size: int = 60) -> list[Record]:
    return [Record(n, n, RecordKind.DATA, 1, b"%03d" % n + bytes(size - 3)) for n in range(first, last + 1)]


def _hello(*lanes: LaneId, confirmed: int = 0, last: int = 0, **fields: object) -> frames.Hello:
    entries = [
        frames.LaneHello(index, lane.route, lane.lane, lane.epoch, max(last, confirmed), confirmed, None)
        for index, lane in enumerate(lanes)
    ]
    whole = {"version": 1, "oldest": 1, "node": "edge-1", "instance": "i1", "host": "h1", "store": "", "lanes": entries}
    return frames.Hello(**{**whole, **fields})  # type: ignore[arg-type]


class Ingress:
    """A receiver whose store and edges the test plays."""

    def __init__(self, **parameters: object) -> None:
        tokens = count(1000)
        self.now = 0.0
        self.receiver = Receiver("up-1", "S", lambda: next(tokens), ReceiverParameters(**parameters))  # type: ignore[arg-type]
        self.made: list[ReceiverEffect] = []
        self.numbers: dict[str, int] = {}

    def do(self, made: list[ReceiverEffect]) -> list[ReceiverEffect]:
        self.made = made
        for effect in made:
            if isinstance(effect, effects.SendTo):
                message = frames.decode(effect.kind, effect.data)
                if isinstance(message, frames.Welcome):
                    self.numbers[str(effect.address)] = message.session
        return made

    def link(self, address: str = "a", node: str = "edge-1", role: str = "edge") -> None:
        self.do(self.receiver.link_up(self.now, address, Peer(node, role)))

    def frame(self, message: frames.Message, address: str = "a", number: int | None = None) -> list[ReceiverEffect]:
        kind, data = frames.encode(message)
        if number is None:
            number = ATTEMPT if isinstance(message, frames.Hello) else self.numbers.get(address, ATTEMPT)
        return self.do(self.receiver.frame(self.now, address, kind, number, data))

    def opened(self, lane: LaneId, position: int = 0, checksum: int | None = EMPTY, address: str = "a") -> list[ReceiverEffect]:
        return self.do(self.receiver.session_opened(self.now, address, lane, position, checksum))

    def up(self, *lanes: LaneId, position: int = 0, address: str = "a", **hello: object) -> None:
        self.link(address)
        self.frame(_hello(*lanes, **hello), address)  # type: ignore[arg-type]
        for lane in lanes:
            self.opened(lane, position, chain_all(EMPTY, _records(1, position)), address)

    def batch(self, first: int, last: int, index: int = 0, size: int = 60) -> list[ReceiverEffect]:
        return self.frame(frames.Batch(index, _records(first, last, size)))

    def committed(self, position: int, lane: LaneId = MAIN) -> list[ReceiverEffect]:
        return self.do(self.receiver.committed(self.now, "a", lane, position))

    def tick(self, now: float) -> list[ReceiverEffect]:
        self.now = now
        return self.do(self.receiver.tick(now))

    def of(self, kind: type[T]) -> list[T]:
        return [effect for effect in self.made if isinstance(effect, kind)]

    def sent(self, cls: type[T], address: str = "a") -> list[T]:
        frames_ = [effect for effect in self.of(effects.SendTo) if effect.address == address]
        return [m for m in (frames.decode(e.kind, e.data) for e in frames_) if isinstance(m, cls)]

    def closed(self) -> list[tuple[object, str]]:
        return [(effect.address, effect.code) for effect in self.of(effects.CloseLink)]


# --- handshake


def test_welcome_waits_for_the_store_when_a_session_opens() -> None:
    """Each lane is opened in the store for this session; Welcome has positions, checksums and the first demand."""
    ingress = Ingress(window=1000, min_window=1000)
    ingress.link()
    ingress.frame(_hello(MAIN, SIDE))
    opens = ingress.of(effects.OpenSession)
    assert [each.lane for each in opens] == [MAIN, SIDE]
    assert len({each.session for each in opens}) == 1
    ingress.opened(MAIN, 7, 99)
    assert ingress.sent(frames.Welcome) == []
    ingress.opened(SIDE)
    [welcome] = ingress.sent(frames.Welcome)
    assert welcome.lanes == [frames.LaneWelcome(0, 7, 99), frames.LaneWelcome(1, 0, EMPTY)]
    assert (welcome.node, welcome.store, welcome.granted_bytes) == ("up-1", "S", 1000)
    assert ingress.of(effects.SendTo)[0].number == ATTEMPT


def test_no_checksum_is_claimed_when_the_store_keeps_none() -> None:
    """None is handed on; position 0 has the checksum of nothing."""
    ingress = Ingress()
    ingress.link()
    ingress.frame(_hello(MAIN, SIDE))
    ingress.opened(MAIN, 7, None)
    ingress.opened(SIDE, 0, None)
    assert ingress.sent(frames.Welcome)[0].lanes == [frames.LaneWelcome(0, 7, None), frames.LaneWelcome(1, 0, EMPTY)]


REFUSALS: dict[str, tuple[Peer, frames.Hello]] = {
    "wrong-node": (Peer("edge-1", "edge"), _hello(MAIN, node="edge-2")),
    "wrong-role": (Peer("edge-1", "operator"), _hello(MAIN)),
    "wrong-version": (Peer("edge-1", "edge"), _hello(MAIN, version=9, oldest=2)),
    "store-mismatch": (Peer("edge-1", "edge"), _hello(MAIN, confirmed=3, store="other")),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_the_edge_is_refused_with_a_reason_when_it_may_not_come_in(code: str) -> None:
    """Refuse carries the attempt's number, a code and a sentence; the link is closed; the operator is told; no lane is opened."""
    peer, hello = REFUSALS[code]
    ingress = Ingress()
    ingress.link(node=peer.node, role=peer.role)
    ingress.frame(hello)
    [refuse] = ingress.sent(frames.Refuse)
    assert refuse.code == code
    assert len(refuse.reason) > 20
    assert ingress.of(effects.SendTo)[0].number == ATTEMPT
    assert ingress.closed() == [("a", code)]
    assert [report.code for report in ingress.of(effects.Report)] == [code]
    assert ingress.of(effects.OpenSession) == []
    assert ingress.receiver.sessions() == {}


def test_another_store_is_fine_when_nothing_was_confirmed_there() -> None:
    """An edge may change its upstream as long as it loses nothing by it."""
    ingress = Ingress()
    ingress.up(MAIN, store="other", last=5)
    assert len(ingress.sent(frames.Welcome)) == 1


def test_a_newer_edge_is_welcome_when_it_still_speaks_our_version() -> None:
    """Versions are ranges: the highest common one is chosen."""
    ingress = Ingress()
    ingress.up(MAIN, version=4, oldest=1)
    assert ingress.sent(frames.Welcome)[0].version == frames.VERSION


def test_the_edge_is_sent_away_when_the_store_does_not_open() -> None:
    """A store that is down refuses for now, with the reason."""
    ingress = Ingress()
    ingress.link()
    ingress.frame(_hello(MAIN))
    ingress.do(ingress.receiver.open_failed(0.0, "a", MAIN, TransientError("disk full")))
    [refuse] = ingress.sent(frames.Refuse)
    assert (refuse.code, refuse.retry_after) == ("store-unavailable", 30.0)
    assert "disk full" in refuse.reason


def test_more_lanes_are_opened_when_the_edge_asks() -> None:
    """Open is answered by Opened when the store has answered; said twice, it is done once."""
    ingress = Ingress()
    ingress.up(MAIN)
    entry = frames.LaneHello(1, "up", "side", bytes(16), 0, 0, None)
    ingress.frame(frames.Open([entry]))
    assert [each.lane for each in ingress.of(effects.OpenSession)] == [SIDE]
    assert ingress.frame(frames.Open([entry])) == []
    ingress.opened(SIDE, 3, 9)
    assert ingress.sent(frames.Opened) == [frames.Opened([frames.LaneWelcome(1, 3, 9)])]


# --- records


def test_nothing_is_confirmed_before_the_store_has_it_when_a_batch_comes() -> None:
    """Batch -> Commit; committed -> Confirm with running checksum and new demand."""
    ingress = Ingress(window=1000, min_window=1000)
    ingress.up(MAIN)
    ingress.batch(1, 3)
    [commit] = ingress.of(effects.Commit)
    assert (commit.first, [record.first for record in commit.batch]) == (1, [1, 2, 3])
    assert commit.checksum == chain_all(EMPTY, _records(1, 3))
    assert ingress.sent(frames.Confirm) == []
    ingress.committed(3)
    [confirm] = ingress.sent(frames.Confirm)
    assert confirm.lanes == [frames.LaneConfirm(0, 3, commit.checksum, 3)]
    assert confirm.granted_bytes == 1000 + 300


def test_one_commit_is_out_when_more_comes_and_the_rest_goes_together() -> None:
    """While the store works, records gather; then they go in one commit, up to commit_bytes."""
    ingress = Ingress(commit_bytes=250)
    ingress.up(MAIN)
    ingress.batch(1, 1)
    assert len(ingress.of(effects.Commit)) == 1
    for number in (2, 3, 4):
        assert ingress.batch(number, number) == []
    ingress.committed(1)
    assert [[r.first for r in c.batch] for c in ingress.of(effects.Commit)] == [[2, 3]]
    ingress.committed(3)
    assert [[r.first for r in c.batch] for c in ingress.of(effects.Commit)] == [[4]]


def test_a_gap_is_named_once_and_again_later_when_a_batch_is_missing() -> None:
    """Go-back-N: what does not follow is dropped; Resend names the number, again after 2, 4, ... seconds while the gap stays."""
    ingress = Ingress()
    ingress.up(MAIN)
    ingress.batch(1, 1)
    ingress.batch(3, 4)
    assert ingress.sent(frames.Resend) == [frames.Resend(0, 2)]
    assert ingress.of(effects.Commit) == []
    assert ingress.batch(5, 5) == []
    named = [second for second in range(1, 16) if ingress.tick(float(second)) and ingress.sent(frames.Resend)]
    assert named == [2, 6, 14]
    ingress.batch(2, 2)
    ingress.committed(1)
    assert [c.first for c in ingress.of(effects.Commit)] == [2]
    ingress.tick(30.0)
    assert ingress.sent(frames.Resend) == []


def test_repeated_records_are_dropped_when_they_come_again() -> None:
    """A batch that is there already is answered by a Confirm; one that overlaps is trimmed."""
    ingress = Ingress()
    ingress.up(MAIN)
    ingress.batch(1, 3)
    ingress.committed(3)
    ingress.batch(1, 3)
    assert ingress.of(effects.Commit) == []
    assert ingress.sent(frames.Confirm)[0].lanes[0].confirmed == 3
    ingress.batch(2, 5)
    assert [[r.first for r in c.batch] for c in ingress.of(effects.Commit)] == [[4, 5]]
    assert ingress.receiver.stats.repeated_records == 5


def test_the_session_is_closed_when_a_range_was_cut_differently_before() -> None:
    """A tombstone over numbers of which some came as data is a contradiction within a session."""
    ingress = Ingress()
    ingress.up(MAIN)
    ingress.batch(1, 2)
    ingress.frame(frames.Batch(0, [Record(2, 4, RecordKind.TOMBSTONE, 3, b"")]))
    assert ingress.closed() == [("a", "violation")]


def test_the_session_is_closed_when_the_window_is_overrun() -> None:
    """An edge may reach over its demand by one record of the largest size, no further."""
    ingress = Ingress(window=1000, min_window=1000)
    ingress.up(MAIN)
    ingress.batch(1, 1, size=MAX_RECORD)
    assert ingress.closed() == []
    ingress.batch(2, 2, size=MAX_RECORD)
    assert ingress.closed() == []
    ingress.batch(3, 3)
    assert ingress.closed() == [("a", "window-violation")]
    assert ingress.sent(frames.Notice)[0].code == "window-violation"


def test_the_session_is_closed_when_more_records_come_than_were_granted() -> None:
    """Empty records are bounded by their number."""
    ingress = Ingress(window_records=10)
    ingress.up(MAIN)
    ingress.batch(1, 10, size=3)
    assert ingress.closed() == []
    ingress.batch(11, 11, size=3)
    assert ingress.closed() == [("a", "window-violation")]


def test_the_session_is_closed_when_an_edge_repeats_itself_without_end() -> None:
    """Repeats are bounded: 32 windows (or largest frames) without progress are enough."""
    ingress = Ingress()
    ingress.up(MAIN)
    ingress.batch(1, 1, size=MAX_RECORD)
    for _ in range(40):
        if ingress.batch(1, 1, size=MAX_RECORD) and ingress.closed():
            break
    assert ingress.closed() == [("a", "violation")]
    assert 30 <= ingress.receiver.stats.repeated_records <= 34


def test_a_ping_is_answered_for_all_lanes_when_the_edge_asks() -> None:
    """The echo, positions and what was received."""
    ingress = Ingress()
    ingress.up(MAIN, SIDE)
    ingress.batch(1, 3)
    ingress.frame(frames.Ping(42))
    [confirm] = ingress.sent(frames.Confirm)
    assert confirm.echo == 42
    assert [(entry.index, entry.confirmed, entry.received) for entry in confirm.lanes] == [(0, 0, 3), (1, 0, 0)]


def test_the_demand_shrinks_when_many_sessions_share_the_memory() -> None:
    """total_window is divided; min_window is always given."""
    ingress = Ingress(window=1000, total_window=2000, min_window=300)
    grants = []
    for number in range(8):
        address = f"a{number}"
        ingress.link(address, node=f"edge-{number}")
        lane = LaneId(f"edge-{number}", "up", "main", bytes(16))
        ingress.frame(_hello(lane, node=lane.node), address)
        ingress.opened(lane, address=address)
        grants.append(ingress.sent(frames.Welcome, address)[0].granted_bytes)
    assert grants == [1000, 1000, 666, 500, 400, 333, 300, 300]


# --- the store


def test_the_batch_is_tried_again_when_the_store_fails_for_a_passing_reason() -> None:
    """After 1, 2, 4 s, ...; the edge is held back by demand meanwhile; reported once on loss and once on return."""
    ingress = Ingress()
    ingress.up(MAIN)
    ingress.batch(1, 2)
    reports = []
    for at, due in ((0.0, 1.0), (1.0, 3.0), (3.0, 7.0)):
        ingress.now = at
        ingress.do(ingress.receiver.commit_failed(at, "a", MAIN, TransientError("locked")))
        reports += ingress.of(effects.Report)
        assert ingress.tick(due - 0.1) == [] or ingress.of(effects.Commit) == []
        ingress.tick(due)
        assert [c.first for c in ingress.of(effects.Commit)] == [1]
    ingress.committed(2)
    assert [report.code for report in reports + ingress.of(effects.Report)] == ["store-failed", "store-recovered"]


def test_the_session_ends_when_another_one_has_taken_the_lane() -> None:
    """PositionConflict: this node was paused while another took over; the edge starts again with a handshake."""
    ingress = Ingress()
    ingress.up(MAIN)
    ingress.batch(1, 2)
    ingress.do(ingress.receiver.commit_failed(0.0, "a", MAIN, PositionConflict("taken")))
    assert ingress.closed() == [("a", "position-conflict")]
    assert ingress.committed(2) == []


def test_the_session_ends_when_the_store_claims_another_position() -> None:
    """A store that says more or less than it was given is not believed."""
    ingress = Ingress()
    ingress.up(MAIN)
    ingress.batch(1, 2)
    ingress.committed(1)
    assert ingress.closed() == [("a", "store-disagrees")]
    assert ingress.sent(frames.Confirm) == []


def test_stored_records_are_compared_piece_by_piece_when_the_edge_asks() -> None:
    """Compare reads the store in bounded pieces and names the ranges that are there as asked."""
    ingress = Ingress()
    ingress.up(MAIN, position=9, confirmed=9)
    proofs = [frames.Proof(r.first, r.last, fingerprint(r)) for r in _records(4, 6)]
    proofs += [frames.Proof(7, 7, bytes(16)), *[frames.Proof(r.first, r.last, fingerprint(r)) for r in _records(8, 12)]]
    compare = frames.Compare(0, proofs)
    ingress.frame(compare)
    [read] = ingress.of(effects.ReadStored)
    assert (read.first, read.last) == (4, 12)
    assert ingress.frame(compare) == []  # said twice
    ingress.do(ingress.receiver.stored_read(0.0, "a", MAIN, _records(4, 7)))
    assert [(r.first, r.last) for r in ingress.of(effects.ReadStored)] == [(8, 12)]
    ingress.do(ingress.receiver.stored_read(0.0, "a", MAIN, _records(8, 9)))
    ingress.do(ingress.receiver.stored_read(0.0, "a", MAIN, []))
    assert ingress.sent(frames.Compared) == [frames.Compared(0, 12, [(4, 6), (8, 9)], True)]


def test_the_edge_is_told_when_the_store_cannot_say_what_it_has() -> None:
    """None from the store becomes known=False."""
    ingress = Ingress()
    ingress.up(MAIN, position=9, confirmed=9)
    ingress.frame(frames.Compare(0, [frames.Proof(4, 4, bytes(16))]))
    ingress.do(ingress.receiver.stored_read(0.0, "a", MAIN, None))
    assert ingress.sent(frames.Compared) == [frames.Compared(0, 4, [], False)]


# --- time, faults, ends


def test_a_link_is_closed_when_it_says_nothing() -> None:
    """10 s for Hello, 35 s of silence later on; the timer is set for each."""
    ingress = Ingress()
    ingress.link()
    assert [effect.at for effect in ingress.of(effects.SetTimer)] == [10.0]
    ingress.tick(10.0)
    assert ingress.closed() == [("a", "no-hello")]
    ingress.up(MAIN, address="b")
    ingress.tick(44.9)
    assert ingress.closed() == []
    ingress.tick(45.0)
    assert ingress.closed() == [("b", "silent")]
    assert ingress.of(effects.SetTimer) == []  # nothing is left to wait for


def test_a_session_lives_when_it_is_only_pinged() -> None:
    """Any frame of the session counts as a sign of life."""
    ingress = Ingress()
    ingress.up(MAIN)
    for second in range(10, 200, 10):
        ingress.tick(float(second))
        ingress.frame(frames.Ping(1))
    assert ingress.receiver.sessions() == {"a": (Peer("edge-1", "edge"), Stage.UP)}


def test_links_are_turned_away_when_there_are_too_many() -> None:
    """The number of sessions is bounded."""
    ingress = Ingress(max_sessions=2)
    for address in "abc":
        ingress.link(address)
    assert ingress.closed() == [("c", "too-many-sessions")]
    assert len(ingress.receiver.sessions()) == 2


BAD: dict[str, frames.Message] = {
    "a batch of an unknown lane": frames.Batch(7, _records(1, 1)),
    "an ingress' frame": frames.Resend(0, 1),
    "another lane under a used index": frames.Open([frames.LaneHello(0, "up", "else", bytes(16), 0, 0, None)]),
    "a lane under two indices": frames.Open([frames.LaneHello(9, "up", "main", bytes(16), 0, 0, None)]),
    "confirmed beyond last": frames.Open([frames.LaneHello(1, "up", "side", bytes(16), 3, 4, None)]),
    "a name that cannot be shown": frames.Open([frames.LaneHello(1, "up", "a\nb", bytes(16), 0, 0, None)]),
    "an empty name": frames.Open([frames.LaneHello(1, "", "main", bytes(16), 0, 0, None)]),
    "proofs with a gap": frames.Compare(0, [frames.Proof(1, 1, bytes(16)), frames.Proof(3, 3, bytes(16))]),
}


@pytest.mark.parametrize("name", BAD)
def test_only_this_session_is_closed_when_an_edge_breaks_the_protocol(name: str) -> None:
    """The neighbour's session does not notice."""
    ingress = Ingress()
    ingress.link("b", node="edge-2")
    ingress.frame(_hello(LaneId("edge-2", "up", "main", bytes(16)), node="edge-2"), "b")
    ingress.up(MAIN)
    ingress.frame(BAD[name])
    assert [address for address, _ in ingress.closed()] == ["a"]
    assert list(ingress.receiver.sessions()) == ["b"]


@pytest.mark.parametrize("data", [b"", b"\xff" * 40, b"\x92\x00\xdd\xff\xff\xff\xff"])
@pytest.mark.parametrize("kind", ["dlv.hello", "dlv.batch", "dlv.open", "no.such.kind"])
@pytest.mark.parametrize("is_up", [True, False])
def test_only_the_session_is_lost_when_a_frame_is_garbled(kind: str, data: bytes, is_up: bool) -> None:
    """Any bytes from an edge: its link is closed, nothing is raised, nothing committed."""
    ingress = Ingress()
    if is_up:
        ingress.up(MAIN)
    else:
        ingress.link()
    number = ingress.numbers.get("a", 1000)
    ingress.do(ingress.receiver.frame(0.0, "a", kind, number, data))
    assert ingress.closed() == [("a", "garbled")]
    assert ingress.of(effects.Commit) == []
    assert ingress.do(ingress.receiver.frame(0.0, "a", kind, number, data)) == []


def test_frames_of_another_session_are_dropped_when_they_stray_in() -> None:
    """What an old connection left behind is counted, not taken; ten thousand of them are too many."""
    ingress = Ingress()
    ingress.up(MAIN)
    stray = frames.Batch(0, _records(1, 1))
    ingress.frame(stray, number=1)
    assert ingress.of(effects.Commit) == []
    assert ingress.receiver.stats.stale_frames == 1
    for _ in range(10_000):
        ingress.frame(stray, number=1)
    assert ingress.closed() == [("a", "violation")]


def test_answers_of_the_store_are_ignored_when_the_session_is_over() -> None:
    """The commit may have become durable; the next handshake finds it."""
    ingress = Ingress()
    ingress.up(MAIN)
    ingress.batch(1, 2)
    ingress.do(ingress.receiver.link_down(0.0, "a", "reset"))
    assert ingress.committed(2) == []
    assert ingress.do(ingress.receiver.commit_failed(0.0, "a", MAIN, TransientError("x"))) == []
    assert ingress.opened(MAIN) == []
    assert ingress.do(ingress.receiver.stored_read(0.0, "a", MAIN, [])) == []
