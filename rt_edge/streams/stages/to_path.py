"""to_path: bytes or readings written to a file."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._sink import SinkStage
from rt_edge.streams.stages._to_path import Content, Fsync, ToPathLogic


class ToPath(SinkStage, frozen=True, kw_only=True):
    """Writes bytes, or readings, to a file, on a thread of its own; settles them when they were written. What it came to is the
    number of bytes.

    What comes while a write is under way is written with the next one. Settled elements are durable only under `always`.

    Emits when: -
    Backpressures when: `demand` elements are written or wait for it.
    Completes when: upstream completes and the file is closed.
    Cancels when: the file cannot be written, or an element is not what is written.

    Attributes:
        path: of the file; opened when the stream starts.
        append: whether what is in it stays.
        content: bytes: elements are bytes. json: each reading is a line, a JSON object with source, ts, fields and more; times
            are nanoseconds since 1970, bytes are base64, NaN is null.
        fsync: never: the system decides when it is on the disk. end: before the stage completes. always: before elements are
            settled.
        demand: elements asked for at a time: the bound of what waits in memory.
    """

    kind: ClassVar[str] = "to_path"

    path: Path
    append: bool = False
    content: Content = "bytes"
    fsync: Fsync = "never"
    demand: int = 64

    def create_logic(self) -> StageLogic:
        """A logic with the file."""
        return ToPathLogic(self)
