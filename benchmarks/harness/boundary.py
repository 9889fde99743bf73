"""One boundary between actors: two island actors as processes, on the transport and the post of a node.

The source island emits Readings of 63 bytes with receipts of a real ledger; the sink island settles each chunk as it comes. What
is counted is what the sink has, at two moments, by its own clock, and the processor time of both processes between them.
"""

from __future__ import annotations

import asyncio
import cProfile
import io
import pstats
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from types import SimpleNamespace
from typing import Any, ClassVar

import msgspec
from thespian.actors import ActorAddress

from benchmarks.harness.engine_cases import WINDOW, readings
from rt_edge.actors.island.post_office import PostOffice
from rt_edge.actors.island_actor import IslandActor
from rt_edge.actors.layout import WirePlan
from rt_edge.actors.node_messages import GetStatus, Launch, Peers, Status
from rt_edge.actors.system import NodeSystem, start_node
from rt_edge.actors.transport.node_transport import NodeTransport
from rt_edge.data.chunk import Chunk
from rt_edge.data.clock import SystemClock
from rt_edge.data.codec import encode_readings
from rt_edge.data.receipt import Origin
from rt_edge.settings.plan import AdapterPlan, NodeInfo, NodePlan, decode_plan, encode_plan
from rt_edge.spool.sink import WINDOW as SINK_WINDOW
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.boundary.incoming import WireIn
from rt_edge.streams.boundary.outgoing import WireOut
from rt_edge.streams.engine import Engine
from rt_edge.streams.host import AsyncioHost
from rt_edge.streams.ledger import Ledger
from rt_edge.streams.stage import OUT, Inlet, Outlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._sink import SinkLogic, SinkStage
from rt_edge.testkit.node_process import wait_until

WIRE = WirePlan("bench", "adapter/source", "uplink/sink", "source", "sink", "bench")
START_S = 20.0
WARM_S = 0.3


class Case(msgspec.Struct, frozen=True):
    """What both islands are told.

    Attributes:
        chunk: Readings of a chunk.
        window: Readings that the sink asks for and has not settled.
        direct: the islands reach each other by a socket of their own, as in a node; else by Thespian's wire.
        profile: both threads of both islands under cProfile.
    """

    chunk: int
    window: int = SINK_WINDOW
    direct: bool = True
    profile: bool = False


class Sample(msgspec.Struct, frozen=True):
    """One island at one moment.

    Attributes:
        elements: that the sink has had (0 at the source).
        at: monotonic seconds.
        cpu: processor seconds of the process.
        loop_cpu: of these, of the thread of the loop.
        batches: messages sent and received.
        profile: if asked for: where the time went.
    """

    elements: int
    at: float
    cpu: float
    loop_cpu: float
    batches: int
    profile: str = ""


class ThespianWire(NodeTransport):
    """The transport of a node, without the direct way between islands."""

    direct: ClassVar[bool] = False


class Emitting(Stage, frozen=True, kw_only=True):
    """Readings with receipts, for ever.

    Emits when: asked.
    Backpressures when: downstream does, or 10,000 are unsettled.
    Completes when: never.
    Cancels when: -
    """

    receipts = ReceiptUse.ORIGIN

    chunk: int

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        return ()

    def create_logic(self) -> StageLogic:
        return _EmittingLogic(self.chunk)


class _EmittingLogic(StageLogic):
    def __init__(self, chunk: int) -> None:
        self._chunk = chunk
        self._items = self._endless()
        self._wanted = 0
        self._ledger = Ledger(Origin("bench", "1"), 1, self._settled, lambda: None, lambda *_: None)

    def _endless(self) -> Iterator[Any]:
        some = readings(4096)
        while True:
            yield from some

    def on_pull(self, outlet: Outlet, n: int) -> None:
        self._wanted += n
        self._emit()

    def _emit(self) -> None:
        room = WINDOW - self._ledger.outstanding
        n = min(self._wanted, self._chunk, room)
        if n > 0 and (n == self._chunk or n == self._wanted) and self.is_free(OUT):
            self._wanted -= n
            self.push(OUT, self._ledger.emit(list(islice(self._items, n))))
            self.pull_again(OUT)
            self._wanted = 0  # all that is open is announced again

    def _settled(self, prefix: int) -> None:
        self._emit()


class Counting(SinkStage, frozen=True, kw_only=True):
    """Counts and settles."""

    def create_logic(self) -> StageLogic:
        return CountingLogic(self)


class CountingLogic(SinkLogic):
    """Attributes: elements: how many came."""

    elements = 0

    def consume(self, chunk: Chunk) -> None:
        self.elements += len(chunk)
        chunk.settle()


class _Runtime:
    """What stands for `IslandRuntime`: an office, and one engine with one end of the wire."""

    def __init__(self, island: str, case: Case, dispatch: Any) -> None:
        loop = asyncio.get_running_loop()
        self.office = PostOffice(island, (WIRE,), lambda call: loop.call_soon(call) and None, dispatch)
        self.questions = SimpleNamespace()  # nobody here asks the guardian anything
        blueprint = Blueprint()
        producing = island == WIRE.producer_island
        if producing:
            blueprint.add(Emitting(chunk=case.chunk), "source")
            blueprint.add(WireOut(wire=WIRE.name, post=self.office.end(WIRE.name, producing=True)), "sink")
        else:
            blueprint.add(WireIn(wire=WIRE.name, post=self.office.end(WIRE.name, producing=False)), "source")
            blueprint.add(Counting(demand=case.window), "sink")
        blueprint.connect("source", "sink")
        host = AsyncioHost(SystemClock())
        self.engine = Engine(blueprint, host)
        host.attach(self.engine)

    def start(self) -> None:
        self.engine.start()

    def elements(self) -> int:
        return getattr(self.engine.seats["sink"].logic, "elements", 0)


