"""What the fan-in stages share that serve their inlets in proportion to weights."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stage import OUT, Inlet, Outlet, StageLogic
from rt_edge.streams.stages._common import settle_rest


class WeightedLogic(StageLogic):
    """Holds what came in by inlet, and emits from the inlets in proportion to `weights` (deficit round robin).

    Every inlet has a credit of its own, so that none keeps out another: as much as downstream has asked for at once, also while
    it does not ask. A turn of an inlet is a share of that, so large chunks are not cut into small ones.

    Args:
        inlets: of the stage.
        eager: complete with the first inlet that does.
        strict: only inlets of the highest weight among those that have something are served.
    """

    def __init__(self, inlets: tuple[Inlet, ...], eager: bool, strict: bool = False) -> None:
        self.inlets = inlets
        self.finished = False
        self._eager = eager
        self._strict = strict
        self._held: list[deque[Chunk]] = [deque(maxlen=CHUNK_ELEMENTS) for _ in inlets]
        self._n = [0] * len(inlets)
        self._deficit = [0] * len(inlets)
        self._turn = 0
        self._fresh = True
        self._level = 0  # the most that downstream has asked for at once
        self._open = len(inlets)

    # -- to override ---------------------------------------------------------------------------------------------------

    def weights(self) -> Mapping[int, int]:
        """Index of each inlet -> its weight, a whole number; 0 counts as the smallest."""
        raise NotImplementedError

    def credit(self, inlet: Inlet, wanted: int) -> int:
        """How many elements of this inlet may be here or asked for, of `wanted` in all; at least 1."""
        return wanted

    def arrived(self, inlet: Inlet, n: int) -> None:
        """`n` elements have come in."""

    # -- handlers ------------------------------------------------------------------------------------------------------

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Ask before `demand` is used up by what goes out."""
        self._ask()
        self.proceed()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """It waits for its turn."""
        self._held[inlet.index].append(chunk)
        self._n[inlet.index] += len(chunk)
        self.arrived(inlet, len(chunk))
        self._ask()
        self.proceed()

    def _ask(self) -> None:
        """Keep every inlet stocked with what downstream asks for at once: only who has something can be preferred."""
        if self.finished:
            return
        self._level = max(self._level, min(self.demand(OUT), CHUNK_ELEMENTS))
        if not self._level:
            return
        for inlet in self.inlets:
            if not self.is_closed(inlet):
                most = min(self._level, max(1, self.credit(inlet, self._level)))
                n = most - self._n[inlet.index] - self.requested(inlet)
                if n > 0:
                    self.request(inlet, n)

    def proceed(self) -> None:
        """Emit one turn, if it is wanted; the next follows when it was taken."""
        waiting = any(self._n)
        if self.finished and not waiting:
            self.complete_stage()
            return
        if not self.is_free(OUT):
            self.pull_again(OUT)
            return
        wanted = self.demand(OUT)
        if wanted <= 0 or not waiting:
            return
        index, most = self._next()
        chunk = self._held[index].popleft()
        n = min(len(chunk), most, wanted)
        if n < len(chunk):
            chunk, rest = chunk.cut(n)
            self._held[index].appendleft(rest)
        self._n[index] -= n
        self._deficit[index] -= n
        self.push(OUT, chunk)
        self._ask()
        self.pull_again(OUT)

    def _next(self) -> tuple[int, int]:
        """Whose turn it is, and how many elements it is for."""
        weights = self.weights()
        ready = [index for index, n in enumerate(self._n) if n]
        if self._strict:
            most = max(weights[index] for index in ready)
            ready = [index for index in ready if weights[index] == most]
        total = sum(max(1, weights[index]) for index in ready)
        scale = max(1, self._level // total)
        count = len(self.inlets)
        for _ in range(2 * count + 1):
            index = self._turn
            if index in ready:
                if self._fresh:
                    self._deficit[index] = max(1, weights[index]) * scale
                    self._fresh = False
                if self._deficit[index] > 0:
                    return index, self._deficit[index]
            self._turn = (index + 1) % count
            self._fresh = True
        return ready[0], 1  # not reached: a fresh turn of a ready inlet has at least 1

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete as soon as what is held has gone out."""
        self._open -= 1
        if not self._open or self._eager:
            for other in self.inlets:
                self.cancel(other)
            self.finished = True
            self.proceed()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
        settle_rest(self, self.residue(), error)

    def residue(self) -> list[Chunk]:
        """What waits, inlet by inlet."""
        chunks = [chunk for held in self._held for chunk in held]
        for held in self._held:
            held.clear()
        self._n = [0] * len(self._n)
        return chunks
