"""route_round_robin: each element to the branch whose turn it is."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.streams.routing.strategy import RoundRobin
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._routing import RouteLogic, RouteStage


class RouteRoundRobin(RouteStage, frozen=True):
    """Sends the first element to `out0`, the next to `out1`, and so on, in strict turns; `balance` passes over who is busy.

    Emits when: an element arrives and the branch whose turn it is asks.
    Backpressures when: the branch whose turn it is does, whatever the others ask for.
    Completes when: upstream completes and what waits has gone out.
    Cancels when: all branches have cancelled (with `eager_cancel`: one has). Until then the others take the turns.
    On restart: calls no user code, so it is not restarted.
    """

    kind: ClassVar[str] = "route_round_robin"

    def create_logic(self) -> StageLogic:
        """A logic that knows whose turn it is."""
        return RouteLogic(self, RoundRobin())
