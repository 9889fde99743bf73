"""SourceReceiptContract: that a source does with receipts what it declares, and hands on what it holds when it is taken out.

Part of `SourceContract`. Live edits (design 5) rely on both: no source has to know of them.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from rt_edge.streams.stage import ReceiptUse, Stage
from rt_edge.testkit.source_contract_feed import Feed
from rt_edge.testkit.source_contract_run import Run, semantics
from rt_edge.testkit.stage_contract import Broken
from rt_edge.testkit.stage_schedule import HOUR

SEEDS = range(8)


class SourceReceiptContract:
    """What a test class says about a source, and the tests of its receipts.

    Attributes:
        elements: that the outside has, in the random schedules.
        ends: whether it comes to an end by itself; if not, `expected` is what comes of the time that the tests take.
        error: what it ends with; None: it completes.
        early_end: whether the end follows the last element without further demand.
        ahead: elements that it draws from outside beyond what it was asked for, at most.
        again: whether the same stage can be run several times; if not, a second run fails with a StreamError. Or why this
            cannot be compared.
        drops_elsewhere: who else counts what it holds when downstream cancels; "": it does, as `dropped_<reason>`.
        period: seconds in which a source that waits for time has to go on.
    """

    elements = 60
    ends = True
    error: type[BaseException] | None = None
    early_end = True
    ahead = 0
    again: bool | str = True
    drops_elsewhere = ""
    period = HOUR

    # -- to override ---------------------------------------------------------------------------------------------------

    def make(self, feed: Feed) -> Stage:
        """The stage under test, in front of `feed` if it has an outside."""
        raise NotImplementedError

    def expected(self, items: list[Any]) -> list[Any]:
        """What comes out when the outside gives `items`. Default: the same."""
        return items

    def item(self, n: int) -> Any:
        """The element number `n`."""
        return n

    def move(self, feed: Feed, random: Random) -> None:
        """Let the outside do something, where it does something by itself: hand over elements (`Feed.push`)."""

    # -- the tests -----------------------------------------------------------------------------------------------------

    def test_receipts_are_what_the_stage_declares(self) -> None:
        """A source has one outlet and nothing to hold, split or end: it counts marks itself (ORIGIN), passes on those of what is
        in it (PASS), or has none to give (INTAKE)."""
        random = Random(0)  # noqa: S311 - a schedule, not a secret
        for tracked in (True, False):
            with self._run(self.elements, random, 0, tracked=tracked, keep=True) as run:
                use = run.stage.receipts
                assert use in {ReceiptUse.ORIGIN, ReceiptUse.PASS, ReceiptUse.INTAKE}
                assert (run.stage.inlets, len(run.stage.outlets)) == ((), 1)
                run.finish()
                receipts = [chunk.receipt is not None for chunk in run.sink.held]
                given = len(run.feed.outcomes.by_mark) + len(run.feed.unsettled)
                assert all(receipts) if use is ReceiptUse.ORIGIN or given else not any(receipts)
                assert use is not ReceiptUse.INTAKE or not given

    @pytest.mark.parametrize("seed", SEEDS)
    def test_residue_is_all_the_stage_holds_when_it_is_taken_out(self, seed: int) -> None:
        """What it emitted, followed by the residue, is the obvious list of what it drew; it holds nothing afterwards."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        with self._run(self.elements, random, seed, keep=True) as run:
            run.drive(random.choice([1, 3, 10, 40]), rest=random.random() < 0.5)
            if run.seat.stopped:
                return
            residue, slot = run.take_out()
            before = dict(run.feed.outcomes.by_mark)
            run.bench.engine.stop(Broken("the stage was taken out"))
            run.bench.host.settle()
            new = set(run.feed.outcomes.by_mark) - set(before)
            assert not new, f"still held after residue(): {sorted(new)}"
            made = [*run.sink.received, *(x for chunk in [*slot, *residue] for x in chunk.items)]
            drawn = list(run.feed.drawn)
            wanted = self.expected(drawn) if drawn else run.expected[: len(made)]
            assert (made if self.ends else made[: len(wanted)]) == wanted
            for chunk in [*slot, *residue]:
                chunk.settle()

    def test_docstring_says_what_the_stage_does(self) -> None:
        """Its four lines, and what can be compared of them: no upstream to cancel, an end or none, elements or none."""
        stage = self.make(Feed([self.item(0)]))
        lines = semantics(stage)
        assert not self.ends or not lines["Completes when"].startswith("never")
        assert lines["Emits when"].startswith("never") == (not self.expected([self.item(0)]))
        assert all(lines.values())

    # -- inside --------------------------------------------------------------------------------------------------------

    def _run(
        self,
        size: int,
        random: Random,
        seed: int | None = None,
        tracked: bool = True,
        keep: bool = False,
        feed: Feed | None = None,
    ) -> Run:
        """A run of the stage in front of `size` elements."""
        return Run(self, feed or Feed([self.item(n) for n in range(size)], None, random, tracked), random, seed, keep)
