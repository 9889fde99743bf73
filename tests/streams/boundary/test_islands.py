"""Goal: nothing is lost, doubled or reordered between islands. Method: three islands under a virtual clock, a post that loses,
repeats and reorders, and kill -9 of any island at random; the end keeps what it has in a model of a durable store."""

from __future__ import annotations

import os

import pytest

from rt_edge.data.chunk import Chunk
from rt_edge.data.reading import Reading
from rt_edge.data.receipt import Origin, number_of
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.boundary.incoming import WireIn
from rt_edge.streams.boundary.outgoing import WireOut
from rt_edge.streams.ledger import Ledger
from rt_edge.streams.stage import IN, OUT, Stage, StageLogic
from rt_edge.testkit.island_world import Island, Net, World

SEEDS = max(40, int(os.environ.get("RT_EDGE_CAMPAIGN", "0")))
WINDOW = 200


class Device(Stage, frozen=True, kw_only=True):
    """A device that sends again what was not acknowledged: `log` is its durable state."""

    log: dict
    total: int
    inlets = ()

    def create_logic(self):
        return _Device(self)


class _Device(StageLogic):
    def __init__(self, stage):
        self.log = stage.log
        self.total = stage.total
        self.log["life"] = life = self.log.get("life", 0) + 1
        self.first = self.log.get("acked", 0)
        self.next = self.first
        self.ledger = Ledger(Origin("dev", str(life)), 1000, self._settled, lambda: self.ctx.soon(self._go), self._dead)
        self.wanted = 0

    def _dead(self, element, error):
        raise AssertionError(f"{element} was given up: {error}")

    def _settled(self, prefix):
        self.log["acked"] = self.first + prefix
        self._go_soon()

    def _go_soon(self):
        self.ctx.soon(self._go)

    def on_pull(self, outlet, n):
        self.wanted += n
        self._go()

    def _go(self):
        if self.wanted <= 0 or not self.is_free(OUT):
            return
        chunk = self.ledger.retry(self.wanted)
        if chunk is None:
            n = min(self.wanted, WINDOW - self.ledger.outstanding, self.total - self.next, 7)
            if n <= 0:
                return
            items = [Reading("dev", i, {"v": i}) for i in range(self.next, self.next + n)]
            self.next += n
            chunk = self.ledger.emit(items)
        self.wanted -= len(chunk)
        self.push(OUT, chunk)
        if self.wanted > 0:
            self._go_soon()


class Pass(Stage, frozen=True, kw_only=True):
    """Keeps odd values, in pieces of two."""

    def create_logic(self):
        return _Pass()


class _Pass(StageLogic):
    def on_pull(self, outlet, n):
        self.request(IN, n)

    def on_push(self, inlet, chunk):
        n = len(chunk)
        kept = chunk.select([r.fields["v"] % 3 != 0 for r in chunk.items])
        dropped = n - (len(kept) if kept else 0)
        if dropped:
            self.request(IN, dropped)
        if kept:
            self.push(OUT, kept)


class End(Stage, frozen=True, kw_only=True):
    """A durable end: commits after a while, drops what it has."""

    store: dict
    outlets = ()

    def create_logic(self):
        return _End(self.store)


class _End(StageLogic):
    def __init__(self, store):
        self.store = store
        self.waiting: list[Chunk] = []

    def on_start(self):
        self.request(IN, 64)
        self.ctx.every(0.02, "commit")

    def on_push(self, inlet, chunk):
        self.waiting.append(chunk)

    def on_timer(self, key):
        chunks, self.waiting = self.waiting, []
        for chunk in chunks:
            origin = chunk.receipt.origin
            for mark, item in zip(chunk.marks, chunk.items, strict=True):
                identity = (origin.name, origin.incarnation, mark)
                if identity in self.store["seen"]:
                    self.store["dropped"] += 1
                    continue
                assert number_of(mark) >= origin.floor, "an end may forget what is below the floor, and this came again"
                self.store["seen"].add(identity)
                self.store["values"].append(item.fields["v"])
            chunk.settle()
            self.request(IN, len(chunk))


def run(seed: int, total: int, kills: int, loss: float, kill_device: bool = False) -> dict:
    world = World(seed)
    net = Net(loss=loss)
    log: dict = {}
    store: dict = {"seen": set(), "values": [], "dropped": 0}

    def device(post):
        b = Blueprint()
        b.connect(b.add(Device(log=log, total=total)), b.add(WireOut(wire="a", post=post)))
        return b

    def graph(post):
        b = Blueprint()
        source = b.add(WireIn(wire="a", post=post))
        middle = b.add(Pass(), "pass")
        b.connect(source, middle)
        b.connect(middle, b.add(WireOut(wire="b", post=post)))
        return b

    def end(post):
        b = Blueprint()
        b.connect(b.add(WireIn(wire="b", post=post)), b.add(End(store=store)))
        return b

    islands = [Island(world, net, build) for build in (device, graph, end)]
    for island in islands:
        island.start()

    def kill() -> None:
        island = world.random.choice(islands if kill_device else islands[1:])
        island.kill()
        world.call_later(world.random.random() * 2, island.start)

    for _ in range(kills):
        world.call_later(world.random.random() * 10, kill)
    done = world.run(lambda: log.get("acked", 0) >= total, 600)
    assert done, f"seed {seed}: stuck at {log.get('acked')} of {total}: " + "; ".join(
        f"{w.name} demand={w.demand} announced={w.announced} slot={w.buffered}" for i in islands for w in i.engine.wires
    )
    return store


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_element_is_stored_once_when_islands_die_and_the_post_is_faulty(seed):
    """With the source alive, whatever happens to the other islands, each element is stored exactly once."""
    store = run(seed, total=600, kills=seed % 6, loss=0.05 if seed % 2 else 0.0)
    assert sorted(store["values"]) == [v for v in range(600) if v % 3]
    assert store["values"] == sorted(store["values"]), "in order, whichever island died"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nothing_is_lost_when_the_source_dies_too(seed):
    """A redelivering device whose island dies sends again what was not acknowledged: no element is missing."""
    store = run(1000 + seed, total=400, kills=seed % 6, loss=0.05, kill_device=True)
    assert sorted(set(store["values"])) == [v for v in range(400) if v % 3]
