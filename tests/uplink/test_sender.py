"""The edge's side, transition by transition, against frames made by hand."""

from __future__ import annotations

from itertools import count
from typing import TypeVar

import pytest

from rt_edge.data.record import LaneId, Record, RecordKind
from rt_edge.uplink import effects, frames
from rt_edge.uplink.checksum import EMPTY, chain_all
from rt_edge.uplink.effects import LaneState, Peer, SenderEffect
from rt_edge.uplink.lane_out import Phase
from rt_edge.uplink.parameters import SenderParameters
from rt_edge.uplink.sender import Sender

T = TypeVar("T")
UP = Peer("up-1", "upstream")
MAIN = LaneId("edge-1", "up", "main", bytes(16))
SIDE = LaneId("edge-1", "up", "side", bytes(16))
SESSION = 77


def _records(first: int, last: int, size: int = 60) -> list[Record]:
    return [Record(n, n, RecordKind.DATA, 1, b"%03d" % n + bytes(size - 3)) for n in range(first, last + 1)]


class Edge:
    """A sender with a spool of `records` in each lane, and a peer that the test plays."""

    def __init__(self, records: dict[LaneId, list[Record]], confirmed: int = 0, store: str = "", **parameters: float) -> None:
        tokens = count(1000)
        self.now = 0.0
        self.records = records
        settings = SenderParameters(**parameters)  # type: ignore[arg-type]
        self.sender = Sender("edge-1", "i1", "h1", lambda: b"E" * 16, lambda: next(tokens), settings)
        self.made: list[SenderEffect] = []
        self.store = store
        self.states = [
            LaneState(lane, rows[-1].last if rows else 0, confirmed, self.sum(lane, confirmed)) for lane, rows in records.items()
        ]

    def sum(self, lane: LaneId, number: int) -> int:
        return chain_all(EMPTY, [record for record in self.records[lane] if record.last <= number])

    def do(self, made: list[SenderEffect], reads: bool = True) -> list[SenderEffect]:
        """Take effects; answer reads at once, in their order."""
        self.made = []
        while made:
            self.made += made
            wanted = [effect for effect in made if isinstance(effect, effects.WantRead)] if reads else []
            made = []
            for read in wanted:
                made += self.sender.read_done(self.now, read.lane, read.request, self.read(read))
        return self.made

    def read(self, want: effects.WantRead) -> list[Record]:
        found: list[Record] = []
        for row in self.records[want.lane]:
            if row.first > want.after and len(found) < want.max_records and sum(len(r.payload) for r in found) < want.max_bytes:
                found.append(row)
        return found

    def dial(self, peer: Peer = UP) -> frames.Hello:
        self.do(self.sender.link_up(self.now, peer, self.store, self.states))
        [hello] = self.sent(frames.Hello)
        return hello

    def frame(self, message: frames.Message, number: int | None = None, reads: bool = True) -> list[SenderEffect]:
        kind, data = frames.encode(message)
        if number is None:
            number = SESSION if self.sender.is_up else self.attempt
        return self.do(self.sender.frame(self.now, kind, number, data), reads)

    @property
    def attempt(self) -> int:
        return self.sender._attempt

    def welcome(
        self, *positions: int, grant: int = 10**6, records: int = 1000, store: str = "S", reads: bool = True
    ) -> list[SenderEffect]:
        hello = self.dial()
        lanes = [
            frames.LaneWelcome(entry.index, position, self.sum(LaneId("edge-1", entry.route, entry.lane, entry.epoch), position))
            for entry, position in zip(hello.lanes, positions, strict=True)
        ]
        return self.frame(frames.Welcome(1, "up-1", store, SESSION, grant, records, 10.0, lanes), reads=reads)

    def confirm(
        self, number: int, *, received: int | None = None, grant: int = 10**6, records: int = 1000, echo: int = 0, index: int = 0
    ) -> list[SenderEffect]:
        lane = list(self.records)[index]
        entry = frames.LaneConfirm(index, number, self.sum(lane, number), number if received is None else received)
        return self.frame(frames.Confirm(grant, records, echo, [entry]))

    def tick(self, now: float) -> list[SenderEffect]:
        self.now = now
        return self.do(self.sender.tick(now))

    def of(self, kind: type[T]) -> list[T]:
        return [effect for effect in self.made if isinstance(effect, kind)]

    def sent(self, cls: type[T]) -> list[T]:
        return [m for m in (frames.decode(e.kind, e.data) for e in self.of(effects.Send)) if isinstance(m, cls)]

    def numbers(self, index: int = 0) -> list[int]:
        return [record.first for batch in self.sent(frames.Batch) if batch.index == index for record in batch.records]


