"""Goal: an origin loses nothing and emits nothing twice with another mark. Method: outcomes in any order, seeded."""

from __future__ import annotations

from random import Random
from weakref import WeakSet

import pytest

from rt_edge.data.errors import IslandDied, StreamError
from rt_edge.data.receipt import Origin
from rt_edge.streams.ledger import Ledger


class Source:
    def __init__(self, attempts=3, keyed=False):
        self.prefix = []
        self.retries = 0
        self.dead = []
        self.ledger = Ledger(Origin("o", "1"), attempts, self.prefix.append, self._retry, self._dead, keyed)

    def _retry(self):
        self.retries += 1

    def _dead(self, element, error):
        self.dead.append((element, error))


def test_prefix_moves_only_over_what_is_settled_when_outcomes_come_out_of_order():
    """What comes later is settled later: only the settled prefix is told, as MQTT must acknowledge in order."""
    source = Source()
    a, b = source.ledger.emit("ab"), source.ledger.emit("cd")
    b.settle()
    assert source.prefix == []
    head, tail = a.cut(1)
    head.settle()
    assert source.prefix == [1]
    tail.drop("filtered")
    assert source.prefix == [1, 4]
    assert source.ledger.outstanding == 0
    assert source.ledger.origin.floor == 4


def test_failed_elements_come_again_in_order_with_their_marks_when_asked():
    """What failed is emitted again in the order of its numbers."""
    source = Source()
    chunk = source.ledger.emit("abcdef")
    chunk.take([4, 1]).fail(StreamError("x"))
    chunk.take([0, 2, 3, 5]).settle()
    again = source.ledger.retry(10)
    assert list(again.items) == ["b", "e"]
    assert list(again.marks) == [1, 4]
    assert source.ledger.retry(10) is None
    again.settle()
    assert source.prefix[-1] == 6


def test_element_is_a_dead_letter_when_it_failed_too_often():
    """After `attempts` failures it is handed to the dead letters once, and counts as settled."""
    source = Source(attempts=2)
    source.ledger.emit("a").fail(StreamError("first"))
    source.ledger.retry(1).fail(StreamError("second"))
    assert [(e, str(x)) for e, x in source.dead] == [("a", "second")]
    assert source.prefix == [1]
    assert source.ledger.retry(1) is None


def test_element_is_no_dead_letter_when_islands_died_under_it():
    """The death of an island is hardly the fault of an element: it has many more attempts."""
    source = Source(attempts=2)
    source.ledger.emit("a").fail(IslandDied("x"))
    for _ in range(10):
        source.ledger.retry(1).fail(IslandDied("x"))
    assert not source.dead
    source.ledger.retry(1).settle()
    assert source.prefix == [1]


def test_all_that_is_open_comes_again_in_a_new_lap_when_an_island_died():
    """What is behind a lost element would overtake it: everything open is emitted again, before anything new; a copy of the old
    lap that arrives after all counts once, and one that fails late is not emitted a third time."""
    source = Source()
    first, second, third = (source.ledger.emit(items) for items in ("ab", "cd", "ef"))
    first.settle()
    second.fail(IslandDied("x"))
    again = source.ledger.retry(10)
    assert (list(again.items), again.receipt.origin.lap, second.receipt.origin.lap) == (["c", "d", "e", "f"], 1, 0)
    third.take([0]).settle()
    third.fail(IslandDied("x"))
    assert source.ledger.retry(10) is None
    assert source.ledger.outstanding == 3
    again.settle()
    assert (source.prefix[-1], source.ledger.outstanding) == (6, 0)


def test_copy_that_waits_is_not_emitted_when_the_one_before_it_was_stored():
    """A number is settled by whichever of its copies comes first."""
    source = Source()
    first, second = source.ledger.emit("ab"), source.ledger.emit("cd")
    first.fail(IslandDied("x"))
    second.settle()
    again = source.ledger.retry(10)
    assert list(again.items) == ["a", "b"]
    again.settle()
    assert source.prefix[-1] == 4


def test_keys_stay_until_the_peer_has_our_acknowledgement_when_the_source_is_keyed():
    """Settled is not enough for a peer that sends again: keys and floor wait for `forget`."""
    source = Source(keyed=True)
    source.ledger.emit("ab", [b"1", b"2"], [False, True]).settle()
    origin = source.ledger.origin
    assert (origin.floor, origin.keys, origin.redelivered) == (0, {0: b"1", 1: b"2"}, {1})
    source.ledger.forget(1)
    assert (origin.floor, origin.keys, origin.redelivered) == (1, {1: b"2"}, {1})
    source.ledger.forget(9)
    assert (origin.floor, origin.keys, origin.redelivered) == (2, {}, set())


