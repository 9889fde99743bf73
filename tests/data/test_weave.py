"""Goal: elements of several origins in one chunk keep outcomes and identity. Method: weave, change, settle in part."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import pytest

from rt_edge.data import weave as weave_module
from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import InternalError
from rt_edge.data.reading import gap_reading, is_gap
from rt_edge.data.receipt import Dropped, Failed, Origin, Receipt, Stored
from rt_edge.data.weave import emitted_again, identities, is_woven, rewoven, runs, shares, unwoven, weave
from rt_edge.testkit.probes import Outcomes


def part(name: str, items: list[Any], first: int = 0) -> tuple[Chunk, Outcomes]:
    outcomes = Outcomes()
    return Chunk(items, Receipt(range(first, first + len(items)), outcomes, Origin(name, "1"))), outcomes


def named(chunk: Chunk) -> list[Any]:
    return [(origin.name if origin else None, mark) for origin, mark in identities(chunk)]


def test_elements_have_their_places_and_their_names_when_woven() -> None:
    """In the order asked for; bare chunks need no receipt, and what has none has no name."""
    a, _ = part("a", ["a0", "a1"])
    b, _ = part("b", ["b5", "b6"], 5)
    woven = weave([a, b, Chunk(["c"])], [0, 1, 2, 1, 0])
    assert woven.items == ["a0", "b5", "c", "b6", "a1"]
    assert named(woven) == [("a", 0), ("b", 5), (None, None), ("b", 6), ("a", 1)]
    assert woven.receipt is not None
    assert is_woven(woven.receipt.origin)
    assert weave([Chunk([1]), Chunk([2])], [1, 0]).receipt is None
    with pytest.raises(InternalError):
        weave([a, b], [0, 1])
    with pytest.raises(InternalError):
        weave([a, b], [0, 0, 0, 1])


def test_each_origin_hears_of_all_at_once_when_the_chunk_is_settled() -> None:
    """One call a part, not one an element."""
    a, of_a = part("a", [0, 1, 2])
    b, of_b = part("b", [3, 4])
    calls: list[Any] = []
    for outcomes in (of_a, of_b):
        outcomes.on_outcome = lambda receipt, marks, outcome: calls.append(list(marks))  # type: ignore[method-assign]
    weave([a, b], [0, 1, 0, 1, 0]).settle()
    assert calls == [[0, 1, 2], [0, 1]]


@pytest.mark.parametrize("seed", range(40))
def test_each_element_has_its_outcome_when_a_woven_chunk_is_cut_filtered_and_expanded(seed: int) -> None:
    """Whatever is done to it, each mark of each part hears once, and what its element met with."""
    random = Random(seed)
    sizes = [random.randint(1, 9) for _ in range(random.randint(2, 4))]
    parts = [part(str(n), [(n, i) for i in range(size)]) for n, size in enumerate(sizes)]
    order = [n for n, size in enumerate(sizes) for _ in range(size)]
    random.shuffle(order)
    woven = weave([chunk for chunk, _ in parts], order)
    if random.random() < 0.5:  # a weave of a weave
        more = part("more", [("more", i) for i in range(3)])
        order = [0] * len(woven) + [1] * 3
        random.shuffle(order)
        woven, parts = weave([woven, more[0]], order), [*parts, more]
    expected: dict[Any, type] = {}
    waiting = [woven]
    while waiting:
        chunk = waiting.pop(random.randrange(len(waiting)))
        deed = random.choice(["cut", "filter", "expand", "fork", "unweave", "settle", "fail", "drop"])
        if deed == "cut" and len(chunk) > 1:
            waiting += chunk.cut(random.randint(1, len(chunk) - 1))
        elif deed == "filter":
            mask = [random.random() < 0.5 for _ in chunk.items]
            expected.update({item: Dropped for item, keep in zip(chunk.items, mask, strict=True) if not keep})
            rest = chunk.select(mask)
            waiting += [rest] if rest is not None else []
        elif deed == "expand" and len(waiting) < 3:
            rest = chunk.expand([[item] for item in chunk.items])
            assert rest is not None
            waiting.append(rest)
        elif deed == "fork":
            one, other = chunk.fork(2)
            one.drop("not here")
            waiting.append(other)
        elif deed == "unweave":
            waiting += unwoven(chunk)
        elif deed in ("settle", "fail", "drop"):
            expected.update(dict.fromkeys(chunk.items, {"settle": Stored, "fail": Failed, "drop": Dropped}[deed]))
            chunk.fail(ValueError()) if deed == "fail" else chunk.drop("d") if deed == "drop" else chunk.settle()
        else:
            waiting.append(chunk)
    for chunk, outcomes in parts:
        assert not outcomes.again
        assert {item: type(outcomes.by_mark[i]) for i, item in enumerate(chunk.items)} == {
            item: expected[item] for item in chunk.items
        }


def test_names_are_those_of_the_parts_when_elements_were_expanded_and_forked() -> None:
    """As they would be without the weave."""
    a, _ = part("a", ["a0"])
    b, _ = part("b", ["b0", "b1"])
    woven = weave([weave([a, b], [1, 0, 1]), part("c", ["c0"], 7)[0]], [0, 0, 1, 0])
    expanded = woven.expand([[item, item] for item in woven.items])
    assert expanded is not None
    one, two = expanded.fork(2)
    assert named(two)[:5] == [("b/1", (0, 0)), ("b/1", (0, 1)), ("a/1", (0, 0)), ("a/1", (0, 1)), ("c/1", (7, 0))]
    assert [(origin and origin.name, marks) for origin, marks in runs(one)][-1] == ("b/0", [(1, 0), (1, 1)])
    for chunk in (one, two):
        chunk.settle()


def test_pieces_are_of_one_origin_when_a_chunk_is_unwoven() -> None:
    """In order; a copy of an element that meets the first one is in another piece."""
    a, of_a = part("a", [0, 1])
    b, of_b = part("b", [2])
    again, of_again = part("a", [0])
    first, *pieces = unwoven(weave([a, again, b], [0, 1, 0, 2]))
    assert (first.items, list(first.marks or ()), first.receipt and first.receipt.origin) == (
        [0],
        [0],
        a.receipt and a.receipt.origin,
    )
    assert [(piece.items, list(piece.marks or ())) for piece in pieces] == [([0, 1], [0, 1]), ([2], [0])]
    first.fail(ValueError())
    pieces[0].settle()
    assert (of_a.failed(), of_a.stored(), of_again.stored(), of_b.by_mark) == ([0], [1], [0], {})
    pieces[1].settle()
    assert of_b.stored() == [0]
    plain, _ = part("a", [1])
    assert unwoven(plain) == [plain]
    plain.settle()


def interrupted(at: int, work: Callable[[], Any], other: Callable[[], Any]) -> tuple[Any, list[Any]]:
    """What `work` returns, and what `other` did when it was called in front of line `at` of what `work` ran of the module: as a
    thread may be that gets its turn there."""
    seen, found = 0, []

    def look(frame: Any, event: str, _arg: Any) -> Any:
        nonlocal seen
        if frame.f_code.co_filename != weave_module.__file__:
            return None
        if event == "line":
            seen += 1
            if seen == at:
                found.append(other())
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        return work(), found
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("first", ["asks", "tells"])
def test_names_are_right_when_another_thread_asks_in_the_middle_of_the_first_answer(first: str) -> None:
    """Consumers of a hub look at a chunk in threads of their own while its producer hears outcomes of it."""
    names = [("a", 0), ("b", 5), ("a", 1), ("b", 6), ("a", 2)]
    for at in range(1, 1000):
        a, of_a = part("a", [0, 1, 2])
        b, of_b = part("b", [3, 4], 5)
        woven = weave([a, b], [0, 1, 0, 1, 0])

        def work(woven: Chunk = woven) -> Any:
            return named(woven) if first == "asks" else woven.cut(3)[0].settle()

        said, found = interrupted(at, work, partial(named, woven))
        assert said == (names if first == "asks" else None)
        assert all(one == names for one in found), f"in front of line {at}: {found}"
        woven.settle()
        assert (of_a.stored(), of_b.stored(), of_a.again, of_b.again) == ([0, 1, 2], [5, 6], [], [])
        if not found:
            break
    assert at > 20


def test_lives_and_laps_of_a_source_are_told_apart_when_they_share_a_chunk() -> None:
    """A wire says one of each with a signal, and an end asks what it knows of one."""
    origin = Origin("plc", "1")
    origins = [origin, origin.next_lap(), Origin("plc", "2").next_lap(), Origin("plc", "2").next_lap()]
    outcomes = [Outcomes() for _ in origins]
    parts = [Chunk([n], Receipt([n], heard, one)) for n, (one, heard) in enumerate(zip(origins, outcomes, strict=True))]
    woven = weave(parts, [0, 1, 2, 3])
    assert [(one and (one.incarnation, one.lap), marks) for one, marks in runs(woven)] == [
        (("1", 0), [0]),
        (("1", 1), [1]),
        (("2", 1), [2, 3]),
    ]
    woven.settle()
    assert [heard.stored() for heard in outcomes] == [[0], [1], [2], [3]]


def test_element_without_a_name_has_none_when_its_chunk_was_forked() -> None:
    """What is made of several has no identity, and a branch gives it none."""
    a, _ = part("a", ["a0"])
    made = Chunk(["made"], Receipt([0], Outcomes()))
    one, two = weave([a, made, Chunk(["bare"])], [0, 1, 2]).fork(2)
    assert named(one) == [("a/0", 0), (None, None), (None, None)]
    assert [(origin and origin.name, len(marks)) for origin, marks in runs(two)] == [("a/1", 1), (None, 2)]
    nameless = weave([made, Chunk(["bare"])], [0, 1])
    assert nameless.receipt is not None
    assert nameless.receipt.origin is None
    for chunk in (one, two, nameless):
        chunk.settle()


def test_origin_hears_a_range_when_a_piece_of_a_woven_chunk_is_settled() -> None:
    """As of a plain chunk that was cut: no list of marks is made for it, and a ledger finds one segment."""
    a, of_a = part("a", list(range(50)))
    b, _ = part("b", list(range(50)), 100)
    heard: list[Any] = []
    of_a.on_outcome = lambda receipt, marks, outcome: heard.append(marks)  # type: ignore[method-assign]
    head, tail = weave([a, b], [0, 1] * 50).cut(40)
    head.settle()
    tail.settle()
    assert heard == [range(20), range(20, 50)]


def test_elements_are_let_go_when_only_their_receipt_is_kept() -> None:
    """A hub keeps the origin of what it gave last; the elements are not its."""

    class Element:
        pass

    elements = [Element(), Element()]
    gone = [weakref.ref(element) for element in elements]
    woven = weave(
        [Chunk([x], Receipt([0], Outcomes(), Origin(name, "1"))) for x, name in zip(elements, "ab", strict=True)], [1, 0]
    )
    receipt = woven.receipt
    assert receipt is not None
    receipt.where = "merge"
    pieces = unwoven(woven)
    assert [piece.receipt and piece.receipt.where for piece in pieces] == ["merge", "merge"]
    elements.clear()
    del woven, pieces
    assert [one() for one in gone] == [None, None]
    receipt.settle()


def test_gap_records_have_their_own_outcome_when_they_are_woven_among_readings() -> None:
    """A gap is an element like others: it keeps its place, its mark and whose it is; readings beside it may be dropped."""
    gaps = [gap_reading(name, "offline", 1, 2) for name in "ab"]
    a, of_a = part("a", ["a0", gaps[0], "a2"])
    b, of_b = part("b", [gaps[1], "b1"])
    woven = weave([a, b], [1, 0, 0, 0, 1])
    assert woven.items == [gaps[1], "a0", gaps[0], "a2", "b1"]
    kept = woven.select([not isinstance(item, str) for item in woven.items], "not a gap")
    assert kept is not None
    assert named(kept) == [("b", 0), ("a", 1)]
    assert [[origin.name for origin, _ in runs(piece) if origin] for piece in unwoven(kept)] == [["b"], ["a"]]
    for piece in unwoven(kept):
        assert all(map(is_gap, piece.items))
        piece.settle()
    assert (of_a.stored(), of_a.dropped("not a gap")) == ([1], [0, 2])
    assert (of_b.stored(), of_b.dropped("not a gap")) == ([0], [1])


@pytest.mark.parametrize("seed", range(30))
def test_shares_say_whose_each_element_is_when_a_woven_chunk_travels(seed: int) -> None:
    """Whole, cut, filtered, forked, or a weave of weaves: what is put together elsewhere has the same identities in the same
    places, and knows as much of what comes again."""
    random = Random(seed)
    parts = [part(name, [f"{name}{n}" for n in range(random.randint(1, 6))], random.randint(0, 9))[0] for name in "abc"]
    parts.append(Chunk(["bare"]))
    for one in parts[:2]:
        assert one.receipt is not None
        assert one.receipt.origin is not None
        one.receipt.origin.again.update(range(7))

    def woven(some: list[Chunk]) -> Chunk:
        order = [index for index, one in enumerate(some) for _ in range(len(one))]
        random.shuffle(order)
        return weave(some, order)

    chunk = woven([woven(parts[:2]), *parts[2:]]) if seed % 3 == 0 else woven(parts)
    if seed % 2:
        chunk = chunk.cut(random.randint(1, len(chunk) - 1))[seed % 4 == 1]
    if seed % 5 == 0:
        chunk = chunk.fork(2)[0]
    if seed % 7 == 0 and len(chunk) > 1:
        chunk = chunk.take(sorted(random.sample(range(len(chunk)), len(chunk) // 2 + 1)))
    order, known = shares(chunk)
    assert len(order) == len(chunk)
    assert {index: order.count(index) for index in order} == {index: len(marks) for index, (_, marks) in enumerate(known)}
    there = Chunk(chunk.items, Receipt(range(len(chunk)), Outcomes(), rewoven(order, known)))
    assert [(name, mark) for name, mark in named(there) if name] == [(name, mark) for name, mark in named(chunk) if name]
    assert [name for name, _ in named(there)] == [name for name, _ in named(chunk)]
    assert emitted_again(there) == emitted_again(chunk)
    for one in (there, chunk, *parts):
        one.settle()


def test_shares_are_of_one_lap_each() -> None:
    """Before and after an origin has gone back: what overtakes what was lost is told by that. Of another session, likewise."""
    origin = Origin("plc", "1")
    later, other = origin.next_lap(), Origin("plc", "1", session="2")
    parts = [Chunk([mark], Receipt([mark], Outcomes(), whose)) for mark, whose in enumerate((origin, later, other, later))]
    for chunk in (weave(parts, range(4)), weave(parts, range(4)).fork(2)[0]):
        order, known = shares(chunk)
        said = [(known[index][0], known[index][0].lap, known[index][0].session) for index in order if known[index][0] is not None]
        assert [what[1:] for what in said] == [(0, ""), (1, ""), (0, "2"), (1, "")]
        chunk.settle()


def test_shares_leave_out_who_has_nothing_there() -> None:
    """A signal names no origin that it has no elements of, and numbers the others anew."""
    names = "abc"
    parts = [part(name, range(n))[0] for name, n in zip(names, (4, 2, 1), strict=True)]
    chunk = weave(parts, [0, 0, 0, 0, 1, 1, 2])
    for piece, whose in zip(chunk.cut(4), ("aaaa", "bbc"), strict=True):
        order, known = shares(piece)
        assert "".join(known[index][0].name for index in order if known[index][0] is not None) == whose
        assert len(known) == len(set(whose))
    chunk.settle()


def test_nothing_comes_again_when_no_origin_says_so() -> None:
    """And an element of which others were made comes again as all of them."""
    a, _ = part("a", [0, 1, 2])
    assert a.receipt is not None
    assert a.receipt.origin is not None
    assert emitted_again(a) is None
    assert emitted_again(Chunk([1])) is None
    a.receipt.origin.again.add(9)
    assert emitted_again(a) is None
    a.receipt.origin.again.add(1)
    assert emitted_again(a) == [False, True, False]
    made = a.expand([["x"], ["y", "z"], []])
    assert made is not None
    assert emitted_again(made) == [False, True, True]
    assert emitted_again(made.fork(2)[1]) == [False, True, True]
