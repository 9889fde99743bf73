"""Goal: an adapter's Readings enter and leave streams on demand, settled when durable, never lost on the way. Method: adapters of
the test's own on a real asyncio loop, and an end that asks and settles as told."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from random import Random

import pytest

from rt_edge.data.chunk import Chunk
from rt_edge.data.clock import SystemClock
from rt_edge.data.errors import FatalAdapterError, IslandDied, SpecViolation, StreamError, TransientError
from rt_edge.data.reading import Reading, is_gap
from rt_edge.sdk.adapter import Capability, DeviceAdapter
from rt_edge.sdk.dead_letters import DeadLetterFile
from rt_edge.sdk.runner import AdapterRunner
from rt_edge.sdk.sink import AdapterSink
from rt_edge.sdk.source import AdapterSource, SourceLogic
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.engine import Engine
from rt_edge.streams.host import AsyncioHost
from rt_edge.streams.stage import IN, OUT, Stage, StageLogic
from rt_edge.testkit.waiting import Bell


class Fake(DeviceAdapter):
    """Does what a test says and remembers what it was told."""

    kind = "fake"

    def __init__(self, settings, context):
        super().__init__(settings, context)
        self.bell = Bell()
        self.wanted = 0
        self.acknowledged = 0
        self.opened = 0
        self.closed = 0
        self.problems: deque[Exception] = deque(maxlen=100)
        self.delivered: list[str] = []
        self.refusals: deque[Exception] = deque(maxlen=100)

    @classmethod
    def settings_model(cls):
        raise NotImplementedError

    @classmethod
    def capability(cls, settings):
        return Capability("redelivering", "withhold_ack", window=10)

    async def open(self):
        if self.problems:
            raise self.problems.popleft()
        self.opened += 1
        self.bell.ring()

    def demand(self, n):
        self.wanted += n
        self.bell.ring()

    def settled(self, through):
        self.acknowledged = through
        self.bell.ring()

    async def close(self):
        self.closed += 1
        self.bell.ring()

    async def deliver(self, readings):
        if self.refusals:
            raise self.refusals.popleft()
        self.delivered += [r.source for r in readings]
        self.bell.ring()


class End(Stage, frozen=True, kw_only=True):
    """Keeps what comes; asks only when told."""

    kept: list

    @property
    def label(self):
        return "end"

    @property
    def outlets(self):
        return ()

    def create_logic(self):
        return EndLogic(self.kept)


class EndLogic(StageLogic):
    def __init__(self, kept):
        self.kept = kept

    def on_push(self, inlet, chunk):
        self.kept.append(chunk)

    def ask(self, n):
        self.request(IN, n)


class Start(Stage, frozen=True, kw_only=True):
    """Pushes when told."""

    @property
    def label(self):
        return "start"

    @property
    def inlets(self):
        return ()

    def create_logic(self):
        return StartLogic()


class StartLogic(StageLogic):
    def on_pull(self, outlet, n):
        pass

    def give(self, chunk):
        self.push(OUT, chunk)


class Line:
    """An adapter with a source and an end, on the running loop."""

    def __init__(self, folder, capability=None, attempts=5):
        self.runner = AdapterRunner("plc", lambda context: Fake(None, context), SystemClock(), Random(1), folder)
        self.adapter = self.runner.adapter
        self.kept: list[Chunk] = []
        blueprint = Blueprint()
        stage = AdapterSource(runner=self.runner, capability=capability or Fake.capability(None), attempts=attempts)
        self.source = blueprint.add(stage)
        end = blueprint.add(End(kept=self.kept))
        blueprint.connect(self.source, end)
        host = AsyncioHost()
        self.errors: list[BaseException | None] = []
        self.engine = Engine(blueprint, host, self.errors.append)
        host.attach(self.engine)
        self.engine.start()
        self.end = end

    @property
    def logic(self) -> SourceLogic:
        return self.engine.seats[self.source].logic

    @property
    def counters(self):
        return self.engine.seats[self.source].counters

    async def ask(self, n):
        seat = self.engine.seats[self.end]
        self.engine.enter(seat, seat.logic.ask, n)
        await rest()

    async def emit(self, *names, keys=(), again=()):
        self.runner.emit([reading(name) for name in names], list(keys), list(again))
        await rest()

    def names(self):
        return [r.source for chunk in self.kept for r in chunk.items]

    async def stop(self):
        over = IslandDied("the test is over")
        self.engine.stop(over)
        for chunk in self.kept:  # as an end does when it stops
            chunk.fail(over)
        await self.runner.closed()


async def rest():
    """Let all that can happen now happen."""
    for _ in range(60):
        await asyncio.sleep(0)


def reading(name):
    return Reading(name, 1, {"x": 1})


def test_the_adapter_is_asked_for_no_more_than_demand_and_window(tmp_path):
    """The window of the protocol bounds what is unsettled, whatever is asked downstream."""

    async def run():
        line = Line(tmp_path)
        await rest()
        assert line.adapter.wanted == 0
        await line.ask(4)
        assert line.adapter.wanted == 4
        await line.ask(100)
        assert line.adapter.wanted == 10
        await line.emit(*"abcdefghij")
        assert line.names() == list("abcdefghij")
        assert line.adapter.wanted == 10
        line.kept[0].settle()
        await rest()
        assert line.adapter.acknowledged == 10
        assert line.adapter.wanted == 20
        await line.stop()

    asyncio.run(run())


def test_only_the_settled_prefix_is_acknowledged_when_outcomes_come_in_any_order(tmp_path):
    """An element in the middle that is not settled holds back what follows it."""

    async def run():
        line = Line(tmp_path)
        await line.ask(10)
        await line.emit(*"abcd")
        first, second = line.kept[0].cut(1)
        second.settle()
        await rest()
        assert line.adapter.acknowledged == 0
        first.settle()
        await rest()
        assert line.adapter.acknowledged == 4
        await line.stop()

    asyncio.run(run())


def test_more_than_was_asked_for_is_a_violation_and_nothing_of_it_is_taken(tmp_path):
    """Rule 1.1: the adapter is told; what was taken before goes on."""

    async def run():
        line = Line(tmp_path)
        await line.ask(1)
        with pytest.raises(SpecViolation, match="emitted 2 Readings where 1 were asked"):
            line.runner.emit([reading("a"), reading("b")])
        await line.emit("a")
        assert line.names() == ["a"]
        await line.stop()

    asyncio.run(run())


def test_what_fails_comes_again_and_is_a_dead_letter_after_its_attempts(tmp_path):
    """Attempts are counted; the dead letter is in the file, and only then acknowledged."""

    async def run():
        line = Line(tmp_path, attempts=3)
        await line.ask(10)
        await line.emit("good", "bad")
        for _ in range(3):
            for chunk in line.kept[-2:]:
                for i, item in enumerate(chunk.items):
                    part = chunk.take([i])
                    part.fail(StreamError("poison")) if item.source == "bad" else part.settle()
            await line.ask(2)
        assert line.adapter.acknowledged == 2
        (letter,) = [json.loads(row) for row in (tmp_path / "dead-letters.jsonl").read_text().splitlines()]
        assert "poison" in letter["error"]
        assert "bad" in json.dumps(letter["element"])
        assert line.counters["dead_letters"] == 1
        await line.stop()

    asyncio.run(run())


def test_nothing_is_acknowledged_when_a_dead_letter_cannot_be_written(tmp_path):
    """A full disk: the element stays, and is tried again."""

    async def run():
        line = Line(tmp_path, attempts=1)
        (tmp_path / "dead-letters.jsonl").mkdir()
        await line.ask(10)
        await line.emit("bad")
        line.kept[0].fail(StreamError("poison"))
        await line.ask(1)
        assert line.adapter.acknowledged == 0
        assert line.logic.unsettled == 1
        (tmp_path / "dead-letters.jsonl").rmdir()
        line.kept[-1].fail(StreamError("poison"))
        await rest()
        assert line.adapter.acknowledged == 1
        await line.stop()

    asyncio.run(run())


def test_nothing_is_acknowledged_when_the_engine_stops_with_readings_under_way(tmp_path):
    """A stop fails what is not settled; the device keeps it."""

    async def run():
        line = Line(tmp_path)
        await line.ask(10)
        await line.emit(*"abc")
        await line.stop()
        assert line.adapter.acknowledged == 0
        assert line.adapter.closed >= 1
        assert line.runner.state == "closed"

    asyncio.run(run())


def test_what_a_device_says_after_quiet_is_not_taken_and_not_acknowledged(tmp_path):
    """What was taken before goes on to its end."""

    async def run():
        line = Line(tmp_path)
        await line.ask(10)
        await line.emit("a")
        line.logic.quiet()
        await line.emit("b")
        line.kept[0].settle()
        await rest()
        assert line.names() == ["a"]
        assert line.adapter.acknowledged == 1
        assert line.logic.unsettled == 0
        assert line.counters["not_accepted"] == 1
        await line.stop()

    asyncio.run(run())


def test_keys_travel_with_their_readings_when_a_chunk_is_cut_and_sent_again(tmp_path):
    """Each number keeps its own key until the peer is known not to send it again."""

    async def run():
        line = Line(tmp_path)
        line.runner.session("s-1")
        await line.ask(2)
        await line.emit("a", "b", keys=[b"\0\1aa", b"\0\2bb"], again=[False, True])
        origin = line.kept[0].receipt.origin
        assert (origin.session, origin.keys, origin.redelivered) == ("s-1", {0: b"\0\1aa", 1: b"\0\2bb"}, {1})
        line.kept[0].settle()
        await rest()
        assert origin.floor == 0  # the broker may not have our acknowledgement
        line.runner.forget(1)
        assert (origin.floor, origin.keys) == (1, {1: b"\0\2bb"})
        await line.stop()

    asyncio.run(run())


def test_a_gap_is_a_record_in_the_stream_of_a_polled_device_and_never_between_acknowledgements(tmp_path):
    """A polled source says when it could not read; who redelivers has no gaps, and its count is not disturbed."""

    async def run():
        polled = Line(tmp_path, Capability("polled", "native"))
        await polled.ask(5)
        polled.runner.gap("plc/pump", "unplugged", 1, 2)
        await polled.emit("a")
        items = [r for chunk in polled.kept for r in chunk.items]
        assert [is_gap(r) for r in items] == [True, False]
        await polled.stop()
        redelivering = Line(tmp_path)
        await redelivering.ask(5)
        redelivering.runner.gap("plc/pump", "unplugged", 1, 2)
        await redelivering.emit("a", keys=[b"\0\1aa"])
        assert redelivering.names() == ["a"]
        redelivering.kept[0].settle()
        await rest()
        assert redelivering.adapter.acknowledged == 1
        await redelivering.stop()

    asyncio.run(run())


def test_an_adapter_that_cannot_open_is_tried_again_and_one_that_never_will_is_left(tmp_path):
    """A transient error is retried with a reason in `error`; a fatal one ends it, with the reason."""

    async def run():
        line = Line(tmp_path)
        line.runner._backoff._first_s = 0.01
        line.adapter.problems.extend([TransientError("not there"), ValueError("a bug")])
        await line.adapter.bell.until(lambda: line.adapter.opened == 1, 5)
        await rest()
        assert line.runner.state == "open"
        assert line.runner.error == ""
        assert line.runner.counters["reconnects"] == 2
        line.adapter.problems.append(FatalAdapterError("the port does not exist"))
        line.runner.lost(TransientError("cable"))
        for _ in range(500):
            if line.runner.state == "failed":
                break
            await asyncio.wait([asyncio.create_task(rest())], timeout=0.01)
        assert line.runner.state == "failed"
        assert "port does not exist" in line.runner.error
        await line.stop()

    asyncio.run(run())


class Out:
    """Readings to an adapter's peer."""

    def __init__(self, folder):
        self.runner = AdapterRunner("plc", lambda context: Fake(None, context), SystemClock(), Random(1), folder)
        self.adapter = self.runner.adapter
        blueprint = Blueprint()
        self.start = blueprint.add(Start())
        blueprint.connect(self.start, blueprint.add(AdapterSink(runner=self.runner)))
        host = AsyncioHost()
        self.engine = Engine(blueprint, host)
        host.attach(self.engine)
        self.engine.start()

    async def give(self, *names):
        from rt_edge.data.receipt import Receipt

        told = []

        class Listener:
            def on_outcome(self, receipt, marks, outcome):
                told.append((list(marks), repr(outcome)))

        seat = self.engine.seats[self.start]
        chunk = Chunk([reading(name) for name in names], Receipt(range(len(names)), Listener()))
        self.engine.enter(seat, seat.logic.give, chunk)
        await rest()
        return told


