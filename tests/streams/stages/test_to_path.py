"""to_path: contract, under a virtual clock; own cases, with threads, are in test_unfold_resource."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rt_edge.streams.stages.to_path import ToPath
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.sink_contract import SinkContract
from rt_edge.testkit.sink_contract_run import Came
from tests.streams.stages.slow_worker import slow


class TestToPath(SinkContract):
    ahead = 64
    path = Path("written")

    @pytest.fixture(autouse=True)
    def _slow_worker(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.path = tmp_path / "f"
        slow(monkeypatch, self.make(Came()))

    def make(self, done: Came) -> ToPath:
        return ToPath(path=self.path, done=done)

    def item(self, n: int) -> bytes:
        return b"%5d" % n

    def expected(self, items: list[Any]) -> Any:
        return 5 * len(items)

    def arrived(self) -> list[Any]:
        data = self.path.read_bytes() if self.path.exists() else b""
        return [data[i : i + 5] for i in range(0, len(data), 5)]


def test_elements_fail_when_they_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was being written and what came meanwhile is not stored; the error is counted, and told."""
    done = Came()
    stage = ToPath(path=Path("/dev/full"), done=done)
    slow(monkeypatch, stage)
    with StageBench(stage) as bench:
        bench.source.send(b"a", b"b")
        bench.advance(1.0)
        assert bench.source.outcomes.failed() == [0, 1]
        assert isinstance(bench.source.expect_cancellation(), OSError)
        assert bench.counters["errors"] == 1
    assert [type(error) for _, error in done.to] == [OSError]
