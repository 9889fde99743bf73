"""session_window: contract and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading
from rt_edge.streams.stages._windowing import WINDOW_UNTIL, Windowed
from rt_edge.streams.stages.session_window import SessionWindow
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract

S = 10**9


def sessions(readings: list[Reading], gap: int) -> list[list[Reading]]:
    """The obvious function: sorted by time, cut at the gaps."""
    out: list[list[Reading]] = []
    for reading in sorted(readings, key=lambda r: r.ts):
        if out and reading.ts < out[-1][-1].ts + gap * S:
            out[-1].append(reading)
        else:
            out.append([reading])
    return out


class TestSessionWindow(StageContract):
    """Groups of seven, with readings out of order inside of them."""

    def make(self) -> SessionWindow:
        return SessionWindow(gap=10.0, lateness=8.0, per="stream", aggregate={"p": ["sum", "count"]})

    def item(self, n: int) -> Reading:
        return Reading("a", (n // 7 * 40 + n * 4 % 7) * S, {"p": n})

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        out = []
        for session in sessions(inputs[0], 10):
            values = [r.fields["p"] for r in session]
            fields = {"p_sum": sum(values), "p_count": len(values)}
            until = {WINDOW_UNTIL: str(session[-1].ts + 10 * S)}
            out.append(Reading("tested", session[0].ts, fields, tags=until))
        return [out]


def test_two_sessions_become_one_when_a_reading_bridges_them() -> None:
    """Aggregates and receipts are those of both and of the bridge, also within one chunk."""
    with StageBench(SessionWindow(gap=5.0, lateness=20.0, aggregate=["sum", "first", "last"]), keep=True) as bench:
        bench.sink.request(100)
        bench.source.send(Reading("a", 0, {"p": 1}))
        bench.source.send(Reading("a", 8 * S, {"p": 2}), Reading("a", 4 * S, {"p": 3}))
        bench.source.complete()
        fields = {"p_sum": 6, "p_first": 1, "p_last": 2}
        bench.sink.expect_next(Reading("a", 0, fields, tags={WINDOW_UNTIL: str(13 * S)}))
        assert bench.source.outcomes.by_mark == {}
        bench.sink.settle_all()
        assert bench.source.outcomes.stored() == [0, 1, 2]


def test_fold_is_combined_when_sessions_become_one() -> None:
    """A fold needs `combine`, or two of its states could not become one."""
    stage = SessionWindow(gap=5.0, lateness=20.0, zero=(), function=lambda a, r: (*a, r.fields["p"]), combine=lambda a, b: a + b)
    with StageBench(stage) as bench:
        bench.sink.request(100)
        bench.source.send(*(Reading("a", ts * S, {"p": ts}) for ts in (0, 8, 4)))
        bench.source.complete()
        bench.sink.expect_next(Windowed("a", 0, 13 * S, (0, 8, 4)))
    with pytest.raises(ConfigError, match="combine is missing"):
        SessionWindow(gap=5.0, function=max)
