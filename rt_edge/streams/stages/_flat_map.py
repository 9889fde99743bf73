"""The logic of `flat_map_merge` and `switch_map`: a substream for each element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_edge.data.chunk import FILTERED, Chunk
from rt_edge.data.receipt import Dropped, Failed
from rt_edge.streams.nested import Expansion, NestingLogic, Substream, source_part
from rt_edge.streams.stage import IN, Inlet, Supervision
from rt_edge.streams.stages._common import UserCode, named, note_failures

REMOVED = "removed"
"""The reason of what is left of streams that are taken out of a graph."""


class FlatMapLogic(NestingLogic):
    """Runs a substream for each element.

    Args:
        stage: whose supervision counts.
        function: element -> stream.
        breadth: streams at a time.
    """

    def __init__(self, stage: UserCode, function: Callable[[Any], Any], breadth: int) -> None:
        self._policy = stage.supervision
        self._function = function
        self._breadth = breadth

    def ask(self) -> None:
        """Of the streams that run, and for elements that can have one."""
        if self.credit() > 0:
            self.share(list(self.nest))
            n = self._breadth - len(self.nest) - self.requested(IN)
            if n > 0 and not self.upstream_done:
                self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Start a stream for each."""
        for place in range(len(chunk)):
            piece = chunk.take([place])
            try:
                part = source_part(self._function(piece.items[0]))
                self.nest.start(part, Expansion(piece))
            except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
                note_failures(self, [(0, error)])
                piece.fail(named(self, error))
                if self._supervise(error):
                    if place + 1 < len(chunk):
                        chunk.take(range(place + 1, len(chunk))).fail(named(self, error))
                    return
        self.proceed()

    def _supervise(self, error: BaseException) -> bool:
        """Whether the stage ends."""
        if self._policy is Supervision.RESTART:
            self.ctx.count("restarts")
            for sub in self.nest:
                self.end_sub(sub, Failed(named(self, error)))
        elif self._policy is Supervision.STOP:
            self.fail_after(error)
            return True
        return False

    def fail_after(self, error: BaseException) -> None:
        """The elements whose streams run fail."""
        for sub in self.nest:
            self.end_sub(sub, Failed(named(self, error)))
        super().fail_after(error)

    def end_sub(self, sub: Substream, outcome: Any) -> None:
        """Stop a stream; its element has this outcome, unless it is worse already."""
        error = outcome.error if isinstance(outcome, Failed) else None
        sub.stop(error)
        sub.key.close(outcome)

    def sub_pushed(self, sub: Substream, chunk: Chunk) -> None:
        """Emit it under the receipt of its element."""
        super().sub_pushed(sub, sub.key.child(chunk))

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        """Make room for the next."""
        if error is not None:
            self.ctx.count("failed_substreams")
            sub.key.close(Failed(named(self, error)))
            self._supervise(error)
            return
        if not sub.key.made:
            self.ctx.count(f"dropped_{FILTERED}")
        sub.key.close()

    def nest_turned(self, rested: bool) -> None:
        """Emit, and ask for as much as there is room for now, once for all streams that have ended."""
        super().nest_turned(rested)
        self._finish_if_done()

    def _finish_if_done(self) -> None:
        if self.upstream_done and not self.finished and not self.nest:
            self.finish()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete when the streams have."""
        self.upstream_done = True
        self._finish_if_done()

    def on_stop(self, error: BaseException | None) -> None:
        """The elements whose streams run are dropped, or fail."""
        running = list(self.nest)
        super().on_stop(error)
        for sub in running:
            sub.key.close(Dropped("cancelled") if error is None else Failed(named(self, error)))

    def residue(self) -> list[Chunk]:
        """What came of the streams; the rest of them is dropped."""
        held = self.out.take_all()
        running = list(self.nest)
        held += [sub.key.child(chunk) for sub, chunk in self.nest.residue()]
        for sub in running:
            self.ctx.count(f"dropped_{REMOVED}")
            sub.key.close(Dropped(REMOVED))
        return held
