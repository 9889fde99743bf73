"""Receipts: each element gets one outcome, whatever happens to the chunk it travels in."""

from __future__ import annotations

import gc

from hypothesis import given
from hypothesis import strategies as st

from rt_edge.data.chunk import Chunk, join
from rt_edge.data.errors import ReceiptLost, StreamError
from rt_edge.data.receipt import LOST, STORED, Dropped, Failed, Origin, Receipt, number_of


class Ledger:
    """Collects outcomes and insists that each mark gets one."""

    def __init__(self):
        self.outcomes = {}

    def on_outcome(self, receipt, marks, outcome):
        for mark in marks:
            assert mark not in self.outcomes, f"{mark} was settled twice"
            self.outcomes[mark] = outcome

    def kinds(self):
        return {m: type(o).__name__ for m, o in self.outcomes.items()}


def chunk(n, ledger):
    return Chunk(list(range(n)), Receipt(range(n), ledger, Origin("o", "1")))


def test_whole_chunk_is_settled_at_once_when_nothing_cut_it():
    """Settling an uncut chunk reports the original range of marks, in one call."""
    ledger = Ledger()
    c = chunk(5, ledger)
    c.settle()
    c.settle()
    assert ledger.outcomes == dict.fromkeys(range(5), STORED)
    assert c.receipt.unsettled == 0


def test_outcome_of_each_element_when_a_chunk_is_cut_filtered_and_expanded():
    """Pieces settle only their own elements; an expanded one is settled with the last of its children."""
    ledger = Ledger()
    head, tail = chunk(6, ledger).cut(2)
    head.settle()
    kept = tail.select([1, 0, 1, 1])
    grown = kept.expand([["a", "b"], [], ["c"]])
    assert ledger.kinds() == {0: "Stored", 1: "Stored", 3: "Dropped", 4: "Dropped"}
    first, rest = grown.cut(1)
    first.settle()
    assert 2 not in ledger.outcomes, "its second child is still open"
    rest.settle()
    assert ledger.kinds()[2] == "Stored"
    assert ledger.kinds()[5] == "Stored"


def test_parent_is_settled_when_all_branches_are():
    """A fan-out settles an element when every branch has, and the worst outcome wins over a drop."""
    ledger = Ledger()
    a, b = chunk(3, ledger).fork(2)
    a.settle()
    assert not ledger.outcomes
    head, tail = b.cut(1)
    head.drop("filtered")
    assert ledger.kinds() == {0: "Stored"}
    tail.fail(StreamError("x"))
    assert ledger.kinds() == {0: "Stored", 1: "Failed", 2: "Failed"}


def test_every_part_shares_the_outcome_when_elements_are_joined():
    """A window's outcome goes to all that went into it, when all that was made of it is settled."""
    ledger = Ledger()
    a, b = chunk(4, ledger).cut(2)
    made = join(["x", "y"], [a, b])
    one, two = made.cut(1)
    one.settle()
    assert not ledger.outcomes
    two.settle()
    assert ledger.kinds() == dict.fromkeys(range(4), "Stored")
    assert made.receipt.origin is None, "what is made of several elements cannot be recognised when it comes again"


def test_receipt_fails_and_names_its_stage_when_it_is_lost():
    """A chunk that a stage forgets is failed by the garbage collector, not lost in silence."""
    ledger = Ledger()
    c = chunk(2, ledger)
    c.receipt.where = "map-7"
    del c
    gc.collect()
    assert not ledger.outcomes, "a finalizer runs anywhere: it must not call a listener"
    LOST.drain()
    assert all(isinstance(o, Failed) and isinstance(o.error, ReceiptLost) for o in ledger.outcomes.values())
    assert "map-7" in str(ledger.outcomes[0].error)


def test_number_behind_a_mark_when_it_was_expanded_twice():
    """Nested expansions lead back to the origin's number."""
    ledger = Ledger()
    grown = chunk(1, ledger).expand([[1, 2]]).expand([[1], [2, 3]])
    assert {number_of(m) for m in grown.marks} == {0}
    assert len(set(grown.marks)) == 3
    grown.settle()


OPS = st.lists(st.tuples(st.sampled_from(["cut", "select", "expand", "fork", "take"]), st.integers(0, 10**6)), max_size=8)


@given(st.integers(1, 20), OPS, st.integers(0, 10**6))
def test_each_element_gets_exactly_one_outcome_when_anything_is_done_to_chunks(n, ops, seed):
    """Any sequence of verbs, any outcomes in any order: no mark is left open, none is settled twice."""
    ledger = Ledger()
    pieces = [chunk(n, ledger)]
    for verb, number in ops:
        c = pieces.pop(number % len(pieces))
        if verb == "cut" and len(c) > 1:
            pieces += c.cut(1 + number % (len(c) - 1))
        elif verb == "select":
            kept = c.select([(number >> i) & 1 for i in range(len(c))])
            pieces += [kept] if kept else []
        elif verb == "expand":
            grown = c.expand([[x] * ((number >> i) % 3) for i, x in enumerate(c.items)])
            pieces += [grown] if grown else []
        elif verb == "fork":
            pieces += c.fork(2)
        elif verb == "take" and len(c) > 1:
            places = list(range(len(c)))
            pieces += [c.take(places[::2]), c.take(places[1::2])]
        else:
            pieces.append(c)
        if not pieces:
            break
        if len(pieces) > 30:
            break
    for i, piece in enumerate(pieces):
        outcome = (STORED, Dropped("r"), Failed(StreamError("e")))[(seed >> i) % 3]
        piece.outcome(outcome)
    assert set(ledger.outcomes) == set(range(n))


def test_nothing_is_told_again_when_a_settled_chunk_is_filtered():
    """Who filters a piece that was settled already (late, by mistake) brings no mark back."""
    ledger = Ledger()
    piece = chunk(6, ledger)
    piece.settle()
    rest = piece.select([True, False, True, False, True, False])
    assert piece.receipt.unsettled == 0
    rest.fail(StreamError("x"))
    assert ledger.outcomes == dict.fromkeys(range(6), STORED)


def test_the_rest_is_open_when_pieces_of_a_filtered_and_cut_chunk_are_settled_in_any_order():
    """A filter, then cuts, the last piece first, one of them twice: each mark is told once, and what is open is exact."""
    ledger = Ledger()
    piece = chunk(10, ledger)
    kept = piece.select([1, 1, 0, 1, 1, 1, 0, 1, 1, 1], "small")
    first, rest = kept.cut(3)
    middle, last = rest.cut(2)
    last.settle()
    assert piece.receipt.unsettled == 5
    last.drop("twice")
    first.settle()
    first.settle()
    assert piece.receipt.unsettled == 2
    piece.drop("rest")
    middle.settle()
    assert piece.receipt.unsettled == 0
    told = {mark: outcome.reason if isinstance(outcome, Dropped) else "stored" for mark, outcome in ledger.outcomes.items()}
    assert told == {m: "small" if m in (2, 6) else "rest" if m in (4, 5) else "stored" for m in range(10)}
