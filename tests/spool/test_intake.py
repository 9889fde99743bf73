"""The intake recognises what was stored, and never takes something new for it."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from rt_edge.data.receipt import Mark, Origin
from rt_edge.spool.intake import Intake, arrival, flat
from rt_edge.spool.origin_state import MAX_LIVES


def keep(intake: Intake, origin: Origin, marks: list[Mark] | range) -> list[bool]:
    """Admit and commit."""
    mask = intake.admit(origin, marks)
    intake.commit()
    return mask


def keyed(incarnation: str, messages: dict[int, tuple[bytes, bool]], session: str = "s1", floor: int = 0) -> Origin:
    """An origin whose numbers have keys: number -> (key, redelivered)."""
    origin = Origin("broker", incarnation, floor, session)
    origin.keys = {number: key for number, (key, _) in messages.items()}
    origin.redelivered = {number for number, (_, again) in messages.items() if again}
    return origin


def key(identifier: int, digest: bytes) -> bytes:
    return identifier.to_bytes(2, "big") + digest


def test_a_mark_is_known_when_it_was_stored_before() -> None:
    """What the origin emits again after an island died is not new; what it emits besides is."""
    intake, origin = Intake(), Origin("plc", "a")
    assert keep(intake, origin, range(10)) == [True] * 10
    assert keep(intake, origin, [8, 9, 10]) == [False, False, True]
    assert intake.repeated == 2


def test_a_mark_is_new_when_another_life_or_source_counts_it() -> None:
    """Marks of two lives, and of two sources, are never compared."""
    intake = Intake()
    keep(intake, Origin("plc", "a"), [0, 1])
    assert keep(intake, Origin("plc", "b"), [0, 1]) == [True, True]
    assert keep(intake, Origin("fan", "a"), [0, 1]) == [True, True]
    assert keep(intake, Origin("plc", "a"), [1, 2]) == [False, True], "elements of a dead life may still be on their way"


def test_a_row_is_as_small_when_elements_of_two_sources_alternate() -> None:
    """What came one by one is a run of each source on disk, and is known when it is read again; two lives stay in their order."""
    intake, origins = Intake(), [Origin("plc", "a"), Origin("rtu", "a"), Origin("plc", "b")]
    for number in range(500):
        for origin in origins[: 2 if number < 400 else 3]:
            assert intake.admit(origin, range(number, number + 1)) == [True]
    row = intake.staged()
    assert row is not None
    assert len(row) < 3500, "100 turns of two lives, and one run of the rest"
    again = Intake()
    assert again.load([row]) == 0
    assert [keep(again, origin, [399, 400, 499, 500]) for origin in origins] == [
        [False, False, False, True],
        [False, False, False, True],
        [True, False, False, True],
    ]


def test_expanded_marks_are_known_one_by_one_when_a_part_was_stored() -> None:
    """Of an element that became several, the stored ones are known, the others are new."""
    intake, origin = Intake(), Origin("plc", "a")
    assert keep(intake, origin, [(3, 0), (3, 1), ((4, 0), 0)]) == [True] * 3
    assert keep(intake, origin, [(3, 1), (3, 2), ((4, 0), 0), ((4, 0), 1), (4, 0)]) == [False, True, False, True, True]


def test_flat_is_bounded_when_marks_are_nested_too_deep() -> None:
    """Nesting has a bound, and a plain error beyond it."""
    mark: Any = 1
    for _ in range(100):
        mark = (mark, 0)
    with pytest.raises(Exception, match="more than 32 expansions"):
        flat(mark)


def test_marks_are_forgotten_when_the_floor_has_passed_them() -> None:
    """Memory follows the source's window, not its life; below the floor nothing is new."""
    intake, origin = Intake(), Origin("plc", "a")
    for start in range(0, 100_000, 100):
        keep(intake, origin, range(start, start + 100))
        origin.floor = start
    assert intake.size < 10_000
    assert keep(intake, origin, [5, 99_999, 100_000]) == [False, False, True]


