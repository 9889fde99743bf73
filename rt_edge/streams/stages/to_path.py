"""to_path: bytes written to a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, Inlet, StageLogic
from rt_edge.streams.stages._common import named, settle_rest
from rt_edge.streams.stages._sink import SinkLogic, SinkStage
from rt_edge.streams.stages._worker import Worker

Fsync = Literal["never", "end", "always"]


class ToPath(SinkStage, frozen=True, kw_only=True):
    """Writes bytes to a file, on a thread of its own; settles them when they were written. What it came to is their number.

    What comes while a write is under way is written with the next one. Settled elements are durable only under `always`.

    Emits when: -
    Backpressures when: `demand` elements are written or wait for it.
    Completes when: upstream completes and the file is closed.
    Cancels when: the file cannot be written, or an element is no bytes.

    Attributes:
        path: of the file; opened when the stream starts.
        append: whether what is in it stays.
        fsync: never: the system decides when it is on the disk. end: before the stage completes. always: before elements are
            settled.
        demand: elements asked for at a time: the bound of what waits in memory.
    """

    path: Path
    append: bool = False
    fsync: Fsync = "never"
    demand: int = 64

    def create_logic(self) -> StageLogic:
        """A logic with the file."""
        return _Logic(self)


class _Logic(SinkLogic):
    stage: ToPath

    def __init__(self, stage: ToPath) -> None:
        super().__init__(stage)
        self.result = 0
        self._file: BinaryIO | None = None  # of the worker's thread
        self._waiting: list[Chunk] = []
        self._writing: list[Chunk] = []
        self._busy = False
        self._finished = False

    def on_start(self) -> None:
        self._worker = Worker(self.ctx, on_thread=True)
        self._begin(self._open, _opened)
        super().on_start()

    def _begin(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        self._busy = True
        self._worker.call(work, partial(self._over, done))

    def _over(self, done: Callable[[Any], None], result: Any, error: BaseException | None) -> None:
        self._busy = False
        if error is not None:
            self.fail_stage(error)
            return
        done(result)
        self._go_on()

    def _go_on(self) -> None:
        if self._busy:
            return
        if self._waiting:
            self._writing, self._waiting = self._waiting, []
            data = [item for chunk in self._writing for item in chunk.items]
            self._begin(partial(self._write, data), self._written)
        elif self._finished:
            self._begin(self._close, self._closed)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        wrong = [item for item in chunk.items if not isinstance(item, bytes | bytearray | memoryview)]
        if wrong:
            error = TypeError(f"{type(wrong[0]).__name__} cannot be written to a file, bytes can")
            chunk.fail(named(self, error))
            self.fail_stage(error)
            return
        self._waiting.append(chunk)
        self._go_on()

    def _written(self, size: int) -> None:
        written, self._writing = self._writing, []
        self.result += size
        for chunk in written:
            chunk.settle()
        if written:
            self.request(IN, sum(map(len, written)))

    def _closed(self, result: None) -> None:
        self.end()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._finished = True
        self._go_on()

    def residue(self) -> list[Chunk]:
        """What was not written, and what is being written: it may be in the file, too."""
        held = [*self._writing, *self._waiting]
        self._writing, self._waiting = [], []
        return held

    def on_stop(self, error: BaseException | None) -> None:
        settle_rest(self, [*self._writing, *self._waiting], error)
        self._writing, self._waiting = [], []
        self._busy = True  # nothing is begun any more
        self._worker.end(self._close)
        super().on_stop(error)

    # -- in the worker's thread ------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._file = self.stage.path.open("ab" if self.stage.append else "wb")

    def _write(self, data: list[bytes]) -> int:
        file = self._file
        assert file is not None
        file.writelines(data)
        file.flush()
        if self.stage.fsync == "always":
            os.fsync(file.fileno())
        return sum(memoryview(item).nbytes for item in data)

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with file:
                if self.stage.fsync != "never":
                    file.flush()
                    os.fsync(file.fileno())


def _opened(result: None) -> None:
    """What waited meanwhile is written next."""
