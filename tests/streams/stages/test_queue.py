"""Queues at the begin and the end of a stream: from_queue and to_queue."""

from __future__ import annotations

import asyncio
import threading
from random import Random
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError, StreamError
from rt_edge.protocol.demand import UNBOUNDED
from rt_edge.streams.dsl import Sink, Source
from rt_edge.streams.queues import Offered, OfferQueue, Promise, PullQueue
from rt_edge.streams.stages.from_queue import FromQueue
from rt_edge.streams.stages.to_queue import ToQueue
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.sink_contract import SinkContract
from rt_edge.testkit.sink_contract_run import Came
from rt_edge.testkit.source_contract import FedSourceContract
from rt_edge.testkit.source_contract_feed import Feed
from rt_edge.testkit.stage_contract import Broken


class TestFromQueue(FedSourceContract):
    ahead = 16
    again = False
    counts_errors = False
    none = "refused"
    queue: OfferQueue[Any]

    def make(self, feed: Feed) -> FromQueue:
        self.queue = OfferQueue(self.ahead)
        return FromQueue(queue=self.queue)

    def move(self, feed: Feed, random: Random) -> None:
        feed.push(lambda x: self.queue.offer(x) is Offered.ENQUEUED, self.queue.complete, self.queue.fail, random.randint(1, 20))


class TestFromLongQueue(TestFromQueue):
    """More waits than a chunk has."""

    ahead = 3000

    def move(self, feed: Feed, random: Random) -> None:
        feed.push(lambda x: self.queue.offer(x) is Offered.ENQUEUED, self.queue.complete, self.queue.fail, self.ahead)


class TestToQueue(SinkContract):
    ahead = 16
    backpressures = True
    again = False
    queue: PullQueue[Any]
    got: list[Any]

    def make(self, done: Came) -> ToQueue:
        self.queue, self.got = PullQueue(self.ahead), []
        return ToQueue(queue=self.queue, done=done)

    def move(self, random: Random) -> None:
        for _ in range(random.randint(0, 5)):
            try:
                item = self.queue.poll()
            except Broken:
                return
            if item is not None:
                self.got.append(item)

    def arrived(self) -> list[Any]:
        return self.got

    def check_outside(self, error: BaseException | None) -> None:
        assert self.queue.is_over
        if error is not None and isinstance(error, Broken):
            with pytest.raises(Broken):
                self.queue.poll()


def test_elements_come_when_they_were_offered_and_are_wanted() -> None:
    """In order, no more than wanted; the end behind the last."""
    queue: OfferQueue[int] = OfferQueue(5)
    assert queue.offer(0) is Offered.ENQUEUED
    with StageBench(FromQueue(queue=queue)) as bench:
        bench.sink.expect_no_signal()
        bench.sink.request(2)
        assert queue.offer(1) is Offered.ENQUEUED
        assert queue.offer(2) is Offered.ENQUEUED
        bench.host.settle()
        bench.sink.expect_next(0, 1)
        queue.complete()
        bench.host.settle()
        bench.sink.expect_no_signal()
        assert queue.offer(3) is Offered.CLOSED
        bench.sink.request(1)
        bench.sink.expect_next(2)
        bench.sink.expect_complete()


@pytest.mark.parametrize(
    ("overflow", "answers", "kept"),
    [
        ("backpressure", [Offered.ENQUEUED, Offered.ENQUEUED, Offered.FULL], [0, 1]),
        ("drop_head", [Offered.ENQUEUED] * 3, [1, 2]),
        ("drop_new", [Offered.ENQUEUED, Offered.ENQUEUED, Offered.DROPPED], [0, 1]),
    ],
)
def test_answer_says_what_became_of_the_element_when_the_queue_is_full(overflow: Any, answers: Any, kept: Any) -> None:
    """By the strategy of the queue; what is dropped is counted."""
    queue: OfferQueue[int] = OfferQueue(2, overflow)
    assert [queue.offer(n) for n in range(3)] == answers
    with StageBench(FromQueue(queue=queue)) as bench:
        bench.sink.request(9)
        bench.sink.expect_next(*kept)
        assert bench.counters.get("dropped_overflow", 0) == queue.dropped == (overflow != "backpressure")


