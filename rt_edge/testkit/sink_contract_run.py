"""SinkRun: one run of a sink under test, behind a probe; for `rt_edge.testkit.sink_contract`."""

from __future__ import annotations

from random import Random
from typing import Any, Protocol, Self

import msgspec

from rt_edge.data.receipt import Dropped, Outcome, Stored
from rt_edge.streams.stage import Stage
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_schedule import HOUR

ROUNDS = 10_000
"""Small steps in which a sink has to come to its end."""

PATIENCE = 200
"""Rounds in which a sink may ask for nothing."""


class Came:
    """What a sink said it came to; give it as `done`.

    Attributes:
        to: (result, error) of each time that it said so: there must be one.
    """

    def __init__(self) -> None:
        self.to: list[tuple[Any, BaseException | None]] = []

    def __call__(self, result: Any, error: BaseException | None) -> None:
        """Note it."""
        self.to.append((result, error))


class Contract(Protocol):
    """What a run asks of the test class; the attributes are those of `SinkContract`."""

    ahead: int
    asks: bool
    tells: bool
    period: float
    outcome: str
    elsewhere: str

    def make(self, done: Came) -> Stage:
        """The stage."""
        ...

    def expected(self, items: list[Any]) -> Any:
        """The obvious result."""
        ...

    def taken(self, items: list[Any]) -> int:
        """How many elements it takes."""
        ...

    def move(self, random: Random) -> None:
        """The outside does something."""
        ...

    def arrived(self) -> list[Any] | None:
        """What the outside has."""
        ...

    def arrives(self, items: list[Any]) -> list[Any]:
        """What it should have."""
        ...

    def check_outside(self, error: BaseException | None) -> None:
        """It knows the end, and holds nothing."""
        ...


class SinkRun:
    """One run of a sink behind a probe.

    Attributes:
        bench: the bench; its source is `source`.
        items: what is sent; `rest` of it was not sent so far.
        came: what the sink came to.
        ahead: elements asked for, or without an outcome, at most.
        alone: whether no other run shares the outside.
    """

    def __init__(
        self,
        contract: Contract,
        items: list[Any],
        random: Random,
        seed: int | None = None,
        tracked: bool = True,
        stage: Stage | None = None,
        demand: int | None = None,
    ) -> None:
        self.contract = contract
        self.items = items
        self.rest = list(items)
        self.random = random
        self.came = Came()
        self.stage = stage or contract.make(self.came)
        self.ahead = contract.ahead
        if demand is not None:
            self.stage = msgspec.structs.replace(self.stage, demand=demand)
            self.ahead = demand
        self.alone = stage is None
        self.bench = StageBench(self.stage, seed=seed, tracked=tracked)
        self.source = self.bench.source
        self.seat = self.bench.engine.seats[StageBench.NAME]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.bench.stop()

    @property
    def over(self) -> bool:
        """Whether every stage has stopped."""
        return bool(self.bench.ended)

    @property
    def outcomes(self) -> dict[int, Outcome]:
        """What became of the elements, by their number."""
        return self.source.outcomes.by_mark

    def send(self, n: int, settle: bool = True) -> None:
        """Up to `n` elements, as far as they are asked for."""
        n = min(n, self.source.demand, len(self.rest))
        if n and not self.source.ended:
            self.source.send(*self.rest[:n], settle=settle)
            del self.rest[:n]

    def move(self) -> None:
        """The outside does something."""
        self.contract.move(self.random)
        if not self.contract.elsewhere:  # else outcomes are under way
            self.check_bounds()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.bench.advance(seconds)
        self.check_bounds()

    def check_bounds(self) -> None:
        """No more is asked for and without an outcome than the sink says, and nothing is stored that has not arrived."""
        if self.source.ended:
            return
        opened = len(self.source.sent) - len(self.outcomes) if self.source.tracked else 0
        asked = self.source.demand
        assert asked + opened <= self.ahead, f"{asked} elements are asked for and {opened} have no outcome"
        arrived = self.contract.arrived() if self.alone else None
        if arrived is not None:
            stored = sum(isinstance(outcome, Stored) for outcome in self.outcomes.values())
            assert stored <= len(arrived), f"{stored} elements are settled as stored, {len(arrived)} have arrived"

    def drive(self, steps: int, complete: bool = True) -> None:
        """So many random steps; then come to rest."""
        random = self.random
        for _ in range(steps):
            if self.source.ended:
                break
            kind = random.randint(0, 9)
            settle = random.random() < 0.4
            if kind < 5 and self.rest:
                self.send(random.choice([1, 3, 20]), settle)
            elif kind < 5 and complete and random.random() < 0.3:
                self.source.complete(settle)
            elif kind < 8:
                self.move()
            else:
                self.advance(random.choice([0.0, 0.01, 0.3]))
        self.advance(0.0)

    def finish(self, most: int = 3) -> None:
        """Send the rest as it is asked for, then complete, until all has stopped."""
        idle = 0
        for _ in range(ROUNDS):
            if self.over:
                return
            if not self.source.ended:
                idle = 0 if self.source.demand else idle + 1
                assert idle < PATIENCE or not self.contract.asks, f"{len(self.rest)} elements are never asked for"
                if self.rest and self.contract.asks:
                    self.send(self.random.randint(1, most), settle=self.random.random() < 0.5)
                else:
                    self.source.complete()
            self.move()
            self.advance(self.contract.period)
        raise AssertionError("the sink does not come to an end")

    def take_rest(self) -> None:
        """Let the outside take what is there without the sink."""
        for _ in range(PATIENCE if self.contract.elsewhere else 0):
            self.move()
        self.bench.host.settle()

    def check_end(self) -> None:
        """It came to what it should, once; each element has the right outcome, and nothing is left."""
        contract = self.contract
        self.take_rest()
        taken = contract.taken(self.items)
        expected = contract.expected(self.items)
        self.check_told(expected)
        if self.source.tracked:
            for mark, outcome in self.outcomes.items():
                told = outcome.reason if isinstance(outcome, Dropped) else type(outcome).__name__.lower()
                assert told == (contract.outcome if mark < taken else "cancelled"), f"element {mark}: {outcome}"
            assert len(self.outcomes) >= min(taken, len(self.items)) * contract.asks
        if taken < len(self.items) and not self.source.finished:
            assert self.source.cancelled == [None]
        else:
            assert self.source.ended
        if self.alone:
            error = self.bench.ended[0] if self.bench.ended else None
            arrived = contract.arrived()
            assert arrived is None or arrived == contract.arrives(self.items[:taken])
            contract.check_outside(error)
        self.check_stopped()

    def check_told(self, expected: Any) -> None:
        """The result, or an error of the expected kind."""
        if not self.contract.tells or not self.alone:
            return
        assert len(self.came.to) == 1, f"the sink said {len(self.came.to)} times what it came to"
        result, error = self.came.to[0]
        if isinstance(expected, type) and issubclass(expected, BaseException):
            assert isinstance(error, expected)
            assert self.bench.ended == [error]
        else:
            assert (result, error) == (expected, None)
            assert self.bench.ended in ([], [None])

    def check_stopped(self) -> None:
        """Nothing of it runs or waits, now and later."""
        self.bench.host.settle()
        sent = len(self.source.sent)
        assert self.seat.stopped, "the stage still runs"
        assert (self.seat.context.timers, self.seat.context.tasks) == (0, 0), "a timer or a task of the stage is left"
        assert not self.bench.host.time.waiting, f"{self.bench.host.time.waiting} events are left"
        self.bench.advance(HOUR)
        assert len(self.source.sent) == sent