@pytest.mark.parametrize("seed", range(30))
def test_all_elements_are_settled_once_each_when_everything_fails_at_random(seed):
    """Emit, cut, fail and settle at random: in the end each number is settled once, and the window was kept."""
    random = Random(seed)
    source = Source(attempts=10**6)
    out, stored, emitted = [], [], 0
    while emitted < 200 or source.ledger.outstanding:
        if emitted < 200 and random.random() < 0.4 and source.ledger.outstanding < 50:
            n = random.randint(1, 10)
            out.append(source.ledger.emit(list(range(emitted, emitted + n))))
            emitted += n
        again = source.ledger.retry(random.randint(1, 20))
        if again:
            out.append(again)
        if out:
            piece = out.pop(random.randrange(len(out)))
            if len(piece) > 1 and random.random() < 0.5:
                piece, rest = piece.cut(random.randint(1, len(piece) - 1))
                out.append(rest)
            if random.random() < 0.3:
                piece.fail(StreamError("x"))
            else:
                stored += piece.items
                piece.settle()
    assert sorted(stored) == list(range(emitted))
    assert source.prefix == sorted(source.prefix)
    assert source.prefix[-1] == emitted


def pieces_of(random, chunk):
    """`chunk`, perhaps filtered, cut or divided by places; what was filtered is settled."""
    done = []
    if random.random() < 0.5:
        mask = [random.random() < random.choice((0.1, 0.7)) for _ in chunk.items]
        done = [item for item, kept in zip(chunk.items, mask, strict=True) if not kept]
        chunk = chunk.select(mask)
    if chunk is None or len(chunk) < 2 or random.random() < 0.3:
        return done, [chunk] if chunk else []
    n = random.randint(1, len(chunk) - 1)
    if random.random() < 0.5:
        return done, list(chunk.cut(n))
    places = random.sample(range(len(chunk)), n)
    return done, [chunk.take(places), chunk.take([place for place in range(len(chunk)) if place not in places])]


@pytest.mark.parametrize("seed", range(30))
def test_prefix_and_outstanding_are_exact_at_every_step_when_pieces_are_settled_in_any_order(seed):
    """After every outcome of filtered, cut and divided pieces, some told twice, the ledger knows exactly what is open."""
    random = Random(seed)
    source = Source(attempts=10**6)
    ledger = source.ledger
    opened, out, old, emitted = set(), [], [], 0
    while emitted < 1500 or opened:
        if emitted < 1500 and random.random() < 0.3:
            n = random.choice((1, 2, 40, 300))
            out.append(ledger.emit(range(emitted, emitted + n)))
            opened.update(range(emitted, emitted + n))
            emitted += n
        again = ledger.retry(random.randint(1, 300))
        if again:
            out.append(again)
        if out:
            done, pieces = pieces_of(random, out.pop(random.randrange(len(out))))
            opened.difference_update(done)
            for piece in pieces:
                if random.random() < 0.3:
                    out.append(piece)
                elif random.random() < 0.2:
                    piece.fail(StreamError("x"))
                    old.append(piece)
                else:
                    piece.settle()
                    opened.difference_update(piece.items)
                    old.append(piece)
        if old and random.random() < 0.2:
            random.choice(old).settle()  # a second outcome counts for nothing
        assert ledger.outstanding == len(opened)
        assert (source.prefix or [0])[-1] == ledger.origin.floor == min(opened, default=emitted)
    assert source.prefix == sorted(set(source.prefix))


def test_settled_elements_are_let_go_when_another_one_of_their_chunk_stays_open():
    """One element that is never settled keeps no whole chunk in memory."""

    class Element:
        pass

    source = Source()
    alive = WeakSet()
    stragglers = []
    for _ in range(20):
        items = [Element() for _ in range(50)]
        alive.update(items)
        chunk = source.ledger.emit(items)
        stragglers.append(chunk.take([7]))
        chunk.take([place for place in range(50) if place != 7]).settle()
    del items, chunk
    assert source.ledger.outstanding == 20
    assert len(alive) == 20
    for straggler in stragglers:
        straggler.fail(StreamError("x"))
    assert len(source.ledger.retry(100).items) == 20
