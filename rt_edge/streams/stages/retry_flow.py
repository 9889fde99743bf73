"""retry_flow: each element through a flow, again after a wait when that fails."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from rt_edge.data.errors import ConfigError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.nested import inner_part
from rt_edge.streams.stage import Hold, ReceiptUse, StageLogic
from rt_edge.streams.stages._backoff import Retrying
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._retry_flow import AHEAD, RetryLogic, TogetherLogic, goes_together


class RetryFlow(Retrying, frozen=True, kw_only=True):
    """Runs one element after the other through a flow of its own, and again after a wait when the flow fails or a function says
    so, up to `attempts` times.

    A flow of one stage that knows of no other element (`map`, `filter`, ...) is given many at once while all goes well: what is
    behind an element that fails waits, and is given to a flow again.

    Emits when: the flow has given one element and completed, or gave what needs no further attempt.
    Backpressures when: downstream does, or an element is under way or waits for its next attempt.
    Completes when: upstream completes and the last element is done with.
    Cancels when: downstream cancels; the attempts of an element are used up, under `stop`.
    On restart: is not restarted.

    Attributes:
        flow: a Flow, or a stage, which gives one element for one; what gives none settles the element as dropped, `filtered`.
        steps: the flow in a configuration: steps as in a graph.
        attempts: of an element, the first one counted.
        again: (element, result) -> the element of the next attempt, or None if the result is good; None: every result is.
        on_error: when attempts are used up. resume: the element fails. stop: so does the stage.
    """

    kind: ClassVar[str] = "retry_flow"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    shorthand: ClassVar[str] = "steps"

    flow: Any = None
    steps: list[Any] = []
    attempts: int = 3
    again: Any = None
    on_error: Literal["stop", "resume"] = "resume"

    def __post_init__(self) -> None:
        """Refuse what is no flow, and no attempt."""
        super().__post_init__()
        at_least(1, attempts=self.attempts)
        if self.again is not None and not callable(self.again):
            raise ConfigError("again has to be a function", "leave it out in a configuration")
        self.part()

    def part(self) -> Blueprint:
        """What each element goes through."""
        part = inner_part(self.flow, self.steps)
        if part is None:
            raise ConfigError("there is nothing to be tried again", "say what: steps: [...]")
        return part

    def holds(self) -> Hold:
        """The element under way, and its result; and those behind it that were tried with it, or will be."""
        return Hold(AHEAD if goes_together(self) else 2, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with the element under way."""
        return TogetherLogic(self) if goes_together(self) else RetryLogic(self)