# --- handshake


def test_hello_says_what_the_spool_knows_when_the_link_is_up() -> None:
    """Lanes with a backlog come first, each with epoch, last, confirmed and checksum; frames carry the attempt's number."""
    edge = Edge({SIDE: _records(1, 5), MAIN: _records(1, 9)}, confirmed=5, store="S")
    hello = edge.dial()
    assert (hello.node, hello.instance, hello.host, hello.store, hello.version) == ("edge-1", "i1", "h1", "S", frames.VERSION)
    assert [(entry.lane, entry.last, entry.confirmed) for entry in hello.lanes] == [("main", 9, 5), ("side", 5, 5)]
    assert hello.lanes[0].checksum == edge.sum(MAIN, 5)
    assert edge.of(effects.Send)[0].number == edge.attempt


def test_the_link_is_closed_when_its_certificate_is_not_an_upstreams() -> None:
    """Nothing is said to a peer of another role."""
    edge = Edge({MAIN: []})
    made = edge.do(edge.sender.link_up(0.0, Peer("edge-9", "edge"), "", edge.states))
    assert [effect.code for effect in edge.of(effects.Close)] == ["wrong-role"]
    assert not any(isinstance(effect, effects.Send) for effect in made)


def test_the_backlog_goes_up_when_welcome_agrees() -> None:
    """After Welcome the records follow the position, and the store is remembered first."""
    edge = Edge({MAIN: _records(1, 9)}, confirmed=5)
    made = edge.welcome(5)
    assert edge.numbers() == [6, 7, 8, 9]
    assert effects.StoreKnown("S") in made
    assert [effect for effect in made if isinstance(effect, effects.SentThrough)] == [effects.SentThrough(MAIN, 5)]


def test_lost_confirmations_are_made_good_when_upstream_is_ahead() -> None:
    """c < p <= l, checksums equal: confirmed without being sent again."""
    edge = Edge({MAIN: _records(1, 9)}, confirmed=5)
    made = edge.welcome(8)
    assert effects.Confirm(MAIN, 8, edge.sum(MAIN, 8)) in made
    assert edge.numbers() == [9]


def test_the_spool_is_told_to_renumber_when_upstream_has_more_than_we_know() -> None:
    """p > l: the unconfirmed ones are compared first, then a new epoch is asked for, and opened when it is there."""
    edge = Edge({MAIN: _records(1, 9)}, confirmed=5)
    hello = edge.dial()
    edge.frame(frames.Welcome(1, "up-1", "S", SESSION, 10**6, 1000, 10.0, [frames.LaneWelcome(hello.lanes[0].index, 20, 1)]))
    [compare] = edge.sent(frames.Compare)
    assert [proof.first for proof in compare.proofs] == [6, 7, 8, 9]
    edge.frame(frames.Compared(0, 9, [(6, 7)], True))
    [renumber] = edge.of(effects.NewEpoch)
    assert (renumber.lane, renumber.epoch, renumber.stored) == (MAIN, b"E" * 16, ((6, 7),))
    assert [report.code for report in edge.of(effects.Report)] == ["renumbered"]
    new = LaneId("edge-1", "up", "main", b"E" * 16)
    edge.records[new] = _records(1, 3)
    edge.do(edge.sender.renumbered(0.0, MAIN, LaneState(new, 3, 0, EMPTY)))
    [opening] = edge.sent(frames.Open)
    assert [(entry.index, entry.epoch, entry.last) for entry in opening.lanes] == [(1, b"E" * 16, 3)]
    edge.frame(frames.Opened([frames.LaneWelcome(1, 0, EMPTY)]))
    assert edge.numbers(1) == [1, 2, 3]
    assert edge.sender.lanes() == {MAIN: Phase.ENDED, new: Phase.ACTIVE}