def test_readings_are_settled_when_their_peer_has_confirmed_them_and_in_order(tmp_path):
    """One chunk at a time; a refused one is delivered again before the next."""

    async def run():
        out = Out(tmp_path)
        await rest()
        out.adapter.refusals.append(TransientError("busy"))
        first = await out.give("a", "b")
        assert first == []
        second = await out.give("c")
        assert second == []
        await out.adapter.bell.until(lambda: len(out.adapter.delivered) == 3, 5)
        await rest()
        assert out.adapter.delivered == ["a", "b", "c"]
        assert first == [([0, 1], "Stored()")]
        assert second == [([0], "Stored()")]
        out.engine.stop(IslandDied("over"))
        await out.runner.closed()

    asyncio.run(run())


def test_what_a_peer_will_never_take_fails_and_the_next_is_delivered(tmp_path):
    """An error that is not transient is the element's; its source decides."""

    async def run():
        out = Out(tmp_path)
        await rest()
        out.adapter.refusals.append(FatalAdapterError("no such topic"))
        first = await out.give("a")
        assert "no such topic" in first[0][1]
        second = await out.give("b")
        assert second == [([0], "Stored()")]
        out.engine.stop(IslandDied("over"))
        await out.runner.closed()

    asyncio.run(run())


def test_nothing_counts_as_delivered_when_a_sink_stops_before_its_peer_has_confirmed(tmp_path):
    """Whatever the reason of the stop: what was not confirmed has failed."""

    async def run():
        out = Out(tmp_path)
        out.adapter.problems.extend([TransientError("not there")] * 3)
        told = await out.give("a")
        out.engine.stop(None)
        assert len(told) == 1
        assert told[0][1].startswith("Failed(IslandDied"), told
        await out.runner.closed()

    asyncio.run(run())


def test_a_file_of_dead_letters_is_bounded_and_keeps_the_last_ones(tmp_path):
    """Beyond its size the file becomes `.1`; every line is whole."""
    letters = DeadLetterFile(tmp_path / "d.jsonl", SystemClock())
    big = Reading("plc", 1, {"x": "y" * 500_000})
    for _ in range(20):
        letters.add(big, ValueError("no"), "plc")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["d.jsonl", "d.jsonl.1"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 8_500_000
    for path in tmp_path.iterdir():
        for row in path.read_text().splitlines():
            assert json.loads(row)["where"] == "plc"
