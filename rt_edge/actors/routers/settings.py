"""Settings of a router."""

from __future__ import annotations

from typing import Literal

import msgspec

from rt_edge.data.errors import ConfigError
from rt_edge.streams.routing.asking import Kind
from rt_edge.streams.routing.named import StrategyName
from rt_edge.streams.routing.resizer import Resizer

Overflow = Literal["drop_new", "drop_head", "drop_tail", "drop_buffer"]


class RouterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a router routes.

    Attributes:
        strategy: who gets a message; the default gives work to whoever has room.
        asking: how a question is asked: `one` routee, by the strategy; `scatter_gather`: all, and the first answer is the
            answer; `everyone`: all, and it is answered when all have, with the first answer, and fails if one of them does;
            `tail_chopping`: one after the other, in random order. Where a strategy chooses several (broadcast, content),
            a question to `one` is a question to `everyone` it chooses.
        interval: tail_chopping: seconds until one more is asked.
        window: messages a routee has at most that it has not finished.
        queue: messages that wait at most: for any routee, or for each under strategies that choose also who is busy.
        overflow: drop_new, drop_head (the oldest), drop_tail (the youngest that waits), drop_buffer (all that wait).
        elsewhere: what a routee had when it died, or failed at, goes to another one; it may then be done twice. Otherwise it
            fails. What the dead one had not been sent goes elsewhere always.
        unanswered: seconds after which a routee is not believed to work on a message any more.
        size: of a pool at its start; 0: a group.
        resizer: of a pool; None: it keeps its size.
        virtual_nodes: consistent_hashing: places of each routee on the ring.

    Raises:
        ConfigError: bounds that make no sense.
    """

    strategy: StrategyName = "balancing"
    asking: Kind = "one"
    interval: float = 0.5
    window: int = 1
    queue: int = 1000
    overflow: Overflow = "drop_new"
    elsewhere: bool = False
    unanswered: float = 60.0
    size: int = 0
    resizer: Resizer | None = None
    virtual_nodes: int = 128

    def __post_init__(self) -> None:
        """Refuse bounds that make no sense."""
        if not (1 <= self.window <= 1024 and 1 <= self.queue <= 1_000_000):
            raise ConfigError("window is 1 to 1,024 and queue 1 to 1,000,000")
        if not (0 <= self.size <= 1024 and self.unanswered > 0 and self.interval > 0):
            raise ConfigError("size is 0 to 1,024; unanswered and interval are more than 0")
        if self.resizer is not None and not self.resizer.least <= self.size <= self.resizer.most:
            raise ConfigError(f"size is {self.size}, its resizer allows {self.resizer.least} to {self.resizer.most}")
