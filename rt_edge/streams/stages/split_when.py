"""split_when: a stream cut into streams, each with a flow of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.errors import ConfigError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.nested import inner_combines, inner_hold, inner_part
from rt_edge.streams.stage import Hold, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import ReadingCode, at_least
from rt_edge.streams.stages._keys import check_value
from rt_edge.streams.stages._split_when import MOST, SplitWhenLogic


class SplitWhen(ReadingCode, frozen=True, kw_only=True):
    """Cuts the stream where a condition is true, and runs each part through a flow of its own.

    Elements behind the end of a flow that ended by itself (`take`) are settled as dropped, `substream_ended`, up to the cut.

    Emits when: a flow has an element.
    Backpressures when: downstream does, the flow of the current part does, or `breadth` flows run and the next part begins.
    Completes when: upstream completes and all flows have.
    Cancels when: downstream cancels; the condition cannot be evaluated or a flow fails, under `stop`.
    On restart: all flows are stopped, and what they hold fails; the next element begins a part.

    Attributes:
        where: expression on a reading, or function of an element.
        flow: a Flow, or a stage; one run of it for each part.
        steps: the flow in a configuration: steps as in a graph.
        after: false: the element for which it is true is the first of its part. true: it is the last.
        breadth: flows at a time: with 1 the parts stay in order, the next begins when the flow before it has ended.
        on_error: what to do when the condition cannot be evaluated or a flow fails. resume: the element fails, or what the flow
            holds, and the rest of the part is settled as dropped. stop: the flows are ended, then the stage fails.
    """

    kind: ClassVar[str] = "split_when"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    shorthand: ClassVar[str] = "where"

    where: str | Callable[[Any], Any]
    flow: Any = None
    steps: list[Any] = []
    after: bool = False
    breadth: int = 1

    def __post_init__(self) -> None:
        """Refuse what is no condition, and what is no flow."""
        check_value("where", self.where)
        at_least(1, breadth=self.breadth)
        if self.breadth > MOST:
            raise ConfigError(f"breadth is {self.breadth}, at most {MOST} flows run at a time")
        self.part()

    def part(self) -> Blueprint:
        """What is run for each part."""
        part = inner_part(self.flow, self.steps)
        if part is None:
            raise ConfigError("the parts have no flow", "say what is done with each: steps: [...]")
        return part

    def holds(self) -> Hold:
        """What waits in front of flows, in them and behind them."""
        return inner_hold(self.part(), 2 * CHUNK_ELEMENTS + self.breadth, self.breadth)

    @property
    def combines(self) -> bool:  # type: ignore[override]  # a constant of most stages
        """As the flow does."""
        return inner_combines(self.part())

    def create_logic(self) -> StageLogic:
        """A logic with the flows that run."""
        return SplitWhenLogic(self)
