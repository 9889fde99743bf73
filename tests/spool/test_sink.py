"""SpoolSink in a running engine: durable before settled, nothing twice, nothing stuck."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from rt_edge.data.reading import Reading, gap_reading
from rt_edge.data.receipt import Origin
from rt_edge.data.record import MAX_RECORD, Gap, LaneId, RecordKind
from rt_edge.spool import sink as sink_module
from rt_edge.spool.sink import SpoolSink
from rt_edge.spool.spool import Spool
from rt_edge.spool.worker import SpoolWorker
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.engine import Engine
from rt_edge.streams.host import AsyncioHost
from rt_edge.streams.ledger import Ledger
from rt_edge.streams.stage import OUT, Inlet, Outlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages.interleave import Interleave
from rt_edge.testkit.spool_bench import SetDisk, counted, drain, make_readings, open_spool
from rt_edge.testkit.waiting import Bell


def in_loop(test: Any) -> Any:
    """Run an asynchronous test in a loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


class Feed(Stage, frozen=True, kw_only=True):
    """Emits `items` in chunks of `size`, keeps them until they are settled, and notes what became of them."""

    receipts: ClassVar[ReceiptUse] = ReceiptUse.ORIGIN
    items: list[Any]
    size: int
    notes: Any

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        return ()

    def create_logic(self) -> StageLogic:
        return FeedLogic(self)


class Notes:
    """What the feed saw."""

    def __init__(self, incarnation: str = "life-1") -> None:
        self.origin = Origin("feed", incarnation)
        self.settled = 0
        self.emitted = 0
        self.asked = 0
        self.most = 0
        self.bell = Bell()


class FeedLogic(StageLogic):
    def __init__(self, stage: Feed) -> None:
        self.stage = stage
        self.notes: Notes = stage.notes
        self.ledger = Ledger(self.notes.origin, 5, self.on_settled, self.more, lambda element, error: None)
        self.left = list(stage.items)
        self.wanted = 0

    def on_settled(self, through: int) -> None:
        self.notes.settled = through
        self.notes.bell.ring()

    def on_pull(self, outlet: Outlet, n: int) -> None:
        self.wanted += n
        self.notes.asked += n
        self.more()

    def more(self) -> None:
        if self.wanted and self.is_free(OUT):
            n = min(self.wanted, self.stage.size)
            chunk = self.ledger.retry(n)
            if chunk is None and self.left:
                chunk = self.ledger.emit(self.left[:n])
                self.left = self.left[n:]
                self.notes.emitted += len(chunk)
            if chunk is not None:
                self.wanted -= len(chunk)
                self.notes.most = max(self.notes.most, self.ledger.outstanding)
                self.push(OUT, chunk)
                self.ctx.soon(self.more)
        elif self.wanted and self.left:
            self.ctx.soon(self.more)
        if not self.left and not self.ledger.outstanding and not self.is_closed(OUT):
            self.complete_stage()
        elif not self.left:
            self.ctx.after(0.02, "look")

    def on_timer(self, key: object) -> None:
        self.more()


@asynccontextmanager
async def running(spool: Spool, items: list[Any], size: int = 100, notes: Notes | None = None, **more: Any) -> AsyncIterator[Any]:
    """A feed into a spool; gives (notes, worker, engine, done)."""
    worker, notes = SpoolWorker(spool), notes or Notes()
    blueprint = Blueprint()
    blueprint.add(Feed(items=items, size=size, notes=notes), "feed")
    blueprint.add(SpoolSink(worker=worker, **more), "sink")
    blueprint.connect("feed", "sink")
    host = AsyncioHost()
    done = asyncio.get_running_loop().create_future()

    def finished(error: BaseException | None) -> None:
        if not done.done():
            done.set_result(error)
        notes.bell.ring()

    engine = Engine(blueprint, host, finished)
    host.attach(engine)
    engine.start()
    try:
        yield notes, worker, engine, done
    finally:
        if not done.done():
            engine.stop(None)
        await asyncio.get_running_loop().run_in_executor(None, worker.close)


async def play(spool: Spool, items: list[Any], size: int = 100, notes: Notes | None = None, **more: Any) -> tuple[Notes, Engine]:
    """Run to the end."""
    async with running(spool, items, size, notes, **more) as (notes_, _, engine, done):
        assert await asyncio.wait_for(done, 20) is None
        return notes_, engine


@in_loop
async def test_everything_is_durable_when_it_is_settled(tmp_path: Path) -> None:
    """All elements arrive in order, in few records, and are settled."""
    notes, _ = await play(open_spool(tmp_path / "hq.db", 20_000_000), make_readings(0, 20_000))
    assert notes.settled == 20_000
    spool = open_spool(tmp_path / "hq.db", 20_000_000)
    records = drain(spool)
    assert counted(records) == list(range(20_000))
    assert len(records) < 60, f"{len(records)} records for 200 chunks"
    spool.close()


