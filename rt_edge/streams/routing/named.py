"""Strategies by name, for settings and messages."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Literal, get_args

from rt_edge.data.errors import ConfigError
from rt_edge.streams.routing.content import ByContent
from rt_edge.streams.routing.hashing import VIRTUAL_NODES, ConsistentHashing
from rt_edge.streams.routing.rated import Rated, Yields
from rt_edge.streams.routing.strategy import Balancing, Everyone, MostDemand, RandomChoice, RoundRobin, Strategy
from rt_edge.streams.routing.weights import ByPriority, Priorities

StrategyName = Literal[
    "balancing", "round_robin", "random", "most_demand", "broadcast", "consistent_hashing", "priority", "rated", "content"
]


def strategy(
    name: StrategyName,
    *,
    random: Random,
    now: Callable[[], float],
    priorities: Priorities | None = None,
    key: Callable[[Any], Any] | None = None,
    virtual_nodes: int = VIRTUAL_NODES,
    yields: Yields | None = None,
) -> Strategy:
    """A fresh strategy.

    Args:
        name: which.
        random: for `random`.
        now: monotonic time, for `rated`.
        priorities: for `priority`.
        key: of an element, for `consistent_hashing`.
        virtual_nodes: for `consistent_hashing`.
        yields: for `rated`.

    Raises:
        ConfigError: no such strategy.
    """
    makers: dict[str, Callable[[], Strategy]] = {
        "balancing": Balancing,
        "round_robin": RoundRobin,
        "random": lambda: RandomChoice(random),
        "most_demand": MostDemand,
        "broadcast": Everyone,
        "consistent_hashing": lambda: ConsistentHashing(key, virtual_nodes),
        "priority": lambda: ByPriority(priorities or Priorities()),
        "rated": lambda: Rated(now, yields),
        "content": ByContent,
    }
    if name not in makers:
        raise ConfigError(f"there is no routing strategy {name!r}", f"one of {', '.join(get_args(StrategyName))}")
    return makers[name]()
