"""The stuck-stream detector: seeded faults, each named by graph node and by what it waits for, within 5 s of virtual time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rt_edge.data.chunk import Chunk
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.dsl import Flow, Graph, Sink, Source
from rt_edge.streams.engine import Engine
from rt_edge.streams.snapshot import snapshot
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Stage, StageLogic
from rt_edge.streams.stages.broadcast import Broadcast
from rt_edge.streams.stages.drop import Drop
from rt_edge.streams.stages.never import Never
from rt_edge.streams.stages.settling import Settling
from rt_edge.streams.stages.zip import Zip
from rt_edge.streams.stuck import Stuck, StuckDetector, waits_on, watch
from rt_edge.testkit.virtual_clock import Sleep, VirtualHost


class Swallows(Stage, frozen=True):
    """Takes one chunk, and neither gives it on nor asks again."""

    def create_logic(self) -> StageLogic:
        return _Swallows()


class _Swallows(StageLogic):
    took = False

    def on_pull(self, outlet: Outlet, n: int) -> None:
        if not self.took:
            self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self.took = True
        self.kept = chunk
        wire = self._ins[0]
        wire.demand = 0  # as if it had asked for just so many


class NeverAsks(Stage, frozen=True):
    """A sink that asks for one element and no more, or for none."""

    first: int = 0

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        return ()

    def create_logic(self) -> StageLogic:
        return _NeverAsks(self.first)


class _NeverAsks(StageLogic):
    def __init__(self, first: int) -> None:
        self._first = first

    def on_start(self) -> None:
        if self._first:
            self.request(IN, self._first)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        chunk.settle()


class Works(Stage, frozen=True):
    """Waits for a coroutine."""

    def create_logic(self) -> StageLogic:
        return _Works()


class _Works(StageLogic):
    def on_pull(self, outlet: Outlet, n: int) -> None:
        self.request(IN, 1) if not self.requested(IN) else None

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        async def work() -> None:
            await Sleep(3600.0)

        self.ctx.spawn(work(), lambda *_: self.push(OUT, chunk))


def numbers() -> Source[int]:
    return Source.from_iterable(range(10_000))


def diamond() -> Graph:
    """zip needs an element of each branch, and one branch lets none pass, so that broadcast waits for zip, which waits for it."""
    graph = Graph()
    split, joined = graph.add(Broadcast(count=2), "split"), graph.add(Zip(count=2), "joined")
    none = graph.add(Flow().filter(lambda x: False, name="none"))
    graph.connect(graph.add(numbers()), split)
    graph.connect(split, joined)
    graph.connect(split, none)
    graph.connect(none, joined)
    graph.connect(joined, graph.add(Sink.settling()))
    return graph


def blocked_branch() -> Graph:
    """One branch of a partition does not ask."""
    return numbers().partition(lambda x: x % 2, Sink.settling(), Sink(NeverAsks(), "shut"))


FAULTS: dict[str, tuple[Callable[[], Graph], str, str]] = {
    "a stage swallows": (lambda: numbers().map(str).via(Swallows(), "hole").map(str).to(Sink.settling()), "hole", "nothing"),
    "a sink never asks": (lambda: numbers().map(str).to(Sink(NeverAsks(), "mute")), "mute", "demand"),
    "a sink asks no more": (lambda: numbers().buffer(5).to(Sink(NeverAsks(3), "tired")), "tired", "demand"),
    "a source is silent": (lambda: Source.never("device").map(str).to(Sink.settling()), "device", "element"),
    "one of two sources is silent": (
        lambda: Source.never("device").zip(numbers()).to(Sink.settling()),
        "device",
        "element",
    ),
    "a branch is shut": (blocked_branch, "shut", "demand"),
    "a branch of a broadcast is shut": (
        lambda: numbers().also_to(Flow().map(str).to(Sink(NeverAsks(), "shut"))).to(Sink.settling()),
        "shut",
        "demand",
    ),
    "a deadlock": (diamond, "joined", "cycle"),
    "work does not end": (lambda: numbers().via(Works(), "worker").to(Sink.settling()), "worker", "work"),
    "time has to pass": (lambda: numbers().throttle(1, per=3600.0, name="slow").to(Sink.settling()), "slow", "time"),
    "a group does not fill": (
        lambda: Source.from_iterable(range(3)).merge(Source.never("device")).grouped(100).to(Sink.settling()),
        "device",
        "element",
    ),
    "a stage inside a group swallows": (
        lambda: numbers().group_by(lambda x: x % 3, Flow(Swallows(), "hole"), name="groups").to(Sink.settling()),
        "groups/hole",
        "nothing",
    ),
    "a stream inside a stream is silent": (
        lambda: numbers().flat_map_concat(lambda x: Source.never("inner"), name="streams").map(str).to(Sink.settling()),
        "streams/inner",
        "element",
    ),
    "a stage two levels inside swallows": (
        lambda: (
            numbers()
            .flat_map_concat(
                lambda x: numbers().group_by(lambda y: y % 3, Flow(Swallows(), "hole"), name="groups"), name="streams"
            )
            .to(Sink.settling())
        ),
        "streams/groups/hole",
        "nothing",
    ),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_node_is_named_when_a_fault_was_put_into_a_graph(fault: str, seed: int) -> None:
    """Within 5 s of virtual time: which node waits, and for what."""
    make, node, waits_for = FAULTS[fault]
    host = VirtualHost(seed=seed)
    running = make().run(host)
    told: list[Stuck | None] = []
    watch(running.engine, host, 2.0, told.append)
    host.advance(5.0)
    assert told, "nothing was said within 5 s"
    stuck = told[-1]
    assert stuck is not None
    assert (node, waits_for) in [(wait.node, wait.waits_for) for wait in stuck.waits], str(stuck)
    assert node in str(stuck)
    if waits_for != "cycle":
        assert len({wait.node for wait in stuck.waits}) == 1, f"others are named, too: {stuck}"
    else:
        assert all(name in str(stuck) for name in ("split", "joined", "none"))
    running.stop()


def test_nothing_is_said_when_a_stream_moves() -> None:
    """Slowly, with substreams, and after its end."""
    host = VirtualHost()
    graph = Source.tick(1.5).take(20).flat_map_concat(lambda _: Source.tick(0.5).take(2)).to(Sink.settling())
    inside = Source.single(1).flat_map_concat(lambda _: Source.tick(0.5).filter(lambda _: False)).to(Sink.settling())
    running, silent = graph.run(host), inside.run(other := VirtualHost(host.time))
    told: list[Stuck | None] = []
    watch(running.engine, host, 2.0, told.append)
    watch(silent.engine, other, 2.0, told.append)
    host.advance(1000.0)
    assert running.ended.done()
    assert told == []
    silent.stop()


def test_movement_is_told_when_a_stuck_stream_goes_on() -> None:
    """Stuck, once, and None when it moves; the detector can be ended."""
    host = VirtualHost()
    running = Source.tick(10.0).to(Sink.settling()).run(host)
    told: list[Stuck | None] = []
    end = watch(running.engine, host, 2.0, told.append)
    host.advance(9.0)
    assert len(told) == 1
    assert told[0] is not None
    assert told[0].waits[0].waits_for == "element"
    host.advance(3.0)
    assert told[1:] == [None]
    end()
    host.advance(100.0)
    assert len(told) == 2
    running.stop()


def test_engine_that_is_not_run_is_named_when_it_has_work() -> None:
    """A host that gives it no turn is no fault of a stage."""
    host = VirtualHost()
    running = numbers().to(Sink.settling()).run(host)
    assert [(wait.waits_for) for wait in waits_on(running.engine)] == ["turn"]
    detector = StuckDetector(running.engine, 1.0)
    assert [detector.look(now) is None for now in (0.0, 5.0, 6.0)] == [True, True, False]
    host.settle()
    assert waits_on(running.engine) == ()
    assert StuckDetector(running.engine, 0.0).look(0.0) is None


def test_snapshot_shows_nodes_wires_and_waits() -> None:
    """As plain data, substreams included; it can be encoded."""
    import msgspec

    host = VirtualHost()
    graph = numbers().group_by(lambda x: x % 3, Flow(Swallows(), "hole"), name="groups").to(Sink.settling())
    running = graph.run(host)
    host.settle()
    shot = snapshot(running.engine)
    assert [node.name for node in shot.nodes] == ["iterate", "groups", "settling"]
    groups = shot.nodes[1]
    assert groups.substreams == 3
    assert [node.name for node in groups.nested[0].nodes] == ["groups/hole", "groups/(in)", "groups/(out)"]
    assert shot.wires[0].passed > 0
    assert (shot.running, shot.error) == (True, "")
    assert shot.waits[0].node == "groups/hole"
    assert msgspec.json.decode(msgspec.json.encode(shot), type=type(shot)) == shot
    running.stop()
    assert not snapshot(running.engine).running
    assert snapshot(running.engine).waits == ()


def test_long_graph_is_followed_without_recursion() -> None:
    """A chain of more stages than Python's stack has room for, and what waits at its beginning."""
    blueprint = Blueprint()
    before = blueprint.add(Never(), "device")
    for _ in range(3000):
        name = blueprint.add(Drop(count=1), f"drop{len(blueprint.nodes)}")
        blueprint.connect(before, name)
        before = name
    blueprint.connect(before, blueprint.add(Settling(), "sink"))
    host = VirtualHost()
    engine = Engine(blueprint, host)
    host.attach(engine)
    engine.start()
    host.settle()
    (wait,) = waits_on(engine)
    assert (wait.node, len(wait.path)) == ("device", 3002)
    engine.stop()
