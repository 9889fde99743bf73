"""SinkReceiptContract: that a sink does with receipts what it declares, and hands on what it holds when it is taken out.

Part of `SinkContract`. Live edits (design 5) rely on both: no sink has to know of them.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.streams.stage import ReceiptUse, Stage
from rt_edge.testkit.receipt_contract import take_out
from rt_edge.testkit.sink_contract_run import Came, SinkRun
from rt_edge.testkit.source_contract_run import semantics
from rt_edge.testkit.stage_contract import Broken

SEEDS = range(8)


class SinkReceiptContract:
    """What a test class says about a sink, and the tests of its receipts.

    Attributes:
        elements: sent in the random schedules.
        ahead: elements that are asked for, or were sent and have no outcome, at most.
        asks: whether it asks for elements at all.
        keeps_demand: whether its attribute `demand`, if it has one, says how much it asks for.
        elsewhere: who else has elements of this sink that have no outcome: these are not in its residue, and fail when it is
            stopped; "": nobody.
        tells: whether it says what it came to (`done`).
        outcome: of the elements it takes: "stored", or the reason for which they are dropped.
        backpressures: whether it waits for the outside (`move`): what it asks for while that takes nothing is bounded.
        again: whether the same stage can be run several times; if not, a second run fails with a StreamError. Or why this
            cannot be compared.
        period: seconds in which a sink that waits for time has to go on.
    """

    elements = 60
    ahead = CHUNK_ELEMENTS
    asks = True
    keeps_demand = True
    elsewhere = ""
    tells = True
    outcome = "stored"
    backpressures = False
    again: bool | str = True
    period = 1.0

    # -- to override ---------------------------------------------------------------------------------------------------

    def make(self, done: Came) -> Stage:
        """The stage under test."""
        raise NotImplementedError

    def expected(self, items: list[Any]) -> Any:
        """What it comes to when `items` come; or the class of the error with which it fails then. Default: None."""
        return None

    def taken(self, items: list[Any]) -> int:
        """After how many of `items` it cancels, or all of them. What came behind is dropped, `cancelled`."""
        return len(items)

    def item(self, n: int) -> Any:
        """The element number `n`."""
        return n

    def move(self, random: Random) -> None:
        """Let the outside do something, where elements go outside: take some."""

    def arrived(self) -> list[Any] | None:
        """The elements that have arrived outside so far; None: there is no outside."""
        return None

    def arrives(self, items: list[Any]) -> list[Any]:
        """What has to arrive outside when the sink takes `items`. Default: the same."""
        return items

    def check_outside(self, error: BaseException | None) -> None:
        """The sink has ended (with `error`): assert that the outside knows, and that nothing is held open."""

    # -- the tests -----------------------------------------------------------------------------------------------------

    def test_receipts_are_what_the_stage_declares(self) -> None:
        """A sink ends receipts: when it has stored an element (END), or at once (INTAKE); or others do, behind it, and it holds
        them so long (HOLD)."""
        random = Random(0)  # noqa: S311 - a schedule, not a secret
        with self._run(self.elements, random, 0) as run:
            use = run.stage.receipts
            assert use in {ReceiptUse.END, ReceiptUse.INTAKE, ReceiptUse.HOLD}
            assert (len(run.stage.inlets), run.stage.outlets) == (1, ())
            run.drive(40, complete=False)
            most = run.stage.holds().elements
            assert use is not ReceiptUse.HOLD or most is None or len(run.source.sent) - len(run.outcomes) <= most
            if use is ReceiptUse.INTAKE:
                assert len(run.outcomes) == len(run.source.sent)

    @pytest.mark.parametrize("seed", SEEDS)
    def test_residue_is_all_the_sink_holds_when_it_is_taken_out(self, seed: int) -> None:
        """The elements that have no outcome, raw and in order; it holds nothing afterwards."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        with self._run(self.elements, random, seed) as run:
            run.drive(random.choice([1, 3, 10, 40]), complete=False)
            if run.seat.stopped:
                return
            residue, _ = take_out(run.bench)
            held = [item for mark, item in enumerate(run.source.sent) if mark not in run.outcomes]
            items = [item for chunk in residue for item in chunk.items]
            if self.elsewhere:
                assert items == held[len(held) - len(items) :]
                for chunk in residue:
                    chunk.settle()
                run.take_rest()
                return
            assert items == held
            before = dict(run.outcomes)
            run.bench.engine.stop(Broken("the stage was taken out"))
            run.bench.host.settle()
            new = {mark: outcome for mark, outcome in run.outcomes.items() if mark not in before}
            assert not new, f"still held after residue(): {new}"
            for chunk in residue:
                chunk.settle()

    def test_docstring_says_what_the_sink_does(self) -> None:
        """Its four lines, and what can be compared of them: nothing is emitted, whether it waits, whether it cancels."""
        lines = semantics(self.make(Came()))
        assert lines["Emits when"] == "-"
        assert not lines["Backpressures when"].startswith("never") or not self.backpressures
        assert not lines["Cancels when"].startswith("never") or self.taken([self.item(n) for n in range(9)]) == 9
        assert all(lines.values())

    # -- inside --------------------------------------------------------------------------------------------------------

    def _run(
        self, size: int, random: Random, seed: int | None = None, tracked: bool = True, demand: int | None = None
    ) -> SinkRun:
        """A run of the stage behind `size` elements."""
        return SinkRun(self, [self.item(n) for n in range(size)], random, seed, tracked, demand=demand)
