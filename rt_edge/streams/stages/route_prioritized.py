"""route_prioritized: each element to the most important branch that asks."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.errors import ConfigError
from rt_edge.streams.routing.weights import ByPriority, Priorities
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._routing import RouteLogic, RouteStage


class RoutePrioritized(RouteStage, frozen=True):
    """Sends each element to the branch of the highest priority among those that ask; equals take turns.

    Emits when: an element arrives and any branch asks.
    Backpressures when: no branch asks.
    Completes when: upstream completes and what waits has gone out.
    Cancels when: all branches have cancelled (with `eager_cancel`: one has).
    On restart: calls no user code, so it is not restarted.

    Attributes:
        priorities: of the outlets, in order, whole numbers from 0, more is more important; those left out have 1.
        control: `Priorities` by the outlets' names, in place of `priorities`: to change them while it runs.
    """

    kind: ClassVar[str] = "route_prioritized"

    priorities: tuple[int, ...] = ()
    control: Any = None

    def __post_init__(self) -> None:
        """Refuse priorities that make no sense."""
        super().__post_init__()
        priorities_of(self.priorities, self.control, [port.name for port in self.outlets])

    def create_logic(self) -> StageLogic:
        """A logic that compares priorities."""
        names = [port.name for port in self.outlets]
        return RouteLogic(self, ByPriority(priorities_of(self.priorities, self.control, names)))


def priorities_of(values: tuple[int, ...], control: Any, names: list[str]) -> Priorities:
    """The control object, or one made of `values` for the ports `names`.

    Raises:
        ConfigError: more values than ports, both at once, or no priorities.
    """
    if control is not None:
        if values or not isinstance(control, Priorities):
            raise ConfigError("control is a Priorities object, and stands in place of priorities")
        return control
    if len(values) > len(names):
        raise ConfigError(f"{len(values)} priorities for {len(names)} ports")
    return Priorities(dict(zip(names, values, strict=False)))