def test_nothing_is_learned_when_the_transaction_failed() -> None:
    """After a rollback everything is as new as before: marks, keys, lives and sessions."""
    intake = Intake()
    keep(intake, keyed("a", {0: (key(1, b"x"), False)}), [0])
    before = intake.snapshot()
    intake.admit(Origin("plc", "z"), [1, 2])
    intake.admit(keyed("b", {0: (key(1, b"y"), False)}, session="s2", floor=0), [0])
    intake.admit(keyed("a", {1: (key(1, b"z"), False)}, floor=1), [1])
    intake.rollback()
    assert intake.snapshot() == before
    assert intake.admit(keyed("b", {0: (key(1, b"x"), True)}), [0]) == [False]


def test_a_redelivery_is_known_when_its_key_was_stored_in_the_same_session() -> None:
    """After a restart the broker sends again with DUP: same identifier and digest, so it is stored already."""
    intake = Intake()
    keep(intake, keyed("a", {0: (key(7, b"d1"), False), 1: (key(8, b"d2"), False)}), [0, 1])
    again = keyed("b", {0: (key(7, b"d1"), True), 1: (key(8, b"d2"), True), 2: (key(9, b"d3"), True)})
    assert keep(intake, again, [0, 1, 2]) == [False, False, True], "9 was never stored although it is a redelivery"


def test_a_redelivery_is_new_when_only_the_identifier_is_the_same() -> None:
    """A broker that uses an identifier again for a message that was never ours: nothing is lost."""
    intake = Intake()
    keep(intake, keyed("a", {0: (key(7, b"old"), False)}), [0])
    assert keep(intake, keyed("b", {0: (key(7, b"new"), True)}), [0]) == [True]


def test_a_message_is_new_when_it_is_not_a_redelivery() -> None:
    """The same content with the same identifier, sent for the first time, is another message."""
    intake = Intake()
    keep(intake, keyed("a", {0: (key(7, b"d"), False)}), [0])
    assert keep(intake, keyed("b", {0: (key(7, b"d"), False)}), [0]) == [True]


def test_an_old_key_ends_when_its_identifier_comes_for_a_new_message() -> None:
    """Identifier given to a new message: the old one was acknowledged, and a redelivery of it cannot be meant any more."""
    intake = Intake()
    keep(intake, keyed("a", {0: (key(7, b"d"), False)}), [0])
    keep(intake, keyed("b", {0: (key(7, b"e"), False)}), [0])
    assert keep(intake, keyed("c", {0: (key(7, b"d"), True)}), [0]) == [True]
    assert keep(intake, keyed("d", {0: (key(7, b"e"), True)}), [0]) == [False]


def test_keys_are_empty_when_the_session_is_another() -> None:
    """A session that the broker has forgotten says nothing about messages of the next."""
    intake = Intake()
    keep(intake, keyed("a", {0: (key(7, b"d"), False)}), [0])
    assert keep(intake, keyed("b", {0: (key(7, b"d"), True)}, session="s2"), [0]) == [True]
    assert keep(intake, keyed("c", {0: (key(7, b"d"), True)}, session="s1"), [0]) == [True], "and the old one does not come back"


def test_the_second_of_two_is_known_when_both_come_in_one_chunk() -> None:
    """A quick reconnection can put a message and its redelivery into one transaction."""
    intake = Intake()
    origin = keyed("a", {0: (key(7, b"d"), False), 1: (key(7, b"d"), True)})
    assert keep(intake, origin, [0, 1]) == [True, False]


def test_readings_of_one_message_are_apart_when_they_share_an_identifier() -> None:
    """One payload may make several Readings: their keys differ by the place, and all are kept."""
    intake = Intake()
    messages = {n: (key(7, b"d%d" % n), False) for n in range(3)}
    keep(intake, keyed("a", messages), [0, 1, 2])
    again = {n: (key(7, b"d%d" % n), True) for n in range(4)}
    assert keep(intake, keyed("b", again), [0, 1, 2, 3]) == [False, False, False, True]


