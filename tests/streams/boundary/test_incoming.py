"""The consuming end of a wire by itself, against signals made by hand: what is repeated, late or of another life."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.chunk import Chunk
from rt_edge.data.codec import encode_readings
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.data.weave import emitted_again, identities
from rt_edge.protocol.signals import OnNext, OnSubscribe, Part, Request, Settled, Subscribe
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.boundary.incoming import MAX_AHEAD, WireIn
from rt_edge.streams.engine import Engine
from rt_edge.streams.stages.collect import Collect
from rt_edge.testkit.virtual_clock import VirtualHost


class End:
    """A `WireIn` before a sink that wants everything; the test is its producer."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.host = VirtualHost()
        blueprint = Blueprint()
        blueprint.connect(blueprint.add(WireIn(wire="w", post=self), "in"), blueprint.add(Collect(), "end"))
        self.engine = Engine(blueprint, self.host)
        self.host.attach(self.engine)
        self.engine.start()
        self.host.settle()
        [hello] = self.sent
        assert isinstance(hello, Subscribe)
        self.me = hello.consumer
        self.hear(OnSubscribe("w", "p2", self.me))

    def register(self, wire: str, receive: Any) -> None:
        self.receive = receive

    def send(self, signal: Any) -> None:
        self.sent.append(signal)

    def hear(self, signal: Any) -> None:
        self.receive(signal)
        self.host.settle()

    def next(self, number: int, value: int, producer: str = "p2") -> None:
        payload = encode_readings([Reading("dev", value, {"v": value})])
        self.hear(OnNext("w", producer, self.me, number, payload, "dev", "1", "", 0, (value, 1)))

    @property
    def values(self) -> list[Any]:
        return [reading.fields["v"] for reading in self.engine.seats["end"].logic.result]

    def count(self, name: str) -> int:
        return self.engine.seats["in"].counters.get(name, 0)

    @property
    def waiting(self) -> int:
        return len(self.engine.seats["in"].logic._ahead)


def test_a_chunk_is_taken_once_and_nothing_of_its_copies_stays_when_it_comes_again() -> None:
    """What was delivered, and what waits for an earlier one, is dropped and counted when it is said again; no copy stays in
    memory, however often it comes, so that none takes the place of a chunk to come."""
    end = End()
    end.next(1, 10)
    end.next(3, 30)
    for _ in range(MAX_AHEAD + 5):
        end.receive(OnNext("w", "p2", end.me, 1, b"", "dev", "1", "", 0, (10, 1)))
        end.receive(OnNext("w", "p2", end.me, 3, b"", "dev", "1", "", 0, (30, 1)))
    assert (end.count("repeated"), end.waiting) == (2 * (MAX_AHEAD + 5), 1)
    end.next(2, 20)
    assert (end.values, end.waiting, end.count("reordered")) == ([10, 20, 30], 0, 1)


def test_old_copies_leave_room_when_there_are_very_many_of_them() -> None:
    """Copies of thousands of delivered chunks do not add up until a chunk that is new finds no room."""
    end = End()
    for number in range(1, MAX_AHEAD + 10):
        end.next(number, number)
        end.receive(OnNext("w", "p2", end.me, number, b"", "dev", "1", "", 0, (number, 1)))
    assert (end.waiting, end.count("dropped_ahead")) == (0, 0)
    assert end.values == list(range(1, MAX_AHEAD + 10))


@pytest.mark.parametrize("foreign", ["producer", "consumer"])
def test_a_chunk_of_another_life_is_not_taken_when_it_comes_late(foreign: str) -> None:
    """A chunk of a producer that is dead, or for a consumer that was here before, is dropped and counted, though its number is
    the next; the true one is taken."""
    end = End()
    payload = encode_readings([Reading("dev", 99, {"v": 99})])
    producer, consumer = ("p1", end.me) if foreign == "producer" else ("p2", "before")
    end.hear(OnNext("w", producer, consumer, 1, payload, "dev", "1", "", 0, (99, 1)))
    assert (end.values, end.count("stale_signals")) == ([], 1)
    end.next(1, 10)
    assert end.values == [10]


def kept(end: End, monkeypatch: pytest.MonkeyPatch) -> list[Chunk]:
    """The chunks that come out of the wire from now on."""
    chunks: list[Chunk] = []
    monkeypatch.setattr(end.engine.seats["end"].logic, "on_push", lambda _inlet, chunk: chunks.append(chunk))
    return chunks


