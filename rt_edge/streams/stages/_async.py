"""What stages share that call a coroutine for each element: workers, bounded in number, that end with their stage.

A task for each element would cost more than most coroutines do. So there are up to `parallelism` workers, each a task that takes
one element after the other; a worker that finds nothing to do ends, and none outlives its logic (the context cancels them).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import StreamError
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, Outlet, ReceiptUse, Supervision
from rt_edge.streams.stages._common import UserCode, at_least, named, settle_rest
from rt_edge.streams.stages._outbox import Outbox
from rt_edge.streams.stages._user_code import ElementLogic

BURST = 64
"""Elements of a worker before it lets others have the loop, though none of them made it wait."""
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


class Piece:
    """A chunk whose elements are worked on.

    Attributes:
        chunk: the elements.
        results: what the coroutine returned, in their places.
        state: for each element: 0 waits or is worked on, 1 done, 2 gone out.
        failures: place -> error.
        left: how many are not done.
        first: the first that has not gone out.
    """

    __slots__ = ("chunk", "failures", "first", "left", "results", "state")

    def __init__(self, chunk: Chunk) -> None:
        n = len(chunk)
        self.chunk = chunk
        self.results: list[Any] = [None] * n
        self.state = bytearray(n)
        self.failures: dict[int, Exception] = {}
        self.left = n
        self.first = 0


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
        self._collecting = False
        self._finished = False
        self._over = False

    def on_start(self) -> None:
        """Make the outbox."""
        self.out = Outbox(self)

    # -- demand --------------------------------------------------------------------------------------------------------

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Ask first, since `demand` says 0 once something was pushed."""
        self.ask()
        self.out.flush()
        self._complete_if_empty()

    def ask(self) -> None:
        """As many as are wanted, and as can be under way or next."""
        if self._finished:
            return
        room = min(INSIDE * self._most, self.demand(OUT) - self.out.elements) - self._inside - self.requested(IN)
        if room > 0:
            self.request(IN, room)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Give the elements to workers."""
        piece = Piece(chunk)
        self._pieces.append(piece)
        self._inside += len(chunk)
        for place in range(len(chunk)):
            self._queue(piece, place)
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
        return [one for piece in pieces if (one := left_of(piece)) is not None]

    # -- workers -------------------------------------------------------------------------------------------------------

    def _queue(self, piece: Piece, place: int) -> None:
        if self._key is not None:
            try:
                key = self._key(piece.chunk.items[place])
                waiting = self._busy_keys.get(key)
            except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
                self._done(piece, place, None, error)
                return
            if waiting is not None:
                waiting.append((piece, place))
                return
            self._busy_keys[key] = deque(maxlen=INSIDE * self._most)
        self._todo.append((piece, place))

    def _hire(self) -> None:
        while self._workers < self._most and self._workers < len(self._todo):
            self._workers += 1
            self.ctx.spawn(self._work(), self._worked)

    async def _work(self) -> None:
        todo = self._todo
        for _ in range(BURST):
            if not todo:
                return
            piece, place = todo.popleft()
            try:
                result = await self._function(piece.chunk.items[place])
            except asyncio.CancelledError:
                if self._over or _being_cancelled():
                    raise
                self._done(piece, place, None, StreamError("what the element waited for was cancelled"))
            except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
                self._done(piece, place, None, error)
            else:
                wrong = TypeError("None is not an element (rule 2.13)") if result is None and self.expects_result else None
                self._done(piece, place, result, wrong)

    expects_result: ClassVar[bool] = True

    def _worked(self, result: None, error: BaseException | None) -> None:
        self._workers -= 1
        if error is not None:
            self.fail_stage(error)
            return
        self._hire()

    def _done(self, piece: Piece, place: int, result: Any, error: Exception | None) -> None:
        if error is not None:
            piece.failures[place] = error
        piece.results[place] = result
        piece.state[place] = 1
        piece.left -= 1
        if self._key is not None:
            self._next_of_key(piece.chunk.items[place])
        if not self._collecting and not self._over:
            self._collecting = True
            self.ctx.soon(self._collect)

    def _next_of_key(self, item: Any) -> None:
        assert self._key is not None
        try:
            key = self._key(item)
            waiting = self._busy_keys.get(key)
        except Exception:  # noqa: BLE001 - it has failed for this before
            return
        if waiting:
            self._todo.append(waiting.popleft())
        elif waiting is not None:
            del self._busy_keys[key]

    # -- what is done ----------------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        """In a turn of its own, once for all that was done since the last."""
        self._collecting = False
        failed: list[tuple[int, Exception]] = []
        for piece, places in self.finished():
            if failed and self._policy is Supervision.STOP:
                piece.chunk.take(places).fail(named(self, failed[0][1]))
            else:
                failed = self._release(piece, places)
        if self.stop_after(failed):
            return
        self._hire()
        if self.is_free(OUT):
            self.ask()
        else:
            self.pull_again(OUT)
        self._complete_if_empty()

    def finished(self) -> list[tuple[Piece, list[int]]]:
        """Pieces with the places that may go out now, in order."""
        raise NotImplementedError

    def _release(self, piece: Piece, places: list[int]) -> list[tuple[int, Exception]]:
        for place in places:
            piece.state[place] = 2
        self._inside -= len(places)
        whole = len(places) == len(piece.chunk)
        chunk: Chunk | None = piece.chunk if whole else piece.chunk.take(places)
        results = piece.results if whole else [piece.results[place] for place in places]
        failures = [(n, piece.failures[place]) for n, place in enumerate(places) if place in piece.failures]
        if failures and chunk is not None:
            chunk, results = self.survivors(chunk, results, failures)
        elif not failures:
            self.note_success()
        if chunk is not None:
            self.emit(chunk, results)
        return failures

    def emit(self, chunk: Chunk, results: list[Any]) -> None:
        """Results go downstream."""
        self.out.put(chunk.replace(results))


def left_of(piece: Piece) -> Chunk | None:
    """The elements of a piece that have not gone out."""
    places = [place for place, state in enumerate(piece.state) if state != 2]
    if not places:
        return None
    return piece.chunk if len(places) == len(piece.chunk) else piece.chunk.take(places)


def ordered(pieces: deque[Piece]) -> list[tuple[Piece, list[int]]]:
    """What is done of the oldest pieces, up to the first element that is not; pieces that are through are taken out."""
    found: list[tuple[Piece, list[int]]] = []
    while pieces:
        piece = pieces[0]
        end = piece.state.find(0, piece.first)
        stop = len(piece.state) if end < 0 else end
        if stop > piece.first:
            found.append((piece, list(range(piece.first, stop))))
            piece.first = stop
        if stop < len(piece.state):
            break
        pieces.popleft()
    return found


def unordered(pieces: deque[Piece]) -> list[tuple[Piece, list[int]]]:
    """Whatever is done; pieces that are through are taken out."""
    found: list[tuple[Piece, list[int]]] = []
    for piece in list(pieces):
        places = [place for place, state in enumerate(piece.state) if state == 1]
        if places:
            found.append((piece, places))
        if not piece.left:
            pieces.remove(piece)
    return found


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
