"""ReceiptContract: that a stage does with receipts what it declares, and hands on what it holds when it is taken out of a graph.

Part of `StageContract`. Live edits (design 5) rely on both: no stage has to know of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

import pytest

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.receipt import Failed
from rt_edge.streams.stage import ReceiptUse, Stage
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_schedule import drive

SEEDS = range(8)


class ReceiptContract:
    """What a test class says about a stage, and the tests of its receipts.

    Attributes:
        elements: sent into each inlet in the random schedules.
        ordered: whether the order of the output is determined.
        eager: whether the stage takes elements that nobody has asked for (buffer, conflate).
        lossless: whether every element sent while all sinks ask reaches `expected`; else `expected` is not compared.
        residue_differs: why what the stage hands on, behind what it has emitted, is not what `expected` says of what it took
            in; "": it is, lists flattened.
        shares: whether several elements can be made of one: it is stored if any of them was, also when the stage drops the
            rest of it.
    """

    elements = 60
    ordered = True
    eager = False
    lossless = True
    residue_differs = ""
    shares = False

    # -- to override ---------------------------------------------------------------------------------------------------

    def make(self) -> Stage:
        """The stage under test."""
        raise NotImplementedError

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        """What comes out of each outlet when `inputs` went in. Default: the same."""
        return inputs

    def item(self, n: int) -> Any:
        """The element number `n`."""
        return n

    # -- the tests -----------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("seed", SEEDS)
    def test_residue_is_all_the_stage_holds_when_it_is_taken_out(self, seed: int) -> None:
        """After `residue` the stage holds nothing: its end gives no element an outcome, and what it emitted before, followed
        by the residue, is what the elements it took in make."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        with StageBench(self.make(), seed=seed, keep=True) as bench:
            drive(bench, self._inputs(bench), random, steps=random.randint(3, 50))
            if bench.engine.seats[bench.NAME].stopped:
                return
            taken = [list(source.sent) for source in bench.sources]
            for items, wire in zip(taken, bench.engine.seats[bench.NAME].ins, strict=True):
                del items[len(items) - (len(wire.slot) if wire.slot else 0) :]
            residue, slots = take_out(bench)
            before = [dict(source.outcomes.by_mark) for source in bench.sources]
            bench.engine.stop(Evicted("the stage was taken out"))
            for known, source in zip(before, bench.sources, strict=True):
                new = {mark: outcome for mark, outcome in source.outcomes.by_mark.items() if mark not in known}
                assert not new, f"still held after residue(): {new}"
            if self.lossless and self.ordered and not self.residue_differs and len(bench.sources) == len(bench.sinks) == 1:
                emitted = [*bench.sink.received, *(x for chunk in slots for x in chunk.items)]
                made = list(flat([*emitted, *(x for chunk in residue for x in chunk.items)]))
                assert made == list(flat(self.expected(taken)[0]))
            for chunk in [*residue, *slots]:
                chunk.settle()

    @pytest.mark.parametrize("seed", SEEDS)
    def test_stage_keeps_to_what_it_declares_when_sinks_settle_late(self, seed: int) -> None:
        """A stage that holds keeps at most what `holds()` says, one that settles on intake nothing, one that passes at most
        a chunk an inlet; and no outcome is given before the sinks give theirs, but for what the stage drops by its nature."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        stage = self.make()
        with StageBench(stage, seed=seed, keep=True) as bench:
            drive(bench, self._inputs(bench), random, steps=random.randint(3, 50))
            if bench.engine.seats[bench.NAME].stopped:
                return
            entering = [len(wire.slot) if wire.slot else 0 for wire in bench.engine.seats[bench.NAME].ins]
            residue, slots = take_out(bench)
            tracked = sum(len(chunk) for chunk in residue if chunk.receipt is not None)
            self._check_declared(stage, tracked, bench, entering)
            assert not any(isinstance(o, Failed) for source in bench.sources for o in source.outcomes.by_mark.values())
            for chunk in [*residue, *slots]:
                chunk.settle()

    def _inputs(self, bench: StageBench) -> list[list[Any]]:
        return [[self.item(n) for n in range(self.elements)] for _ in bench.sources]

    def _check_declared(self, stage: Stage, held: int, bench: StageBench, entering: list[int]) -> None:
        if stage.receipts is ReceiptUse.HOLD:
            most = stage.holds().elements
            assert most is None or held <= most, f"holds {held} elements unsettled, declares {most}"
        elif stage.receipts is ReceiptUse.INTAKE:
            assert not held, f"settles on intake, and holds {held} elements unsettled"
            for source, under_way in zip(bench.sources, entering, strict=True):
                open_ = len(source.sent) - len(source.outcomes.by_mark)
                assert open_ <= under_way, f"settles on intake, and {open_ - under_way} elements have no outcome"
        else:
            most = CHUNK_ELEMENTS * max(1, len(bench.sources))
            assert held <= most, f"passes receipts on, and holds {held} elements"


class Evicted(Exception):
    """The reason for which the tests stop an engine."""


def take_out(bench: StageBench) -> tuple[list[Chunk], list[Chunk]]:
    """The residue of the stage, taken between two turns, and what waits in the slots of its outlets."""
    seat = bench.engine.seats[bench.NAME]
    residue: list[Chunk] = []
    bench.engine.enter(seat, lambda: residue.extend(seat.logic.residue()))
    slots: list[Chunk] = []
    entering: list[Chunk] = []
    for wires, into in ((seat.outs, slots), (seat.ins, entering)):
        for wire in wires:
            if wire.slot is not None:
                into.append(wire.slot)
                wire.slot = None
    for chunk in entering:  # on their way to the stage, so not its own
        chunk.settle()
    return residue, slots


def flat(items: Iterable[Any]) -> Iterator[Any]:
    """The elements of nested lists and tuples."""
    for item in items:
        if isinstance(item, list | tuple):
            yield from flat(item)
        else:
            yield item