@in_loop
async def test_no_more_than_the_window_is_unsettled_when_the_source_is_fast(tmp_path: Path) -> None:
    """The sink asks for a window, and for more only as elements are durable."""
    notes, _ = await play(open_spool(tmp_path / "hq.db", 20_000_000), make_readings(0, 5000), 70, window=500)
    assert notes.settled == 5000
    assert notes.most <= 500
    assert notes.asked <= 5500


@in_loop
async def test_nothing_is_stored_twice_when_an_origin_emits_again(tmp_path: Path) -> None:
    """The same marks, after a restart of the sink, are settled and not stored again."""
    items = make_readings(0, 300)
    await play(open_spool(tmp_path / "hq.db"), items)
    notes, _ = await play(open_spool(tmp_path / "hq.db"), items)
    assert notes.settled == 300
    spool = open_spool(tmp_path / "hq.db")
    assert counted(drain(spool)) == list(range(300))
    spool.close()


@in_loop
async def test_nothing_is_stored_twice_when_elements_of_two_origins_alternate(tmp_path: Path) -> None:
    """Each is known by its own origin and mark, though they come in one chunk."""

    async def alternate(life: int) -> None:
        worker = SpoolWorker(open_spool(tmp_path / "hq.db"))
        feeds = [Notes(), Notes()]
        feeds[1].origin.name = "other"
        blueprint = Blueprint()
        blueprint.add(Interleave(), "both")
        for index, notes in enumerate(feeds):
            items = make_readings(0, 600)[index::2]
            blueprint.add(Feed(items=items if life else items[:200], size=100, notes=notes), f"feed{index}")
            blueprint.connect(f"feed{index}", "both", 0, index)
        blueprint.add(SpoolSink(worker=worker), "sink")
        blueprint.connect("both", "sink")
        host, done = AsyncioHost(), asyncio.get_running_loop().create_future()
        engine = Engine(blueprint, host, done.set_result)
        host.attach(engine)
        engine.start()
        assert await asyncio.wait_for(done, 20) is None
        assert [notes.settled for notes in feeds] == [300 if life else 200] * 2
        await asyncio.get_running_loop().run_in_executor(None, worker.close)

    await alternate(0)
    await alternate(1)
    spool = open_spool(tmp_path / "hq.db")
    assert counted(drain(spool)) == list(range(600))
    spool.close()


@in_loop
async def test_demand_stops_and_goes_on_when_a_full_spool_has_room_again(tmp_path: Path) -> None:
    """With `block` nothing is asked for while it is full, nothing is lost, and a confirmation starts it again at once."""
    spool = open_spool(tmp_path / "hq.db")
    seen: list[int] = []
    async with running(spool, make_readings(0, 600, 10_000), 20, window=100, max_wait=0.001) as (notes, worker, engine, done):
        sink = engine.seats["sink"]
        while not sink.counters.get("blocked"):
            await asyncio.wait_for(asyncio.shield(_turn(notes)), 10)
        assert notes.emitted - notes.settled <= 100
        assert notes.settled < 250
        while not done.done():
            lane = spool.lane()
            records = await worker.run(spool.read, lane, len(seen), 10**6)
            for record in records:
                await worker.run(spool.confirm, lane, record.last)
                seen.append(record.count)
            await _turn(notes)
        assert notes.settled == 600
    assert sum(seen) + open_and_count(tmp_path) == 600


@in_loop
async def test_a_full_spool_is_looked_at_and_nothing_encoded_when_room_may_come_unannounced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Attempts on a full disk cost a look, not a window of encoding (megabytes, each time); freed space starts it again.

    It is said once that the disk is full, and once that there is room.
    """
    caplog.set_level("INFO", sink_module.__name__)
    monkeypatch.setattr(sink_module, "RETRY", 0.001)
    monkeypatch.setattr(sink_module, "RETRY_MOST", 0.002)
    disk = SetDisk(0)
    spool = open_spool(tmp_path / "hq.db", disk=disk)
    looked = Bell()
    look = spool.look_for_room
    looks = []

    def look_and_note() -> bool:
        looks.append(look())
        loop.call_soon_threadsafe(looked.ring)
        return looks[-1]

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(spool, "look_for_room", look_and_note)
    async with running(spool, make_readings(0, 300), 20, window=100, max_wait=0.001) as (notes, _, engine, done):
        counters = engine.seats["sink"].counters
        await looked.until(lambda: len(looks) >= 10, what="ten looks")
        assert not any(looks)
        assert (counters["blocked"], counters["commits"]) == (1, 1)
        assert (notes.settled, spool.full) == (0, True)
        disk.free = 10**12
        assert await asyncio.wait_for(done, 10) is None
        assert notes.settled == 300
    assert open_and_count(tmp_path) == 300
    full, again = (record.getMessage() for record in caplog.records)
    assert full.startswith("sink: the spool hq.db: the disk has 0B free, and ")
    assert full.endswith("(make room, or put node.data on a larger disk); its sources are held back until there is room")
    assert again == "sink: there is room again"


async def _turn(notes: Notes) -> None:
    """Let the loop and the spool's thread work."""
    await asyncio.get_running_loop().run_in_executor(None, int)