def test_the_session_is_refused_here_too_when_the_store_is_another() -> None:
    """Records confirmed by store A are not continued in store B."""
    edge = Edge({MAIN: _records(1, 9)}, confirmed=5, store="A")
    made = edge.welcome(5, store="B")
    assert [effect.code for effect in edge.of(effects.Close)] == ["store-mismatch"]
    assert not any(isinstance(effect, effects.StoreKnown) for effect in made)


def test_another_store_is_fine_when_nothing_was_confirmed() -> None:
    """A first upstream that never confirmed anything binds nobody."""
    edge = Edge({MAIN: _records(1, 3)}, store="A")
    assert effects.StoreKnown("B") in edge.welcome(0, store="B")
    assert edge.numbers() == [1, 2, 3]


def test_the_reason_is_reported_when_upstream_refuses() -> None:
    """Refuse closes the link, tells the operator and says when to come back."""
    edge = Edge({MAIN: []})
    edge.dial()
    edge.frame(frames.Refuse("duplicate-node", "another edge-1 is alive", 60.0))
    [close] = edge.of(effects.Close)
    assert (close.code, close.retry_after) == ("duplicate-node", 60.0)
    assert "up-1 refuses: another edge-1 is alive" in edge.of(effects.Report)[0].message


def test_what_a_peer_writes_is_fit_for_a_log_when_it_is_reported() -> None:
    """Control characters are replaced, unknown codes do not make new counters."""
    edge = Edge({MAIN: []})
    edge.dial()
    edge.frame(frames.Refuse("my-own-metric", "line\nbreak \x1b[31m", 1.0))
    [report] = edge.of(effects.Report)
    assert (report.code, report.message) == ("refused", "up-1 refuses: line?break ?[31m")


@pytest.mark.parametrize(
    "welcome",
    [
        frames.Welcome(1, "up-2", "S", SESSION, 1, 1, 10.0, [frames.LaneWelcome(0, 0, 0)]),
        frames.Welcome(2, "up-1", "S", SESSION, 1, 1, 10.0, [frames.LaneWelcome(0, 0, 0)]),
        frames.Welcome(1, "up-1", "S", SESSION, 1, 1, 10.0, []),
        frames.Welcome(1, "up-1", "S", SESSION, 1, 1, 10.0, [frames.LaneWelcome(5, 0, 0)]),
        frames.Confirm(1, 1, 0, []),
        frames.Ping(1),
    ],
    ids=["other node", "unknown version", "lane missing", "lane unknown", "confirm before welcome", "an edge's frame"],
)
def test_the_session_is_closed_when_the_answer_to_hello_is_wrong(welcome: frames.Message) -> None:
    """An upstream that answers nonsense loses its session, no more."""
    edge = Edge({MAIN: _records(1, 3)})
    edge.dial()
    edge.frame(welcome)
    assert [effect.code for effect in edge.of(effects.Close)] == ["garbled"]
    edge.do(edge.sender.link_down(1.0))
    edge.welcome(0)
    assert edge.numbers() == [1, 2, 3]


def test_a_late_welcome_is_ignored_when_it_answers_an_earlier_attempt() -> None:
    """Frames carry the attempt's, then the session's number; others are counted and dropped."""
    edge = Edge({MAIN: _records(1, 3)})
    edge.dial()
    old = edge.attempt
    edge.do(edge.sender.link_down(1.0))
    edge.dial()
    edge.frame(frames.Welcome(1, "up-1", "S", SESSION, 1000, 10, 10.0, [frames.LaneWelcome(0, 0, 0)]), number=old)
    assert not edge.sender.is_up
    assert edge.sender.stats.stale_frames == 1


# --- window and demand


def test_no_more_is_sent_than_the_window_when_nothing_is_confirmed() -> None:
    """The window counts bytes per round trip: a record may start below it, none beyond; confirmations open it again."""
    edge = Edge({MAIN: _records(1, 50)}, window=1000, batch_bytes=100)
    edge.welcome(0)
    assert edge.numbers() == list(range(1, 11))
    assert edge.sender.in_flight() == (1000, 10)
    edge.confirm(4)
    assert edge.numbers() == [11, 12, 13, 14]


