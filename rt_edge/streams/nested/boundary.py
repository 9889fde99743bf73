"""The two ends by which a stage feeds a substream and hears of it; both are stages of the substream's engine."""

from __future__ import annotations

import enum
from collections import deque
from typing import TYPE_CHECKING, Any

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stage import OUT, Inlet, Outlet, Stage, StageLogic
from rt_edge.streams.stages._outbox import Outbox

if TYPE_CHECKING:
    from rt_edge.streams.nested.substream import Substream


class Event(enum.Enum):
    """What a substream says."""

    PUSH = "push"
    PULL = "pull"
    CANCEL = "cancel"
    END = "end"


Events = deque[tuple["Substream", Event, Any]]
"""What substreams of one nest have said, with the chunk or the error."""

PUSH = Event.PUSH


class Entry(Stage, frozen=True):
    """Emits what the parent sends."""

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """None."""
        return ()

    def create_logic(self) -> StageLogic:
        """A logic that waits for its substream."""
        return EntryLogic()


class Exit(Stage, frozen=True):
    """Hands what comes to the parent, which asks for it."""

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """None."""
        return ()

    def create_logic(self) -> StageLogic:
        """A logic that waits for its substream."""
        return ExitLogic()


class EntryLogic(StageLogic):
    """Holds what the substream does not want yet, and tells the parent of its demand.

    Attributes:
        box: what waits.
        finished: no more will be sent.
    """

    box: Outbox
    finished: bool
    _sub: Substream

    def attach(self, sub: Substream, room: int) -> None:
        """Serve `sub`; at most `room` chunks wait."""
        self._sub = sub
        self.box = Outbox(self, bound=max(room, CHUNK_ELEMENTS))
        self.finished = False

    def put(self, chunk: Chunk) -> None:
        """Send it on, now or when it is wanted."""
        before = self.box.elements
        self.box.put(chunk)
        self._sub.note_waiting(self.box.elements - before)

    def put_whole(self, chunk: Chunk) -> None:
        """Send it on in the substream's turn, with all that is wanted until then."""
        self.box.add(chunk)
        self._sub.note_waiting(len(chunk.items))
        self.pull_again(OUT)

    def finish(self, error: BaseException | None) -> None:
        """The last word: at once if it is an error, else behind what waits."""
        if error is not None:
            self.fail_stage(error)
            return
        self.finished = True
        if not self.box:
            self.complete_stage()

    def drop_head(self, n: int, reason: str) -> None:
        """Drop the `n` oldest that wait."""
        self.box.drop_head(n, reason)
        self._sub.note_waiting(-n)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Send what waits; the parent hears of what else is wanted."""
        before = self.box.elements
        if before:
            self.box.flush()
            self._sub.note_waiting(self.box.elements - before)
        if self.finished:
            if not self.box.elements:
                self.complete_stage()
        else:
            self._sub.note_pull()

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        """Nothing more is wanted; what waits is dropped or failed."""
        self._sub.note_cancel(cause)
        self.cancel_stage(cause)

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what waits."""
        self._sub.note_waiting(-self.box.elements)
        self.box.settle_rest(error)

    def residue(self) -> list[Chunk]:
        """What waits."""
        self._sub.note_waiting(-self.box.elements)
        return self.box.take_all()


class ExitLogic(StageLogic):
    """Notes what comes."""

    _sub: Substream
    _events: Events

    def attach(self, sub: Substream, events: Events) -> None:
        """Serve `sub`, whose nest has these events."""
        self._sub = sub
        self._events = events

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """An event for the parent."""
        self._events.append((self._sub, PUSH, chunk))

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """The substream has ended."""
        self._sub.note_end(None)
        self.complete_stage()

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        """The substream has failed."""
        self._sub.note_end(error)
        self.complete_stage()
