"""to_path: contract, under a virtual clock; own cases, with threads, are in test_unfold_resource."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rt_edge.streams.stage import StageContext
from rt_edge.streams.stages import to_path
from rt_edge.streams.stages.to_path import ToPath
from rt_edge.testkit.sink_contract import SinkContract
from rt_edge.testkit.sink_contract_run import Came
from rt_edge.testkit.virtual_clock import Sleep


class SlowWorker:
    """In the place of a `Worker`: calls take virtual time, one after the other; what is under way is finished before the end."""

    def __init__(self, context: StageContext, on_thread: bool) -> None:
        self._context = context
        self._random = Random(1)
        self._under_way: Callable[[], Any] | None = None

    def call(self, function: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> None:
        self._under_way = function
        self._context.spawn(self._run(function), done)

    async def _run(self, function: Callable[[], Any]) -> Any:
        await Sleep(self._random.choice([0.0, 0.01, 0.5]))
        self._under_way = None
        return function()

    def end(self, function: Callable[[], Any]) -> None:
        if self._under_way is not None:
            self._under_way()
        function()


class TestToPath(SinkContract):
    ahead = 64
    path = Path("written")

    @pytest.fixture(autouse=True)
    def _slow_worker(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(to_path, "Worker", SlowWorker)
        self.path = tmp_path / "f"

    def make(self, done: Came) -> ToPath:
        return ToPath(path=self.path, done=done)

    def item(self, n: int) -> bytes:
        return b"%5d" % n

    def expected(self, items: list[Any]) -> Any:
        return 5 * len(items)

    def arrived(self) -> list[Any]:
        data = self.path.read_bytes() if self.path.exists() else b""
        return [data[i : i + 5] for i in range(0, len(data), 5)]
