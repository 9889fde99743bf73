"""ReplayContract: what a stage has to do with elements that their origin emits again, as part of `StageContract`.

Its sources number what they emit as real ones do (`rt_edge.streams.ledger`), and its sinks let elements fail, one by one or all
that is under way at once, as a dead island does. Then promise 1 (design 1) says two things that a stage can break:

- an element that has gone on and failed is not settled as dropped when it comes again: it was chosen, and is nowhere;
- nothing is settled as stored that no sink has stored, unless the stage says that it settles on intake.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import IslandDied
from rt_edge.data.receipt import Dropped, Failed, Marks, Origin, Outcome, Receipt, Stored, number_of
from rt_edge.data.weave import identities
from rt_edge.streams.ledger import Ledger
from rt_edge.streams.stage import OUT, ReceiptUse
from rt_edge.testkit.probes import SinkProbe, SourceProbe, StageBench
from rt_edge.testkit.receipt_contract import ReceiptContract
from rt_edge.testkit.stage_schedule import HOUR

SEEDS = range(3)
STEPS = 60
NEVER = 1_000_000
"""Attempts that no element comes to here."""


class Refused(Exception):
    """Why a sink lets an element fail."""


class LedgerProbe(SourceProbe):
    """A source probe with a ledger, which emits again what has failed.

    Attributes:
        storing: whether a sink is storing something at this moment; set from outside.
        refused: numbers that went on and failed, and had no outcome since.
        stored: numbers of which a sink has stored something; what else was made of them may be dropped later.
        wrong: what was wrong, in words.
    """

    accounts = False  # an element may be sent several times

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ledger = _Noted(self)
        self.storing = False
        self.refused: set[int] = set()
        self.stored: set[int] = set()
        self.intake = False
        self.may_drop = False
        self.wrong: list[str] = []

    def send(self, *items: Any, settle: bool = True) -> None:
        """Emit new elements."""
        self.sent += items
        self._emit(self.ledger.emit(list(items)), settle)

    def send_again(self, most: int) -> bool:
        """Emit again some of what has failed, if there is demand; whether there was anything."""
        chunk = self.ledger.retry(min(most, self.demand))
        if chunk is not None:
            self._emit(chunk, settle=True)
        return chunk is not None

    def _emit(self, chunk: Chunk, settle: bool) -> None:
        self._do(lambda: self.logic.push(OUT, chunk), settle)

    def note(self, numbers: Marks, outcome: Outcome) -> None:
        """An outcome of the current lap has come."""
        for number in numbers:
            assert isinstance(number, int)
            if isinstance(outcome, Failed):
                if isinstance(outcome.error, Refused | IslandDied):
                    self.refused.add(number)
                continue
            dropped = isinstance(outcome, Dropped) and outcome.reason != "cancelled"  # then the stream has ended
            if dropped and number in self.refused and not self.may_drop:
                self.wrong.append(f"{number} went on and failed, came again, and was settled with {outcome!r}")
            if isinstance(outcome, Stored) and not self.storing and not self.intake and number not in self.stored:
                self.wrong.append(f"{number} is settled as stored, and no sink has stored it")
            self.refused.discard(number)


class _Noted(Ledger):
    """A ledger that tells what it hears."""

    def __init__(self, probe: LedgerProbe) -> None:
        super().__init__(Origin("probe", f"{id(probe)}"), NEVER, lambda _: None, lambda: None, lambda *_: None)
        self._probe = probe

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        if receipt.origin is not None and receipt.origin.lap == self.origin.lap:
            self._probe.note(marks, outcome)
        super().on_outcome(receipt, marks, outcome)


class ReplayContract(ReceiptContract):
    """The tests of what comes again.

    Attributes:
        drops_again: why an element may be dropped that has gone on, has failed and comes again; "": it may not.
        takes: why the stage settles elements itself; "": it does not, unless it says so (`ReceiptUse.INTAKE`).
    """

    drops_again = ""
    takes = ""

    @pytest.mark.parametrize("dies", [False, True], ids=["failed", "died"])
    @pytest.mark.parametrize("seed", SEEDS)
    def test_what_was_chosen_is_not_dropped_when_it_comes_again(self, seed: int, dies: bool) -> None:
        """What went on, failed, and is emitted again goes on again, whatever the stage remembers; and nothing is settled as
        stored that is not."""
        random = Random(seed)  # noqa: S311 - a schedule, not a secret
        stage = self.make()
        with StageBench(stage, seed=seed, keep=True, sources=LedgerProbe) as bench:
            run = _Run(bench, random, dies)
            for source in run.sources:
                early = getattr(stage, "settle", "end") == "early" or stage.receipts in (ReceiptUse.INTAKE, ReceiptUse.END)
                source.intake = early or bool(self.takes)
                source.may_drop = bool(self.drops_again)
            run.play([[self.item(n) for n in range(self.elements)] for _ in bench.sources])
            wrong = [what for source in run.sources for what in source.wrong]
            assert not wrong, f"{len(wrong)} elements: {wrong[0]}"


class _Run:
    """One schedule."""

    def __init__(self, bench: StageBench, random: Random, dies: bool) -> None:
        self.bench = bench
        self.sources: list[LedgerProbe] = [source for source in bench.sources if isinstance(source, LedgerProbe)]
        self._random = random
        self._dies = dies
        self._failures = 0

    def play(self, rests: list[list[Any]]) -> None:
        """Send it all; let some fail; then store what comes, and complete."""
        for _ in range(STEPS):
            if all(sink.ended for sink in self.bench.sinks):
                break
            self._step(rests)
        for _ in range(200):
            if all(sink.ended for sink in self.bench.sinks):
                break
            self._end(rests)
        self._store_all()

    def _step(self, rests: list[list[Any]]) -> None:
        bench, random = self.bench, self._random
        self._send(rests, random.choice([1, 3, 20]))
        sink = random.choice(bench.sinks)
        if not sink.ended:
            sink.request(random.choice([1, 2, 5, 50]))
        if random.random() < 0.2:
            bench.advance(random.choice([0.0, 0.3, HOUR]))
        self._decide(random.choice(bench.sinks))

    def _end(self, rests: list[list[Any]]) -> None:
        for sink in self.bench.sinks:
            if not sink.ended:
                sink.request(100)
        self.bench.advance(HOUR)
        self._store_all()
        if not self._send(rests, 1000) and not any(rests):
            for source in self.sources:
                if not source.ended:
                    source.complete()

    def _store_all(self) -> None:
        for sink in self.bench.sinks:
            self._store(sink.held)
            sink.held = []

    def _send(self, rests: list[list[Any]], most: int) -> bool:
        """What has failed goes first."""
        done = False
        for source, rest in zip(self.sources, rests, strict=True):
            if source.ended or not source.demand:
                continue
            if source.ledger.waiting:
                done |= source.send_again(most)
            elif rest:
                n = min(most, source.demand, len(rest))
                source.send(*rest[:n])
                del rest[:n]
                done = True
        return done

    def _decide(self, sink: SinkProbe) -> None:
        """Store something, or let it fail."""
        random = self._random
        self._drop_old_copies()
        if not sink.held:
            return
        chunk = sink.held.pop(random.randrange(len(sink.held)))
        if len(chunk) > 1 and random.random() < 0.5:
            chunk, rest = chunk.cut(random.randrange(1, len(chunk)))
            sink.held.append(rest)
        if random.random() < 0.5:
            self._store([chunk])
        elif not self._dies:
            chunk.fail(Refused("not now"))
        elif self._failures < 3:
            self._failures += 1
            error = IslandDied("all that was under way is gone")
            lost = [chunk, *(held for each in self.bench.sinks for held in each.held)]
            for each in self.bench.sinks:
                each.held = []
            for one in lost:
                one.fail(error)
        else:
            self._store([chunk])
        self.bench.host.settle()

    def _drop_old_copies(self) -> None:
        """As a wire does: what is of a lap before the present one was overtaken by a loss."""
        if not self._dies:
            return
        laps = {source.ledger.origin.incarnation: source.ledger.origin.lap for source in self.sources}
        for sink in self.bench.sinks:
            kept = []
            for chunk in sink.held:
                old = [origin is not None and origin.lap < laps.get(origin.incarnation, 0) for origin, _ in identities(chunk)]
                if any(old):
                    chunk.take([place for place, is_old in enumerate(old) if is_old]).fail(IslandDied("overtaken by a loss"))
                if not all(old):
                    kept.append(chunk.take([place for place, is_old in enumerate(old) if not is_old]) if any(old) else chunk)
            sink.held = kept

    def _store(self, chunks: list[Chunk]) -> None:
        for source in self.sources:
            source.storing = True
        for chunk in chunks:
            for origin, mark in identities(chunk):
                for source in self.sources:
                    if origin is not None and mark is not None and origin.incarnation == source.ledger.origin.incarnation:
                        source.stored.add(number_of(mark))
            chunk.settle()
        self.bench.host.settle()
        for source in self.sources:
            source.storing = False