def open_and_count(folder: Path) -> int:
    spool = open_spool(folder / "hq.db")
    found = len(counted(drain(spool)))
    spool.close()
    return found


@in_loop
async def test_bad_elements_are_dropped_by_name_when_others_are_good(tmp_path: Path) -> None:
    """What can never be a record goes to the dead letters and is settled; its neighbours are stored."""
    good = make_readings(0, 3)
    odd = [
        {"not": "a reading"},
        Reading("x", 1, {"n": 2**70}),
        Reading("x", "later", {"n": 1}),  # type: ignore[arg-type]  # a bug of an adapter
        Reading("x", 1, {"blob": bytes(MAX_RECORD)}),
    ]
    notes, engine = await play(open_spool(tmp_path / "hq.db", 4_000_000), [good[0], *odd[:2], good[1], *odd[2:], good[2]])
    assert notes.settled == 7
    counters = engine.seats["sink"].counters
    assert {name: n for name, n in counters.items() if name.startswith("dropped")} == {
        "dropped_not_a_reading": 1,
        "dropped_not_encodable": 2,
        "dropped_too_large": 1,
    }
    spool = open_spool(tmp_path / "hq.db", 4_000_000)
    assert spool.ls().dead_letters == 4
    assert counted(drain(spool)) == [0, 1, 2]
    spool.close()


@in_loop
async def test_gaps_become_records_when_they_come_between_readings(tmp_path: Path) -> None:
    """A gap keeps its place in the lane."""
    items = [*make_readings(0, 2), gap_reading("plc/pump", "timeout", 5, 9), *make_readings(2, 1)]
    await play(open_spool(tmp_path / "hq.db"), items)
    spool = open_spool(tmp_path / "hq.db")
    records = drain(spool)
    assert [record.kind for record in records] == [RecordKind.DATA, RecordKind.GAP, RecordKind.DATA]
    assert msgspec.msgpack.decode(records[1].payload, type=Gap) == Gap("plc/pump", "timeout", 5, 9)
    assert counted(records) == [0, 1, 2]
    spool.close()


@in_loop
async def test_large_elements_are_stored_when_a_window_of_them_exceeds_the_quota_of_a_batch(tmp_path: Path) -> None:
    """A chunk too large for one transaction is cut, also in its marks."""
    items = make_readings(0, 12, 300_000)
    notes, _ = await play(open_spool(tmp_path / "hq.db", 5_000_000), items, 12)
    assert notes.settled == 12
    await play(open_spool(tmp_path / "hq.db", 5_000_000), items, 5)
    spool = open_spool(tmp_path / "hq.db", 5_000_000)
    assert counted(drain(spool)) == list(range(12))
    spool.close()


@in_loop
async def test_the_uplink_hears_of_records_when_they_are_durable(tmp_path: Path) -> None:
    """Observers get the lane and its last number, in order."""
    heard: list[tuple[LaneId, int]] = []
    spool = open_spool(tmp_path / "hq.db")
    lane = spool.lane()
    async with running(spool, make_readings(0, 3000), 100, window=500) as (_, worker, _, done):
        worker.on_appended.append(lambda lane, last: heard.append((lane, last)))
        await asyncio.wait_for(done, 20)
    assert [last for _, last in heard] == sorted(last for _, last in heard)
    assert heard[-1] == (lane, heard[-1][1])
    again = open_spool(tmp_path / "hq.db")
    assert again.lanes()[0].last == heard[-1][1]
    again.close()


@pytest.mark.parametrize("n", [1, 3])
@in_loop
async def test_a_few_elements_are_durable_soon_when_nothing_else_comes(tmp_path: Path, n: int) -> None:
    """Less than half a window waits `max_wait`, not for ever."""
    async with running(open_spool(tmp_path / "hq.db"), make_readings(0, n), max_wait=0.02) as (notes, _, _, _):
        await notes.bell.until(lambda: notes.settled == n, 5.0, "the settlement")
