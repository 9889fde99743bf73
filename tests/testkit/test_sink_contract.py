"""SinkContract finds what is wrong with sinks that are broken on purpose, and nothing about one that is not."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, Inlet, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import named, note_failures, settle_rest, take_parts
from rt_edge.streams.stages._sink import SinkLogic, SinkStage
from rt_edge.testkit.sink_contract import SinkSupervisionContract
from rt_edge.testkit.sink_contract_run import Came
from rt_edge.testkit.stage_contract import OnError, raising
from tests.testkit.contract_runs import findings

RANDOM = "test_result_is_the_functions_when_the_schedule_is_random"
FAULTS = {
    "asks for more than it says": RANDOM,
    "asks again for chunks instead of elements": "test_demand_is_whole_again_when_all_has_an_outcome",
    "stops asking": "test_result_is_the_functions_when_elements_come_so",
    "asks whatever nobody takes": "test_demand_ends_when_nothing_is_taken_outside",
    "settles nothing": RANDOM,
    "settles as dropped": RANDOM,
    "settles before elements have arrived": RANDOM,
    "says twice what it came to": RANDOM,
    "forgets the last element": RANDOM,
    "takes a failure of upstream for the end": "test_result_is_the_error_when_upstream_fails",
    "does not cancel": RANDOM,
    "forgets what it holds when it is taken out": "test_residue_is_all_the_sink_holds_when_it_is_taken_out",
    "forgets what it holds when it is stopped": "test_everything_held_has_an_outcome_when_the_engine_stops",
    "shares its result between runs": "test_result_is_the_same_when_the_stage_is_run_again",
    "fails all elements for one": "test_only_the_guilty_element_fails_when_user_code_raises",
    "names no graph node": "test_only_the_guilty_element_fails_when_user_code_raises",
    "leaves a timer behind": RANDOM,
    "declares to pass receipts on": "test_receipts_are_what_the_stage_declares",
}
"""What is wrong with a sink -> the test that has to find it, besides others."""

MOST = 50
SIZE = 8


class Shelf(SinkStage, frozen=True, kw_only=True):
    """Puts up to 50 elements on a shelf with 8 places, from which the test takes them; comes to their sum.

    Emits when: -
    Backpressures when: the shelf is full.
    Completes when: upstream completes and all was taken.
    Cancels when: 50 elements have come.
    """

    shelves: Any
    function: Callable[[Any], Any] = int
    fault: str = ""
    demand: int = SIZE

    def create_logic(self) -> StageLogic:
        """A logic with the fault."""
        return Logic(self)


class Passing(Shelf, frozen=True, kw_only=True):
    """As `Shelf`.

    Emits when: -
    Backpressures when: the shelf is full.
    Completes when: upstream completes and all was taken.
    Cancels when: 50 elements have come.
    """

    receipts = ReceiptUse.PASS


class Logic(SinkLogic):
    """Holds chunks until their elements were taken."""

    stage: Shelf

    def __init__(self, stage: Shelf) -> None:
        super().__init__(stage)
        self.fault = stage.fault
        self.sums: list[int] = []
        self.shelf: Place
        self.held: list[Chunk] = []
        self.lost: list[Chunk] = []
        self.came = 0
        self.finished = False

    def on_start(self) -> None:
        shelves: list[Place] = self.stage.shelves
        self.shelf = Place(self.ctx.callback_here(self.taken))
        if self.fault.startswith("shares") and shelves:
            self.sums = shelves[0].sums
        self.shelf.sums = self.sums
        shelves.append(self.shelf)
        self.request(IN, self.stage.demand * (2 if self.fault.startswith("asks for more") else 1))
        if self.fault == "leaves a timer behind":
            self.seat.engine.host.later(1e9, lambda: None)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        over = self.came + len(chunk) - MOST
        self.came += len(chunk)
        if over > 0 and self.fault != "does not cancel":
            behind = chunk
            if over < len(chunk):
                chunk, behind = chunk.cut(len(chunk) - over)
                self.put(chunk)
            behind.drop("cancelled")
        else:
            self.put(chunk)
        if self.came >= MOST and self.fault != "does not cancel":
            self.finished = True
            self.cancel(IN)
            self.check()

    def put(self, chunk: Chunk) -> None:
        for place, item in enumerate(chunk.items):
            try:
                self.sums.append(self.stage.function(item))
            except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
                self.guilty(chunk, place, error)
                return
        self.held.append(chunk)
        self.shelf.items += chunk.items
        if self.fault == "settles before elements have arrived":
            chunk.settle()
        if self.fault == "asks whatever nobody takes":
            self.request(IN, len(chunk))

    def guilty(self, chunk: Chunk, place: int, error: Exception) -> None:
        note_failures(self, [(place, error)])
        stop = self.stage.on_error == "stop"
        bad, told = [place], error if self.fault == "names no graph node" else named(self, error)
        if stop or self.fault == "fails all elements for one":
            bad = list(range(place if stop else 0, len(chunk)))
        chunk.take(bad).fail(told)
        if place and bad[0]:
            self.held.append(chunk.take(range(place)))
            self.shelf.items += chunk.items[:place]
        if stop:
            self.fail_stage(error)
            return
        if self.stage.on_error == "restart":
            self.ctx.count("restarts")
        self.request(IN, len(bad))
        if bad == [place] and place + 1 < len(chunk):
            self.put(chunk.take(range(place + 1, len(chunk))))

    def taken(self, n: int) -> None:
        parts, self.held = take_parts(self.held, n)
        for part in parts:
            if self.fault == "settles nothing":
                self.lost.append(part)
            elif self.fault == "settles as dropped":
                part.drop("cancelled")
            else:
                part.settle()
        if not self.finished and self.fault not in {"stops asking", "asks whatever nobody takes"}:
            self.request(IN, n if self.fault != "asks again for chunks instead of elements" else 1)
        self.check()

    def check(self) -> None:
        if self.finished and not self.held:
            self.result = sum(self.sums[:-1] if self.fault == "forgets the last element" else self.sums)
            if self.fault == "says twice what it came to":
                self.stage.done(self.result, None)
            self.end()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self.finished = True
        self.check()

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        self.fail_stage(error) if not self.fault.startswith("takes a failure") else self.end()

    def residue(self) -> list[Chunk]:
        if self.fault == "forgets what it holds when it is taken out":
            return []
        held, self.held = self.held, []
        return held

    def on_stop(self, error: BaseException | None) -> None:
        if self.fault == "forgets what it holds when it is stopped":
            self.lost, self.held = self.held, []
        if self.fault == "settles nothing":
            self.held = []
        settle_rest(self, self.held, error)
        self.held = []
        super().on_stop(error)


class Place:
    """The shelf of one run."""

    def __init__(self, taken: Callable[[int], None]) -> None:
        self.items: list[Any] = []
        self.sums: list[int] = []
        self.taken = taken


def contract(fault_: str) -> type[SinkSupervisionContract]:
    """The contract of a sink with this fault; "": none."""

    class OfShelf(SinkSupervisionContract):
        ahead = SIZE
        backpressures = True
        shelves: list[Place]
        got: list[Any]

        def make(self, done: Came) -> Shelf:
            return self.make_failing("stop", done, int)

        def make_failing(self, on_error: OnError, done: Came, function: Any = None) -> Shelf:
            self.shelves, self.got = [], []
            cls = Passing if fault_.startswith("declares") else Shelf
            function = function or raising(int)
            return cls(shelves=self.shelves, function=function, fault=fault_, done=done, on_error=on_error)

        def expected(self, items: list[Any]) -> Any:
            return sum(items[:MOST])

        def taken(self, items: list[Any]) -> int:
            return min(MOST, len(items))

        def move(self, random: Random) -> None:
            for shelf in self.shelves:
                n = min(random.randint(1, 3), len(shelf.items))
                if n:
                    self.got += shelf.items[:n]
                    del shelf.items[:n]
                    shelf.taken(n)

        def arrived(self) -> list[Any]:
            return self.got

    return OfShelf


@pytest.mark.parametrize("fault", FAULTS)
def test_broken_sink_is_found_when_the_contract_runs(fault: str) -> None:
    """By the test that is about it."""
    assert FAULTS[fault] in findings(contract(fault))


def test_nothing_is_found_when_the_sink_is_right() -> None:
    """By none of the tests."""
    assert findings(contract("")) == {}