def test_no_more_is_sent_than_was_asked_for_when_demand_is_smaller_than_the_window() -> None:
    """Demand is cumulative over the session."""
    edge = Edge({MAIN: _records(1, 50)}, batch_bytes=100)
    edge.welcome(0, grant=250)
    assert edge.numbers() == [1, 2, 3]
    edge.confirm(3, grant=250)
    assert edge.numbers() == []
    edge.confirm(3, grant=500)
    assert edge.numbers() == [4, 5]


def test_no_more_records_are_sent_than_were_asked_for_when_they_are_small() -> None:
    """Demand in records holds as demand in bytes does, with records that were read and wait for it; it is cumulative, too."""
    edge = Edge({MAIN: _records(1, 50)}, batch_bytes=150)
    edge.welcome(0, records=3)
    assert edge.numbers() == [1, 2, 3]
    edge.confirm(2, records=3)
    assert edge.numbers() == []
    edge.confirm(3, records=5)
    assert edge.numbers() == [4, 5]


def test_a_record_larger_than_the_window_is_sent_when_nothing_else_is_under_way() -> None:
    """A window never locks a record out."""
    edge = Edge({MAIN: _records(1, 2, size=5000)}, window=1000)
    edge.welcome(0)
    assert edge.numbers() == [1]
    edge.confirm(1)
    assert edge.numbers() == [2]


def test_small_records_share_a_frame_when_they_fit() -> None:
    """A batch is filled up to batch_bytes."""
    edge = Edge({MAIN: _records(1, 30)}, batch_bytes=1000)
    edge.welcome(0)
    assert [len(batch.records) for batch in edge.sent(frames.Batch)] == [10, 10, 10]


def test_lanes_get_equal_bytes_when_their_records_differ_in_size() -> None:
    """Round robin by bytes: large records do not crowd out small ones."""
    edge = Edge({MAIN: _records(1, 40, 900), SIDE: _records(1, 400, 60)}, window=20_000, batch_bytes=1000, read_bytes=2000)
    edge.welcome(0, 0)
    per_lane = [sum(frames.size_of(r) for b in edge.sent(frames.Batch) if b.index == i for r in b.records) for i in (0, 1)]
    assert sum(per_lane) >= 20_000
    assert abs(per_lane[0] - per_lane[1]) <= 2500


def test_a_busy_lane_does_not_hold_another_when_that_waits_for_its_read() -> None:
    """A lane whose read is slow misses its turn, not the others'."""
    edge = Edge({MAIN: _records(1, 9), SIDE: _records(1, 9)})
    made = edge.welcome(0, 0, reads=False)
    reads = [effect for effect in made if isinstance(effect, effects.WantRead)]
    assert {read.lane for read in reads} == {MAIN, SIDE}
    side = next(read for read in reads if read.lane == SIDE)
    edge.do(edge.sender.read_done(0.0, SIDE, side.request, _records(1, 9)))
    assert edge.numbers(1) == list(range(1, 10))


def test_new_records_go_up_when_the_spool_offers_them() -> None:
    """`offer` wakes a drained lane, and opens one that is new."""
    edge = Edge({MAIN: _records(1, 3)})
    edge.welcome(0)
    edge.records[MAIN] += _records(4, 5)
    edge.do(edge.sender.offer(0.0, [LaneState(MAIN, 5, 0, 0), LaneState(SIDE, 2, 0, 0)]))
    assert edge.numbers() == [4, 5]
    assert [entry.lane for opening in edge.sent(frames.Open) for entry in opening.lanes] == ["side"]


def test_what_was_offered_during_the_handshake_is_not_forgotten_when_welcome_comes() -> None:
    """A lane that appears between Hello and Welcome is opened right after."""
    edge = Edge({MAIN: _records(1, 3)})
    hello = edge.dial()
    edge.do(edge.sender.offer(0.0, [LaneState(SIDE, 2, 0, 0)]))
    edge.frame(frames.Welcome(1, "up-1", "S", SESSION, 10**6, 10, 10.0, [frames.LaneWelcome(hello.lanes[0].index, 0, 0)]))
    assert len(edge.sent(frames.Open)) == 1
    assert edge.numbers() == [1, 2, 3]