def test_all_elements_come_when_more_wait_than_a_chunk_has() -> None:
    """With one demand for everything, chunk after chunk is taken."""
    queue: OfferQueue[int] = OfferQueue(5000)
    for n in range(5000):
        queue.offer(n)
    with StageBench(FromQueue(queue=queue)) as bench:
        bench.sink.request(UNBOUNDED)
        assert bench.sink.received == list(range(5000))


def test_stream_fails_when_the_queue_does() -> None:
    """Behind what waits."""
    queue: OfferQueue[int] = OfferQueue(2)
    queue.offer(1)
    queue.fail(Broken("x"))
    with StageBench(FromQueue(queue=queue)) as bench:
        bench.sink.request(2)
        bench.sink.expect_next(1)
        bench.sink.expect_error(Broken)


def test_queue_is_closed_when_its_stream_ends() -> None:
    """What waits is dropped and counted, and nothing more is taken; a second run is refused."""
    queue: OfferQueue[int] = OfferQueue(5)
    queue.offer(1)
    with StageBench(FromQueue(queue=queue)) as bench:
        bench.sink.cancel()
        assert bench.counters["dropped_cancelled"] == queue.dropped == 1
        assert queue.offer(2) is Offered.CLOSED
    with StageBench(FromQueue(queue=queue)) as bench:
        bench.sink.expect_error(StreamError)
    with pytest.raises(ConfigError, match="size is 0"):
        OfferQueue(0)
    with pytest.raises(TypeError, match=r"2\.13"):
        queue.offer(None)  # type: ignore[arg-type]


def test_put_waits_when_the_queue_is_full() -> None:
    """Every element arrives once and in the order of each producer, however many wait; put ends when the queue is closed."""

    async def produce() -> tuple[list[Any], list[Offered]]:
        queue: OfferQueue[tuple[int, int]] = OfferQueue(3)

        async def one(name: int) -> list[Offered]:
            return [await queue.put((name, n)) for n in range(50)]

        async def all_of_them() -> None:
            await asyncio.gather(*(one(name) for name in range(4)))
            queue.complete()

        producing = asyncio.ensure_future(all_of_them())
        got = await Source.queue(queue).to(Sink.collect()).run_async()
        await producing
        full: OfferQueue[int] = OfferQueue(1)
        full.offer(0)
        putting = asyncio.ensure_future(full.put(1))
        await asyncio.sleep(0)
        full.complete()
        return got, [await asyncio.wait_for(putting, 10)]

    got, late = asyncio.run(produce())
    assert sorted(got) == [(name, n) for name in range(4) for n in range(50)]
    for name in range(4):
        assert [n for who, n in got if who == name] == list(range(50))
    assert late == [Offered.CLOSED]


def test_elements_arrive_when_threads_offer_them() -> None:
    """Four threads, each in its order; FULL is an answer, not a loss."""
    queue: OfferQueue[tuple[int, int]] = OfferQueue(16)
    seen = threading.Semaphore(0)

    def offer(name: int) -> None:
        for n in range(200):
            while queue.offer((name, n)) is Offered.FULL:
                assert seen.acquire(timeout=10)

    threads = [threading.Thread(target=offer, args=(name,)) for name in range(4)]

    async def run() -> Any:
        source = Source.queue(queue).map(lambda x: seen.release(8) or x).take(800)
        for thread in threads:
            thread.start()
        return await source.to(Sink.collect()).run_async()

    got = asyncio.run(run())
    for thread in threads:
        thread.join()
    for name in range(4):
        assert [n for who, n in got if who == name] == list(range(200))


