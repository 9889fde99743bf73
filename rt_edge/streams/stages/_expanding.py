"""Expanding: several elements, or none, for each, as far as there is demand; shared by `map_concat` and its relatives."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, FILTERED, Chunk
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Supervision
from rt_edge.streams.stages._common import UserCode, fail_behind, has_none, named, note_failures, settle_rest, split
from rt_edge.streams.stages._outbox import Outbox
from rt_edge.streams.stages._unfolding import Unfolding
from rt_edge.streams.stages._user_code import ElementLogic


class ExpandLogic(ElementLogic):
    """Expands elements by a function, as far as there is demand.

    Args:
        stage: whose `supervision` counts.
        function: element -> iterable of elements.

    Attributes:
        lazy: elements of one iterable that are made at once, at most.
        at_once: elements that are expanded at once, at most.
    """

    lazy: ClassVar[int] = CHUNK_ELEMENTS
    at_once: ClassVar[int] = CHUNK_ELEMENTS

    def __init__(self, stage: UserCode, function: Callable[[Any], Iterable[Any]]) -> None:
        super().__init__(stage)
        self._function = function
        self._raw: deque[Chunk] = deque(maxlen=CHUNK_ELEMENTS)  # as many elements are asked for at most
        self._open: Unfolding | None = None  # the one element whose iterator is not exhausted
        self._finished = False

    def on_start(self) -> None:
        """Make the outbox."""
        self._out = Outbox(self)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Go on with what is open."""
        self._out.flush()
        self._pump()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Expand it, or keep it until that is wanted."""
        self._raw.append(chunk)
        self._pump()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete when all is expanded."""
        self._finished = True
        self._pump()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
        self._out.settle_rest(error)
        settle_rest(self, list(self._raw), error)
        self._raw.clear()
        self._let_go("cancelled", error)

    def residue(self) -> list[Chunk]:
        """What is expanded and not sent, the rest of an open iterator (a chunk at most; an endless one is dropped from there
        on), and the elements not yet looked at."""
        held = self._out.take_all()
        if self._open is not None:
            group, failure = _advance(self._open.iterator, CHUNK_ELEMENTS)
            if group:
                held.append(self._open.unfold(group))
            if failure is not None:
                note_failures(self, [(0, failure)])
                self._let_go("removed", failure)
            elif len(group) < CHUNK_ELEMENTS:
                self._open.close()
                self._open = None
            self._let_go("removed", None)
        held += self._raw
        self._raw.clear()
        return held

    def _let_go(self, reason: str, error: BaseException | None) -> None:
        unfolding, self._open = self._open, None
        if unfolding is None:
            return
        if error is None:
            unfolding.drop(reason)
            self.ctx.count(f"dropped_{reason}")
        else:
            unfolding.fail(named(self, error))
        if isinstance(unfolding.iterator, Generator):
            unfolding.iterator.close()  # what it holds is let go now, not when somebody collects it

    def _pump(self) -> None:
        while not self._out and self.is_free(OUT) and self.demand(OUT) > 0:
            if self._open is not None:
                self._continue(self._open)
            elif self._raw:
                self._expand(self._raw.popleft())
            else:
                break
        if not self.is_free(OUT):
            self.pull_again(OUT)  # go on when what was pushed has been taken
        if self._raw or self._open is not None or self._out:
            return
        if self._finished:
            self.ended()
        elif not self.requested(IN) and self.demand(OUT) > 0:
            self.request(IN, min(self.demand(OUT), CHUNK_ELEMENTS))

    def ended(self) -> None:
        """Upstream has completed, and all is expanded."""
        self.complete_stage()

    def _expand(self, raw: Chunk) -> None:
        """Expand elements of `raw` as long as demand is left, and at most up to the first long iterable."""
        groups: list[list[Any]] = []
        wanted = self.demand(OUT)
        failure: Exception | None = None
        opened: tuple[Iterator[Any], list[Any]] | None = None
        for item in raw.items[: min(wanted, self.at_once)]:
            most = min(wanted, self.lazy)
            try:
                iterator = iter(self._function(item))
            except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
                failure = error
                break
            group, failure = _advance(iterator, most)
            if len(group) == most or (failure is not None and group):
                opened = iterator, group
            if opened is not None or failure is not None:
                break
            groups.append(group)
            wanted -= len(group)
        done, rest = split(raw, len(groups))
        guilty: Chunk | Unfolding | None = None
        if opened is not None or failure is not None:
            guilty, rest = split(rest, 1)
        if rest is not None:
            self._raw.appendleft(rest)
        if done is not None:
            self._emit(done, groups)
        if opened is not None and isinstance(guilty, Chunk):
            guilty = self._open = Unfolding(guilty, opened[0])
            self._out.put(guilty.unfold(opened[1]))
        if failure is not None and guilty is not None:
            self._open = None
            self.fail_element(guilty, failure)

    def _emit(self, done: Chunk, groups: list[list[Any]]) -> None:
        empty = groups.count([])
        if empty:
            self.ctx.count(f"dropped_{FILTERED}", empty)
        out = done.expand(groups)
        if out is not None:
            self._out.put(out)

    def _continue(self, unfolding: Unfolding) -> None:
        most = min(self.demand(OUT), self.lazy)
        group, failure = _advance(unfolding.iterator, most)
        if group:
            self._out.put(unfolding.unfold(group))
        if failure is not None:
            self._open = None
            self.fail_element(unfolding, failure)
        elif len(group) < most:
            self._open = None
            unfolding.close()

    def fail_element(self, guilty: Chunk | Unfolding, error: Exception) -> None:
        """Fail one element; under `stop` all that wait, and the stage."""
        note_failures(self, [(0, error)])
        guilty.fail(named(self, error))
        if self._policy is Supervision.RESTART:
            self.ctx.count("restarts")
        if self._policy is Supervision.STOP:
            settle_rest(self, list(self._raw), error)
            self._raw.clear()
            self._finished = False
            fail_behind(self, error)


def _advance(iterator: Iterator[Any], most: int) -> tuple[list[Any], Exception | None]:
    """The next elements of an iterator, and what it raised behind them."""
    group: list[Any] = []
    failure: Exception | None = None
    try:
        group.extend(islice(iterator, most))
    except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
        failure = error
    if has_none(group):
        return group[: [item is None for item in group].index(True)], TypeError("None is not an element (rule 2.13)")
    return group, failure
