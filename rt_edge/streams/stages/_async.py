"""What stages share that call a coroutine for each element: workers, bounded in number, that end with their stage.

A task for each element would cost more than most coroutines do. So there are up to `parallelism` workers, each a task that takes
one element after the other; a worker that finds nothing to do ends, and none outlives its logic (the context cancels them).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from itertools import repeat
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import StreamError
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, Outlet, ReceiptUse, Supervision
from rt_edge.streams.stages._async_pieces import DONE, Finished, Piece, Places
from rt_edge.streams.stages._common import Failures, UserCode, at_least, named, settle_rest
from rt_edge.streams.stages._outbox import Outbox
from rt_edge.streams.stages._user_code import ElementLogic

INSIDE = 4
"""Elements inside, as a multiple of the calls under way: what is asked for takes two rounds of the loop to come, and workers that
find nothing to do meanwhile end and have to be started again."""


class AsyncStage(UserCode, frozen=True, kw_only=True):
    """Base of stages that call a coroutine function for each element.

    Attributes:
        parallelism: calls under way at most; three times as many elements may wait for one.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    parallelism: int = 4

    def __post_init__(self) -> None:
        """Refuse no worker at all."""
        at_least(1, parallelism=self.parallelism)

    def holds(self) -> Hold:
        """What is under way and what is next; it does not wait for further elements."""
        return Hold(INSIDE * self.parallelism, 0.0)


