"""What `ask` and `circuit_breaker` share: each element is a question, several are open at a time, results go out in order."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Stage, Supervision
from rt_edge.streams.stages._common import named, note_failures
from rt_edge.streams.stages._ending import EndingLogic
from rt_edge.streams.stages._outbox import Outbox

log = logging.getLogger(__name__)


class Question:
    """An element: it waits (`cancel` is None), or is asked about, or is done; done without a chunk it goes no further."""

    __slots__ = ("cancel", "chunk", "done", "lap")

    def __init__(self, chunk: Chunk) -> None:
        self.chunk: Chunk = chunk
        self.cancel: Callable[[], None] | None = None
        self.lap = -1
        self.done = False


class QuestionsLogic(EndingLogic):
    """Keeps the open questions; subclasses say how one begins.

    Args:
        stage: whose supervision counts.
        parallelism: elements inside at most.
    """

    def __init__(self, stage: Stage, parallelism: int) -> None:
        self._policy = stage.supervision
        self._most = parallelism
        self.questions: deque[Question] = deque(maxlen=parallelism)
        self._gone: set[Question] = set()
        self._failing = False

    # -- for subclasses ------------------------------------------------------------------------------------------------

    def begin(self, question: Question) -> None:
        """Ask about it; `told` is to be called, outside of this, with the result."""
        raise NotImplementedError

    def begin_all(self) -> None:
        """Begin what has not begun; override it to leave some waiting."""
        for question in list(self.questions):
            if question.cancel is None and not question.done:
                self.begin(question)

    def room(self) -> int:
        """Elements that may be asked for, besides those inside and those that were asked for."""
        return self._most

    def noted(self, question: Question, error: BaseException | None) -> None:
        """A question has its result, or has failed."""

    def told(self, question: Question, result: Any, error: BaseException | None) -> None:
        """What became of a question."""
        if question.done:
            return
        if error is None and result is None:
            error = TypeError("None is not an element (rule 2.13)")
        self.noted(question, error)
        if error is None:
            question.chunk, question.done = question.chunk.replace([result]), True
            if self._failing:
                self._failing = False
                log.info("%s: works again", self.ctx.name)
        else:
            self._failed(question, error)
        self.advance()

    def leave(self, question: Question) -> None:
        """It is done and goes no further; its chunk is settled by the caller."""
        question.done = True
        self._gone.add(question)

    def advance(self) -> None:
        """Begin what can begin, emit what is done."""
        self.begin_all()
        questions = self.questions
        while questions and questions[0].done:
            question = questions.popleft()
            if question in self._gone:
                self._gone.discard(question)
            else:
                self._out.put(question.chunk)
        if self.is_free(OUT):
            self.ask()
        else:
            self.pull_again(OUT)
        self.end_if_over()

    # -- demand --------------------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Results wait in an outbox for the demand they were asked under."""
        self._out = Outbox(self, bound=self._most)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """As many as are wanted, and can be inside."""
        self.ask()
        self._out.flush()
        self.end_if_over()

    def ask(self) -> None:
        """Ask upstream for what is wanted, if there is room."""
        if self._finished or self.is_closed(IN):
            return
        inside = len(self.questions) + self._out.elements + self.requested(IN)
        n = min(min(self.demand(OUT), self._most) - inside, self.room())
        if n > 0:
            self.request(IN, n)

    def requested_in(self) -> int:
        """Elements that were asked for and have not come, or have not begun."""
        return self.requested(IN) + sum(question.cancel is None and not question.done for question in self.questions)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Begin."""
        self.questions.extend(Question(chunk.take([place])) for place in range(len(chunk)))
        self.advance()

    # -- failure, end --------------------------------------------------------------------------------------------------

    def _failed(self, question: Question, error: BaseException) -> None:
        note_failures(self, [(0, error)])  # type: ignore[list-item]  # a question that is cancelled ends with an Exception, too
        self._failing = True
        self.leave(question)
        question.chunk.fail(named(self, error))
        if self._policy is Supervision.STOP:
            self._stop_at(question, error)
        elif self._policy is Supervision.RESTART:
            self.ctx.count("restarts")

    def _stop_at(self, failed: Question, error: BaseException) -> None:
        """Under `stop`: what is behind the failed element fails too; what is before it is waited for, and goes out."""
        if self._failure is None:
            self.cancel(IN, error)
        self._failure = error
        while self.questions[-1] is not failed:
            question = self.questions.pop()
            self.give_up(question)
            if question not in self._gone:
                question.chunk.fail(named(self, error))
            self._gone.discard(question)

    def give_up(self, question: Question) -> None:
        """Nobody waits for its result any more."""
        if question.cancel is not None and not question.done:
            question.done = True
            question.cancel()

    def is_empty(self) -> bool:
        """Whether no question is open, and no result waits."""
        return not (self.questions or self._out)

    def residue(self) -> list[Chunk]:
        """Results that wait, then the elements that have none so far, raw; their questions are given up."""
        chunks = self._out.take_all()
        for question in self.questions:
            self.give_up(question)
            if question not in self._gone:
                chunks.append(question.chunk)
        self.questions.clear()
        self._gone.clear()
        return chunks
