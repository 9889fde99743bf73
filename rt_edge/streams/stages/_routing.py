"""What the fan-out stages that route element by element share: a strategy decides, and nobody gets more than it asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.routing.routee import Routee
from rt_edge.streams.routing.strategy import Strategy
from rt_edge.streams.stage import IN, Hold, Inlet, Outlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import end_branches, outlets, ports, settle_rest


class RouteStage(Stage, frozen=True, kw_only=True):
    """Base of stages that send each element to one branch. Each names the strategy in `create_logic`.

    Attributes:
        count: outlets, named `out0`, `out1`, ...
        eager_cancel: cancel as soon as one branch cancels; the others complete then, or fail with the error that it failed with.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    count: int = 2
    eager_cancel: bool = False

    def __post_init__(self) -> None:
        """Refuse a number of ports that makes no sense."""
        ports("count", self.count)

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """`out0`, `out1`, ..."""
        return outlets(self.count)

    def holds(self) -> Hold:
        """What was asked for and has nobody to go to now; it does not wait for further elements."""
        return Hold(CHUNK_ELEMENTS, 0.0)


class Router:
    """What waits to be dealt to the outlets of a logic, by a strategy.

    Each held chunk has what the strategy sees of its elements: the elements, or their keys.

    Args:
        logic: whose outlets these are.
        strategy: of this run.
        branches: the outlets.
        eager: the first branch that cancels ends all.
    """

    def __init__(self, logic: StageLogic, strategy: Strategy, branches: Sequence[Outlet], eager: bool) -> None:
        self.strategy = strategy
        self.finished = False
        self._logic = logic
        self._branches = list(branches)
        self._routees = [Routee(branch.name) for branch in branches]
        self._eager = eager
        self._held: deque[tuple[Chunk, Sequence[Any]]] = deque(maxlen=CHUNK_ELEMENTS)

    def put(self, chunk: Chunk, seen: Sequence[Any]) -> None:
        """These wait now; to be followed by `serve`."""
        self._held.append((chunk, seen))

    def serve(self) -> None:
        """Push what has somebody to go to; ask for what can be given away at once; complete when all is over."""
        logic = self._logic
        held = self._held
        while held:
            self._look()
            chunk, seen = held[0]
            dealt = self.strategy.deal(seen, self._routees)
            if not dealt:
                break
            held.popleft()
            if len(dealt) < len(chunk):
                chunk, rest = chunk.cut(len(dealt))
                held.appendleft((rest, seen[len(dealt) :]))
            self._push(chunk, dealt)
        for branch in self._branches:
            if not logic.is_free(branch):
                logic.pull_again(branch)
        if held:
            return
        if self.finished:
            logic.complete_stage()
            return
        self._look()
        n = min(self.strategy.capacity(self._routees), CHUNK_ELEMENTS) - logic.requested(IN)
        if n > 0:
            logic.request(IN, n)

    def cancelled(self, outlet: Outlet, cause: BaseException | None) -> None:
        """A branch is gone; what waited for it goes to the others."""
        place = self._branches.index(outlet)
        del self._branches[place], self._routees[place]
        if self._eager or not self._branches:
            end_branches(self._logic, self._branches, cause)
        else:
            self.serve()

    def take_all(self) -> list[Chunk]:
        """Empty it."""
        chunks = [chunk for chunk, _ in self._held]
        self._held.clear()
        return chunks

    def _look(self) -> None:
        for branch, routee in zip(self._branches, self._routees, strict=True):
            routee.credit = self._logic.demand(branch)

    def _push(self, chunk: Chunk, dealt: list[int]) -> None:
        if dealt.count(dealt[0]) == len(dealt):
            self._logic.push(self._branches[dealt[0]], chunk)
            return
        shares: list[list[int]] = [[] for _ in self._branches]
        for place, index in enumerate(dealt):
            shares[index].append(place)
        for branch, share in zip(self._branches, shares, strict=True):
            if share:
                self._logic.push(branch, chunk.take(share))


class RouteLogic(StageLogic):
    """The logic of stages whose strategy looks at elements as they are.

    Args:
        stage: ports and eagerness.
        strategy: of this run.
    """

    def __init__(self, stage: RouteStage, strategy: Strategy) -> None:
        self.router = Router(self, strategy, stage.outlets, stage.eager_cancel)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Somebody asks."""
        self.router.serve()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Deal."""
        self.router.put(chunk, chunk.items)
        self.router.serve()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete as soon as nothing waits."""
        self.router.finished = True
        self.router.serve()

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        """Go on with the others."""
        self.router.cancelled(outlet, cause)

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what waits."""
        settle_rest(self, self.router.take_all(), error)

    def residue(self) -> list[Chunk]:
        """What waits, in order."""
        return self.router.take_all()