class AsyncLogic(ElementLogic):
    """Keeps workers busy and says which elements are done.

    Args:
        stage: parallelism and supervision.
        function: element -> awaitable.
        key: element -> key; of elements of one key one is worked on at a time, in order. None: all are independent.
    """

    def __init__(
        self, stage: AsyncStage, function: Callable[[Any], Awaitable[Any]], key: Callable[[Any], Hashable] | None = None
    ) -> None:
        super().__init__(stage)
        self._most = stage.parallelism
        self._function = function
        self._key = key
        self._busy_keys: dict[Hashable, deque[tuple[Piece, int]]] = {}
        self._pieces: deque[Piece] = deque(maxlen=INSIDE * stage.parallelism)
        self._todo: deque[tuple[Piece, int]] = deque(maxlen=INSIDE * stage.parallelism)
        self._inside = 0
        """Elements that have come in and not gone out."""
        self._workers = 0
        self._starting = 0
        """Workers that have not looked for an element yet."""
        self._collecting = False
        self._finished = False
        self._over = False

    def on_start(self) -> None:
        """Make the outbox."""
        self.out = Outbox(self)

    # -- demand --------------------------------------------------------------------------------------------------------

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Take what is done; ask before it is pushed, since `demand` says 0 then."""
        if self._collecting and self._collect():
            return
        self.ask()
        if self.out.chunks:
            self.out.flush()
        self._complete_if_empty()

    def ask(self) -> None:
        """As many as are wanted, and as can be under way or next; not for each one that goes out another one."""
        if self._finished:
            return
        most = min(INSIDE * self._most, self.demand(OUT) - self.out.elements)
        asked = self._inside + self._ins[0].demand
        if asked < most and (2 * asked <= most or asked < self._most):
            self.request(IN, most - asked)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Give the elements to workers."""
        piece = Piece(chunk)
        n = len(chunk.items)
        self._pieces.append(piece)
        self._inside += n
        if self._key is None:
            self._todo.extend(zip(repeat(piece), range(n)))
        else:
            for place in range(n):
                self._queue(self._key, piece, place)
        self._hire()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete when all that is under way has gone out."""
        self._finished = True
        self._complete_if_empty()

    def _complete_if_empty(self) -> None:
        if self._finished and not self._inside and not self.out:
            self.complete_stage()

    def on_stop(self, error: BaseException | None) -> None:
        """What is under way has no result: dropped or failed."""
        self._over = True
        self._todo.clear()
        self._busy_keys.clear()
        self.out.settle_rest(error)
        settle_rest(self, self._rest(), error)

    def residue(self) -> list[Chunk]:
        """What is done and waits, then the elements without a result, raw; their calls are given up."""
        self._todo.clear()
        self._busy_keys.clear()
        return [*self.out.take_all(), *self._rest()]

    def _rest(self) -> list[Chunk]:
        pieces, self._inside = list(self._pieces), 0
        self._pieces.clear()
        return [one for piece in pieces if (one := piece.rest()) is not None]

    # -- workers -------------------------------------------------------------------------------------------------------

    def _queue(self, key_of: Callable[[Any], Hashable], piece: Piece, place: int) -> None:
        try:
            key = key_of(piece.chunk.items[place])
            waiting = self._busy_keys.get(key)
        except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
            self._failed(piece, place, error)
            return
        if waiting is not None:
            waiting.append((piece, place))
            return
        self._busy_keys[key] = deque(maxlen=INSIDE * self._most)
        self._todo.append((piece, place))

    def _hire(self) -> None:
        """One more for each element that nobody is about to take."""
        while self._workers < self._most and self._starting < len(self._todo):
            self._workers += 1
            self._starting += 1
            self.ctx.spawn(self._work(), self._worked)

    async def _work(self) -> None:
        self._starting -= 1
        todo, function, key_of = self._todo, self._function, self._key
        while todo:  # even if no call ever waits: what is inside is bounded, and further elements come in a turn of the engine
            piece, place = todo.popleft()
            try:
                result = await function(piece.chunk.items[place])
            except asyncio.CancelledError:
                if self._over or _being_cancelled():
                    raise
                self._failed(piece, place, StreamError("what the element waited for was cancelled"))
            except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
                self._failed(piece, place, error)
            else:
                if result is None:
                    self._failed(piece, place, TypeError("None is not an element (rule 2.13)"))
                else:
                    piece.results[place] = result
                    piece.state[place] = DONE
                    if not self._collecting:
                        self._note_done()
            if key_of is not None:
                self._next_of_key(key_of, piece.chunk.items[place])

    def _worked(self, result: None, error: BaseException | None) -> None:
        self._workers -= 1
        if error is not None:
            self.fail_stage(error)
            return
        self._hire()

    def _failed(self, piece: Piece, place: int, error: Exception) -> None:
        piece.failures[place] = error
        piece.state[place] = DONE
        self._note_done()

    def _note_done(self) -> None:
        """Have it taken in a turn, once for all that is done until then; there is demand for what was asked for."""
        if not self._over:
            self._collecting = True
            self.pull_again(OUT)

    def _next_of_key(self, key_of: Callable[[Any], Hashable], item: Any) -> None:
        try:
            key = key_of(item)
            waiting = self._busy_keys.get(key)
        except Exception:  # noqa: BLE001 - it has failed for this before
            return
        if waiting:
            self._todo.append(waiting.popleft())
        elif waiting is not None:
            del self._busy_keys[key]

    # -- what is done ----------------------------------------------------------------------------------------------------

    def finished(self) -> Finished:
        """What may go out now."""
        raise NotImplementedError

    def _collect(self) -> bool:
        """Put what may go out into the outbox; whether the stage has ended."""
        self._collecting = False
        bare: list[Any] = []  # without a receipt: as one chunk, however many they came in
        failed: Failures = ()
        for piece, places in self.finished():
            self._inside -= len(places)
            if failed and self._policy is Supervision.STOP:
                piece.part(places).fail(named(self, failed[0][1]))
                continue
            if not piece.failures and piece.chunk.receipt is None:
                bare += piece.results_of(places)
                continue
            self._add_bare(bare)
            bare = []
            failed = self._add(piece, places)
        self._add_bare(bare)
        if not failed:
            self.note_success()
            return False
        if self._policy is Supervision.STOP:
            self.out.flush()  # what was good goes out; else it does behind `ask`
        return self.stop_after(failed)

    def _add(self, piece: Piece, places: Places) -> Failures:
        chunk: Chunk | None = piece.part(places)
        results = piece.results_of(places)
        failures = [(n, piece.failures[place]) for n, place in enumerate(places) if place in piece.failures]
        if failures and chunk is not None:
            chunk, results = self.survivors(chunk, results, failures)
        if chunk is not None:
            self.out.add(chunk.replace(results))
        return failures

    def _add_bare(self, results: list[Any]) -> None:
        for start in range(0, len(results), CHUNK_ELEMENTS):
            self.out.add(Chunk(results[start : start + CHUNK_ELEMENTS]))


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
