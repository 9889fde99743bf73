"""route_rated: elements to branches in proportion to what each takes."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.units import Duration
from rt_edge.protocol.demand import UNBOUNDED
from rt_edge.streams.routing.rated import HALF_LIFE_S, Rated, Yields
from rt_edge.streams.stage import Outlet, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._routing import RouteLogic, RouteStage


class RouteRated(RouteStage, frozen=True):
    """Sends elements to the branches that ask, in proportion to what each has asked for a second, lately.

    A fast branch gets more also while a slow one asks for much at once; one that stalls keeps a small share, by which it is
    found again.

    Emits when: an element arrives and any branch asks.
    Backpressures when: no branch asks.
    Completes when: upstream completes and what waits has gone out.
    Cancels when: all branches have cancelled (with `eager_cancel`: one has).
    On restart: calls no user code, so it is not restarted.

    Attributes:
        half_life: after so long without news the rate of a branch counts half.
    """

    kind: ClassVar[str] = "route_rated"

    half_life: Duration | float = HALF_LIFE_S

    def __post_init__(self) -> None:
        """Refuse a half-life of nothing."""
        super().__post_init__()
        at_least(0.001, half_life=self.half_life)

    def create_logic(self) -> StageLogic:
        """A logic that measures."""
        return _Logic(self)


class _Logic(RouteLogic):
    def __init__(self, stage: RouteRated) -> None:
        self._yields = Yields(float(stage.half_life))
        self._asked = dict.fromkeys((port.name for port in stage.outlets), 0)
        super().__init__(stage, Rated(self._now, self._yields))

    def _now(self) -> float:
        return self.ctx.clock.monotonic()

    def on_pull(self, outlet: Outlet, n: int) -> None:
        # All it ever asked for, as `n` repeats after pull_again. Who asks for everything at once is known by what it takes.
        open_demand = self.demand(outlet)
        asked = self._outs[outlet.index].passed + (open_demand if open_demand < UNBOUNDED // 2 else 0)
        fresh = asked - self._asked[outlet.name]
        if fresh > 0:
            self._asked[outlet.name] = asked
            self._yields.note(outlet.name, fresh, self._now())
        super().on_pull(outlet, n)
