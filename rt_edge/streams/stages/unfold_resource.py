"""unfold_resource: the elements that are read from something that is opened and closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stage import OUT, Outlet, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._source import SourceStage, broke
from rt_edge.streams.stages._worker import Worker

LINGER = 0.005
"""Seconds after which what was read goes out, although more is wanted: a slow resource makes no element wait for others."""

NOTHING = object()
"""In the place of a resource that is not open."""


class UnfoldResource(SourceStage, frozen=True, kw_only=True):
    """Opens a resource, emits what is read from it, and closes it however the stream ends.

    All three are called on a thread of their own, one after the other, so that they may block.

    Emits when: asked, as many elements as are wanted and can be read in 5 ms, `chunk` at most; or one that takes longer.
    Backpressures when: downstream does; nothing is read then, and nothing opened before the first demand.
    Completes when: `read` gives None and the resource was closed. What any of the three raises fails the stage.
    Cancels when: -

    Attributes:
        create: -> resource.
        read: resource -> element, or None: that was all.
        close: called with the resource once, also when the stream fails or is cancelled (then what it raises is logged).
        chunk: elements read at a time, at most.
        on_thread: whether the functions may block; if not, they are called in the island's thread, which is faster.
    """

    create: Callable[[], Any]
    read: Callable[[Any], Any]
    close: Callable[[Any], Any]
    chunk: int = CHUNK_ELEMENTS
    on_thread: bool = True

    def __post_init__(self) -> None:
        """Refuse empty chunks."""
        at_least(1, chunk=self.chunk)

    def create_logic(self) -> StageLogic:
        """A logic with the resource."""
        return _Logic(self)


class _Logic(StageLogic):
    def __init__(self, stage: UnfoldResource) -> None:
        self._stage = stage
        self._resource: Any = NOTHING  # of the worker's thread
        self._reading = False
        self._stopped = False

    def on_start(self) -> None:
        self._worker = Worker(self.ctx, self._stage.on_thread)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        if not self._reading:
            self._reading = True
            wanted = min(self.demand(OUT), self._stage.chunk)
            self._worker.call(lambda: self._read(wanted), self._came)

    def _read(self, wanted: int) -> tuple[list[Any], bool, Exception | None]:
        """What was read, whether that was all, and what went wrong behind it."""
        stage = self._stage
        items: list[Any] = []
        try:
            if self._resource is NOTHING:
                self._resource = stage.create()
            until = self.ctx.clock.monotonic() + LINGER
            while len(items) < wanted and not self._stopped and (not items or self.ctx.clock.monotonic() < until):
                item = stage.read(self._resource)
                if item is None:
                    self._close()
                    return items, True, None
                items.append(item)
        except Exception as error:  # noqa: BLE001 - it is what the stage fails with
            return items, True, error
        return items, False, None

    def _close(self) -> None:
        resource, self._resource = self._resource, NOTHING
        if resource is not NOTHING:
            self._stage.close(resource)

    def _came(self, result: Any, error: BaseException | None) -> None:
        self._reading = False
        if error is not None:
            broke(self, error)
            return
        items, ended, failure = result
        if items:
            self.push(OUT, Chunk(items))
        if failure is not None:
            broke(self, failure)
        elif ended:
            self.complete_stage()
        else:
            self.pull_again(OUT)

    def on_stop(self, error: BaseException | None) -> None:
        self._stopped = True
        self._worker.end(self._close)
