"""Goal: signals reach the other end of their wire, in batches, whatever the way does. Method: a post office whose batches are
handed on by hand."""

from __future__ import annotations

from collections import deque

from rt_edge.actors.island.post_office import WAITING, PostOffice
from rt_edge.actors.layout import WirePlan
from rt_edge.data.errors import BufferOverflow
from rt_edge.protocol.signals import Request, Resubscribe, Seen, Subscribe, encode_signals

WIRE = WirePlan("a>b", "adapter/a", "graph/b", "one", "two", "b")


class Way:
    """The way between islands: keeps batches until they are handed on."""

    def __init__(self):
        self.calls: deque = deque(maxlen=10_000)
        self.batches: list[tuple[str, bytes]] = []
        self.full = False

    def soon(self, call):
        self.calls.append(call)

    def run(self):
        while self.calls:
            self.calls.popleft()()

    def dispatch(self, island, data):
        if self.full:
            raise BufferOverflow("full")
        self.batches.append((island, data))
        return False


def office(island="one", wire=WIRE):
    way = Way()
    return PostOffice(island, (wire,), way.soon, way.dispatch), way


def test_one_batch_is_under_way_and_the_rest_goes_with_the_next():
    """What is said while a batch is under way waits, and goes as one."""
    post, way = office()
    end = post.end("a>b", producing=True)
    for n in range(3):
        end.send(Seen("a>b", "p", "c", n))
    way.run()
    assert len(way.batches) == 1
    for n in range(5):
        end.send(Seen("a>b", "p", "c", n))
    way.run()
    assert len(way.batches) == 1
    post.sent("two")
    assert len(way.batches) == 2
    assert post.counters["signals_out"] == 8
    post.sent("two")
    assert len(way.batches) == 2


def test_each_end_gets_what_is_for_it_when_a_batch_arrives():
    """Signals go to the producing or the consuming end by their kind."""
    post, _ = office("two")
    heard: list = []
    post.end("a>b", producing=False).register("a>b", heard.append)
    post.receive(encode_signals([Seen("a>b", "p", "c", 1), Subscribe("a>b", "", "c")]))
    assert [type(signal) for signal in heard] == [Seen]


def test_a_wire_inside_an_island_needs_no_batch_and_calls_nobody_inside_a_call():
    """Between members of one island a signal is delivered by hand, later."""
    post, way = office("one", WirePlan("a>b", "adapter/a", "graph/b", "one", "one", "b"))
    heard: list = []
    post.end("a>b", producing=True).register("a>b", heard.append)
    post.end("a>b", producing=False).send(Request("a>b", "p", "c", 10, 0))
    assert heard == []
    way.run()
    assert len(heard) == 1
    assert way.batches == []


def test_the_way_is_free_again_when_a_batch_could_not_be_handed_over():
    """A full queue loses a batch, counted; the next one goes out."""
    post, way = office()
    end = post.end("a>b", producing=True)
    way.full = True
    end.send(Seen("a>b", "p", "c", 1))
    way.run()
    assert post.counters["dropped_queue_full"] == 1
    way.full = False
    end.send(Seen("a>b", "p", "c", 2))
    way.run()
    assert len(way.batches) == 1


def test_what_waits_is_bounded_when_an_island_does_not_answer():
    """The oldest go, counted; their wire says them again."""
    post, way = office()
    end = post.end("a>b", producing=True)
    end.send(Seen("a>b", "p", "c", 0))
    way.run()
    for n in range(WAITING + 10):
        end.send(Seen("a>b", "p", "c", n))
        way.run()
    assert post.counters["dropped_queue_full"] == 10


def test_bytes_that_are_no_batch_are_counted_and_nothing_else():
    """A broken batch takes nothing down."""
    post, _ = office()
    post.receive(b"\xc1nonsense")
    assert post.counters["undecodable"] == 1


def test_both_ends_are_told_when_the_other_island_can_be_reached():
    """Ends of wires to that island say again what they have to say; others hear nothing."""
    post, _ = office()
    heard: list = []
    post.end("a>b", producing=True).register("a>b", heard.append)
    post.reachable("three")
    assert heard == []
    post.reachable("two")
    assert heard == [Resubscribe("a>b", "", "")]