def test_a_late_element_of_a_dead_life_is_known_when_its_redelivery_was_quicker() -> None:
    """The redelivery was stored by the new life; the first copy, still in the graph, arrives after it."""
    intake = Intake()
    keep(intake, keyed("a", {0: (key(1, b"first"), False)}), [0])
    keep(intake, keyed("b", {0: (key(7, b"d"), True)}), [0])
    assert keep(intake, keyed("a", {1: (key(7, b"d"), False), 2: (key(8, b"e"), False)}), [1, 2]) == [False, True]


def test_keys_go_when_the_floor_has_passed_them() -> None:
    """When the broker is known to have our acknowledgement, the key is not needed any more."""
    intake = Intake()
    for start in range(0, 60_000, 100):
        messages = {n: (key(n % 65_536, b"%d" % n), False) for n in range(start, start + 100)}
        keep(intake, keyed("a", messages, floor=max(0, start - 500)), list(messages))
    assert intake.size < 20_000
    assert keep(intake, keyed("b", {0: (key(59_900, b"59900"), True)}), [0]) == [False]


def test_a_redelivery_is_new_when_the_known_one_was_acknowledged_for_sure() -> None:
    """Same identifier, same content, but the broker has our acknowledgement of the stored one: this is a message we never had."""
    intake = Intake()
    keep(intake, keyed("a", {0: (key(7, b"d"), False)}), [0])
    keep(intake, keyed("a", {1: (key(8, b"e"), False)}, floor=1), [1])
    assert keep(intake, keyed("b", {0: (key(7, b"d"), True), 1: (key(8, b"e"), True)}), [0, 1]) == [True, False]


def test_old_lives_go_when_new_ones_come() -> None:
    """A source that restarts for ever does not fill the memory."""
    intake = Intake()
    for n in range(100):
        keep(intake, Origin("plc", f"life-{n}"), range(1000))
    assert intake.size <= (MAX_LIVES + 1) * 1000


@pytest.mark.parametrize("seed", range(20))
def test_answers_are_the_same_when_rows_or_a_snapshot_are_replayed(seed: int) -> None:
    """A restart, with the log or with its snapshot, and failed transactions between, change no answer."""
    rng = Random(seed)
    live, rows = Intake(), []
    session, life, number, floor = 1, 1, 0, 0
    recent: list[tuple[int, bytes]] = []
    for _ in range(80):
        if rng.random() < 0.1:
            life, number, floor = life + 1, 0, 0
        if rng.random() < 0.03:
            session += 1
        messages: dict[int, tuple[bytes, bool]] = {}
        marks: list[Mark] = []
        for _ in range(rng.randint(1, 6)):
            old = rng.choice(recent) if recent and rng.random() < 0.4 else None
            known = (old[1], rng.random() < 0.8) if old else (key(rng.randrange(8), rng.randbytes(1)), False)
            messages[number] = known
            recent = [*recent, (number, known[0])][-10:]
            marks.append(number if rng.random() < 0.8 else (number, rng.randrange(2)))
            number += 1
        if rng.random() < 0.2 and number > 8:
            floor = number - 8
        origin = keyed(f"life-{life}", messages, f"s{session}", min(floor, *messages))
        plain = Origin("plc", f"life-{life}", 0)
        fail = rng.random() < 0.2
        answers = [intake.admit(arrival(origin, marks)) for intake in (live, replayed(rows), replayed([live_snapshot(rows)]))]
        assert answers[0] == answers[1], "the log"
        assert answers[0] == answers[2], "the snapshot"
        live.admit(plain, [rng.randrange(50) for _ in range(3)])
        row = live.staged()
        assert row is not None
        if fail:
            live.rollback()
        else:
            live.commit()
            rows.append(row)


def replayed(rows: list[bytes]) -> Intake:
    intake = Intake()
    assert intake.load(rows) == 0
    return intake


def live_snapshot(rows: list[bytes]) -> bytes:
    return replayed(rows).snapshot()


def test_the_rest_is_replayed_when_a_row_is_damaged() -> None:
    """A row that cannot be read is counted, and the others count."""
    intake = Intake()
    intake.admit(Origin("plc", "a"), [1, 2])
    row = intake.staged()
    assert row is not None
    fresh = Intake()
    assert fresh.load([b"\xff\xfe", row]) == 1
    assert fresh.admit(Origin("plc", "a"), [1, 3]) == [False, True]
