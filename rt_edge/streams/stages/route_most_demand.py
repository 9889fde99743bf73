"""route_most_demand: each element to the branch that asks for the most."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.streams.routing.strategy import MostDemand
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._routing import RouteLogic, RouteStage


class RouteMostDemand(RouteStage, frozen=True):
    """Sends each element to the branch with the most demand open (the smallest mailbox); equals take turns.

    Emits when: an element arrives and any branch asks.
    Backpressures when: no branch asks.
    Completes when: upstream completes and what waits has gone out.
    Cancels when: all branches have cancelled (with `eager_cancel`: one has).
    On restart: calls no user code, so it is not restarted.
    """

    kind: ClassVar[str] = "route_most_demand"

    def create_logic(self) -> StageLogic:
        """A logic that compares demand."""
        return RouteLogic(self, MostDemand())
