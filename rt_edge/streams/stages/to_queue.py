"""queue as the end of a stream: what may be pulled from a queue."""

from __future__ import annotations

from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.elementwise.waker import Waker
from rt_edge.streams.queues import PullQueue
from rt_edge.streams.stage import IN, Inlet, StageLogic
from rt_edge.streams.stages._common import settle_rest, take_parts
from rt_edge.streams.stages._sink import SinkLogic, SinkStage


class ToQueue(SinkStage, frozen=True, kw_only=True):
    """Fills a `PullQueue`, from which any thread may take; an element is settled when it was taken.

    Emits when: -
    Backpressures when: the queue is full.
    Completes when: upstream completes and all was taken.
    Cancels when: the queue is cancelled.

    Attributes:
        queue: of one run; so much as fits is asked for, `demand` at most.
    """

    queue: PullQueue[Any]

    def create_logic(self) -> StageLogic:
        """A logic with what waits for being taken."""
        return _Logic(self)


class _Logic(SinkLogic):
    stage: ToQueue

    def __init__(self, stage: ToQueue) -> None:
        super().__init__(stage)
        self._held: list[Chunk] = []
        self._connected = False
        self._finished = False

    def on_start(self) -> None:
        self.stage.queue.connect(Waker(self.ctx, self._look))
        self._connected = True
        self.request(IN, min(self.stage.queue.size, self.stage.demand))

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self._held.append(chunk)
        self.stage.queue.give(list(chunk.items))

    def _look(self) -> None:
        taken, cancelled = self.stage.queue.look()
        self._settle(taken)
        if cancelled or (self._finished and not self._held):
            self.end()
        elif taken and not self._finished:
            self.request(IN, taken)

    def _settle(self, taken: int) -> None:
        parts, self._held = take_parts(self._held, taken)
        for part in parts:
            part.settle()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._finished = True
        self.stage.queue.complete()
        self._look()

    def residue(self) -> list[Chunk]:
        """What nobody has taken from the queue; it ends, without it."""
        self._settle(self.stage.queue.disconnect(None))
        held, self._held = self._held, []
        return held

    def on_stop(self, error: BaseException | None) -> None:
        if self._connected:
            self._settle(self.stage.queue.disconnect(error))
        settle_rest(self, self._held, error)
        self._held = []
        super().on_stop(error)
