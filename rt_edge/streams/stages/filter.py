"""filter: some of the elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_edge.data.chunk import FILTERED, Chunk
from rt_edge.streams.stage import IN, OUT, Inlet, StageLogic
from rt_edge.streams.stages._common import Failures, UserCode
from rt_edge.streams.stages._user_code import ElementLogic, attempt


class Filter(UserCode, frozen=True):
    """Lets pass the elements for which a predicate is true; settles the others as dropped (`filtered`).

    Emits when: an element arrives for which the predicate is true.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.

    Attributes:
        predicate: element -> truth.
    """

    predicate: Callable[[Any], Any]

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return _Logic(self)


class MaskLogic(ElementLogic):
    """Passes on the elements whose place in a mask is true, and asks again for as many as it dropped."""

    def push_masked(self, chunk: Chunk, mask: list[Any], failures: Failures) -> None:
        """Push what `mask` lets pass of `chunk`; settle the rest."""
        came = len(chunk.items)
        rest: Chunk | None = chunk
        if failures:
            rest, mask = self.survivors(chunk, mask, failures)
        else:
            self.note_success()
        kept = None
        if rest is not None:
            kept = rest.select(mask)
            dropped = len(rest.items) - (len(kept.items) if kept is not None else 0)
            if dropped:
                self.ctx.count(f"dropped_{FILTERED}", dropped)
        if kept is not None:
            self.push(OUT, kept)
        if self.stop_after(failures):
            return
        missing = came - (len(kept.items) if kept is not None else 0)
        if missing:
            self.request(IN, missing)


class _Logic(MaskLogic):
    def __init__(self, stage: Filter) -> None:
        super().__init__(stage)
        self._predicate = stage.predicate

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        mask, failures = attempt(self._predicate, chunk.items, self._policy)
        self.push_masked(chunk, mask, failures)
