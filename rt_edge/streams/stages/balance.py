"""balance: each element to a branch that asks."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stage import IN, Hold, Inlet, Outlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import end_branches, outlets, ports, settle_rest


class Balance(Stage, frozen=True):
    """Sends each chunk to the next branch, in turn, that has asked for elements; cut to what it asked for.

    Emits when: an element arrives and any branch asks.
    Backpressures when: no branch asks; with `wait_for_all` also until every branch has asked once.
    Completes when: upstream completes and what is held has gone out.
    Cancels when: all branches have cancelled (with `eager_cancel`: one has).
    On restart: calls no user code, so it is not restarted.

    Attributes:
        count: outlets, named `out0`, `out1`, ...
        wait_for_all: give nothing away before every branch has asked once, so that the first to ask does not get all.
        eager_cancel: cancel as soon as one branch cancels; the others complete then, or fail with the error that it failed with.
    """

    kind: ClassVar[str] = "balance"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    count: int = 2
    wait_for_all: bool = False
    eager_cancel: bool = False

    def __post_init__(self) -> None:
        """Refuse a number of ports that makes no sense."""
        ports("count", self.count)

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """`out0`, `out1`, ..."""
        return outlets(self.count)

    def holds(self) -> Hold:
        """What was asked for by a branch that has cancelled since; it does not wait for further elements."""
        return Hold(CHUNK_ELEMENTS, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic that goes round the branches."""
        return _Logic(self)


class _Logic(StageLogic):
    def __init__(self, stage: Balance) -> None:
        self._ports: deque[Outlet] = deque(stage.outlets, maxlen=stage.count)  # the next in turn first
        self._silent = set(stage.outlets) if stage.wait_for_all else set()
        self._eager = stage.eager_cancel
        self._held: deque[Chunk] = deque(maxlen=CHUNK_ELEMENTS)
        self._finished = False

    def on_pull(self, outlet: Outlet, n: int) -> None:
        self._silent.discard(outlet)
        self._serve()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self._held.append(chunk)
        self._serve()

    def _serve(self) -> None:
        if self._silent and not self._finished:
            return  # nothing was asked for, so nothing is held
        for port in list(self._ports):
            wanted = self.demand(port)
            if wanted > 0 and self._held:
                chunk = self._held.popleft()
                if len(chunk) > wanted:
                    chunk, rest = chunk.cut(wanted)
                    self._held.appendleft(rest)
                self.push(port, chunk)
                self._ports.remove(port)
                self._ports.append(port)
        for port in self._ports:
            if not self.is_free(port):
                self.pull_again(port)
        if self._held:
            return
        if self._finished:
            self.complete_stage()
            return
        n = min(sum(self.demand(port) for port in self._ports), CHUNK_ELEMENTS) - self.requested(IN)
        if n > 0:
            self.request(IN, n)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._finished = True
        self._serve()

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        self._ports.remove(outlet)
        self._silent.discard(outlet)
        if self._eager or not self._ports:
            end_branches(self, self._ports, cause)
        else:
            self._serve()

    def on_stop(self, error: BaseException | None) -> None:
        settle_rest(self, list(self._held), error)
        self._held.clear()

    def residue(self) -> list[Chunk]:
        """What a branch had asked for that has cancelled since, raw."""
        held = list(self._held)
        self._held.clear()
        return held
