"""Goal: an origin loses nothing and emits nothing twice with another mark. Method: outcomes in any order, seeded."""

from __future__ import annotations

from random import Random

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
