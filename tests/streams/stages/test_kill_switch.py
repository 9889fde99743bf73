"""kill_switch, watch_termination, monitor: contract and own cases."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from itertools import count
from threading import Thread
from typing import Any

import pytest

from rt_edge.data.errors import StreamError
from rt_edge.streams.dsl import Sink, Source
from rt_edge.streams.kill_switch import KillSwitch
from rt_edge.streams.monitoring import StreamMonitor
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages.kill_switched import KillSwitched
from rt_edge.streams.stages.monitor import Monitor
from rt_edge.streams.stages.watch_termination import Termination, WatchTermination
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import Broken, StageContract


class TestKillSwitched(StageContract):
    def make(self) -> Stage:
        return KillSwitched(KillSwitch())


class TestWatchTermination(StageContract):
    def make(self) -> Stage:
        return WatchTermination(lambda termination: None)


class TestMonitor(StageContract):
    def make(self) -> Stage:
        return Monitor(StreamMonitor())


BROKEN = Broken("aborted")


def test_streams_complete_when_their_switch_is_shut_down() -> None:
    """All of them, with what was on its way delivered before; upstream is cancelled."""
    switch = KillSwitch("both")
    with StageBench(KillSwitched(switch)) as one, StageBench(KillSwitched(switch)) as other:
        assert switch.streams == 2
        for bench in (one, other):
            bench.sink.request(5)
            bench.source.send(1)
        switch.shutdown()
        for bench in (one, other):
            bench.host.settle()
            bench.sink.expect_next(1)
            bench.sink.expect_complete()
            assert bench.source.expect_cancellation() is None
        assert switch.streams == 0


def test_stream_fails_when_its_switch_is_aborted() -> None:
    """Downstream and upstream hear the error."""
    switch = KillSwitch()
    with StageBench(KillSwitched(switch)) as bench:
        switch.abort(BROKEN)
        bench.host.settle()
        assert bench.sink.expect_error() is BROKEN
        assert bench.source.expect_cancellation() is BROKEN
    with pytest.raises(TypeError):
        KillSwitch().abort("text")  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize("first", ["shutdown", "abort"])
def test_first_use_counts_when_a_switch_is_used_again(first: str) -> None:
    """It is idempotent; a stream that starts later ends at once, in the same way."""
    switch = KillSwitch()
    if first == "shutdown":
        switch.shutdown()
    switch.abort(BROKEN)
    switch.abort(StreamError("later"))
    switch.shutdown()
    assert switch.ended
    with StageBench(KillSwitched(switch)) as bench:
        if first == "shutdown":
            bench.sink.expect_complete()
        else:
            assert bench.sink.expect_error() is BROKEN


def test_switch_forgets_a_stream_when_it_has_ended() -> None:
    """Whichever way it ends."""
    switch = KillSwitch()
    for end in ("complete", "cancel", "stop"):
        with StageBench(KillSwitched(switch)) as bench:
            if end == "complete":
                bench.source.complete()
            elif end == "cancel":
                bench.sink.cancel()
        assert switch.streams == 0


def test_stream_ends_when_another_thread_uses_its_switch() -> None:
    """A stream without end on an asyncio loop, ended by a thread."""
    switch = KillSwitch()
    seen = asyncio.Event()

    async def run() -> Any:
        endless = Source.from_iterable(count()).via(KillSwitched(switch))
        task = asyncio.ensure_future(endless.to(Sink.foreach(lambda n: seen.set())).run_async())
        await seen.wait()
        Thread(target=switch.shutdown).start()
        async with asyncio.timeout(10):
            return await task

    assert asyncio.run(run()) is None


@pytest.mark.parametrize(
    ("how", "error"), [("completed", None), ("failed", BROKEN), ("cancelled", None), ("cancelled", BROKEN), ("stopped", None)]
)
def test_end_is_told_when_a_stream_is_watched(how: Any, error: BaseException | None) -> None:
    """Once, and how."""
    told: list[Termination] = []
    with StageBench(WatchTermination(told.append)) as bench:
        if how == "completed":
            bench.source.complete()
        elif how == "failed":
            assert error is not None
            bench.source.fail(error)
        elif how == "cancelled":
            bench.sink.cancel(error)
    assert told == [Termination(how, error)]


def test_future_is_set_when_a_termination_is_told_to_it() -> None:
    """True after completion, False after a cancel, else the error; one that is done is left alone."""
    futures: list[Future[bool]] = [Future() for _ in range(3)]
    for future, end in zip(
        futures, (Termination("completed"), Termination("cancelled"), Termination("failed", BROKEN)), strict=True
    ):
        end.tell(future)
        end.tell(future)
    assert futures[0].result() is True
    assert futures[1].result() is False
    assert futures[2].exception() is BROKEN


def test_stream_goes_on_when_its_watcher_raises() -> None:
    """Counted and logged; the end of the stream is what it is."""

    def wrong(_: Termination) -> None:
        raise Broken("watcher")

    with StageBench(WatchTermination(wrong)) as bench:
        bench.source.complete()
        bench.sink.expect_complete()
        assert bench.counters["errors"] == 1


def test_monitor_shows_state_and_counts() -> None:
    """From the first element to the end, over runs."""
    monitor = StreamMonitor("line 3")
    with StageBench(Monitor(monitor)) as bench:
        assert (monitor.snapshot().state, monitor.snapshot().runs) == ("initialized", 1)
        bench.sink.request(5)
        assert monitor.snapshot().wanted == 5
        bench.advance(7.0)
        bench.source.send(1, 2)
        bench.source.send(3)
        shot = monitor.snapshot()
        assert (shot.state, shot.elements, shot.chunks, shot.wanted) == ("running", 3, 2, 2)
        assert shot.last_ns == bench.host.clock.wall_ns()
        bench.source.fail(BROKEN)
        assert (monitor.snapshot().state, monitor.snapshot().error) == ("failed", "Broken('aborted')")
    for end, state in (("complete", "completed"), ("cancel", "cancelled"), ("stop", "cancelled")):
        with StageBench(Monitor(monitor)) as bench:
            if end == "complete":
                bench.source.complete()
            elif end == "cancel":
                bench.sink.cancel()
        assert monitor.snapshot().state == state
    assert monitor.snapshot().runs == 4
    assert monitor.snapshot().elements == 3
