"""SourceContract finds what is wrong with sources that are broken on purpose, and nothing about one that is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stage import OUT, Outlet, ReceiptUse, StageLogic
from rt_edge.streams.stages._source import SourceStage
from rt_edge.testkit.source_contract import FedSourceContract
from rt_edge.testkit.source_contract_feed import Feed
from rt_edge.testkit.virtual_clock import Sleep
from tests.testkit.contract_runs import findings

FAULTS = {
    "draws one element ahead": "test_outside_is_left_alone_when_nothing_is_wanted",
    "has one element ready unasked": "test_nothing_is_emitted_when_nothing_is_wanted",
    "emits one element unasked": "test_outside_is_left_alone_when_nothing_is_wanted",
    "leaves the outside open": "test_everything_is_released_when_downstream_cancels",
    "leaves a task behind": "test_everything_is_released_when_the_engine_stops",
    "loses an element at the border of a chunk": "test_output_is_the_list_when_demand_comes_so",
    "emits an element twice": "test_output_is_the_list_when_the_schedule_is_random",
    "reverses bursts": "test_output_is_the_list_when_the_schedule_is_random",
    "does not end": "test_output_is_the_list_when_the_schedule_is_random",
    "takes a failure for the end": "test_elements_before_are_emitted_when_the_outside_fails",
    "lets a failure overtake elements": "test_elements_before_are_emitted_when_the_outside_fails",
    "does not count failures": "test_elements_before_are_emitted_when_the_outside_fails",
    "emits None": "test_none_is_no_element_when_the_outside_gives_it",
    "forgets what it holds when it is taken out": "test_residue_is_all_the_stage_holds_when_it_is_taken_out",
    "does not count what it drops": "test_everything_is_released_when_downstream_cancels",
    "shares its iterator between runs": "test_list_is_the_same_when_the_stage_is_run_again",
    "declares receipts and gives none": "test_receipts_are_what_the_stage_declares",
    "waits for more demand than it has": "test_output_is_the_list_when_demand_comes_so",
    "needs demand to end, and does not say so": "test_end_needs_no_demand_when_all_was_emitted",
}
"""What is wrong with a source -> the test that has to find it, besides others."""


class Numbers(SourceStage, frozen=True):
    """Emits what a feed gives, as its fault lets it.

    Emits when: asked.
    Backpressures when: downstream does.
    Completes when: the feed does.
    Cancels when: -
    """

    feed: Any
    fault: str = ""

    def create_logic(self) -> StageLogic:
        """A logic with the fault."""
        return Logic(self)


class Promising(Numbers, frozen=True):
    """As `Numbers`.

    Emits when: asked.
    Backpressures when: downstream does.
    Completes when: the feed does.
    Cancels when: -
    """

    receipts = ReceiptUse.ORIGIN


class Logic(StageLogic):
    """Looks one element ahead when it is its fault, and then says so or not."""

    def __init__(self, stage: Numbers) -> None:
        self.feed: Feed = stage.feed
        self.fault = stage.fault
        self.ahead: list[Any] = []
        self.iterator: Iterator[Any]

    def on_start(self) -> None:
        if self.fault == "shares its iterator between runs" and self.feed.opened:
            self.iterator = self.feed.shared  # type: ignore[attr-defined]
        else:
            self.iterator = iter(self.feed)
            self.feed.shared = self.iterator  # type: ignore[attr-defined]
        if fault_ahead(self.fault) or self.fault == "draws one element ahead":
            self.ahead = self.draw(1)[0]
        elif self.fault in {"emits one element unasked", "has one element ready unasked"}:
            self.emit(1)
        elif self.fault == "leaves a task behind":
            self.seat.engine.host.spawn(self.endless(), lambda result, error: None)

    async def endless(self) -> None:
        while True:
            await Sleep(1e6)

    def draw(self, n: int) -> tuple[list[Any], Exception | None]:
        items: list[Any] = self.ahead[:n]
        del self.ahead[:n]
        try:
            while len(items) < n:
                items.append(next(self.iterator))
                if items[-1] is None and self.fault != "emits None":
                    return items[:-1], TypeError("None is not an element (rule 2.13)")
        except Exception as error:  # noqa: BLE001 - StopIteration is the end, all others are failures
            return items, error
        return items, None

    def on_pull(self, outlet: Outlet, n: int) -> None:
        self.emit(self.demand(OUT))

    def emit(self, wanted: int) -> None:
        most = min(wanted, CHUNK_ELEMENTS)
        if self.fault == "waits for more demand than it has" and most < 2:
            return
        items, error = self.draw(most)
        items = self.spoil(items)
        if items:
            self.push(OUT, Chunk(items))
        if error is None:
            if wanted > most:
                self.pull_again(OUT)
        else:
            self.end(error)

    def spoil(self, items: list[Any]) -> list[Any]:
        if self.fault == "loses an element at the border of a chunk" and len(items) == CHUNK_ELEMENTS:
            return items[:-1]
        if self.fault == "emits an element twice" and len(items) == 2:
            return [items[0], items[0]]
        return items[::-1] if self.fault == "reverses bursts" else items

    def end(self, error: Exception) -> None:
        if isinstance(error, StopIteration) or self.fault == "takes a failure for the end":
            if self.fault != "does not end":
                self.complete_stage()
            return
        if self.fault != "does not count failures":
            self.ctx.count("errors")
        if self.fault != "lets a failure overtake elements":
            self.fail_behind(OUT, error)
        self.fail_stage(error)

    def residue(self) -> list[Chunk]:
        if self.fault == "forgets what it holds when it is taken out" or not self.ahead:
            return []
        items, self.ahead = self.ahead, []
        return [Chunk(items)]

    def on_stop(self, error: BaseException | None) -> None:
        close: Any = self.iterator.close  # type: ignore[attr-defined]
        if self.ahead and self.fault != "does not count what it drops":
            self.ctx.count("dropped_cancelled", len(self.ahead))
        if self.fault != "leaves the outside open":
            close()


def fault_ahead(fault: str) -> bool:
    """Whether it says that it looks ahead."""
    return fault in {"forgets what it holds when it is taken out", "does not count what it drops"}


def contract(fault_: str) -> type[FedSourceContract]:
    """The contract of a source with this fault; "": none."""

    class OfNumbers(FedSourceContract):
        lazy = False
        ahead = int(fault_ahead(fault_))
        early_end = fault_.startswith("needs")

        def make(self, feed: Feed) -> Numbers:
            return (Promising if fault_.startswith("declares") else Numbers)(feed, fault_)

    return OfNumbers


@pytest.mark.parametrize("fault", FAULTS)
def test_broken_source_is_found_when_the_contract_runs(fault: str) -> None:
    """By the test that is about it."""
    assert FAULTS[fault] in findings(contract(fault))


def test_nothing_is_found_when_the_source_is_right() -> None:
    """By none of the tests."""
    assert findings(contract("")) == {}
