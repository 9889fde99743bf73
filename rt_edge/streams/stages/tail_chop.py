"""tail_chop: each element replaced by the answer of a function, and of another one if that takes long."""

from __future__ import annotations

from random import Random

from rt_edge.data.units import Duration
from rt_edge.streams.routing.asking import AskPolicy
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._ask_stage import AskStage
from rt_edge.streams.stages._asking import AskLogic


class TailChop(AskStage, frozen=True):
    """Asks one function about each element, and one more after each `interval`; the first answer goes on, other calls end.

    It takes the rare slow answers off the tail, for the price of a few calls more. A function that fails is followed at once.

    Emits when: a function has answered for the next element, in order.
    Backpressures when: downstream does, or `parallelism` elements are asked about; while answers come at once, up to 256 wait.
    Completes when: upstream completes and the last answer has gone out.
    Cancels when: downstream cancels; calls under way are cancelled.
    On restart: only the element concerned fails: when all functions have failed, or none has answered `within`.

    Attributes:
        interval: seconds until one more is asked.
        seed: of the order in which they are asked, another one for each element; None: always in order.
    """

    interval: Duration | float = 0.5
    seed: int | None = None

    @property
    def policy(self) -> AskPolicy:
        """How they are asked."""
        return AskPolicy(kind="tail_chopping", within=float(self.within), interval=float(self.interval))

    def create_logic(self) -> StageLogic:
        """A logic with the open questions."""
        return AskLogic(self, None if self.seed is None else Random(self.seed))  # noqa: S311 - spreads load
