"""ask: each element is a question to a router or an actor, and goes on as its answer."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.errors import ConfigError
from rt_edge.data.units import Duration
from rt_edge.streams.routing.asked import Asked
from rt_edge.streams.stage import Hold, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import OnError, UserCode, at_least
from rt_edge.streams.stages._questions import QuestionsLogic


class Ask(UserCode, frozen=True, kw_only=True):
    """Replaces each element by the answer to it; asks for as many elements as can be answered now: demand of who works on them.

    Between an element and its answer its receipt is kept: an element is stored when its answer is.

    Emits when: the answer to the next element, in order, has come.
    Backpressures when: downstream does, nobody has room for a question, or `parallelism` elements are inside.
    Completes when: upstream completes and the last answer has gone out.
    Cancels when: downstream cancels; open questions are given up.
    On restart: only the element concerned fails.

    Attributes:
        asked: whom: `rt_edge.actors.routers.asking` makes one of a router actor.
        within: seconds an answer takes at most, as the one who is asked sees to it; what is held for so long is in the bounds.
        parallelism: elements inside at most.
        on_error: resume (the default): an element without an answer fails alone. stop: the stream ends with the first.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    asked: Asked
    within: Duration | float = 60.0
    parallelism: int = 64
    on_error: OnError = "resume"

    def __post_init__(self) -> None:
        """Refuse what cannot be asked."""
        at_least(1, parallelism=self.parallelism)
        at_least(0.001, within=self.within)
        if self.parallelism > CHUNK_ELEMENTS:
            raise ConfigError(f"parallelism is {self.parallelism}, it has to be at most {CHUNK_ELEMENTS}")

    def holds(self) -> Hold:
        """What is asked about."""
        return Hold(self.parallelism, float(self.within))

    def create_logic(self) -> StageLogic:
        """A logic with the open questions."""
        return _Logic(self, self.asked, self.parallelism)


class _Logic(QuestionsLogic):
    def __init__(self, stage: Ask, asked: Asked, parallelism: int) -> None:
        super().__init__(stage, parallelism)
        self._asked = asked

    def on_start(self) -> None:
        super().on_start()
        self._deaf = self._asked.listen(self._freed)
        self._woken = False

    def _freed(self) -> None:
        if not self._woken:  # many answers at once are one look
            self._woken = True
            self.ctx.soon(self._look)

    def _look(self) -> None:
        self._woken = False
        self.ask()

    def room(self) -> int:
        return self._asked.credit() - self.requested_in()

    def begin(self, question: Any) -> None:
        enter = self.ctx.callback_here(lambda result, error: self.told(question, result, error))
        began = False

        def told(result: Any, error: BaseException | None) -> None:
            if began:
                enter(result, error)
            else:  # before `ask` has returned: this is inside a turn
                self.ctx.soon(lambda: self.told(question, result, error))

        question.cancel = self._asked.ask(question.chunk.items[0], told)
        began = True

    def on_stop(self, error: BaseException | None) -> None:
        self._deaf()
        super().on_stop(error)
