"""The delivery protocol in seeded worlds: nothing lost, nothing doubled, it ends; and the simulation sees when it is broken."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from rt_edge.data.record import Record
from rt_edge.testkit.delivery_models import SpoolModel
from rt_edge.testkit.delivery_simulation import Plan, simulate
from rt_edge.testkit.faulty_link import Faults
from rt_edge.uplink import frames
from rt_edge.uplink.lane_out import OutLane
from rt_edge.uplink.reconcile import Reconciler
from rt_edge.uplink.session import Session

CAMPAIGN = int(os.environ.get("RT_EDGE_CAMPAIGN", "1"))
FIRST = int(os.environ.get("RT_EDGE_SEED", "0"))
WORLDS = 200
BLOCK = 25


@pytest.mark.timeout(60 * CAMPAIGN + 120)
@pytest.mark.parametrize("block", range(WORLDS // BLOCK))
def test_everything_arrives_once_when_links_processes_and_cards_fail(block: int) -> None:
    """Across cuts, crashes, lost confirmations, restored images and cloned cards the store holds each record once, in order."""
    steps = written = stored = 0
    first = FIRST + block * BLOCK * CAMPAIGN
    for seed in range(first, first + BLOCK * CAMPAIGN):
        outcome = simulate(seed)
        steps, written, stored = steps + outcome.steps, written + outcome.written, stored + outcome.stored
    print(f"seeds {first}..{first + BLOCK * CAMPAIGN - 1}: {steps} events, {written} records written, {stored} stored")
    assert written > 1000 * CAMPAIGN
    assert steps > 5000 * CAMPAIGN


def test_the_same_seed_gives_the_same_run_when_repeated() -> None:
    """A failure's seed is all that is needed to see it again."""
    assert simulate(7) == simulate(7)


def test_nothing_is_sent_twice_when_nothing_fails() -> None:
    """In a quiet world no record is renumbered and nobody goes back."""
    outcome = simulate(1, Plan(cuts=0, crashes=0, outages=0, appends=500))
    assert outcome.stored == outcome.written == 500
    assert (outcome.renumbered, outcome.went_back) == (0, 0)


def test_lost_frames_are_sent_again_when_the_connection_lives_on() -> None:
    """Where a living connection loses frames, go-back-N recovers without a new connection."""
    plan = Plan(faults=Faults(loss=0.1), cuts=0, crashes=0, outages=0, appends=500, last_cut=False)
    outcomes = [simulate(seed, plan) for seed in range(10)]
    assert all(outcome.stored == outcome.written == 500 for outcome in outcomes)
    assert sum(outcome.went_back for outcome in outcomes) > 10


def test_an_old_image_is_told_when_it_comes_back() -> None:
    """A restored card gets a new epoch, and what it had sent before is not stored again."""
    plan = Plan(images=1, cuts=0, crashes=0, outages=0, appends=500)
    assert sum(simulate(seed, plan).renumbered for seed in range(20)) >= 5


def test_two_live_nodes_of_one_name_never_mix_when_a_card_is_cloned() -> None:
    """The second one is refused while the first lives; both get their records in, each alone."""
    plan = Plan(clone=True, cuts=2, crashes=0, outages=0, appends=500)
    assert all(simulate(seed, plan).refused > 0 for seed in range(20))


def test_nothing_is_doubled_when_the_store_has_neither_checksums_nor_reads() -> None:
    """A store that keeps the Store protocol and no more: cuts and crashes still lose and double nothing."""
    plan = Plan(checksums=False, readable=False, cuts=8, crashes=4, outages=3, appends=500, lanes=2, ingresses=2)
    outcomes = [simulate(seed, plan) for seed in range(20)]
    assert sum(outcome.renumbered for outcome in outcomes) == 0


# --- the simulation's own test: each mutant breaks one rule of the protocol, and must be seen


def _stay(self: OutLane, received: int) -> bool:
    return False


def _accept_gap(self: Session, now: float, lane: Any, records: list[Record]) -> None:
    for record in records:
        lane.append(record)
    self._commit(lane)


def _append_again(self: Session, lane: Any, records: list[Record]) -> None:
    for record in records:
        lane.append(record)
    self._commit(lane)


_commit = Session._commit


def _confirm_at_once(self: Session, lane: Any) -> None:
    _commit(self, lane)
    if lane.committing:
        queued = lane.queue[lane.committing - 1]
        entry = frames.LaneConfirm(lane.index, queued.record.last, queued.checksum, lane.received)
        self.send(frames.Confirm(self._granted_bytes, self._granted_records, 0, [entry]))


def _all_equal(self: Reconciler, ours: int | None) -> bool:
    return False


def _nothing_stored(self: Reconciler, low: int, high: int) -> None:
    return


_finish = Reconciler._finish


def _everything_stored(self: Reconciler) -> Any:
    self.stored = [(self.state.confirmed + 1, max(self.state.last, self.state.confirmed + 1))]
    return _finish(self)


_read = SpoolModel.read


def _no_pins(self: SpoolModel, lane: Any, after: int, max_bytes: int, max_records: int) -> list[Record]:
    pinned = self._find(lane).pinned
    records = _read(self, lane, after, max_bytes, max_records)
    self._find(lane).pinned = pinned
    return records


LOSSY = Plan(faults=Faults(loss=0.1, repeat=0.1), cuts=0, crashes=0, outages=0, appends=300, last_cut=False)
IMAGES = Plan(images=1, appends=500, cuts=6)
MUTANTS: dict[str, tuple[type, str, Callable[..., Any], Plan]] = {
    "the edge does not go back": (OutLane, "go_back", _stay, LOSSY),
    "the ingress accepts a gap": (Session, "_gap", _accept_gap, LOSSY),
    "the ingress keeps repeated records": (Session, "_repeated", _append_again, LOSSY),
    "the ingress confirms before the commit": (Session, "_commit", _confirm_at_once, Plan(outages=3, appends=300)),
    "the edge does not compare checksums": (Reconciler, "_differs", _all_equal, IMAGES),
    "the edge renumbers what is stored": (Reconciler, "_note_stored", _nothing_stored, IMAGES),
    "the edge forgets what is not stored": (Reconciler, "_finish", _everything_stored, IMAGES),
    "the spool drops what was sent": (SpoolModel, "read", _no_pins, Plan(drops=30, appends=500, crashes=0)),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_simulation_fails_when_the_protocol_is_broken(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken protocol does not survive 60 seeds."""
    owner, name, broken, plan = MUTANTS[mutant]
    monkeypatch.setattr(owner, name, broken)
    for seed in range(60):
        try:
            simulate(seed, plan)
        except AssertionError as error:
            print(f"{mutant}: seed {seed}: {error}")
            return
    pytest.fail(f"60 worlds did not notice that {mutant}")


@pytest.mark.parametrize("plan", [LOSSY, IMAGES, Plan(outages=3, appends=300), Plan(drops=30, appends=500, crashes=0)])
def test_the_mutants_worlds_are_clean_when_nothing_is_broken(plan: Plan) -> None:
    """What the mutants fail in, the protocol itself stands."""
    for seed in range(10):
        simulate(seed, plan)
