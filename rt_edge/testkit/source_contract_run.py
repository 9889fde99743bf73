"""Run: one run of a source under test, in front of a probe; for `rt_edge.testkit.source_contract`."""

from __future__ import annotations

from random import Random
from typing import Any, Protocol, Self

from rt_edge.data.chunk import Chunk
from rt_edge.data.receipt import Dropped, Outcome
from rt_edge.streams.stage import Stage
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.source_contract_feed import Feed
from rt_edge.testkit.stage_schedule import HOUR

ROUNDS = 10_000
"""Small steps in which a source has to come to its end."""

REASONS = ("cancelled", "consumer_left")
"""For which a source may drop what it holds when nobody wants it any more."""


class Contract(Protocol):
    """What a run asks of the test class; the attributes are those of `SourceContract`."""

    ends: bool
    error: type[BaseException] | None
    period: float
    ahead: int

    def make(self, feed: Feed) -> Stage:
        """The stage."""
        ...

    def expected(self, items: list[Any]) -> list[Any]:
        """The obvious list."""
        ...

    def move(self, feed: Feed, random: Random) -> None:
        """The outside does something."""
        ...


class Run:
    """One run of a source in front of a probe, with what was asked of it so far.

    Attributes:
        bench: the bench; its sink is `sink`.
        expected: the obvious list.
        asked: elements asked for.
        shared: another run draws from the same feed.
    """

    def __init__(
        self, contract: Contract, feed: Feed, random: Random, seed: int | None, keep: bool, stage: Stage | None = None
    ) -> None:
        self.contract = contract
        self.feed = feed
        self.random = random
        self.stage = stage or contract.make(feed)
        self.bench = StageBench(self.stage, seed=seed, keep=keep)
        self.sink = self.bench.sink
        self.seat = self.bench.engine.seats[StageBench.NAME]
        self.expected = contract.expected(list(feed.items))
        self.asked = 0
        self._known: dict[Any, Outcome] = {}
        self.shared = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.bench.stop()
            assert not self.feed.outcomes.again, f"settled twice: {self.feed.outcomes.again}"
            assert not self.feed.unsettled, f"no outcome for {self.feed.unsettled}"

    def beside(self) -> Self:
        """Another run of the same stage, in front of the same feed: it shows what both have drawn."""
        other = type(self)(self.contract, self.feed, self.random, None, False, self.stage)
        self.shared = other.shared = True
        return other

    @property
    def over(self) -> bool:
        """Whether it has ended, or given all that it is going to."""
        return self.sink.ended or (not self.contract.ends and len(self.sink.received) >= len(self.expected))

    @property
    def waiting(self) -> int:
        """Elements in its slot."""
        (wire,) = self.seat.outs
        return wire.buffered

    def ask(self, n: int, settle: bool = True) -> None:
        """For `n` more elements."""
        if not self.sink.ended:
            self.asked += n
            self.sink.request(n, settle)

    def move(self) -> None:
        """The outside does something."""
        self.contract.move(self.feed, self.random)
        self.check_drawn()

    def advance(self, seconds: float) -> None:
        """Let time pass; no more has come than was asked for, and all that has come is right."""
        self.bench.advance(seconds)
        self.check_drawn()
        got = self.sink.received
        assert len(got) + self.waiting <= self.asked, f"{len(got)} came and {self.waiting} wait, {self.asked} were asked for"
        assert len(got) <= len(self.expected) or not self.contract.ends, f"{got[len(self.expected) :]!r} are too many"

    def check_drawn(self) -> None:
        """Not more was drawn than was asked for, and what the source says that it takes ahead."""
        drawn = 0 if self.shared else len(self.feed.drawn)
        assert drawn <= self.asked + self.contract.ahead, f"{drawn} elements were drawn where {self.asked} were asked for"

    def drive(self, steps: int, rest: bool = True) -> None:
        """So many random steps; then come to rest."""
        random = self.random
        for _ in range(steps):
            if self.over:
                return
            kind = random.randint(0, 9)
            if kind < 4:
                self.ask(random.choice([1, 2, 5, 50]), settle=random.random() < 0.4)
            elif kind < 7:
                self.move()
            elif kind == 7 and self.sink.held:
                self.sink.held.pop(random.randrange(len(self.sink.held))).settle()
            else:
                self.advance(random.choice([0.0, 0.01, 0.3]))
        if rest:
            self.advance(0.0)

    def finish(self) -> None:
        """Ask in small steps until it is over."""
        for _ in range(ROUNDS):
            if self.over:
                return
            if self.asked <= len(self.sink.received):
                self.ask(self.random.choice([1, 3]))
            self.move()
            self.advance(self.contract.period)
            if not self.contract.ends and not self.expected:
                return
        raise AssertionError(f"the source does not come to an end: {self.asked} asked for, {len(self.sink.received)} came")

    def check_end(self) -> None:
        """The whole list has come, then the end, and nothing is left; a source without an end is cancelled."""
        contract = self.contract
        self.note()
        assert self.sink.received[: len(self.expected)] == self.expected
        if not contract.ends:
            assert not self.sink.ended
            self.sink.cancel()
        elif contract.error is not None:
            assert isinstance(self.sink.error, contract.error)
        else:
            assert self.sink.error is None, repr(self.sink.error)
            assert self.sink.completed
        self.check_released(Dropped)
        assert not contract.ends or len(self.sink.received) == len(self.expected)

    def note(self) -> None:
        """Settle what the sink has, and remember what is settled so far."""
        self.sink.settle_all()
        self._known = dict(self.feed.outcomes.by_mark)

    def check_released(self, outcome: type[Outcome]) -> None:
        """It has stopped, and nothing of it is left, now and later; what was settled since `note` has `outcome`."""
        received = len(self.sink.received)
        self.bench.host.settle()
        drawn = len(self.feed.drawn)
        assert self.seat.stopped, "the stage still runs"
        assert self.feed.released or self.shared, f"opened {self.feed.opened} times, closed {self.feed.closed} times"
        assert (self.seat.context.timers, self.seat.context.tasks) == (0, 0), "a timer or a task of the stage is left"
        assert not self.bench.host.time.waiting, f"{self.bench.host.time.waiting} events are left"
        self.move()
        self.bench.advance(HOUR)
        assert len(self.sink.received) == received, "elements come after the end"
        assert len(self.feed.drawn) == drawn, "it is drawn from outside after the end"
        held = {mark for chunk in self.sink.held for mark in chunk.marks or ()}
        for mark, given in self.feed.outcomes.by_mark.items():
            if mark not in self._known and mark not in held:
                assert isinstance(given, outcome), f"{mark}: {given}"
                assert not isinstance(given, Dropped) or given.reason in REASONS, f"{mark}: {given}"

    def take_out(self) -> tuple[list[Chunk], list[Chunk]]:
        """The residue of the stage, taken between two turns, and what waits in its slot."""
        residue: list[Chunk] = []
        self.bench.engine.enter(self.seat, lambda: residue.extend(self.seat.logic.residue()))
        (wire,) = self.seat.outs
        slot, wire.slot = wire.slot, None
        return residue, [] if slot is None else [slot]


def semantics(stage: Stage) -> dict[str, str]:
    """The four lines of a stage's docstring, by their names."""
    lines = [line.strip() for line in (type(stage).__doc__ or "").splitlines()]
    names = ("Emits when", "Backpressures when", "Completes when", "Cancels when")
    found = {line.partition(":")[0]: line.partition(":")[2].strip() for line in lines if line.startswith(names)}
    assert set(found) == set(names), f"the docstring of {type(stage).__name__} lacks {set(names) - set(found)}"
    return found
