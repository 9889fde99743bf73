"""unfold_resource, and what is made of it: from_path and lines; to_path."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import CodecError, ConfigError
from rt_edge.data.receipt import Origin, Receipt
from rt_edge.streams.dsl import Flow, Sink, Source
from rt_edge.streams.stages.to_path import ToPath
from rt_edge.streams.stages.unfold_resource import UnfoldResource
from rt_edge.testkit.probes import Outcomes, StageBench
from rt_edge.testkit.source_contract import FedSourceContract
from rt_edge.testkit.source_contract_feed import Feed
from rt_edge.testkit.stage_contract import Broken
from tests.streams.stages.slow_worker import slow


class TestUnfoldResource(FedSourceContract):
    early_end = False  # it takes a read to know that there is no more
    none = "None is how a resource says that it is at its end"

    def make(self, feed: Feed) -> UnfoldResource:
        return UnfoldResource(create=feed.open, read=feed.read, close=feed.close, on_thread=False)


class TestSlowResource(TestUnfoldResource):
    """Reading takes time, in which more is asked for, or the stream ends."""

    @pytest.fixture(autouse=True)
    def _slow_worker(self, monkeypatch: pytest.MonkeyPatch) -> None:
        slow(monkeypatch, self.make(Feed([])))


class Resource:
    """Numbers up to `n`; notes what is done with it."""

    def __init__(self, n: int, failing: str = "") -> None:
        self.n, self.failing, self.events = n, failing, list[str]()
        self.threads: set[int] = set()

    def stage(self, **parameters: Any) -> UnfoldResource:
        return UnfoldResource(create=self.create, read=Resource.read, close=Resource.close, **parameters)

    def create(self) -> Resource:
        self._note("open")
        return self

    def read(self) -> int | None:
        self._note("read")
        self.n -= 1
        return self.n if self.n >= 0 else None

    def close(self) -> None:
        self._note("close")

    def _note(self, event: str) -> None:
        self.events.append(event)
        self.threads.add(threading.get_ident())
        if self.failing == event:
            raise Broken(event)


def test_elements_are_read_when_they_are_wanted() -> None:
    """Nothing is opened before the first demand, nothing read ahead of it; it is closed before the stage completes."""
    resource = Resource(3)
    with StageBench(resource.stage(on_thread=False)) as bench:
        assert resource.events == []
        bench.sink.request(2)
        bench.sink.expect_next(2, 1)
        assert resource.events == ["open", "read", "read"]
        bench.sink.request(2)
        bench.sink.expect_next(0)
        bench.sink.expect_complete()
        assert resource.events == ["open", *["read"] * 4, "close"]


def test_resource_is_closed_when_downstream_cancels() -> None:
    """Once, and not if it was never opened."""
    for demand, events in ((1, ["open", "read", "close"]), (0, [])):
        resource = Resource(3)
        with StageBench(resource.stage(on_thread=False)) as bench:
            if demand:
                bench.sink.request(demand)
            bench.sink.cancel()
        assert resource.events == events


@pytest.mark.parametrize(("failing", "closed"), [("open", False), ("read", True), ("close", True)])
def test_stage_fails_when_the_resource_does(failing: str, closed: bool) -> None:
    """Whatever of the three raises; the resource is closed if it was opened, and not twice."""
    resource = Resource(0, failing)
    with StageBench(resource.stage(on_thread=False)) as bench:
        bench.sink.request(2)
        assert str(bench.sink.expect_error(Broken)) == failing
    assert resource.events.count("close") == closed


def test_elements_before_are_emitted_when_reading_fails() -> None:
    """What was read in one go with the failure comes before it."""
    numbers = iter([1, 2])
    stage = UnfoldResource(create=lambda: numbers, read=lambda r: next(r, None) or 1 // 0, close=lambda r: None, on_thread=False)
    with StageBench(stage) as bench:
        bench.sink.request(9)
        bench.sink.expect_next(1, 2)
        bench.sink.expect_error(ZeroDivisionError)


def test_functions_are_called_on_one_other_thread_when_they_may_block() -> None:
    """All three on the same, which is not the island's."""
    resource = Resource(5000)
    (stage,) = [resource.stage(chunk=100)]
    assert asyncio.run(Source(stage).to(Sink.count()).run_async()) == 5000
    assert resource.events[0] == "open"
    assert resource.events[-1] == "close"
    assert len(resource.threads) == 1
    assert threading.get_ident() not in resource.threads


