"""The end of a graph that commands: each Reading once, settled with the end of its command, under a clock wound by hand."""

from __future__ import annotations

from rt_edge.commands.command import Outcome
from rt_edge.commands.sink import WINDOW, CommandSink, CommandTarget
from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import StreamError
from rt_edge.data.reading import Reading
from rt_edge.data.receipt import Origin, Receipt
from rt_edge.data.weave import weave
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.engine import Engine
from rt_edge.streams.stage import OUT, Inlet, Outlet, Stage, StageLogic
from rt_edge.testkit.virtual_clock import VirtualHost

TARGET = CommandTarget("pump-1/setpoint", "setpoint", 10.0, False, "control")


class Door:
    """Takes commands, and ends them when the test says so."""

    def __init__(self):
        self.taken = []

    def write(self, point, command, tell):
        self.taken.append((command, tell))

    def end(self, index, state):
        command, tell = self.taken[index]
        tell(Outcome(command.key, "accepted", False))
        tell(Outcome(command.key, state, True))


class Heard:
    """What the origin hears."""

    def __init__(self):
        self.outcomes = {}

    def on_outcome(self, receipt, marks, outcome):
        self.outcomes.update(dict.fromkeys(marks, repr(outcome)))


class Feed(Stage, frozen=True, kw_only=True):
    """Pushes what the test gives.

    Emits when: there is something and it was asked for.
    Backpressures when: never.
    Completes when: never.
    Cancels when: downstream does.
    """

    chunks: list

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        return ()

    def create_logic(self):
        return _Feed(self.chunks)


class _Feed(StageLogic):
    def __init__(self, chunks):
        self.chunks = chunks

    def on_pull(self, outlet: Outlet, n: int) -> None:
        if self.chunks and self.demand(OUT):
            self.push(OUT, self.chunks.pop(0))
            self.pull_again(OUT)


def world(chunks, door):
    host = VirtualHost()
    blueprint = Blueprint()
    feed = blueprint.add(Feed(chunks=chunks), "feed")
    sink = blueprint.add(CommandSink(door=door, target=TARGET), "sink")
    blueprint.connect(feed, sink)
    engine = Engine(blueprint, host, lambda _error: None)
    host.attach(engine)
    engine.start()
    host.settle()
    return host, engine


def chunk(values, heard, first=0, incarnation="life-1"):
    items = [Reading("sim/device-1", 1, {} if value is None else {"setpoint": value}) for value in values]
    return Chunk(items, Receipt(range(first, first + len(items)), heard, Origin("sim", incarnation)))


def test_reading_is_settled_when_the_end_of_its_command_is_known():
    """Confirmed and sent are stored, everything else is dropped with its reason and counted; without the field at once."""
    door, heard = Door(), Heard()
    host, engine = world([chunk([1, 2, None, 3], heard)], door)
    assert [command.value for command, _ in door.taken] == [1, 2, 3]
    assert heard.outcomes == {2: "Dropped(no_field)"}
    for index, state in enumerate(("confirmed", "expired", "sent")):
        door.end(index, state)
    host.settle()
    assert heard.outcomes == {
        0: "Stored()",
        1: "Dropped(command_expired)",
        2: "Dropped(no_field)",
        3: "Stored()",
    }
    counters = engine.seats["sink"].counters
    assert (counters["commands_confirmed"], counters["dropped_command_expired"], counters["dropped_no_field"]) == (1, 1, 1)
    command = door.taken[0][0]
    assert (command.via, command.who, command.where, command.expires_s) == ("graph", "sim/device-1", "control", 10.0)


def test_no_more_are_asked_for_than_may_be_under_way():
    """The demand is a few; each end makes room for one."""
    door, heard = Door(), Heard()
    chunks = [chunk([i], heard, i) for i in range(10)]
    host, _ = world(chunks, door)
    assert len(door.taken) == WINDOW
    door.end(0, "confirmed")
    host.settle()
    assert len(door.taken) == WINDOW + 1


def test_element_that_comes_again_is_the_same_command():
    """Its key follows from its origin and mark; another life or another element has another."""
    door, heard = Door(), Heard()
    world([chunk([1, 2], heard)], door)
    again = Door()
    world([chunk([2], heard, 1), chunk([1], heard, 0, "life-2")], again)
    first, second = (command.key for command, _ in door.taken)
    assert again.taken[0][0].key == second
    assert len({first, second, again.taken[1][0].key}) == 3


def test_what_is_under_way_fails_when_the_sink_stops():
    """It is never taken for delivered: its origin emits it again."""
    door, heard = Door(), Heard()
    _, engine = world([chunk([1], heard)], door)
    engine.stop(StreamError("the end"))
    assert heard.outcomes[0].startswith("Failed(")
    door.end(0, "confirmed")


def test_command_has_the_key_of_its_own_source_when_elements_of_two_share_a_chunk():
    """One that comes again by itself, in a chunk of its source, is the same command."""
    door, again, heard = Door(), Door(), [Heard(), Heard()]
    parts = [chunk([1, 2], heard[0], 5), chunk([3], heard[1], 5, "life-2")]
    host, _ = world([weave(parts, [0, 1, 0])], door)
    assert [command.value for command, _ in door.taken] == [1, 3, 2]
    world([chunk([2], Heard(), 6)], again)
    world([chunk([3], Heard(), 5, "life-2")], again)
    assert [command.key for command, _ in again.taken] == [door.taken[2][0].key, door.taken[1][0].key]
    assert len({command.key for command, _ in door.taken}) == 3
    for index in range(3):
        door.end(index, "confirmed")
    host.settle()
    assert [one.outcomes for one in heard] == [{5: "Stored()", 6: "Stored()"}, {5: "Stored()"}]
