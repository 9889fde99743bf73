"""sliding_window: contract and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading
from rt_edge.streams.stages._windowing import WINDOW_UNTIL, Windowed
from rt_edge.streams.stages.sliding_window import SlidingWindow
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract, SupervisionContract, raising

S = 10**9


class TestSlidingWindow(StageContract):
    shares = True

    def make(self) -> SlidingWindow:
        return SlidingWindow(size=10.0, every=5.0, lateness=5.0, per="stream", aggregate={"p": ["sum", "count"]})

    def item(self, n: int) -> Reading:
        return Reading("a", (n + n * 7 % 5) * S, {"p": n})

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        out = []
        times = [r.ts // S for r in inputs[0]]
        for start in sorted({s for ts in times for s in (ts // 5 * 5, ts // 5 * 5 - 5)}):
            values = [r.fields["p"] for r in inputs[0] if start <= r.ts // S < start + 10]
            fields = {"p_sum": sum(values), "p_count": len(values)}
            out.append(Reading("tested", start * S, fields, tags={WINDOW_UNTIL: str((start + 10) * S)}))
        return [out]


class TestFold(SupervisionContract):
    """An element for which the fold raises in any of its windows fails."""

    shares = True

    def make(self) -> SlidingWindow:
        return SlidingWindow(size=2.0, every=1.0, per="stream", time=lambda n: n * S, zero=0, function=lambda a, b: a + b)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        starts = sorted({start for n in inputs[0] for start in (n - 1, n)})
        sums = [(start, sum(n for n in inputs[0] if start <= n < start + 2)) for start in starts]
        return [[Windowed(None, start * S, (start + 2) * S, total) for start, total in sums]]

    def make_failing(self, on_error: Any) -> SlidingWindow:
        return SlidingWindow(
            size=20.0, every=20.0, time=lambda n: abs(n) * S, per="stream", zero=0, function=raising(max), on_error=on_error
        )

    def after_failure(self, inputs: list[Any], on_error: str) -> list[Any] | None:
        return None


def test_element_is_settled_when_all_its_windows_are() -> None:
    """One of two is not enough; the worst of their outcomes is its own."""
    with StageBench(SlidingWindow(size=10.0, every=5.0, aggregate="sum"), keep=True) as bench:
        bench.sink.request(100)
        bench.source.send(Reading("a", 6 * S, {"p": 1}), Reading("a", 12 * S, {"p": 1}))
        bench.sink.settle_all()
        assert bench.source.outcomes.by_mark == {}
        bench.source.send(Reading("a", 16 * S, {"p": 1}))
        bench.sink.settle_all()
        assert bench.source.outcomes.stored() == [0]


def test_settings_are_refused_when_windows_leave_holes_or_are_too_many() -> None:
    """every is at most size, and at least a thousandth of it."""
    with pytest.raises(ConfigError, match="longer than size"):
        SlidingWindow(size=1.0, every=2.0)
    with pytest.raises(ConfigError, match="more than 1000"):
        SlidingWindow(size=1001.0, every=1.0)
