"""route_random: each element to any branch that asks."""

from __future__ import annotations

from random import Random
from typing import ClassVar

from rt_edge.streams.routing.strategy import RandomChoice
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._routing import RouteLogic, RouteStage


class RouteRandom(RouteStage, frozen=True):
    """Sends each element to a branch chosen by chance among those that ask, each as likely as the other.

    Emits when: an element arrives and any branch asks.
    Backpressures when: no branch asks.
    Completes when: upstream completes and what waits has gone out.
    Cancels when: all branches have cancelled (with `eager_cancel`: one has).
    On restart: calls no user code, so it is not restarted.

    Attributes:
        seed: of the choices; every run with the same seed and the same demand chooses the same.
    """

    kind: ClassVar[str] = "route_random"

    seed: int = 0

    def create_logic(self) -> StageLogic:
        """A logic with chances of its own."""
        return RouteLogic(self, RandomChoice(Random(self.seed)))  # noqa: S311 - spreads load, keeps no secret