def test_resource_is_closed_after_the_read_when_the_stream_is_cancelled_meanwhile() -> None:
    """A read that is under way is finished first: the two never run at once."""
    reading, go_on, closed = threading.Event(), threading.Event(), threading.Event()
    order: list[str] = []

    def read(_: Any) -> int:
        reading.set()
        assert go_on.wait(10)
        order.append("read")
        return 1

    def close(_: Any) -> None:
        order.append("close")
        closed.set()

    async def cancel_meanwhile() -> None:
        source = Source.unfold_resource(lambda: 0, read, close)
        task = asyncio.ensure_future(source.to(Sink.ignore()).run_async())
        await asyncio.to_thread(reading.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()

    asyncio.run(cancel_meanwhile())
    assert closed.wait(10)
    assert order == ["read", "close"]


def copy(source: Source[Any], path: Path, **parameters: Any) -> int:
    result: int = asyncio.run(source.to(Sink.to_path(path, **parameters)).run_async())
    return result


@pytest.mark.parametrize("size", [0, 1, 65_536, 300_001])
def test_file_is_the_same_when_it_is_copied(tmp_path: Path, size: int) -> None:
    """All bytes, in blocks that are not larger than was said; the sink comes to their number."""
    data = os.urandom(size)
    (tmp_path / "a").write_bytes(data)
    sizes: list[int] = []
    source = Source.from_path(tmp_path / "a", block=10_000).map(lambda block: sizes.append(len(block)) or block)
    assert copy(source, tmp_path / "b") == size
    assert (tmp_path / "b").read_bytes() == data
    assert all(n <= 10_000 for n in sizes)
    assert len(sizes) == -(-size // 10_000)


def test_lines_are_texts_when_a_file_is_read() -> None:
    """Without their ends; a last line without one counts too; a line that is too long is an error."""
    path = Path(__file__)
    text = path.read_text(encoding="utf-8")
    assert asyncio.run(Source.lines(path).to(Sink.collect()).run_async()) == text.splitlines()
    with pytest.raises(CodecError, match="more than 20 characters"):
        asyncio.run(Source.lines(path, longest=20).to(Sink.ignore()).run_async())
    exact = max(map(len, text.splitlines()))
    assert asyncio.run(Source.lines(path, longest=exact).to(Sink.count()).run_async()) == len(text.splitlines())


def test_stream_fails_when_a_file_is_not_there(tmp_path: Path) -> None:
    """Reading and writing."""
    with pytest.raises(FileNotFoundError):
        asyncio.run(Source.from_path(tmp_path / "none").to(Sink.ignore()).run_async())
    with pytest.raises(FileNotFoundError):
        copy(Source.single(b"x"), tmp_path / "none" / "b")
    with pytest.raises(ConfigError, match="block is 0"):
        Source.from_path(tmp_path, block=0)


def test_file_is_extended_when_it_is_appended_to(tmp_path: Path) -> None:
    """Else what was in it is gone."""
    copy(Source.single(b"a"), tmp_path / "f")
    copy(Source.from_iterable([b"b", bytearray(b"c"), memoryview(b"d")]), tmp_path / "f", append=True)
    assert (tmp_path / "f").read_bytes() == b"abcd"
    copy(Source.single(b"e"), tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == b"e"


@pytest.mark.parametrize(("fsync", "before", "after"), [("never", 0, 0), ("end", 0, 1), ("always", 2, 3)])
def test_file_is_synced_when_it_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsync: Any, before: int, after: int
) -> None:
    """always: before elements are settled; end: once; never: not at all."""
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda n: (synced.append(n), real(n)))
    outcomes = Outcomes()
    seen: list[int] = []

    def tell(n: int) -> Chunk:
        receipt = Receipt([n], outcomes, Origin("test", "1"))
        return Chunk([b"x"], receipt)

    class Watching(Outcomes):
        def on_outcome(self, receipt: Any, marks: Any, outcome: Any) -> None:
            seen.append(len(synced))
            super().on_outcome(receipt, marks, outcome)

    outcomes = Watching()
    asyncio.run(emit_two(tell, ToPath(path=tmp_path / "f", fsync=fsync)))
    assert outcomes.stored() == [0, 1]
    assert seen[-1] == before
    assert len(synced) == after


async def emit_two(tell: Any, sink: ToPath) -> None:
    """Two chunks with receipts, the second after the first was settled."""

    class Logic(type(Source.never().blueprint.nodes["never"].create_logic())):  # type: ignore[misc]
        sent = 0

        def on_pull(self, outlet: Any, n: int) -> None:
            self.push(outlet, tell(self.sent))
            self.sent += 1
            if self.sent == 2:
                self.complete_stage()
            else:
                self.ctx.after(0.05, "more")

        def on_timer(self, key: object) -> None:
            self.on_pull(self.seat.stage.outlets[0], 1)

    class Two(type(Source.never().blueprint.nodes["never"])):  # type: ignore[misc]
        def create_logic(self) -> Any:
            return Logic()

    await Source(Two()).to(Sink(sink)).run_async()


def test_stream_fails_when_an_element_is_no_bytes(tmp_path: Path) -> None:
    """A text has no bytes before somebody encodes it; what was written before stays."""
    with pytest.raises(TypeError, match="str cannot be written"):
        copy(Source.single("text"), tmp_path / "f")


def test_elements_fail_when_the_disk_is_full() -> None:
    """What could not be written is not settled as stored, and the stream fails."""
    with pytest.raises(OSError, match="No space"):
        asyncio.run(Source.repeat(b"x" * 100_000).via(Flow().take(9)).to(Sink.to_path("/dev/full")).run_async())
