"""Conflating: what `conflate` and `conflate_with_seed` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk, join
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Stage, StageLogic, Supervision
from rt_edge.streams.stages._common import bare, fail_behind, named, note_failures, settle_rest
from rt_edge.streams.stages._outbox import Outbox


class ConflateLogic(StageLogic):
    """Asks without end, and keeps what waits to as much as `_take_waiting` is going to give.

    Args:
        most: waiting elements at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._finished = False

    def on_start(self) -> None:
        """Ask: it never makes upstream wait."""
        self._out = Outbox(self, bound=self._most)
        self.request(IN, CHUNK_ELEMENTS)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """What waits goes out."""
        if not self._out:
            self._release()
        self._out.flush()
        if not self.is_free(OUT):
            self.pull_again(OUT)
        self._complete_if_empty()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Absorb it."""
        self.request(IN, len(chunk))
        self._absorb(chunk)
        if self.is_free(OUT) and self.demand(OUT) > 0 and not self._out:
            self._release()
        elif not self.is_free(OUT):
            self.pull_again(OUT)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete when nothing waits."""
        self._finished = True
        self._complete_if_empty()

    def _complete_if_empty(self) -> None:
        if self._finished and not self._out and not self._is_waiting():
            self.complete_stage()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is ready."""
        self._out.settle_rest(error)

    def residue(self) -> list[Chunk]:
        """What is ready, then what waits."""
        return self._out.take_all() + self._take_waiting()

    def _absorb(self, chunk: Chunk) -> None:
        raise NotImplementedError

    def _is_waiting(self) -> bool:
        raise NotImplementedError

    def _release(self) -> None:
        for chunk in self._take_waiting():
            self._out.put(chunk)

    def _take_waiting(self) -> list[Chunk]:
        """What waits, which is nothing afterwards."""
        raise NotImplementedError


class AggregatingLogic(ConflateLogic):
    """Makes one element of all that waits.

    Args:
        stage: whose `supervision` counts.
        aggregate: (waiting element, element) -> waiting element.
        seed: element -> waiting element; None: the element itself.
    """

    def __init__(self, stage: Stage, aggregate: Callable[[Any, Any], Any], seed: Callable[[Any], Any] | None = None) -> None:
        super().__init__(1)
        self._policy = stage.supervision
        self._aggregate = aggregate
        self._seed = seed or _itself
        self._state: list[Any] = []
        self._parts: list[Chunk] = []

    def _absorb(self, chunk: Chunk) -> None:
        for place, item in enumerate(chunk.items):
            try:
                self._state = [self._aggregated(item)]
            except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
                self._failed(chunk, place, error)
                if self._policy is Supervision.STOP:
                    return
            else:
                if chunk.receipt is not None:
                    self._parts.append(bare(chunk.take([place])))

    def _aggregated(self, item: Any) -> Any:
        made = self._aggregate(self._state[0], item) if self._state else self._seed(item)
        if made is None:
            raise TypeError("None is not an element (rule 2.13)")
        return made

    def _failed(self, chunk: Chunk, place: int, error: Exception) -> None:
        note_failures(self, [(place, error)])
        policy = self._policy
        chunk.take(range(place, len(chunk)) if policy is Supervision.STOP else [place]).fail(named(self, error))
        if policy is Supervision.RESTART:
            self.ctx.count("restarts")
            settle_rest(self, self._parts, error)
            self._state, self._parts = [], []
        elif policy is Supervision.STOP:
            fail_behind(self, error)

    def _is_waiting(self) -> bool:
        return bool(self._state)

    def _take_waiting(self) -> list[Chunk]:
        state, parts = self._state, self._parts
        self._state, self._parts = [], []
        return [join(state, parts)] if state else []

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what waits, too."""
        super().on_stop(error)
        settle_rest(self, self._parts, error)
        self._parts = []


def _itself(item: Any) -> Any:
    return item