def test_elements_have_their_own_origins_when_a_signal_is_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readings and gap records alike; which of them come again is known until the floor has passed; outcomes go back by place."""
    end = End()
    chunks = kept(end, monkeypatch)
    payload = encode_readings([Reading("a", 1, {"v": 1}), gap_reading("b", "offline", 1, 2), Reading("a", 2, {"v": 2})])
    plc, rtu = Part("plc", "1", "", 3, (7, 2), again=[8]), Part("rtu", "9", "", 0, (4, 1))
    end.hear(OnNext("w", "p2", end.me, 1, payload, "", "", "", 0, None, parts=[plc, rtu], order=bytes([0, 1, 0])))
    (chunk,) = chunks
    assert [(origin and origin.name, mark) for origin, mark in identities(chunk)] == [("plc", 7), ("rtu", 4), ("plc", 8)]
    assert emitted_again(chunk) == [False, False, True]
    chunk.take([1]).settle()
    chunk.take([0, 2]).drop("why")
    end.host.advance(0.1)
    said = [outcome for signal in end.sent if isinstance(signal, Settled) for outcome in signal.outcomes]
    assert sorted((code, reason) for _, code, reason, _ in said) == [(0, ""), (1, "why")]
    payload = encode_readings([Reading("a", 3, {"v": 3})])
    end.hear(OnNext("w", "p2", end.me, 2, payload, "plc", "1", "", 9, (9, 1)))
    (origin, _), *_ = identities(chunks[1])
    assert origin is not None
    assert origin.again == set()
    chunks[1].settle()


def test_all_elements_fail_when_a_signal_of_several_origins_does_not_decode() -> None:
    """The producer hears of each of them, by its place."""
    end = End()
    parts = [Part("plc", "1", "", 0, (7, 2)), Part("rtu", "9", "", 0, (4, 1))]
    end.hear(OnNext("w", "p2", end.me, 1, b"\xc1", "", "", "", 0, None, parts=parts, order=bytes([0, 1, 0])))
    end.host.advance(0.1)
    said = [outcome for signal in end.sent if isinstance(signal, Settled) for outcome in signal.outcomes]
    assert [(number, code, tuple(places)) for number, code, _, places in said] == [(1, 2, (0, 2))]


TWO = encode_readings([Reading("dev", 1, {"v": 1}), Reading("dev", 2, {"v": 2})])
SHARES = [Part("plc", "1", "", 0, (7, 1)), Part("rtu", "9", "", 0, (4, 1))]


@pytest.mark.parametrize(
    "marks", [(0, 1), (0, 3), (0, 10**9), (0, 2**63), (0, -2), 5, "ab", None, {"x": []}, {"m": [{}, []]}, {"m": 3}]
)
def test_elements_fail_when_their_marks_are_none_or_not_as_many(marks: Any) -> None:
    """The stream goes on, and asks for as many in their place; no work is done for marks that nobody has."""
    end = End()
    end.hear(OnNext("w", "p2", end.me, 1, TWO, "plc", "1", "", 0, marks))
    end.host.advance(0.1)
    assert said(end) == [(1, 2, (0, 1))]
    assert (end.values, end.count("errors")) == ([], 1)
    end.next(2, 10)
    assert end.values == [10]


@pytest.mark.parametrize(
    ("parts", "order"),
    [
        (SHARES, b"\0\7"),
        (SHARES, b"\0\0"),
        (SHARES, b"\0"),
        (SHARES, b"\0\1\1"),
        ([], b"\0\1"),
        ([SHARES[0], Part("rtu", "9", "", 0, None)], b"\0\1"),
        ([SHARES[0], Part("rtu", "9", "", 0, (4, 2**63))], b"\0\1"),
    ],
)
def test_elements_fail_when_nobody_can_tell_of_whom_they_are(parts: list[Part], order: bytes) -> None:
    """Else a durable end would find that out in the middle of a commit, or keep them as those of another."""
    end = End()
    end.hear(OnNext("w", "p2", end.me, 1, TWO, "", "", "", 0, None, parts=parts, order=order))
    end.host.advance(0.1)
    assert said(end) == [(1, 2, (0, 1))]
    end.next(2, 10)
    assert end.values == [10]


@pytest.mark.parametrize(("payload", "marks", "last"), [(b"\xc1", (0, 25), 24), (b"\xc1", None, 1023)])
def test_what_was_refused_is_asked_for_again(payload: bytes, marks: Any, last: int) -> None:
    """It has used up demand at the producer: else a wire stands still when all that was asked for has come and was refused. All
    of it fails, also when nobody knows how much that is."""
    end = End()
    sink = end.engine.seats["end"].logic
    asked = [signal.total for signal in end.sent if isinstance(signal, Request)]
    for number in range(1, 2 + asked[-1] // (last + 1)):
        end.hear(OnNext("w", "p2", end.me, number, payload, "plc", "1", "", 0, marks))
    end.host.advance(1.0)
    assert said(end)[0] == (1, 2, (0, last))
    assert not sink.result
    assert max(signal.total for signal in end.sent if isinstance(signal, Request)) > asked[-1]


def test_a_chunk_with_an_impossible_number_takes_no_room() -> None:
    """A producer has no more under way than there is room for: what is further ahead is none of it."""
    end = End()
    for n in range(1, 10):
        end.next(1 + MAX_AHEAD + n * 10**6, n)
    assert (end.waiting, end.count("dropped_ahead")) == (0, 9)
    end.next(MAX_AHEAD, 7)
    assert end.waiting == 1


def said(end: End) -> list[tuple[int, int, Any]]:
    """Outcomes that the producer was told, without repetitions: number, code, places."""
    every = [outcome for signal in end.sent if isinstance(signal, Settled) for outcome in signal.outcomes]
    return list(dict.fromkeys((number, code, tuple(places)) for number, code, _, places in every))


def test_what_comes_again_is_forgotten_at_the_cost_of_what_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """In small steps and in large ones, and where the floor is beyond all that is known."""
    end = End()
    chunks = kept(end, monkeypatch)
    end.hear(OnNext("w", "p2", end.me, 1, TWO, "plc", "1", "", 3, (7, 2), again=[7, 8]))
    (origin, _), *_ = identities(chunks[0])
    assert origin is not None
    known = origin.again
    end.hear(OnNext("w", "p2", end.me, 2, TWO, "plc", "1", "", 8, (9, 2), again=[9, 10]))
    assert origin.again == {8, 9, 10}
    end.hear(OnNext("w", "p2", end.me, 3, TWO, "plc", "1", "", 9, (11, 2)))
    assert origin.again == {9, 10}
    again = origin.again
    end.hear(OnNext("w", "p2", end.me, 4, TWO, "plc", "1", "", 10, (13, 2)))
    assert origin.again is again
    end.hear(OnNext("w", "p2", end.me, 5, TWO, "plc", "1", "", 2**63, (15, 2)))
    assert origin.again == set()
    assert known is not None
    for chunk in chunks:
        chunk.settle()