def test_the_older_lane_is_drained_first_when_two_have_one_name() -> None:
    """What was salvaged of a damaged spool goes up before what was written after it: order is kept across epochs."""
    old = LaneId("edge-1", "up", "main", b"o" * 16)
    edge = Edge({old: _records(1, 3), MAIN: _records(1, 3)})
    edge.welcome(0, 0)
    assert (edge.numbers(0), edge.numbers(1)) == ([1, 2, 3], [])
    edge.confirm(2)
    assert edge.numbers(1) == []
    edge.confirm(3)
    assert edge.numbers(1) == [1, 2, 3]


# --- confirmations


def test_the_spool_may_forget_only_what_is_confirmed_when_a_confirm_comes() -> None:
    """Confirm passes number and checksum on; an older or repeated one changes nothing."""
    edge = Edge({MAIN: _records(1, 9)})
    edge.welcome(0)
    edge.confirm(4)
    assert edge.of(effects.Confirm) == [effects.Confirm(MAIN, 4, edge.sum(MAIN, 4))]
    for number in (4, 2):
        edge.confirm(number)
        assert edge.of(effects.Confirm) == []


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (frames.LaneConfirm(0, 10, 0, 10), "only 9 was sent"),
        (frames.LaneConfirm(0, 4, 1, 4), "running checksum"),
        (frames.LaneConfirm(3, 4, 1, 4), "lane 3 was not opened"),
    ],
    ids=["never sent", "other checksum", "no such lane"],
)
def test_the_session_is_closed_when_a_confirmation_cannot_be_true(entry: frames.LaneConfirm, reason: str) -> None:
    """Nothing is forgotten on the word of an upstream that confirms what it cannot have."""
    edge = Edge({MAIN: _records(1, 9)})
    edge.welcome(0)
    edge.frame(frames.Confirm(10**6, 1000, 0, [entry]))
    assert edge.of(effects.Confirm) == []
    [close] = edge.of(effects.Close)
    assert close.code == "garbled"
    assert reason in close.reason


def test_a_tombstone_is_confirmed_as_a_whole_when_it_covers_a_range() -> None:
    """Tombstones go up like data; a position within one is a contradiction."""
    rows = [*_records(1, 2), Record(3, 7, RecordKind.TOMBSTONE, 5, b"dropped"), *_records(8, 9)]
    edge = Edge({MAIN: rows})
    edge.welcome(0)
    assert edge.numbers() == [1, 2, 3, 8, 9]
    edge.confirm(7)
    assert [effect.number for effect in edge.of(effects.Confirm)] == [7]
    edge = Edge({MAIN: rows})
    edge.welcome(0)
    edge.confirm(5)
    assert "where no record ends" in edge.of(effects.Close)[0].reason


# --- going back


def test_everything_from_a_number_on_is_sent_again_when_upstream_asks() -> None:
    """Go-back-N: the records are read again and sent in order; they cost no demand a second time."""
    edge = Edge({MAIN: _records(1, 9)}, batch_bytes=100, window=900)
    edge.welcome(0, grant=900)
    assert edge.numbers() == list(range(1, 10))
    edge.frame(frames.Resend(0, 4))
    assert edge.numbers() == [4, 5, 6, 7, 8, 9]
    assert edge.sender.stats.resent_records == 6
    edge.frame(frames.Resend(0, 4))
    assert edge.numbers() == [4, 5, 6, 7, 8, 9]


def test_a_read_is_not_taken_when_we_went_back_while_it_was_out() -> None:
    """Its records would come out of turn."""
    edge = Edge({MAIN: _records(1, 9)}, batch_bytes=100, read_bytes=100)
    made = edge.welcome(0, reads=False)
    [first] = [e for e in made if isinstance(e, effects.WantRead)]
    made = edge.do(edge.sender.read_done(0.0, MAIN, first.request, _records(1, 3)), reads=False)
    [second] = [e for e in made if isinstance(e, effects.WantRead)]
    made = edge.frame(frames.Resend(0, 2), reads=False)
    [third] = [e for e in made if isinstance(e, effects.WantRead)]
    assert (second.after, third.after) == (3, 1)
    assert edge.do(edge.sender.read_done(0.0, MAIN, second.request, _records(4, 5))) == []
    edge.do(edge.sender.read_done(0.0, MAIN, third.request, _records(2, 3)))
    assert edge.numbers()[:2] == [2, 3]


