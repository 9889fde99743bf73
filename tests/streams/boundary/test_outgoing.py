"""The producing end of a wire by itself, against signals made by hand: consumers that go before they have come."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.chunk import Chunk
from rt_edge.data.codec import decode_readings
from rt_edge.data.reading import Reading
from rt_edge.data.receipt import Origin, Receipt
from rt_edge.data.weave import weave
from rt_edge.protocol.signals import Cancel, OnNext, OnSubscribe, Request, Seen, Settled, Subscribe
from rt_edge.streams.boundary import outgoing
from rt_edge.streams.boundary.outgoing import WireOut
from rt_edge.streams.boundary.post import unpack_marks
from rt_edge.streams.dsl import Sink, Source
from rt_edge.streams.stage import OUT
from rt_edge.testkit.probes import Outcomes, StageBench
from rt_edge.testkit.virtual_clock import VirtualHost


class Begin:
    """A `WireOut` behind a source of readings; the test is its consumer."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.host = VirtualHost()
        source = Source.from_iterable([Reading("dev", n, {"v": n}) for n in range(100)])
        self.running = source.to(Sink(WireOut(wire="w", post=self))).run(self.host)
        self.host.settle()

    def register(self, wire: str, receive: Any) -> None:
        self.receive = receive

    def send(self, signal: Any) -> None:
        self.sent.append(signal)

    def hear(self, *signals: Any) -> None:
        for signal in signals:
            self.receive(signal)
            self.host.settle()

    @property
    def is_over(self) -> bool:
        return all(seat.stopped for seat in self.running.engine.seats.values())

    @property
    def chunks(self) -> list[OnNext]:
        return [signal for signal in self.sent if isinstance(signal, OnNext)]


HELLO, GOODBYE = Subscribe("w", "", "c1"), Cancel("w", "", "c1")


@pytest.mark.parametrize("signals", [(HELLO, GOODBYE), (GOODBYE, HELLO)])
def test_upstream_is_cancelled_when_the_consumer_cancels_before_it_has_heard_of_the_producer(signals: tuple[Any, ...]) -> None:
    """Its cancel names no producer, as it knows none; it counts, also where it overtakes the Subscribe."""
    begin = Begin()
    begin.hear(*signals)
    assert begin.is_over


def test_a_cancel_without_a_producer_is_passed_over_when_it_is_of_another_consumer() -> None:
    """What an earlier consumer said late does not end the stream of the one that is there."""
    begin = Begin()
    begin.hear(Subscribe("w", "", "c2"), GOODBYE)
    assert not begin.is_over
    assert [signal.consumer for signal in begin.sent if isinstance(signal, OnSubscribe)] == ["c2"]


class Woven(Begin):
    """A `WireOut` behind a chunk of the elements of two origins."""

    def __init__(self) -> None:
        self.sent = []
        self.heard = [Outcomes(), Outcomes()]
        self.origins = [Origin("plc", "1"), Origin("rtu", "1")]
        self.bench = StageBench(WireOut(wire="w", post=self), tracked=False)
        self.host = self.bench.host

    def emit(self, order: tuple[int, ...] = (0, 0, 1, 1)) -> None:
        readings = [Reading("dev", n, {"v": n}) for n in range(4)]
        parts = [
            Chunk(readings[index::2], Receipt([7, 8], heard, origin))
            for index, (heard, origin) in enumerate(zip(self.heard, self.origins, strict=True))
        ]
        logic = self.bench.source.logic
        self.bench.engine.enter(logic.seat, lambda: logic.push(OUT, weave(parts, order)))
        self.host.settle()


def test_a_signal_says_whose_each_element_is_when_elements_of_several_origins_come_in_one_chunk() -> None:
    """With its own marks; and what the consumer says of them goes back to it."""
    wire = Woven()
    with wire.bench:
        wire.hear(HELLO)
        me = next(signal for signal in wire.sent if isinstance(signal, OnSubscribe)).producer
        wire.hear(Request("w", me, "c1", 10, 0))
        wire.origins[1].again.add(8)
        wire.origins[1].floor = 5
        wire.emit((0, 1, 1, 0))
        (signal,) = wire.chunks
        assert (signal.origin, signal.marks, list(signal.order)) == ("", None, [0, 1, 1, 0])
        said = [(part.origin, list(unpack_marks(part.marks)), part.floor, part.again) for part in signal.parts]
        assert said == [("plc", [7, 8], 0, []), ("rtu", [7, 8], 5, [8])]
        wire.hear(Settled("w", me, "c1", 1, [(1, 0, "", [1, 2])]))
        assert [heard.stored() for heard in wire.heard] == [[], [7, 8]]


