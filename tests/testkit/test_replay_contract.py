"""Goal: a stage that loses what comes again is found by `ReplayContract`. Method: stages that are wrong on purpose."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, OUT, Stage, StageLogic
from rt_edge.streams.stages._user_code import PassLogic
from rt_edge.testkit import replay_contract
from rt_edge.testkit.replay_contract import ReplayContract


class Passing(PassLogic):
    """Passes everything on: right."""

    def on_push(self, inlet: Any, chunk: Chunk) -> None:
        self.push(OUT, chunk)


class Remembers(PassLogic):
    """Drops what it has seen before."""

    def __init__(self) -> None:
        self.seen: set[Any] = set()

    def on_push(self, inlet: Any, chunk: Chunk) -> None:
        kept = chunk.select([item not in self.seen for item in chunk.items], "seen")
        self.seen.update(chunk.items)
        if kept is not None:
            self.push(OUT, kept)
        if len(chunk) > (0 if kept is None else len(kept)):
            self.request(IN, len(chunk) - (0 if kept is None else len(kept)))


class CountsPlaces(PassLogic):
    """Drops every third, by its place."""

    n = 0

    def on_push(self, inlet: Any, chunk: Chunk) -> None:
        mask = [(self.n + place) % 3 != 2 for place in range(len(chunk))]
        self.n += len(chunk)
        kept = chunk.select(mask, "third")
        if kept is not None:
            self.push(OUT, kept)
        if not all(mask):
            self.request(IN, mask.count(False))


class Takes(PassLogic):
    """Settles what it passes on as soon as it has."""

    def on_push(self, inlet: Any, chunk: Chunk) -> None:
        self.push(OUT, Chunk(chunk.items))
        chunk.settle()


def found(logic: type[StageLogic]) -> list[str]:
    """What the contract says of a stage."""

    class Wrong(Stage, frozen=True):
        def create_logic(self) -> StageLogic:
            return logic()

    class Held(ReplayContract):
        def make(self) -> Stage:
            return Wrong()

    wrong = []
    for seed in replay_contract.SEEDS:
        for dies in (False, True):
            try:
                Held().test_what_was_chosen_is_not_dropped_when_it_comes_again(seed, dies)
            except AssertionError as error:
                wrong.append(str(error))
    return wrong


@pytest.mark.parametrize(
    ("logic", "says"),
    [(Remembers, "came again, and was settled with Dropped(seen)"), (CountsPlaces, "Dropped(third)"), (Takes, "no sink has")],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_wrong_stage_is_found(logic: type[StageLogic], says: str) -> None:
    """In most schedules, and what is wrong is named."""
    wrong = found(logic)
    assert len(wrong) >= 4
    assert any(says in what for what in wrong)


def test_right_stage_is_not_found() -> None:
    """What passes all on has no fault in the same schedules."""
    assert not found(Passing)
