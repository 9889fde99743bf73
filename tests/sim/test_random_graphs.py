"""Random graphs under random schedules (`rt_edge.testkit.graph_fuzz`); and that broken stages are found by them.

A failure names its seed; `python -m rt_edge.testkit.graph_fuzz --seed N` plays it again, as long as no operator is added.
RT_EDGE_CAMPAIGN=1 plays ten times as many.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from rt_edge.data.chunk import Chunk
from rt_edge.streams.dsl import METHODS
from rt_edge.streams.stage import IN, OUT, Hold, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._user_code import PassLogic
from rt_edge.testkit import random_graphs
from rt_edge.testkit.graph_fuzz import Fuzz
from rt_edge.testkit.random_stages import EXEMPT, Maker, Random, fits, played

BLOCK = 100
CAMPAIGN = os.environ.get("RT_EDGE_CAMPAIGN") == "1"
BLOCKS = 150 if CAMPAIGN else 8
ALONE = 120 if CAMPAIGN else 8
"""Graphs in which a certain stage is."""


@pytest.mark.parametrize("first", range(0, BLOCK * BLOCKS, BLOCK))
def test_what_must_hold_holds_when_graph_and_schedule_are_random(first: int) -> None:
    """Demand, order, outcomes, rest, bounds, ends and edits are right whatever is put together, from this seed on."""
    for seed in range(first, first + BLOCK):
        play(seed)


@pytest.mark.parametrize("stage", played(), ids=lambda stage: stage.__name__)
def test_what_must_hold_holds_when_a_stage_is_in_the_graph(stage: type[Stage]) -> None:
    """Every stage of the DSL is in some graphs, with its parameters drawn."""
    for seed in range(ALONE):
        play(seed, stage.__name__)


@pytest.mark.parametrize("only", [(), ("SessionWindow",)], ids=["any", "session_window"])
@pytest.mark.parametrize("seed", [6902, 2317])
def test_bound_holds_when_a_seed_is_played_that_once_broke_it(seed: int, only: tuple[str, ...]) -> None:
    """Each session that was held further on counted as one element, not as those that it stands for. Graphs of seeds change with
    the operators; `tests/streams/test_planner.py` has the case itself."""
    play(seed, *only)


ASYNC = ("MapAsync", "MapAsyncUnordered", "MapAsyncPartitioned", "MapBlocking")


ONCE: dict[str, Any] = {
    "zip_aggregate_join": (56904,),  # the planner did not count what made elements stand for
    "partition_into_concat": (202558,),  # branches that meet again may stand still, and were compared with the whole
    "interleave": (90178, *ASYNC),  # places of woven chunks were taken for marks
    "interleave_again": (90761, *ASYNC),
    "zip_with_index_field": (96563, *ASYNC),  # was expected to make tuples
    "reduce_nothing": (502319, *ASYNC),  # was expected to complete
    "last_word_raises": (706234,),  # stateful_map waited for ever
}
"""What once failed: seed, and classes of stages of which one is there."""


@pytest.mark.parametrize("name", ONCE)
def test_what_must_hold_holds_when_a_seed_is_played_that_once_failed(name: str) -> None:
    """Graphs of seeds change with the operators; each case has a test of its own, too, where a stage was wrong."""
    play(*ONCE[name])


def play(seed: int, *only: str) -> None:
    """One graph and schedule; what does not hold says so with its seed."""
    try:
        Fuzz(seed, only).run()
    except AssertionError as error:
        pytest.fail(f"seed {seed} {' '.join(only)}: {error}", pytrace=False)


@pytest.mark.parametrize("stage", played(), ids=lambda stage: stage.__name__)
def test_parameters_are_found_when_a_stage_is_drawn(stage: type[Stage]) -> None:
    """No stage is left out because its parameters are not known: it needs a line in `SPECIFIC`, or in `EXEMPT`."""
    sorts = [sort for sort in ("numbers", "readings", "bytes") if fits(stage, sort)]
    assert any(Maker(Random(seed), faulty=False).stage(stage, sort) for seed in range(20) for sort in sorts)


def test_exempt_stages_exist() -> None:
    """A name that is exempt is that of a stage."""
    assert set(EXEMPT) <= {stage.__name__ for stage in METHODS}


# -- broken stages -----------------------------------------------------------------------------------------------------


class Broken(Stage, frozen=True):
    """Passes elements on, until a subclass of its logic breaks something."""

    logic: Any = PassLogic

    def create_logic(self) -> StageLogic:
        return self.logic()  # type: ignore[no-any-return]


class Passes(PassLogic):
    def on_push(self, inlet: Any, chunk: Chunk) -> None:
        self.push(OUT, chunk)


class Loses(PassLogic):
    """Forgets the receipts of some."""

    def on_push(self, inlet: Any, chunk: Chunk) -> None:
        self.push(OUT, chunk if len(chunk) < 3 else Chunk(chunk.items))


class Doubles(PassLogic):
    """Sends the first of three twice."""

    def on_push(self, inlet: Any, chunk: Chunk) -> None:
        self.push(OUT, chunk if len(chunk) < 3 else chunk.take([0, 0, 1, 2]))


class Reorders(PassLogic):
    """Sends some backwards."""

    def on_push(self, inlet: Any, chunk: Chunk) -> None:
        self.push(OUT, chunk if len(chunk) < 3 else chunk.take(range(len(chunk))[::-1]))


class Starves(PassLogic):
    """Discards an element and does not ask for another."""

    def on_push(self, inlet: Any, chunk: Chunk) -> None:
        chunk.drop("starved")


class Spins(Passes):
    """Is busy while it waits."""

    def on_start(self) -> None:
        self.ctx.soon(self.on_start)


class Overfills(Passes):
    """Pushes into a slot that is not empty."""

    def on_upstream_finish(self, inlet: Any) -> None:
        self.push(OUT, Chunk(["one"]))
        self.push(OUT, Chunk(["two"]))


class Hoards(PassLogic):
    """Asks for more than it says that it holds, and keeps it."""

    def on_start(self) -> None:
        self.kept: list[Chunk] = []
        self.request(IN, 100_000)

    def on_pull(self, outlet: Any, n: int) -> None:
        if self.kept:
            self.push(OUT, self.kept.pop(0))

    def on_push(self, inlet: Any, chunk: Chunk) -> None:
        self.kept.append(chunk)

    def on_upstream_finish(self, inlet: Any) -> None:
        while self.kept:
            self.kept.pop().drop("hoarded")
        self.complete_stage()

    def on_stop(self, error: BaseException | None) -> None:
        while self.kept:
            self.kept.pop().drop("hoarded")


class Clings(PassLogic):
    """Keeps one element back, and has no residue."""

    kept: Chunk | None = None

    def on_push(self, inlet: Any, chunk: Chunk) -> None:
        kept, self.kept = self.kept, chunk
        if kept is not None:
            self.push(OUT, kept)
        else:
            self.request(IN, 1)

    def on_upstream_finish(self, inlet: Any) -> None:
        if self.kept is not None and self.is_free(OUT):
            self.push(OUT, self.kept)
            self.kept = None
        self.complete_stage()

    def on_stop(self, error: BaseException | None) -> None:
        if self.kept is not None:
            self.kept.drop("clung")


BREAKS = {
    Loses: "lost unsettled|no outcome",
    Doubles: "came twice",
    Reorders: "overtook",
    Starves: "no source is asked",
    Spins: "no rest",
    Overfills: "broken",
    Hoards: "planner",
    Clings: "still held",
}


@pytest.mark.parametrize("logic", BREAKS, ids=lambda logic: logic.__name__)
def test_broken_stage_is_found(logic: type[StageLogic], monkeypatch: pytest.MonkeyPatch) -> None:
    """The invariant that a stage breaks is the one that is named, within a few graphs."""

    class Wrong(Broken, frozen=True):
        receipts = ReceiptUse.HOLD

        def holds(self) -> Hold:
            return Hold(1)

        def create_logic(self) -> StageLogic:
            return logic()

    monkeypatch.setattr(random_graphs, "played", lambda: [Wrong])
    monkeypatch.setattr(random_graphs, "fits", lambda *_: True)
    found = []
    for seed in range(100):
        try:
            Fuzz(seed).run()
        except AssertionError as error:
            found.append(str(error))
    assert any(any(word in text for word in BREAKS[logic].split("|")) for text in found), found[:2]


def test_correct_stage_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What passes elements on has no fault in any of the same graphs."""

    class Right(Broken, frozen=True):
        def create_logic(self) -> StageLogic:
            return Passes()

    monkeypatch.setattr(random_graphs, "played", lambda: [Right])
    monkeypatch.setattr(random_graphs, "fits", lambda *_: True)
    for seed in range(100):
        play(seed)
