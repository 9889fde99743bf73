"""Probes fail when what is expected does not happen: a probe that cannot fail tests nothing."""

from __future__ import annotations

import pytest

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Stage, StageLogic
from rt_edge.streams.stages.map import Map
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract


class _Faulty(Stage, frozen=True):
    """A stage with one fault."""

    fault: str

    def create_logic(self) -> StageLogic:
        return _FaultyLogic(self.fault)


class _FaultyLogic(StageLogic):
    def __init__(self, fault: str) -> None:
        self._fault = fault
        self._held: list[Chunk] = []

    def on_start(self) -> None:
        if self._fault == "asks early":
            self.request(IN, 10)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        if self._fault != "asks early":
            self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        items = list(chunk.items)
        if self._fault == "forgets receipts":
            self.push(OUT, Chunk(items))
            self._held.append(chunk)
        elif self._fault == "loses":
            kept = [x for x in items if x % 7]
            self.request(IN, len(items) - len(kept)) if len(kept) < len(items) else None
            if kept:
                self.push(OUT, Chunk(kept))
        elif self._fault == "stalls":
            kept = [x for x in items if x % 7]
            if kept:
                self.push(OUT, Chunk(kept))
        elif self._fault == "reorders":
            self.push(OUT, chunk.take(range(len(items))[::-1]))
        else:
            self.push(OUT, chunk)

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        self.complete_stage() if self._fault == "swallows" else super().on_upstream_failure(inlet, error)

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        super().on_downstream_finish(outlet, None if self._fault == "swallows" else cause)


def run_contract(fault: str) -> list[str]:
    """The contract's tests that a faulty stage fails."""

    class Contract(StageContract):
        def make(self) -> Stage:
            return _Faulty(fault)

    failed = []
    contract = Contract()
    for name in dir(StageContract):
        if not name.startswith("test_"):
            continue
        test = getattr(contract, name)
        arguments = {
            "output": [(seed, tracked) for seed in range(6) for tracked in (True, False)],
            "upstream": [(seed, ValueError("cause")) for seed in range(6)],
            "everything": [(seed, ValueError("error")) for seed in range(4)],
            "error": [(seed,) for seed in range(6)],
            "not": [(seed,) for seed in range(4)],
            "residue": [(seed,) for seed in range(6)],
            "stage": [(seed,) for seed in range(6)],
            "what": [(seed, dies) for seed in range(3) for dies in (True, False)],
        }.get(name.split("_")[1], [()])
        for values in arguments:
            try:
                test(*values)
            except AssertionError:
                failed.append(name)
                break
    return failed


@pytest.mark.parametrize(
    ("fault", "test"),
    [
        ("forgets receipts", "test_output_is_the_list_functions_when_the_schedule_is_random"),
        ("loses", "test_output_is_the_list_functions_when_the_schedule_is_random"),
        ("stalls", "test_output_is_the_list_functions_when_the_schedule_is_random"),
        ("reorders", "test_output_is_the_list_functions_when_the_schedule_is_random"),
        ("asks early", "test_nothing_is_emitted_when_nothing_is_wanted"),
        ("swallows", "test_error_goes_downstream_when_upstream_fails"),
        ("swallows", "test_upstream_is_cancelled_when_downstream_cancels"),
    ],
)
def test_contract_fails_when_a_stage_has_a_fault(fault: str, test: str) -> None:
    """Each fault is found by the test that is there for it."""
    assert test in run_contract(fault)


def test_contract_holds_when_the_stage_has_no_fault() -> None:
    """The same stage without a fault passes."""
    assert run_contract("none") == []


def test_expectations_fail_when_they_are_not_met() -> None:
    """Every expectation of the probes can fail."""
    with StageBench(Map(str)) as bench:
        for unmet in (
            bench.source.expect_request,
            bench.source.expect_cancellation,
            bench.sink.expect_complete,
            bench.sink.expect_error,
            lambda: bench.sink.expect_next("1"),
            lambda: bench.source.send(1),
        ):
            with pytest.raises(AssertionError):
                unmet()
        bench.sink.request(2)
        bench.source.send(1)
        for unmet in (bench.source.expect_no_request, bench.sink.expect_no_next, bench.sink.expect_no_signal):
            with pytest.raises(AssertionError):
                unmet()
        with pytest.raises(AssertionError):
            bench.source.expect_request(2)
        bench.source.complete()
        with pytest.raises(AssertionError):
            bench.sink.expect_complete()
        bench.sink.expect_next("1")
        bench.sink.expect_complete()


def test_bench_fails_when_an_element_has_no_outcome() -> None:
    """Elements without an outcome are named at the end of the bench."""
    bench = StageBench(_Faulty("forgets receipts"))
    bench.sink.request(2)
    bench.source.send(1, 2)
    with pytest.raises(AssertionError, match=r"no outcome for \[0, 1\]"):
        bench.stop()