@pytest.mark.parametrize(
    ("keep", "elements"), [(lambda p: p.keep(7), [7]), (lambda p: p.keep(), []), (lambda p: p.break_(Broken("x")), None)]
)
def test_stream_is_what_was_promised_when_it_is_known(keep: Any, elements: Any) -> None:
    """One element, none, or an error; the first word counts."""
    promise: Promise[int] = Promise()
    with StageBench(FromQueue(queue=promise)) as bench:
        bench.sink.request(2)
        bench.sink.expect_no_signal()
        assert keep(promise)
        assert not promise.keep(8)
        assert not promise.break_(Broken("late"))
        bench.host.settle()
        if elements is None:
            bench.sink.expect_error(Broken)
        else:
            bench.sink.expect_next(*elements)
            bench.sink.expect_complete()


def test_elements_are_settled_when_they_are_taken() -> None:
    """As many are asked for as fit; the stage completes when all were taken."""
    queue: PullQueue[int] = PullQueue(3)
    with StageBench(ToQueue(queue=queue)) as bench:
        bench.source.expect_request(3)
        bench.source.send(0, 1, 2)
        bench.source.expect_no_request()
        assert bench.source.outcomes.by_mark == {}
        assert [queue.poll(), queue.poll()] == [0, 1]
        bench.host.settle()
        assert bench.source.outcomes.stored() == [0, 1]
        bench.source.expect_request(2)
        bench.source.complete()
        assert not bench.ended
        assert not queue.is_over
        assert queue.poll() == 2
        assert queue.poll() is None
        assert queue.is_over
        bench.host.settle()
        assert bench.ended == [None]
        assert bench.source.outcomes.stored() == [0, 1, 2]


def test_upstream_is_cancelled_when_the_queue_is() -> None:
    """What waits is dropped, what was taken counts as stored."""
    queue: PullQueue[int] = PullQueue(3)
    with StageBench(ToQueue(queue=queue)) as bench:
        bench.source.send(0, 1, 2)
        queue.poll()
        queue.cancel()
        bench.host.settle()
        assert bench.source.expect_cancellation() is None
        assert bench.source.outcomes.stored() == [0]
        assert bench.source.outcomes.dropped("cancelled") == [1, 2]
        assert queue.poll() is None
    with StageBench(ToQueue(queue=queue)) as bench:
        assert isinstance(bench.source.expect_cancellation(), StreamError)


def test_queue_fails_when_the_stream_does() -> None:
    """What waits fails with it."""
    queue: PullQueue[int] = PullQueue(3)
    with StageBench(ToQueue(queue=queue)) as bench:
        bench.source.send(0, 1)
        bench.source.fail(Broken("x"))
        for _ in range(2):
            with pytest.raises(Broken):
                queue.poll()
        assert bench.source.outcomes.failed() == [0, 1]


def test_pull_waits_when_nothing_is_there() -> None:
    """Until an element comes, or the end; also as an iteration."""

    async def consume() -> tuple[list[int], int | None]:
        queue: PullQueue[int] = PullQueue(2)
        running = asyncio.ensure_future(Source.range(0, 100).to(Sink.queue(queue)).run_async())
        first = [await asyncio.wait_for(queue.pull(), 10) for _ in range(3)]
        rest = [element async for element in queue]
        await asyncio.wait_for(running, 10)
        return [*first, *rest], await queue.pull()  # type: ignore[list-item]

    assert asyncio.run(consume()) == (list(range(100)), None)


def test_pull_raises_when_the_stream_fails_meanwhile() -> None:
    """Who waits is told."""

    async def consume() -> None:
        queue: PullQueue[int] = PullQueue(2)
        promise: Promise[int] = Promise()
        running = asyncio.ensure_future(Source.maybe(promise).to(Sink.queue(queue)).run_async())
        pulling = asyncio.ensure_future(queue.pull())
        await asyncio.sleep(0)
        promise.break_(Broken("x"))
        for task in (pulling, running):
            with pytest.raises(Broken):
                await asyncio.wait_for(task, 10)

    asyncio.run(consume())