class BoundaryIsland(IslandActor):
    """An island actor with `_Runtime` in it; everything else is as in a node."""

    name = "boundary"
    profiles: tuple[cProfile.Profile, ...] = ()

    def on_Launch(self, message: Launch, sender: ActorAddress) -> None:  # noqa: N802 - Thespian dispatches on names
        super().on_Launch(message, sender)
        self.profiles = (cProfile.Profile(), cProfile.Profile())
        if _case(decode_plan(message.plan)).profile:
            self.profiles[0].enable()

    def make_runtime(self, plan: NodePlan, island: str, dispatch: Any, links: Any) -> Any:
        case = _case(plan)
        runtime = _Runtime(island, case, dispatch)
        if case.profile:
            self.loop.loop.call_soon(self.profiles[1].enable)
        return runtime

    def on_GetStatus(self, message: GetStatus, sender: ActorAddress) -> None:  # noqa: N802 - as above
        loop = self.loop

        def answer() -> None:
            runtime: Any = self._runtime
            counters = runtime.office.counters if runtime is not None else Counter()
            text = ""
            if message.number and self.profiles[1].getstats():
                self.profiles[1].disable()
                text = _stats(self._island, "loop", self.profiles[1])
            sample = Sample(
                runtime.elements() if runtime is not None else -1,
                time.monotonic(),
                time.process_time(),
                time.thread_time(),
                counters["batches_in"] + counters["batches_out"],
                text,
            )
            loop.to_actor(lambda: self._answer(sample, message.number, sender))

        loop.to_loop(answer)

    def _answer(self, sample: Sample, number: int, sender: ActorAddress) -> None:
        if sample.profile:
            self.profiles[0].disable()
            sample = msgspec.structs.replace(sample, profile=sample.profile + _stats(self._island, "actor", self.profiles[0]))
        self.send(sender, Status(number, msgspec.msgpack.encode(sample)))


def _case(plan: NodePlan) -> Case:
    return msgspec.convert(plan.adapters["case"].settings, Case)


def _plan(case: Case) -> bytes:
    return encode_plan(NodePlan(NodeInfo("bench", "."), {"case": AdapterPlan("bench", msgspec.to_builtins(case))}, {}, {}))


def _stats(island: str, thread: str, profile: cProfile.Profile, most: int = 14) -> str:
    out = io.StringIO()
    pstats.Stats(profile, stream=out).strip_dirs().sort_stats("tottime").print_stats(most)
    lines = [
        line for line in out.getvalue().splitlines() if line.strip() and "Ordered by" not in line and "List reduced" not in line
    ]
    return f"\n-- {island} island, {thread} thread\n" + "\n".join(lines) + "\n"


def _sample(node: NodeSystem, actor: ActorAddress, number: int = 0) -> Sample:
    return msgspec.msgpack.decode(node.ask(actor, GetStatus(number), START_S, Status).body, type=Sample)


def measure(case: Case, seconds: float) -> tuple[dict[str, Any], str]:
    """One row: Readings a second at the sink, and what they cost; and the profile, if asked for."""
    size = len(encode_readings(readings(1000))) / 1000
    with start_node(transport=NodeTransport if case.direct else ThespianWire) as node:
        islands = {name: node.create(BoundaryIsland) for name in (WIRE.consumer_island, WIRE.producer_island)}
        for name, actor in islands.items():
            node.tell(actor, Launch(name, _plan(case)))  # always from the same address: it says which node they belong to
        wait_until(lambda: all(_sample(node, actor).elements >= 0 for actor in islands.values()), START_S, "the islands run")
        for actor in islands.values():
            node.tell(actor, Peers(islands, 1))
        wait_until(lambda: _sample(node, islands[WIRE.consumer_island]).elements > 0, START_S, "Readings arrive")
        time.sleep(min(WARM_S, seconds))
        before = [_sample(node, actor) for actor in islands.values()]
        time.sleep(seconds)
        after = [_sample(node, actor, 1) for actor in islands.values()]
    elements, span = after[0].elements - before[0].elements, after[0].at - before[0].at
    cpu = [b.cpu - a.cpu for a, b in zip(before, after, strict=True)]
    loops = [b.loop_cpu - a.loop_cpu for a, b in zip(before, after, strict=True)]
    batches = (after[0].batches - before[0].batches) / span
    row = {
        "way": "direct socket" if case.direct else "Thespian's wire",
        "chunk": case.chunk,
        "window": case.window,
        "bytes": round(size, 1),
        "Readings/s": elements / span,
        "CPU s, source": cpu[1],
        "CPU s, sink": cpu[0],
        "us CPU a Reading": 1e6 * sum(cpu) / max(1, elements),
        "of it loops %": 100 * sum(loops) / max(1e-9, sum(cpu)),
        "messages/s": batches,
    }
    return row, "".join(sample.profile for sample in reversed(after))
