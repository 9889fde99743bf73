"""counter_delta: contract and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.stages.counter_delta import CounterDelta
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import SupervisionContract, raising


class TestCounterDelta(SupervisionContract):
    def make(self) -> CounterDelta:
        return CounterDelta(fields="c", modulus=100)

    def item(self, n: int) -> Reading:
        return Reading(f"plc/{n % 2}", n, {"c": n * 7 % 100})

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        last: dict[str, int] = {}
        out = []
        for r in inputs[0]:
            delta = {"c_delta": (r.fields["c"] - last[r.source]) % 100} if r.source in last else {}
            out.append(Reading(r.source, r.ts, {**r.fields, **delta}))
            last[r.source] = r.fields["c"]
        return [out]

    def make_failing(self, on_error: Any) -> CounterDelta:
        return CounterDelta(fields="c", per=raising(lambda x: x), on_error=on_error)


CASES: list[tuple[dict[str, Any], list[Any], list[Any], dict[str, int]]] = [
    ({}, [5, 5, 12, 2**32 - 1], [None, 0, 7, 2**32 - 13], {}),
    ({}, [2**32 - 2, 3], [None, 5], {"wrapped": 1}),
    ({}, [1000, 3], [None, 3], {"reset": 1}),
    ({"bits": 16}, [65535, 0], [None, 1], {"wrapped": 1}),
    ({"bits": 16, "max_step": 100}, [60000, 10], [None, 10], {"reset": 1}),
    ({"bits": 0}, [2**40, 7], [None, 7], {"reset": 1}),
    ({"modulus": 1_000_000}, [999_999.5, 0.5], [None, 1.0], {"wrapped": 1}),
    ({}, [5, "x", 9], [None, None, 4], {"not_a_number": 1}),
]


@pytest.mark.parametrize(("settings", "values", "deltas", "counters"), CASES)
def test_delta_is_what_was_counted_when_the_counter_wraps_or_resets(
    settings: dict[str, Any], values: list[Any], deltas: list[Any], counters: dict[str, int]
) -> None:
    """Down and a short way round is a wrap, down and a long way is a reset."""
    with StageBench(CounterDelta(fields="c", **settings)) as bench:
        bench.sink.request(100)
        bench.source.send(*(Reading("a", i, {"c": value}) for i, value in enumerate(values)))
        assert [r.fields.get("c_delta") for r in bench.sink.received] == deltas
        assert {name: n for name, n in bench.counters.items() if name in ("wrapped", "reset", "not_a_number")} == counters


def test_gap_passes_and_source_without_field_is_counted() -> None:
    """What has no counter passes as it is; the delta goes over the gap."""
    gap = gap_reading("a", "offline", 1, 2)
    rows = [Reading("a", 0, {"c": 1}), gap, Reading("a", 3, {"other": 1}), Reading("a", 4, {"c": 5})]
    with StageBench(CounterDelta(fields=["c"], suffix="_n")) as bench:
        bench.sink.request(100)
        bench.source.send(*rows)
        assert bench.sink.received == [*rows[:3], Reading("a", 4, {"c": 5, "c_n": 4})]
        assert bench.counters["missing_field"] == 1


def test_settings_are_refused_when_the_counter_cannot_be() -> None:
    """More than 64 bits, no suffix."""
    with pytest.raises(ConfigError, match="at most 64"):
        CounterDelta(fields="c", bits=65)
    with pytest.raises(ConfigError, match="suffix"):
        CounterDelta(fields="c", suffix="")
