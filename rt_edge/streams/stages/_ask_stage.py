"""The description that `scatter_gather` and `tail_chop` share: whom to ask about each element, and for how long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import ceil
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.errors import ConfigError
from rt_edge.data.units import Duration
from rt_edge.streams.routing.asking import AskPolicy
from rt_edge.streams.stage import Hold, ReceiptUse
from rt_edge.streams.stages._common import UserCode, at_least, ports

AHEAD = 256
"""Elements inside at most while answers come at once."""

AsyncFunction = Callable[[Any], Awaitable[Any]]


class AskStage(UserCode, frozen=True, kw_only=True):
    """Base of stages that ask several asynchronous functions about each element.

    Attributes:
        functions: coroutine functions of an element; each answer is an element.
        within: seconds for an answer; then the element fails.
        parallelism: elements that may be asked about at a time; what comes out keeps their order.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    functions: list[AsyncFunction]
    within: Duration | float = 5.0
    parallelism: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be asked."""
        ports("the number of functions", len(self.functions))
        at_least(1, parallelism=self.parallelism)
        if self.parallelism > CHUNK_ELEMENTS:
            raise ConfigError(f"parallelism is {self.parallelism}, it has to be at most {CHUNK_ELEMENTS}")
        if not all(callable(function) for function in self.functions):
            raise ConfigError("functions have to be coroutine functions of an element")
        _ = self.policy

    @property
    def policy(self) -> AskPolicy:
        """How they are asked."""
        return AskPolicy(kind="scatter_gather", within=float(self.within))

    def holds(self) -> Hold:
        """What is asked about and what is next, no longer than the answers may take; they go out with the next demand."""
        most = max(self.parallelism, AHEAD)
        return Hold(most, float(self.within) * ceil(most / self.parallelism))
