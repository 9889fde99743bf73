"""The logic of `to_path`: a file, and the thread that writes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import msgspec

from rt_edge.data.chunk import Chunk
from rt_edge.data.reading import Reading
from rt_edge.streams.stage import IN, Inlet
from rt_edge.streams.stages._common import named, settle_rest
from rt_edge.streams.stages._sink import SinkLogic
from rt_edge.streams.stages._worker import Worker

if TYPE_CHECKING:
    from rt_edge.streams.stages.to_path import ToPath

Fsync = Literal["never", "end", "always"]
Content = Literal["bytes", "json"]


class ToPathLogic(SinkLogic):
    """Collects what comes while a write is under way, and writes that next."""

    stage: ToPath

    def __init__(self, stage: ToPath) -> None:
        super().__init__(stage)
        self.result = 0
        self._is_json = stage.content == "json"
        self._file: BinaryIO | None = None  # of the worker's thread
        self._waiting: list[Chunk] = []
        self._writing: list[Chunk] = []
        self._busy = False
        self._finished = False

    def on_start(self) -> None:
        """Open the file."""
        self._worker = Worker(self.ctx, on_thread=True)
        self._begin(self._open, _opened)
        super().on_start()

    def _begin(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        self._busy = True
        self._worker.call(work, partial(self._over, done))

    def _over(self, done: Callable[[Any], None], result: Any, error: BaseException | None) -> None:
        self._busy = False
        if error is not None:
            self.ctx.count("errors")
            self.fail_stage(error)
            return
        done(result)
        self._go_on()

    def _go_on(self) -> None:
        if self._busy:
            return
        if self._waiting:
            self._writing, self._waiting = self._waiting, []
            items = [item for chunk in self._writing for item in chunk.items]
            self._begin(partial(self._write, items), self._written)
        elif self._finished:
            self._begin(self._close, self._closed)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Write it, or let it wait for the write that is under way."""
        kinds, wanted = (Reading, "readings") if self._is_json else (bytes | bytearray | memoryview, "bytes")
        wrong = [item for item in chunk.items if not isinstance(item, kinds)]
        if wrong:
            error = TypeError(f"{type(wrong[0]).__name__} cannot be written to this file, {wanted} can")
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
        """Close the file when all is written."""
        self._finished = True
        self._go_on()

    def residue(self) -> list[Chunk]:
        """What was not written, and what is being written: it may be in the file, too."""
        held = [*self._writing, *self._waiting]
        self._writing, self._waiting = [], []
        return held

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what was not written; close the file."""
        settle_rest(self, [*self._writing, *self._waiting], error)
        self._writing, self._waiting = [], []
        self._busy = True  # nothing is begun any more
        self._worker.end(self._close)
        super().on_stop(error)

    # -- in the worker's thread ------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._file = self.stage.path.open("ab" if self.stage.append else "wb")

    def _write(self, items: list[Any]) -> int:
        data: list[bytes] = [line(item) for item in items] if self._is_json else items
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


def line(reading: Reading) -> bytes:
    """A reading as a JSON object and an end of line."""
    return msgspec.json.encode(msgspec.structs.asdict(reading)) + b"\n"