def test_a_confirmation_is_waited_for_again_when_it_is_ahead_of_where_we_went_back_to() -> None:
    """It was true, but the checksum there is not known any more: it will be said again."""
    edge = Edge({MAIN: _records(1, 9)}, batch_bytes=100)
    edge.welcome(0)
    edge.records[MAIN], kept = [], edge.records[MAIN]
    edge.frame(frames.Resend(0, 4))
    edge.records[MAIN] = kept
    edge.confirm(8)
    assert edge.of(effects.Confirm) == edge.of(effects.Close) == []


def test_the_edge_asks_at_growing_intervals_when_nothing_is_confirmed() -> None:
    """After 2 s, then 4, 8, 16 and 30: a slow store is asked, not flooded with what it has."""
    edge = Edge({MAIN: _records(1, 9)}, idle=1000.0, keepalive=1000.0)
    edge.welcome(0)
    asked = []
    for second in range(1, 125):
        edge.tick(float(second))
        assert edge.numbers() == []
        if edge.sent(frames.Ping):
            asked.append(second)
    # upstream's Welcome asks for a keepalive of 10 s, so pings fill longer pauses
    assert asked[:3] == [2, 6, 14]
    assert edge.sender._resend_after == 30.0


def test_a_lost_tail_is_sent_again_when_the_answer_to_a_ping_shows_it() -> None:
    """Frames lost at the end leave no gap to be seen: the ping's echo with `received` tells."""
    edge = Edge({MAIN: _records(1, 9)})
    edge.welcome(0)
    edge.tick(2.0)
    [ping] = edge.sent(frames.Ping)
    edge.confirm(0, received=6, echo=ping.nonce + 1)
    assert edge.numbers() == []
    edge.confirm(0, received=6, echo=ping.nonce)
    assert edge.numbers() == [7, 8, 9]


def test_nothing_is_sent_again_when_upstream_has_it_and_the_store_is_slow() -> None:
    """received == sent: wait."""
    edge = Edge({MAIN: _records(1, 9)})
    edge.welcome(0)
    edge.tick(2.0)
    [ping] = edge.sent(frames.Ping)
    edge.confirm(0, received=9, echo=ping.nonce)
    assert edge.numbers() == []
    assert edge.sender.stats.went_back == 0


# --- time, faults, ends


def test_the_link_is_closed_when_welcome_does_not_come() -> None:
    """The handshake has a time limit, and the timer is set for it."""
    edge = Edge({MAIN: []})
    edge.dial()
    assert [effect.at for effect in edge.of(effects.SetTimer)] == [20.0]
    edge.tick(19.9)
    assert edge.of(effects.Close) == []
    edge.tick(20.0)
    assert [effect.code for effect in edge.of(effects.Close)] == ["no-answer"]


def test_a_keepalive_goes_out_when_there_is_nothing_to_say_and_silence_closes() -> None:
    """Ping after 10 s without a word of ours, close after 35 s without a word of theirs."""
    edge = Edge({MAIN: []})
    edge.welcome(0)
    edge.tick(10.0)
    assert len(edge.sent(frames.Ping)) == 1
    edge.tick(34.9)
    assert edge.of(effects.Close) == []
    edge.tick(35.0)
    assert [effect.code for effect in edge.of(effects.Close)] == ["silent"]


def test_pings_stay_a_second_apart_when_upstream_asks_for_more() -> None:
    """Welcome's keepalive is obeyed within reason."""
    edge = Edge({MAIN: []})
    hello = edge.dial()
    edge.frame(frames.Welcome(1, "up-1", "S", SESSION, 1, 1, 0.0, [frames.LaneWelcome(hello.lanes[0].index, 0, 0)]))
    edge.tick(0.9)
    assert edge.sent(frames.Ping) == []
    edge.tick(1.0)
    assert len(edge.sent(frames.Ping)) == 1


