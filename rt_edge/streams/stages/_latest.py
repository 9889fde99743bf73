"""What stages share that keep the latest element of each key until its time has come (debounce, sample).

What an origin emits again passes at once: it was the latest when it went out, or its time is over.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.reading import Reading, is_gap
from rt_edge.data.weave import emitted_again
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Supervision
from rt_edge.streams.stages._common import discard, settle_rest
from rt_edge.streams.stages._holding import HoldingLogic
from rt_edge.streams.stages._keys import Keyed

EVICTED = "evicted"
"""The reason of what had to go because there were too many keys."""


class LatestLogic(HoldingLogic):
    """Keeps one element a key in `waiting`; what is replaced is settled as dropped. Gap records, and what is emitted again, pass
    at once.

    Args:
        stage: what it runs.
        reason: why what is replaced was dropped.
    """

    def __init__(self, stage: Keyed, reason: str) -> None:
        super().__init__(stage)
        self._most = stage.max_keys
        self._reason = reason
        self.bound = stage.max_keys + CHUNK_ELEMENTS  # type: ignore[misc]  # all that waits, and the gaps of a chunk
        self.waiting: OrderedDict[Any, Chunk] = OrderedDict()

    # -- to override ---------------------------------------------------------------------------------------------------

    def note_arrived(self, key: Any, is_new: bool) -> None:
        """A later element of `key` waits now, or a first one."""

    def note_gone(self, key: Any) -> None:
        """Nothing of `key` waits any more."""

    def due(self) -> Iterable[Any]:
        """Keys whose time has come, in order."""
        raise NotImplementedError

    def set_timer(self) -> None:
        """Have `on_timer` called when the next key's time has come."""
        raise NotImplementedError

    # -- the logic -----------------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """A chunk at a time, as long as something is wanted."""
        n = CHUNK_ELEMENTS - self.requested(IN)
        if self.demand(OUT) > self.out.elements and n > 0:
            self.request(IN, n)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Ask, then release what is due."""
        if not self.finished:
            self.ask()
            self.release()
        self.out.flush()
        if self.finished and not self.out:
            self.complete_stage()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Keep the latest of each key."""
        rest, keys, failures = self.keyed(chunk)
        if failures and self._policy is Supervision.RESTART:
            settle_rest(self, self.take_waiting(), failures[0][1])
        if rest is not None:
            self.absorb(rest, keys)
        if self.stop_after(failures):
            return
        self.set_timer()
        self.proceed()

    def absorb(self, chunk: Chunk, keys: Sequence[Any]) -> None:
        """Keep the latest of each key, pass gap records, drop the rest."""
        latest: dict[Any, int] = {}
        gaps = []
        again = emitted_again(chunk)
        for place, (item, key) in enumerate(zip(chunk.items, keys, strict=True)):
            if (item.__class__ is Reading and not item.fields and is_gap(item)) or (again is not None and again[place]):
                gaps.append(place)
            else:
                latest.pop(key, None)  # in the order of the last arrival
                latest[key] = place
        if len(latest) + len(gaps) < len(chunk):
            kept = {*latest.values(), *gaps}
            discard(self, chunk.take([place for place in range(len(chunk)) if place not in kept]), self._reason)
        if gaps:
            self.out.put(chunk.take(gaps))
        waiting = self.waiting
        for key, place in latest.items():
            is_new = key not in waiting
            if not is_new:
                discard(self, waiting[key], self._reason)
            elif len(waiting) >= self._most:
                oldest, piece = waiting.popitem(last=False)
                self.note_gone(oldest)
                discard(self, piece, EVICTED)
            waiting[key] = chunk.take([place])
            self.note_arrived(key, is_new)

    def on_timer(self, key: object) -> None:
        """The time of a key has come; without demand it goes out with the next demand."""
        self.release()

    def release(self) -> None:
        """Hand on what is due and wanted."""
        if self.is_free(OUT):
            room = self.demand(OUT) - self.out.elements
            pieces: list[Chunk] = []
            for key in list(self.due()):
                if len(pieces) >= room:
                    break
                pieces.append(self.waiting.pop(key))
                self.note_gone(key)
            for chunk in gather(pieces):
                self.out.put(chunk)
        else:
            self.pull_again(OUT)
        self.set_timer()

    def take_waiting(self) -> list[Chunk]:
        """What waits, which is nothing afterwards."""
        pieces = list(self.waiting.values())
        for key in self.waiting:
            self.note_gone(key)
        self.waiting.clear()
        return gather(pieces)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """What waits goes out without waiting longer."""
        for chunk in self.take_waiting():
            self.out.put(chunk)
        super().on_upstream_finish(inlet)

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
        super().on_stop(error)
        settle_rest(self, self.take_waiting(), error)

    def residue(self) -> list[Chunk]:
        """What is ready, then what waits."""
        return super().residue() + self.take_waiting()


def gather(pieces: Sequence[Chunk]) -> list[Chunk]:
    """Chunks of the elements of `pieces`, in order; as few as their receipts allow."""
    chunks: list[Chunk] = []
    for piece in pieces:
        last = chunks[-1] if chunks else None
        if last is None or last.receipt is not piece.receipt or len(last) >= CHUNK_ELEMENTS:
            marks = None if piece.marks is None else list(piece.marks)
            chunks.append(Chunk(list(piece.items), piece.receipt, marks))
        else:
            last.items.extend(piece.items)  # type: ignore[attr-defined]  # a list, made above
            if last.marks is not None and piece.marks is not None:
                last.marks.extend(piece.marks)  # type: ignore[attr-defined]
    return chunks
