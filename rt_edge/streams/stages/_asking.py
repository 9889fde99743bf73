"""How `scatter_gather` and `tail_chop` ask: each element is a question to several functions, several at a time, in order.

Most answers may come at once: from a cache, a table. So a task, the *round*, asks the first function about one element after the
other, and only one that has to wait becomes a question with a deadline, calls of the other functions and a place in a queue.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from itertools import chain, islice
from random import Random
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.routing.asking import Asking, Step
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Supervision
from rt_edge.streams.stages._ask_round import Question, Round
from rt_edge.streams.stages._ask_stage import AHEAD, AskStage, AsyncFunction
from rt_edge.streams.stages._common import named
from rt_edge.streams.stages._ending import EndingLogic
from rt_edge.streams.stages._outbox import Outbox

BURST = 64
"""Elements of a round before others have the loop, though none of them made it wait."""


class AskLogic(EndingLogic):
    """Asks, and emits answers in the order of the elements.

    Args:
        stage: whom, how, how many at a time.
        random: shuffles whom is asked first; None: in order.
    """

    def __init__(self, stage: AskStage, random: Random | None = None) -> None:
        self._stage = stage
        self._random = random
        self._names = [str(index) for index in range(len(stage.functions))]
        self._most = max(stage.parallelism, AHEAD)
        self._waiting: deque[Chunk] = deque(maxlen=self._most)  # the first elements of it may be in the round
        self._round: Round | None = None
        self._questions: deque[Question] = deque(maxlen=self._most)
        self._open = 0
        """Questions that are not done."""
        self._inside = 0
        """Elements that have come in, and are neither in the outbox nor gone."""
        self._at_once = False
        """Whether the last round had to wait for nothing."""
        self._number = 0

    def on_start(self) -> None:
        """Answers wait in an outbox for the demand they were asked under."""
        self._out = Outbox(self, bound=self._most)

    # -- demand --------------------------------------------------------------------------------------------------------

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """As many are asked about as are wanted."""
        self._ask()
        self._out.flush()
        self.end_if_over()

    def _ask(self) -> None:
        if self._finished or self.is_closed(IN):
            return
        most = self._most if self._at_once else self._stage.parallelism
        n = min(self.demand(OUT), most) - self._inside - self._out.elements - self.requested(IN)
        if n > 0:
            self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Begin with it, or let it wait."""
        self._inside += len(chunk)
        self._waiting.append(chunk)
        self._next()

    # -- rounds --------------------------------------------------------------------------------------------------------

    def _next(self) -> None:
        """A round, if elements wait and one more may be asked about."""
        if self._round is not None or not self._waiting or self._open >= self._stage.parallelism:
            return
        items = list(islice(chain.from_iterable(chunk.items for chunk in self._waiting), BURST))
        this = self._round = Round(items, [self._order() for _ in items])
        this.cancel = self.ctx.spawn(self._go_round(this), lambda result, error: self._came(this, result, error))
        self.ctx.soon(lambda: self._look(this))

    def _order(self) -> list[str]:
        if self._random is None:
            return self._names
        names = list(self._names)
        self._random.shuffle(names)
        return names

    async def _go_round(self, this: Round) -> Any:
        functions, answers = self._stage.functions, this.answers
        for item, names in zip(this.items, this.names, strict=True):
            answer = await functions[int(names[0])](item)
            if this.question is not None:
                return answer
            if answer is None:
                raise TypeError("None is not an element (rule 2.13)")
            answers.append(answer)
        return None

    def _look(self, this: Round) -> None:
        """After all that a round could do without waiting."""
        if self._round is this:
            self._release(this)
            if this.items:  # it waits for an answer about the first of these
                self._at_once = False
                self._begin(this).cancels[this.names[0][0]] = this.cancel
            self._emit()

    def _came(self, this: Round, answer: Any, error: BaseException | None) -> None:
        if this.question is not None:
            self._told(this.question, this.names[0][0], answer, error)
            return
        self._release(this)
        if error is None:
            self._round = None
            self._at_once = True
            self._emit()
        else:
            self._told(self._begin(this), this.names[0][0], None, error)

    def _release(self, this: Round) -> None:
        """What was answered at once is done."""
        answers = this.answers
        n = len(answers)
        while answers:
            chunk = self._take(len(answers))
            self._questions.append(Question(0, chunk.replace(answers[: len(chunk)]), None))
            del answers[: len(chunk)]
        this.items, this.names = this.items[n:], this.names[n:]

    def _take(self, most: int) -> Chunk:
        chunk = self._waiting.popleft()
        if len(chunk) > most:
            chunk, rest = chunk.cut(most)
            self._waiting.appendleft(rest)
        return chunk

    # -- questions -----------------------------------------------------------------------------------------------------

    def _begin(self, this: Round) -> Question:
        """The round ends: the first element that is left of it becomes a question; its first function was asked."""
        asking = Asking(self._stage.policy, this.names[0], self.ctx.clock.monotonic())
        self._number += 1
        question = this.question = Question(self._number, self._take(1), asking)
        self._round = None
        self._open += 1
        self._questions.append(question)
        self._do(question, asking.begin(), already=this.names[0][0])
        self._next()
        return question

    def _do(self, question: Question, step: Step, already: str = "") -> None:
        asking = question.asking
        if question.done or question.chunk is None or asking is None:
            return  # a call that would not be cancelled
        if step.over:
            self._end(question, step, question.chunk)
            return
        for name in step.ask:
            if name != already:
                call = _call(self._stage.functions[int(name)], question.chunk.items[0])
                question.cancels[name] = self.ctx.spawn(call, partial(self._told, question, name))
        self.ctx.after(max(0.0, asking.next_tick - self.ctx.clock.monotonic()), question.number)

    def _told(self, question: Question, name: str, result: Any, error: BaseException | None) -> None:
        question.cancels.pop(name, None)
        if error is None and result is None:
            error = TypeError("None is not an element (rule 2.13)")
        asking = question.asking
        if asking is not None:
            self._do(question, asking.answered(name, result) if error is None else asking.failed(name, error))

    def on_timer(self, key: object) -> None:
        """Time for the next one, or out of time."""
        for question in self._questions:
            if question.number == key and question.asking is not None:
                self._do(question, question.asking.tick(self.ctx.clock.monotonic()))
                return

    def _end(self, question: Question, step: Step, chunk: Chunk) -> None:
        self._close(question)
        if step.error is None:
            question.chunk = chunk.replace([step.answer])
        else:
            question.chunk = None
            self._inside -= 1
            self.ctx.count("errors")
            chunk.fail(named(self, step.error))
            if self._stage.supervision is Supervision.STOP:
                self._fail(question, step.error)
            elif self._stage.supervision is Supervision.RESTART:
                self.ctx.count("restarts")
        self._emit()

    def _close(self, question: Question) -> None:
        if question.done:
            return
        question.done = True
        self._open -= 1
        self.ctx.cancel_timer(question.number)
        for cancel in question.cancels.values():
            cancel()
        question.cancels.clear()

    def _emit(self) -> None:
        questions = self._questions
        while questions and questions[0].done:
            chunk = questions.popleft().chunk
            if chunk is not None:
                self._inside -= len(chunk)
                self._out.put(chunk)
        if self._failure is None:
            self._next()
        if self.is_free(OUT):
            self._ask()
        else:
            self.pull_again(OUT)
        self.end_if_over()

    def _fail(self, failed: Question, error: BaseException) -> None:
        """Under `stop`: what is behind the failed element fails too; what is before it is waited for, and goes out."""
        self._failure = error
        self.cancel(IN, error)
        behind = self._take_waiting()
        while self._questions[-1] is not failed:
            question = self._questions.pop()
            self._close(question)
            if question.chunk is not None:
                behind.append(question.chunk)
        for chunk in behind:
            self._inside -= len(chunk)
            chunk.fail(named(self, error))

    # -- the end -------------------------------------------------------------------------------------------------------

    def is_empty(self) -> bool:
        """Whether no question is open, and nothing waits."""
        return not (self._questions or self._out or self._waiting)

    def _take_waiting(self) -> list[Chunk]:
        if self._round is not None:
            self._round.cancel()
            self._round = None
        chunks = list(self._waiting)
        self._waiting.clear()
        return chunks

    def residue(self) -> list[Chunk]:
        """Answers that wait, then the elements that have none so far, raw; their functions are cancelled."""
        if self._round is not None:
            self._release(self._round)
        chunks = self._out.take_all()
        for question in self._questions:
            self._close(question)
            if question.chunk is not None:
                chunks.append(question.chunk)
        self._questions.clear()
        chunks += self._take_waiting()
        self._inside = 0
        return chunks


async def _call(function: AsyncFunction, item: Any) -> Any:
    return await function(item)