def test_the_timer_is_set_again_when_it_fires_too_early() -> None:
    """A host whose clock rounds does not lose the timer."""
    edge = Edge({MAIN: []})
    edge.dial()
    edge.tick(19.999)
    assert [effect.at for effect in edge.of(effects.SetTimer)] == [20.0]


def test_a_probe_is_answered_at_once_when_upstream_doubts_that_we_live() -> None:
    """Alive carries the probe's nonce."""
    edge = Edge({MAIN: []})
    edge.welcome(0)
    edge.frame(frames.Probe(5))
    assert edge.sent(frames.Alive) == [frames.Alive(5)]


def test_the_other_lanes_go_on_when_the_spool_cannot_read_one() -> None:
    """The lane rests and is reported; after 30 s a new session tries again."""
    edge = Edge({MAIN: _records(1, 3), SIDE: _records(1, 3)})
    made = edge.welcome(0, 0, reads=False)
    main, side = (next(e for e in made if isinstance(e, effects.WantRead) and e.lane == lane) for lane in (MAIN, SIDE))
    edge.do(edge.sender.read_failed(0.0, MAIN, main.request, OSError("I/O error")))
    assert [report.code for report in edge.of(effects.Report)] == ["spool-read-failed"]
    edge.do(edge.sender.read_done(0.0, SIDE, side.request, _records(1, 3)))
    assert edge.numbers(1) == [1, 2, 3]
    edge.tick(30.0)
    assert [effect.code for effect in edge.of(effects.Close)] == ["lane-rests"]


def test_the_lane_rests_when_the_spool_hands_out_a_gap() -> None:
    """A lane without gaps is kept without gaps: what does not follow is not sent."""
    edge = Edge({MAIN: _records(1, 3)})
    made = edge.welcome(0, reads=False)
    [read] = [e for e in made if isinstance(e, effects.WantRead)]
    edge.do(edge.sender.read_done(0.0, MAIN, read.request, _records(2, 3)))
    assert edge.numbers() == []
    assert [report.code for report in edge.of(effects.Report)] == ["spool-not-in-order"]


def test_nothing_of_a_session_survives_when_the_link_goes_down() -> None:
    """Late reads are ignored; the next session starts from the spool's word."""
    edge = Edge({MAIN: _records(1, 9)})
    made = edge.welcome(0, reads=False)
    [read] = [e for e in made if isinstance(e, effects.WantRead)]
    edge.do(edge.sender.link_down(1.0, "reset"))
    assert edge.do(edge.sender.read_done(1.0, MAIN, read.request, _records(1, 9))) == []
    assert edge.do(edge.sender.offer(1.0, edge.states)) == []
    edge.welcome(0)
    assert edge.numbers() == list(range(1, 10))


@pytest.mark.parametrize("data", [b"", b"\xff" * 40, b"\x92\x00\xdd\xff\xff\xff\xff"])
@pytest.mark.parametrize("kind", ["dlv.confirm", "dlv.batch", "dlv.welcome", "no.such.kind"])
def test_only_the_session_is_lost_when_a_frame_is_garbled(kind: str, data: bytes) -> None:
    """Any bytes from upstream: one Close, nothing raised, nothing confirmed."""
    edge = Edge({MAIN: _records(1, 3)})
    edge.welcome(0)
    edge.do(edge.sender.frame(0.0, kind, SESSION, data))
    assert [effect.code for effect in edge.of(effects.Close)] == ["garbled"]
    assert edge.of(effects.Confirm) == []
    assert edge.do(edge.sender.frame(0.0, kind, SESSION, data)) == []


def test_lanes_beyond_the_limit_wait_when_there_are_too_many() -> None:
    """The table of lanes is bounded; the report comes once."""
    lanes = {LaneId("edge-1", "up", f"lane{n}", bytes(16)): _records(1, 1) for n in range(5)}
    edge = Edge(lanes, max_lanes=3)
    assert len(edge.dial().lanes) == 3
    assert [report.code for report in edge.of(effects.Report)] == ["too-many-lanes"]
