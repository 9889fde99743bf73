"""intersperse: something between the elements."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Stage, StageLogic
from rt_edge.streams.stages._given import Given, given_now
from rt_edge.streams.stages._last_word import LastWordLogic


class Intersperse(Stage, frozen=True):
    """Puts an element between all others, and if they are given one in front of the first and one behind the last.

    What is put in front of an element shares its receipt.

    Emits when: an element arrives (what comes in front of it, and it); upstream completes, if there is an `end`.
    Backpressures when: downstream does.
    Completes when: upstream completes and `end` was emitted.
    Cancels when: downstream cancels.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        between: put between two elements; in a configuration a reading, of the time at which it is emitted: {source: line-1,
            fields: {mark: true}}; so are the others.
        start: put in front of the first, or of `end`; None: nothing.
        end: put behind the last; None: nothing.
    """

    kind: ClassVar[str] = "intersperse"

    between: Given
    start: Given | None = None
    end: Given | None = None

    def __post_init__(self) -> None:
        """Refuse None between elements."""
        if self.between is None:
            raise TypeError("None is not an element (rule 2.13)")

    def create_logic(self) -> StageLogic:
        """A logic that knows whether it has begun."""
        return _Logic(self)


class _Logic(LastWordLogic):
    def __init__(self, stage: Intersperse) -> None:
        super().__init__(stage)
        self._stage = stage
        self._begun = False

    def on_pull(self, outlet: Outlet, n: int) -> None:
        if self._word is not None:
            super().on_pull(outlet, n)
            return
        missing = (self.demand(OUT) + 1) // 2 - self.requested(IN)
        if missing > 0:
            self.request(IN, missing)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        between = given_now(self._stage.between, self.ctx)
        groups: list[list[Any]] = [[between, item] for item in chunk.items]
        if not self._begun:
            start = self._stage.start
            groups[0] = [chunk.items[0]] if start is None else [given_now(start, self.ctx), chunk.items[0]]
        out = chunk.expand(groups)
        if out is not None:
            self.push(OUT, out)
        if not self._begun:
            self._begun = True
            self.pull_again(OUT)  # the first may have nothing in front of it: fewer than were asked for

    def last_word(self) -> Chunk | None:
        stage = self._stage
        words = [given_now(word, self.ctx) for word in (None if self._begun else stage.start, stage.end) if word is not None]
        return Chunk(words) if words else None
