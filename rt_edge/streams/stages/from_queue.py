"""queue as the begin of a stream: what was offered to a queue."""

from __future__ import annotations

from typing import Any

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.elementwise.waker import Waker
from rt_edge.streams.queues import OfferQueue
from rt_edge.streams.stage import OUT, Outlet, StageLogic
from rt_edge.streams.stages._source import SourceStage


class FromQueue(SourceStage, frozen=True, kw_only=True):
    """Emits what is offered to an `OfferQueue`, from any thread.

    Emits when: an element waits in the queue and downstream asks.
    Backpressures when: downstream does; then the queue fills, and its strategy says what becomes of one too many.
    Completes when: the queue was completed and nothing waits in it; it fails as the queue does.
    Cancels when: -

    Attributes:
        queue: of one run; closed when the stage ends, and what waits in it then is dropped (counter `dropped_cancelled`).
    """

    queue: OfferQueue[Any]

    def create_logic(self) -> StageLogic:
        """A logic that takes."""
        return _Logic(self.queue)


class _Logic(StageLogic):
    def __init__(self, queue: OfferQueue[Any]) -> None:
        self._queue = queue
        self._connected = False
        self._dropped = 0

    def on_start(self) -> None:
        self._queue.connect(Waker(self.ctx, self._look))
        self._connected = True

    def on_pull(self, outlet: Outlet, n: int) -> None:
        self._look()

    def _look(self) -> None:
        self._count_drops()
        items, end = self._queue.take(min(self.demand(OUT), CHUNK_ELEMENTS))
        if items:
            self.push(OUT, Chunk(items))
        if isinstance(end, BaseException):
            self.fail_behind(OUT, end)
            self.fail_stage(end)
        elif end:
            self.complete_stage()
        elif not self.is_free(OUT) and len(self._queue):
            self.pull_again(OUT)

    def _count_drops(self) -> None:
        dropped = self._queue.dropped
        if dropped > self._dropped:
            self.ctx.count("dropped_overflow", dropped - self._dropped)
            self._dropped = dropped

    def residue(self) -> list[Chunk]:
        """What waits in the queue: it was taken from whoever offered it."""
        items, _ = self._queue.take(len(self._queue)) if self._connected else ([], None)
        return [Chunk(items)] if items else []

    def on_stop(self, error: BaseException | None) -> None:
        if self._connected:
            self._count_drops()
            left = self._queue.disconnect()
            if left:
                self.ctx.count("dropped_cancelled", left)
