"""group_by: a flow of its own for each key."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.errors import ConfigError
from rt_edge.data.units import Duration
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.nested import inner_combines, inner_hold, inner_part
from rt_edge.streams.stage import Hold, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._group_by import GroupByLogic
from rt_edge.streams.stages._keys import Keyed

MOST_WAITING = 1_000_000
"""Elements that may wait in front of the flows of a stage, at most."""


class GroupBy(Keyed, frozen=True, kw_only=True):
    """Runs each element through the flow of its key, and brings together what comes out of all flows.

    A flow is started with the first element of its key. It is ended, and gives what a fold or a window in it gives at its end,
    when its key was not used for `idle`, when it is the one used least recently of too many, and on completion. Elements of a
    key whose flow has ended by itself (`take`) are settled as dropped, `substream_ended`; a key that was given up begins anew.

    Emits when: a flow has an element.
    Backpressures when: downstream does, or `size` elements wait in front of flows that do not want them, under `backpressure`.
    Completes when: upstream completes and all flows have.
    Cancels when: downstream cancels; a flow fails, or a key is too many, under `stop`; an element is, under `fail`.
    On restart: all flows are stopped, and what they hold fails.

    Attributes:
        flow: a Flow, or a stage; one run of it for each key.
        steps: the flow in a configuration: steps as in a graph.
        idle: a key that was not used for so long is given up; 0: never.
        when_full: what to do with a key too many. evict: the one used least recently is given up. drop: the element is settled
            as dropped, `too_many_keys`. fail: the stage fails.
        size: elements that may wait in front of all flows together.
        overflow: what to do with one too many. backpressure: do not ask for it, so that one flow that does not go on holds up
            all others. drop_head: drop the oldest of its key. drop_new: drop it (both `overflow`). fail: fail the stage.
        order: merge: what the flows give, as it comes. concat: one flow after the other, in the order of their first elements;
            those of the others wait, so that `size` has to hold them.
        on_error: what to do when the key cannot be found or a flow fails. resume: the element fails, and what the flow holds;
            the next element of the key starts a new one. stop: the flows are ended, then the stage fails.
    """

    kind: ClassVar[str] = "group_by"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    shorthand: ClassVar[str] = "per"

    flow: Any = None
    steps: list[Any] = []
    idle: Duration | float = 0.0
    when_full: Literal["evict", "drop", "fail"] = "evict"
    size: int = CHUNK_ELEMENTS
    overflow: Literal["backpressure", "drop_head", "drop_new", "fail"] = "backpressure"
    order: Literal["merge", "concat"] = "merge"

    def __post_init__(self) -> None:
        """Refuse what is no flow, and no room."""
        super().__post_init__()
        at_least(0, idle=self.idle)
        at_least(1, size=self.size)
        if self.size > MOST_WAITING:
            raise ConfigError(f"size is {self.size}, at most {MOST_WAITING} can wait")
        self.part()

    def part(self) -> Blueprint:
        """What is run for each key."""
        part = inner_part(self.flow, self.steps)
        if part is None:
            raise ConfigError("a group has no flow", "say what is done for each key: steps: [...]")
        return part

    def holds(self) -> Hold:
        """What waits in front of flows, in them for all keys, and behind them."""
        return inner_hold(self.part(), self.size + CHUNK_ELEMENTS + 2 * self.max_keys, 2 * self.max_keys)

    @property
    def combines(self) -> bool:  # type: ignore[override]  # a constant of most stages
        """As the flow does."""
        return inner_combines(self.part())

    def create_logic(self) -> StageLogic:
        """A logic with the flows that run."""
        return GroupByLogic(self)
