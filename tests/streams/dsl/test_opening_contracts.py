"""Sources that are made of other stages, as wholes: inside of a lazy source, they keep what every source has to keep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rt_edge.streams.dsl import Source
from rt_edge.streams.stages.lazy_source import LazySource
from rt_edge.streams.stages.unfold_resource import UnfoldResource
from rt_edge.testkit.source_contract import FedSourceContract, SourceContract
from rt_edge.testkit.source_contract_feed import Feed
from rt_edge.testkit.virtual_clock import Sleep
from tests.streams.stages.slow_worker import slow


class TestUnfold(SourceContract):
    early_end = False  # the function says that it is at its end when it is asked once more

    def make(self, feed: Feed) -> LazySource:
        items = feed.items
        return LazySource(lambda: Source.unfold(0, lambda n: (n + 1, items[n]) if n < len(items) else None))


class TestUnfoldAsync(SourceContract):
    early_end = False

    def make(self, feed: Feed) -> LazySource:
        async def step(n: int) -> tuple[int, Any] | None:
            await Sleep(n * 7 % 5 / 10)
            return (n + 1, feed.items[n]) if n < len(feed.items) else None

        return LazySource(lambda: Source.unfold_async(0, step))


class TestUnfoldResourceAsync(FedSourceContract):
    """All three take time, in which more is asked for, or the stream ends."""

    early_end = False
    counts_errors = True
    none = "None is how a resource says that it is at its end"

    def make(self, feed: Feed) -> LazySource:
        async def create() -> Iterator[Any]:
            await Sleep(0.1)
            return feed.open()

        async def read(resource: Iterator[Any]) -> Any:
            await Sleep(0.1 * (len(feed.drawn) % 3))
            return feed.read(resource)

        async def close(resource: Iterator[Any]) -> None:
            feed.close(resource)

        return LazySource(lambda: Source.unfold_resource_async(create, read, close))


class TestFromPath(SourceContract):
    """A file in blocks of five bytes."""

    early_end = False

    @pytest.fixture(autouse=True)
    def _slow_worker(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.path = tmp_path / "f"
        slow(monkeypatch, UnfoldResource(create=int, read=int, close=int))

    path = Path("read")

    def item(self, n: int) -> bytes:
        return b"%5d" % n

    def make(self, feed: Feed) -> LazySource:
        def write_and_read() -> Source[bytes]:
            self.path.write_bytes(b"".join(feed.items))
            return Source.from_path(self.path, block=5)

        return LazySource(write_and_read)


class TestRepeat(SourceContract):
    ends = False

    def make(self, feed: Feed) -> LazySource:
        return LazySource(lambda: Source.repeat("x"))

    def expected(self, items: list[Any]) -> list[Any]:
        return ["x"] * len(items)


class TestCycle(SourceContract):
    ends = False

    def make(self, feed: Feed) -> LazySource:
        return LazySource(lambda: Source.cycle([1, 2, 3]))

    def expected(self, items: list[Any]) -> list[Any]:
        return [1 + n % 3 for n in range(len(items))]
