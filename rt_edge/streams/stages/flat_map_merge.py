"""flat_map_merge: a stream for each element, several of them at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, FILTERED, Chunk
from rt_edge.data.receipt import Dropped, Failed
from rt_edge.streams.nested import Expansion, NestingLogic, Substream, source_part
from rt_edge.streams.stage import IN, Hold, Inlet, ReceiptUse, StageLogic, Supervision
from rt_edge.streams.stages._common import UserCode, at_least, named, note_failures

MOST = 1024
"""Streams at a time, at most."""

REMOVED = "removed"
"""The reason of what is left of streams that are taken out of a graph."""


class FlatMapMerge(UserCode, frozen=True):
    """Makes a stream of each element and emits the elements of up to `breadth` of them at a time, as they come; with a breadth
    of 1 one stream after the other, in order.

    A function may return a Source, a Publisher, or an iterable. An element is settled when all that its stream gave is; one
    whose stream gave nothing is settled as dropped, `filtered`.

    Emits when: a stream has an element.
    Backpressures when: downstream does, or `breadth` streams run.
    Completes when: upstream completes and all streams have.
    Cancels when: downstream cancels: all streams are cancelled.
    On restart: the streams that run are stopped, and their elements fail.

    Attributes:
        function: element -> stream of elements; may be endless.
        breadth: streams that run at a time.
        on_error: what to do when the function raises or a stream fails. stop: fail, behind what was emitted before. resume:
            the element fails. restart: so do all whose streams run.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    function: Callable[[Any], Any]
    breadth: int = 1

    def __post_init__(self) -> None:
        """Refuse a breadth of nothing, and too many streams."""
        at_least(1, breadth=self.breadth)
        at_least(self.breadth, most_streams=MOST)

    def holds(self) -> Hold:
        """The elements whose streams run, and what came of them at once; it does not wait for further elements."""
        return Hold(CHUNK_ELEMENTS + 2 * self.breadth, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with the streams that run."""
        return FlatMapLogic(self, self.function, self.breadth)


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
            if self._supervise(error):
                return
        else:
            if not sub.key.made:
                self.ctx.count(f"dropped_{FILTERED}")
            sub.key.close()
        if self.upstream_done and not self.nest:
            self.finish()
        else:
            self.proceed()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete when the streams have."""
        self.upstream_done = True
        if not self.nest:
            self.finish()

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
