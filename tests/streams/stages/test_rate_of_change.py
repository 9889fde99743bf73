"""rate_of_change: contract and own cases."""

from __future__ import annotations

from typing import Any

from rt_edge.data.reading import Reading
from rt_edge.streams.stages.rate_of_change import RateOfChange
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import SupervisionContract, raising

SECOND = 10**9


class TestRateOfChange(SupervisionContract):
    def make(self) -> RateOfChange:
        return RateOfChange(fields="p")

    def item(self, n: int) -> Reading:
        return Reading(f"plc/{n % 2}", n * SECOND, {"p": n * n})

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        last: dict[str, Reading] = {}
        out = []
        for r in inputs[0]:
            fields = dict(r.fields)
            if r.source in last:
                before = last[r.source]
                fields["p_rate"] = (r.fields["p"] - before.fields["p"]) / ((r.ts - before.ts) / SECOND)
            out.append(Reading(r.source, r.ts, fields))
            last[r.source] = r
        return [out]

    def make_failing(self, on_error: Any) -> RateOfChange:
        return RateOfChange(fields="p", per=raising(lambda x: x), on_error=on_error)


def test_rate_is_per_unit_and_skips_what_is_not_later() -> None:
    """Two readings of one time have no rate between them; the next one is compared with the first of them."""
    rows = [(0, 0.0), (60, 6.0), (60, 9.0), (30, 1.0), (120, 0.0)]
    with StageBench(RateOfChange(fields="p", unit=60.0, suffix="_per_min")) as bench:
        bench.sink.request(100)
        bench.source.send(*(Reading("a", ts * SECOND, {"p": p}) for ts, p in rows))
        assert [r.fields.get("p_per_min") for r in bench.sink.received] == [None, 6.0, None, None, -6.0]
        assert bench.counters["not_later"] == 2
