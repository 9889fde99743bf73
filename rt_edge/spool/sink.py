"""SpoolSink: the end of a graph at which elements become durable."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any, ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import IslandDied, StreamError, TransientError
from rt_edge.data.weave import unwoven
from rt_edge.spool.errors import SpoolFull
from rt_edge.spool.intake import arrival
from rt_edge.spool.keeping import Kept, Work, keep
from rt_edge.spool.pending import MAIN
from rt_edge.spool.worker import SpoolWorker
from rt_edge.streams.stage import IN, Inlet, Outlet, ReceiptUse, Stage, StageLogic

log = logging.getLogger(__name__)

WINDOW = 4000
RETRY = 1.0
RETRY_MOST = 30.0
FIRST_GUESS = 100.0
"""Bytes of a Reading before one was seen."""


class SpoolSink(Stage, frozen=True, kw_only=True):
    """Keeps Readings in a spool, many chunks in one transaction, and settles them when they are durable.

    Emits when: -
    Backpressures when: a window of elements waits for the disk, or the spool is full and its policy is `block`.
    Completes when: upstream completes and all is durable.
    Cancels when: the spool is closed.

    Attributes:
        worker: the spool with its thread.
        lane: name of the lane.
        window: elements asked for or held, at most.
        commit_at: commit when so many elements wait; 0: half the window. Half of the smallest window of the sources is right.
        max_wait: seconds that a receipt waits for company, at most.
        idle_wait: the same where nobody waits for a receipt.
        batch_bytes: commit when about so many bytes wait.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.END

    worker: Any
    lane: str = MAIN
    window: int = WINDOW
    commit_at: int = 0
    max_wait: float = 0.02
    idle_wait: float = 1.0
    batch_bytes: int = 256_000

    @property
    def label(self) -> str:
        """The uplink it belongs to."""
        return "spool"

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """None."""
        return ()

    def create_logic(self) -> StageLogic:
        """One life of the sink."""
        return _Logic(self)


class _Logic(StageLogic):
    def __init__(self, stage: SpoolSink) -> None:
        self._stage = stage
        self._worker: SpoolWorker = stage.worker
        self._waiting: deque[Chunk] = deque(maxlen=stage.window)
        self._elements = 0
        self._since = 0.0
        self._committed = 0.0
        self._average = FIRST_GUESS
        self._busy = 0
        """Chunks at the front of `_waiting` that are under way to the disk."""
        self._blocked = False
        self._room_came = False
        """Room was signalled while a commit was under way that may have been refused before."""
        self._retry = RETRY
        self._finishing = False
        self._held_back = False
        """It was said that nothing is taken in."""
        self._room: Any = None

    def on_start(self) -> None:
        self._room = self.ctx.callback(self._unblock)
        self._worker.spool.on_room.append(self._room)
        self.request(IN, self._stage.window)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        if len(self._waiting) == self._busy:
            self._since = self.ctx.clock.monotonic()
        self._waiting.extend(unwoven(chunk))  # each element is known by its origin
        self._elements += len(chunk)
        self._consider()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._finishing = True
        self._consider()

    def on_timer(self, key: object) -> None:
        if key == "retry":
            if self._worker.facts.full:
                # Look first: to encode a window of elements again only to be refused costs megabytes and seconds of CPU.
                self.ctx.spawn(self._worker.run(self._worker.spool.look_for_room), self._looked)
            else:
                self._unblock()
        elif not self._busy and not self._blocked and self._waiting:
            self._commit()

    def on_stop(self, error: BaseException | None) -> None:
        if self._room in self._worker.spool.on_room:
            self._worker.spool.on_room.remove(self._room)
        # What is on the disk by now and failed here is recognised when its origin emits it again.
        for chunk in self._waiting:
            chunk.fail(error or IslandDied(f"{self.ctx.name} stopped before this was durable"))
        self._waiting.clear()

    def _consider(self) -> None:
        """Commit now, or when the oldest has waited long enough."""
        if self._busy or self._blocked:
            return
        if not self._waiting:
            if self._finishing:
                self.complete_stage()
            return
        stage = self._stage
        enough = stage.commit_at or max(1, stage.window // 2)
        if self._finishing or self._elements >= enough or self._elements * self._average >= stage.batch_bytes:
            self._commit()
            return
        wait = stage.max_wait if any(chunk.receipt is not None for chunk in self._waiting) else stage.idle_wait
        left = min(self._since, self._committed) + wait - self.ctx.clock.monotonic()
        if left <= 0:
            self._commit()
        else:
            self.ctx.after(left, "commit")

    def _commit(self) -> None:
        self.ctx.cancel_timer("commit")
        works = []
        for chunk in self._waiting:
            origin = None if chunk.receipt is None else chunk.receipt.origin
            works.append(Work(chunk.items, None if origin is None or chunk.marks is None else arrival(origin, chunk.marks)))
        self._busy = len(works)
        self._room_came = False
        self._since = self._committed = self.ctx.clock.monotonic()
        self.ctx.spawn(self._worker.run(keep, self._worker.spool, works, self._stage.lane), self._done)

    def _done(self, kept: Kept | None, error: BaseException | None) -> None:
        self._busy = 0
        if kept is None:
            self.fail_stage(error or StreamError("the spool's thread gave no answer"))
            return
        self.ctx.count("commits")
        self._settle(kept)
        if kept.readings:
            self._average += (kept.bytes / kept.readings - self._average) / 4
        if kept.lane is not None:
            self._worker.appended(kept.lane, kept.last)
        if isinstance(kept.error, TransientError):
            self.ctx.count("blocked" if isinstance(kept.error, SpoolFull) else "errors")
            self._blocked = True
            self._say(kept.error)
            if self._room_came:
                self._unblock()
                return
            self._wait()
        elif kept.error is not None:
            self.fail_stage(kept.error)
        else:
            self._retry = RETRY
            self._say(None)
            self._consider()

    def _say(self, error: TransientError | None) -> None:
        """Once when nothing can be taken in, and once when it can again."""
        if error is not None and not self._held_back:
            hint = f" ({error.hint})" if error.hint else ""
            log.warning("%s: %s%s; its sources are held back until there is room", self.ctx.name, error.message, hint)
        elif error is None and self._held_back:
            log.info("%s: there is room again", self.ctx.name)
        self._held_back = error is not None

    def _looked(self, room: bool | None, error: BaseException | None) -> None:
        if error is not None:
            self.ctx.count("errors")
        if room:
            self._unblock()
        elif self._blocked:
            self._wait()

    def _wait(self) -> None:
        self.ctx.after(self._retry, "retry")
        self._retry = min(2 * self._retry, RETRY_MOST)

    def _unblock(self) -> None:
        self._room_came = bool(self._busy)
        if self._blocked:
            self._blocked = False
            self.ctx.cancel_timer("retry")
            if self._waiting:
                self._commit()

    def _settle(self, kept: Kept) -> None:
        """Settle from the front; a chunk that was stored in part stays with its rest."""
        left, place = kept.elements, 0
        self._elements -= left
        while left:
            chunk = self._waiting.popleft()
            if len(chunk) > left:
                chunk, rest = chunk.cut(left)
                self._waiting.appendleft(rest)
            for i in range(len(chunk)) if kept.dead else ():
                reason = kept.dead.get(place + i)
                if reason is not None:
                    self.ctx.count(f"dropped_{reason}")
                    chunk.take([i]).drop(reason)
            chunk.settle()
            place += len(chunk)
            left -= len(chunk)
        if kept.elements and not self._finishing and not self.is_closed(IN):
            self.request(IN, kept.elements)
