"""What the edge makes of upstream's position: each case of the handshake, by hand and at random."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rt_edge.data.record import Gap, LaneId, Record, RecordKind
from rt_edge.uplink import frames
from rt_edge.uplink.checksum import EMPTY, chain_all
from rt_edge.uplink.effects import LaneState
from rt_edge.uplink.lane_in import Comparison
from rt_edge.uplink.reconcile import Reconciler, Step, note

LANE = LaneId("edge-1", "up", "main", bytes(16))


def _records(first: int, last: int, mark: str = "") -> list[Record]:
    return [Record(n, n, RecordKind.DATA, 1, f"{n}{mark}".encode()) for n in range(first, last + 1)]


class Both:
    """An edge with `edge` (of which `confirmed` is forgotten) against a store with `store`."""

    def __init__(self, edge: list[Record], confirmed: int, store: list[Record], checksums: bool = True, lost: int = 0) -> None:
        self.edge = [record for record in edge if record.first > confirmed]
        self.store = store
        at_confirmed = chain_all(EMPTY, [record for record in edge if record.last <= confirmed])
        last = edge[-1].last if edge else confirmed
        state = LaneState(LANE, last, confirmed, at_confirmed if checksums else None)
        position = store[-1].last if store else 0
        self.reconciler = Reconciler(state, position, chain_all(EMPTY, store) if checksums else None)

    def run(self, read: int = 3) -> tuple[Step, list[tuple[int, int]]]:
        step = self.reconciler.begin()
        for _ in range(1000):
            if step is Step.READ:
                step = self.reconciler.read([r for r in self.edge if r.first > self.reconciler.cursor][:read])
            elif step is Step.ASK:
                comparison = Comparison(self.reconciler.proofs())
                while not comparison.feed([r for r in self.store if comparison.cursor <= r.first <= comparison.through][:2]):
                    pass
                answered = self.reconciler.compared(frames.Compared(0, comparison.through, comparison.stored, comparison.known))
                assert answered is not None
                step = answered
            else:
                return step, self.reconciler.stored
        pytest.fail("does not end")


def test_the_lane_goes_on_when_positions_and_checksums_agree() -> None:
    """p == c."""
    both = Both(_records(1, 9), 5, _records(1, 5))
    assert both.run() == (Step.GO, [])
    assert both.reconciler.agreed == chain_all(EMPTY, _records(1, 5))


@pytest.mark.parametrize("checksums", [True, False])
def test_the_lane_goes_on_at_the_position_when_confirmations_were_lost(checksums: bool) -> None:
    """c < p <= l with equal records: they are stored; without checksums the records themselves are compared."""
    both = Both(_records(1, 9), 5, _records(1, 8), checksums)
    step, _ = both.run()
    assert step is Step.GO
    assert both.reconciler.agreed == (chain_all(EMPTY, _records(1, 8)) if checksums else None)


def test_nothing_is_asked_when_the_checksums_decide() -> None:
    """The comparison record by record is for contradictions only."""
    both = Both(_records(1, 9), 5, _records(1, 8))
    assert both.reconciler.begin() is Step.READ
    assert both.reconciler.read(_records(6, 9)) is Step.GO
    assert both.reconciler.proofs() == []


def test_a_new_epoch_starts_when_upstream_has_lost_records() -> None:
    """p < c: a store restored from a backup."""
    both = Both(_records(1, 9), 5, _records(1, 3))
    assert both.run() == (Step.RENUMBER, [])
    assert "had confirmed 5 and now has 3" in both.reconciler.reason


def test_a_new_epoch_starts_when_upstream_never_heard_of_the_lane() -> None:
    """p == 0 with something confirmed: the epoch is unknown there."""
    assert Both(_records(1, 9), 5, []).run() == (Step.RENUMBER, [])


def test_what_is_stored_is_not_carried_over_when_an_image_was_restored() -> None:
    """p > l: upstream has all that this card knows, so the new epoch starts empty."""
    both = Both(_records(1, 9), 5, _records(1, 20))
    assert both.run() == (Step.RENUMBER, [(6, 9)])
    assert "up to 20, this node knows only 9" in both.reconciler.reason


def test_only_the_fork_is_carried_over_when_new_records_took_used_numbers() -> None:
    """A restored card wrote on before it was connected: the common part is stored, the rest is not."""
    edge = _records(1, 7) + _records(8, 12, "new")
    assert Both(edge, 5, _records(1, 20)).run() == (Step.RENUMBER, [(6, 7)])
    assert Both(edge, 5, _records(1, 10)).run() == (Step.RENUMBER, [(6, 7)])
    assert Both(edge, 5, _records(1, 10), checksums=False).run() == (Step.RENUMBER, [(6, 7)])


def test_a_new_epoch_starts_when_the_checksums_differ_at_one_position() -> None:
    """p == c, and yet other records."""
    both = Both(_records(1, 9), 5, _records(1, 5, "other"))
    assert both.run() == (Step.RENUMBER, [])
    assert "checksums at 5 differ" in both.reconciler.reason


def test_the_history_is_not_trusted_when_only_the_unconfirmed_part_agrees() -> None:
    """Equal records after a different past are stored, and the lane cannot go on all the same."""
    store = _records(1, 5, "other") + _records(6, 8)
    assert Both(_records(1, 9), 5, store).run() == (Step.RENUMBER, [(6, 8)])


def test_records_behind_a_tombstone_are_recognised_when_a_crash_forgot_that_they_were_sent() -> None:
    """The spool dropped 6..8 after a crash; upstream has them and 9 as well: 9 is not sent again."""
    tombstone = Record(6, 8, RecordKind.TOMBSTONE, 3, b"dropped")
    edge = [*_records(1, 5), tombstone, *_records(9, 12)]
    assert Both(edge, 5, _records(1, 9)).run() == (Step.RENUMBER, [(9, 9)])
    assert Both(edge, 5, _records(1, 7)).run() == (Step.RENUMBER, [])


def test_an_answer_is_not_taken_when_it_is_for_other_proofs() -> None:
    """Ranges must be ascending and lie within what was asked."""
    reconciler = Both(_records(1, 9), 5, _records(1, 20)).reconciler
    assert reconciler.begin() is Step.READ
    assert reconciler.read(_records(6, 9)) is Step.ASK
    for through, stored in ((8, []), (9, [(5, 9)]), (9, [(6, 10)]), (9, [(8, 7)]), (9, [(8, 9), (6, 7)]), (9, [(6, 7), (7, 8)])):
        assert reconciler.compared(frames.Compared(0, through, stored, True)) is None
    assert reconciler.compared(frames.Compared(0, 9, [(6, 7)], True)) is Step.RENUMBER


def test_the_note_is_a_gap_when_a_new_epoch_opens() -> None:
    """It says which lane it was and why."""
    assert note(str(LANE), "a card that lied", 12) == Gap(str(LANE), "new epoch: a card that lied", 12, 12)


def test_the_position_is_believed_when_the_store_cannot_tell_what_it_has() -> None:
    """No checksum and no way to read: an ordinary reconnect must not double anything, so c < p <= l goes on at p."""
    both = Both(_records(1, 9), 5, _records(1, 8), checksums=False)
    assert both.reconciler.begin() is Step.READ
    assert both.reconciler.read(_records(6, 9)) is Step.ASK
    assert both.reconciler.compared(frames.Compared(0, 8, [], False)) is Step.GO


def test_the_operator_is_warned_when_a_contradiction_cannot_be_looked_into() -> None:
    """p > l and a store that cannot tell: everything is sent under a new epoch, and the reason says what that means."""
    both = Both(_records(1, 9), 5, _records(1, 20))
    assert both.reconciler.begin() is Step.READ
    assert both.reconciler.read(_records(6, 9)) is Step.ASK
    assert both.reconciler.compared(frames.Compared(0, 9, [], False)) is Step.RENUMBER
    assert both.reconciler.stored == []
    assert "may be stored twice" in both.reconciler.reason


@settings(deadline=None)
@given(
    confirmed=st.integers(0, 12), common=st.integers(0, 12), more=st.integers(0, 12), theirs=st.integers(0, 12),
    checksums=st.booleans(), read=st.integers(1, 5),
)  # fmt: skip
def test_each_record_is_either_stored_or_kept_when_histories_fork_anywhere(
    confirmed: int, common: int, more: int, theirs: int, checksums: bool, read: int
) -> None:
    """After any fork: what is called stored is in the store as it is, and what is in the store as it is is called stored."""
    edge = _records(1, common) + _records(common + 1, common + more, "e")
    store = _records(1, common) + _records(common + 1, common + theirs, "s")
    confirmed = min(confirmed, common)
    both = Both(edge, confirmed, store, checksums)
    step, stored = both.run(read)
    position = common + theirs
    if step is Step.GO:
        assert position <= common
        return
    kept = [r for r in both.edge if not any(low <= r.first and r.last <= high for low, high in stored)]
    assert set(kept) == set(both.edge) - set(store)
