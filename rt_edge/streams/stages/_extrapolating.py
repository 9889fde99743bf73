"""Extrapolating: the logic of `expand`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import TYPE_CHECKING, Any

from rt_edge.data.chunk import CHUNK_ELEMENTS, FILTERED, Chunk
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Supervision
from rt_edge.streams.stages._common import discard, fail_behind, named, note_failures, settle_rest
from rt_edge.streams.stages._user_code import ElementLogic, attempt

if TYPE_CHECKING:
    from rt_edge.streams.stages.expand import Expand

END = object()
"""The first of an iterable that has none."""


class ExtrapolateLogic(ElementLogic):
    """Emits the first of each iterable, and of the last one more, as long as they are wanted and nothing comes.

    Args:
        stage: the function and what to begin with.
    """

    def __init__(self, stage: Expand) -> None:
        super().__init__(stage)
        self._function: Callable[[Any], Iterable[Any]] = stage.function or repeat
        self._initial = stage.initial
        self._held: deque[Chunk] = deque(maxlen=CHUNK_ELEMENTS)  # as many elements are asked for at most
        self._n = 0
        self._rest: Iterator[Any] | None = None
        self._finished = False

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Add, if nothing waits; ask first."""
        self._advance()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Emit its firsts."""
        self._held.append(chunk)
        self._n += len(chunk)
        self._advance()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete when the last first has gone out."""
        self._finished = True
        if not self._held:
            self.complete_stage()

    def _advance(self) -> None:
        if not self.is_free(OUT):
            self.pull_again(OUT)
            return
        self._ask()
        wanted = self.demand(OUT)
        if wanted > 0 and not self._held and not self._finished:
            self._add()
        while self._held and self.is_free(OUT) and self.demand(OUT) > 0 and not self.is_closed(OUT):
            self._emit(self._pop(self.demand(OUT)))
        if self._finished and not self._held:
            self.complete_stage()
        elif not self.is_free(OUT):
            self.pull_again(OUT)
        else:
            self._ask()

    def _ask(self) -> None:
        n = min(self.demand(OUT), CHUNK_ELEMENTS) - self._n - self.requested(IN)
        if n > 0 and not self._finished:
            self.request(IN, n)

    def _pop(self, most: int) -> Chunk:
        chunk = self._held.popleft()
        if len(chunk) > most:
            chunk, rest = chunk.cut(most)
            self._held.appendleft(rest)
        self._n -= len(chunk)
        return chunk

    def _first_of(self, item: Any) -> Any:
        rest = iter(self._function(item))
        first = next(rest, END)
        if first is None:
            raise TypeError("None is not an element (rule 2.13)")
        self._rest = rest
        return first

    def _emit(self, chunk: Chunk) -> None:
        """The first of each of these; the last one's iterable is the one that lasts."""
        firsts, failures = attempt(self._first_of, chunk.items, self._policy)
        rest: Chunk | None = chunk
        if failures:
            self._rest = None
            rest, firsts = self.survivors(chunk, firsts, failures)
        else:
            self.note_success()
        if END in firsts and rest is not None:
            empty = [place for place, first in enumerate(firsts) if first is END]
            full = [place for place, first in enumerate(firsts) if first is not END]
            discard(self, rest.take(empty), FILTERED)
            rest, firsts = (rest.take(full) if full else None), [firsts[place] for place in full]
        if rest is not None:
            self.push(OUT, rest.replace(firsts))
        self.stop_after(failures)

    def _add(self) -> None:
        """One more of the last iterable."""
        try:
            if self._initial is not None:
                initial, self._initial = self._initial, None
                added = self._first_of(initial)
            else:
                added = END if self._rest is None else next(self._rest, END)
            if added is None:
                raise TypeError("None is not an element (rule 2.13)")
        except Exception as error:  # noqa: BLE001 - user code; the element that it was made of has gone out
            note_failures(self, [(0, error)])
            self._rest = None
            if self._policy is Supervision.STOP:
                fail_behind(self, named(self, error))
            elif self._policy is Supervision.RESTART:
                self.ctx.count("restarts")
            return
        if added is END:
            self._rest = None
        else:
            self.ctx.count("added")
            self.push(OUT, Chunk([added]))

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what waits."""
        settle_rest(self, list(self._held), error)
        self._held.clear()

    def residue(self) -> list[Chunk]:
        """What waits, raw; what the last iterable has left is given up."""
        held = list(self._held)
        self._held.clear()
        self._n = 0
        self._rest = None
        return held