def test_a_woven_chunk_goes_in_several_signals_when_it_has_more_origins_than_one_can_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each has whole elements, in order, and its outcomes find their origins."""
    monkeypatch.setattr("rt_edge.data.weave.MAX_SHARES", 2)
    heard = [Outcomes() for _ in range(5)]
    parts = [Chunk([Reading("dev", n, {"v": n})], Receipt([n], heard[n], Origin(f"o{n}", "1"))) for n in range(5)]
    wire = Woven()
    with wire.bench:
        wire.hear(HELLO)
        me = next(signal for signal in wire.sent if isinstance(signal, OnSubscribe)).producer
        wire.hear(Request("w", me, "c1", 10, 0))
        logic = wire.bench.source.logic
        woven = [weave(parts, range(5))]
        parts.clear()
        wire.bench.engine.enter(logic.seat, lambda: logic.push(OUT, woven.pop()))
        wire.host.settle()
        assert [[part.origin for part in signal.parts] for signal in wire.chunks] == [["o0", "o1"], ["o2", "o3"], ["o4"]]
        wire.hear(Settled("w", me, "c1", 2, [(2, 0, "", [0, 1]), (3, 1, "late", [0, 0])]))
        assert [one.stored() for one in heard] == [[], [], [2], [3], []]
        assert heard[4].dropped("late") == [4]


def test_only_those_go_back_that_have_lost_something_when_a_woven_chunk_is_lost_in_part() -> None:
    """What is stored of the other origin does not hold up what that emits next."""
    wire = Woven()
    with wire.bench:
        wire.hear(HELLO)
        me = next(signal for signal in wire.sent if isinstance(signal, OnSubscribe)).producer
        wire.hear(Request("w", me, "c1", 100, 0))
        wire.emit((0, 1, 0, 1))
        wire.hear(Settled("w", me, "c1", 1, [(1, 0, "", {"p": [0, 2]})]), Subscribe("w", "", "c2"))
        assert [len(heard.failed()) for heard in wire.heard] == [0, 2]
        wire.hear(Request("w", me, "c2", 100, 0))
        fresh = [Outcomes(), Outcomes()]
        logic = wire.bench.source.logic
        for origin, outcomes in zip(wire.origins, fresh, strict=True):
            chunk = [Chunk([Reading("dev", 9, {"v": 9})], Receipt([9], outcomes, origin))]
            wire.bench.engine.enter(logic.seat, lambda chunk=chunk: logic.push(OUT, chunk.pop()))
            wire.host.settle()
        assert [outcomes.failed() for outcomes in fresh] == [[], [9]]


def test_nothing_is_lost_when_a_consumer_wants_more_chunks_than_may_be_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elements may come one by one: no more are asked for than there is room for chunks, and later the rest."""
    monkeypatch.setattr(outgoing, "MAX_HELD", 8)
    wire = Woven()
    with wire.bench:
        source, heard = wire.bench.source, Outcomes()
        wire.hear(HELLO)
        me = next(signal for signal in wire.sent if isinstance(signal, OnSubscribe)).producer
        wire.hear(Request("w", me, "c1", 100, 0))
        for rounds in range(1, 8):
            while source.demand:
                assert len(wire.chunks) <= 8 * rounds
                mark = len(source.sent)
                source.sent.append(mark)
                chunk = Chunk([Reading("dev", mark, {"v": mark})], Receipt([mark], heard, wire.origins[0]))
                wire.bench.engine.enter(source.logic.seat, lambda chunk=chunk: source.logic.push(OUT, chunk))
                del chunk
                wire.host.settle()
            numbers = [signal.number for signal in wire.chunks]
            assert len(set(numbers)) == len(source.sent) == 8 * rounds
            wire.hear(
                Request("w", me, "c1", 100, max(numbers)), Settled("w", me, "c1", rounds, [(n, 0, "", [0, 0]) for n in numbers])
            )
    assert heard.stored() == source.sent


def test_a_large_chunk_takes_the_room_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was kept for chunks of one element each is asked for again at once: as many elements as there is room for chunks."""
    monkeypatch.setattr(outgoing, "MAX_HELD", 8)
    begin = Begin()
    begin.hear(HELLO)
    me = next(signal for signal in begin.sent if isinstance(signal, OnSubscribe)).producer
    begin.hear(Request("w", me, "c1", 50, 0))
    assert [len(decode_readings(signal.payload)) for signal in begin.chunks] == [8, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    "places", [{"p": [0, 4]}, {"p": [-1]}, {"p": ["a"]}, {"p": [[1]]}, {"p": 1}, {}, 7, "ab", ["a", "b"], [1]]
)
def test_an_outcome_counts_for_nothing_when_it_is_for_elements_that_are_not_there(places: Any) -> None:
    """The wire goes on, and does not say that it has heard: the consumer says it again, and may say it well."""
    wire = Woven()
    with wire.bench:
        wire.hear(HELLO)
        me = next(signal for signal in wire.sent if isinstance(signal, OnSubscribe)).producer
        wire.hear(Request("w", me, "c1", 10, 0))
        wire.emit()
        wire.hear(Settled("w", me, "c1", 1, [(1, 0, "", places)]))
        wire.host.advance(0.2)
        assert not [signal for signal in wire.sent if isinstance(signal, Seen)]
        assert [len(heard.by_mark) for heard in wire.heard] == [0, 0]
        assert wire.bench.counters["undecodable"] == 1
        wire.hear(Settled("w", me, "c1", 1, [(1, 0, "", (0, 3))]))
        wire.host.advance(0.2)
        assert [heard.stored() for heard in wire.heard] == [[7, 8], [7, 8]]
        assert [signal.sequence for signal in wire.sent if isinstance(signal, Seen)] == [1]


@pytest.mark.parametrize("places", [(0, 1023), (0, 2**63), (-5, 200)])
def test_all_of_a_chunk_is_let_go_when_an_outcome_is_for_more_than_that(places: Any) -> None:
    """So a consumer says it that cannot tell how much there was; elements that nobody waits for are let go, too."""
    begin = Begin()
    begin.hear(HELLO)
    me = next(signal for signal in begin.sent if isinstance(signal, OnSubscribe)).producer
    begin.hear(Request("w", me, "c1", 100, 0))
    (signal,) = begin.chunks
    assert unpack_marks(signal.marks) == range(100)
    begin.hear(Settled("w", me, "c1", 1, [(1, 2, "no such codec", places)]), Request("w", me, "c1", 101, 2))
    assert begin.is_over
