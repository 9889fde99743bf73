"""Questions: whoever asks a router gets one answer, in time, also if the question comes twice."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from rt_edge.actors.routers.members import Job, Question, Surroundings
from rt_edge.actors.routers.messages import RouteAnswer
from rt_edge.data.errors import RtEdgeError, StreamError
from rt_edge.streams.routing.asking import Asking, AskPolicy, NoAnswer, Step

REMEMBERED = 4096
"""Operations whose repetition is known as such."""

ANSWERS = 256
"""Answers that are kept, to be given again when a question comes again."""

LONGEST_S = 86_400.0
"""The longest time a question may take."""


class Memory:
    """Which operations there were, and the last answers.

    Args:
        around: names senders, and answers.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._known: OrderedDict[tuple[Hashable, str], None] = OrderedDict()
        self._answers: OrderedDict[tuple[Hashable, str], RouteAnswer] = OrderedDict()

    def is_new(self, sender: Any, operation: str) -> bool:
        """Whether it was not there before."""
        known = (self._around.key(sender), operation)
        if known in self._known:
            return False
        self._known[known] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return True

    def answer_again(self, sender: Any, operation: str) -> bool:
        """Whether it was there before; its answer, if there was one and it is still here, is sent again."""
        if self.is_new(sender, operation):
            return False
        answer = self._answers.get((self._around.key(sender), operation))
        if answer is not None:
            self._around.send(sender, answer)
        return True

    def answer(self, question: Question, answer: RouteAnswer) -> None:
        """Send it, and keep it."""
        self._answers[self._around.key(question.asker), question.operation] = answer
        if len(self._answers) > ANSWERS:
            self._answers.popitem(last=False)
        self._around.send(question.asker, answer)


class Questions:
    """Sees each question through.

    Args:
        around: time, and sending.
        memory: of this router.
        counters: of this router.
        give: gives a job to a routee by its name; False: it is gone.
    """

    def __init__(self, around: Surroundings, memory: Memory, counters: Counter[str], give: Callable[[Job, str], bool]) -> None:
        self._around = around
        self._memory = memory
        self._counters = counters
        self._give = give

    def begin(self, question: Question, policy: AskPolicy, names: Sequence[str]) -> None:
        """Ask several, as the policy says; the question has a time limit of its own."""
        question.asking = Asking(policy, names, self._around.now())
        self._do(question, question.asking.begin())

    def answered(self, question: Question, name: str, payload: Any) -> None:
        """A routee has answered."""
        if question.asking is not None:
            self._do(question, question.asking.answered(name, payload))
        elif not question.over:
            self._answer(question, RouteAnswer(question.operation, payload))

    def failed(self, question: Question, name: str, error: BaseException, died: bool) -> None:
        """A routee of several has failed, or died."""
        if question.asking is not None:
            self._do(question, question.asking.gone(name, error) if died else question.asking.failed(name, error))

    def dropped(self, question: Question, job: Job, error: BaseException) -> None:
        """A job of it was dropped before it was sent."""
        if question.asking is not None and job.only:
            self._do(question, question.asking.failed(job.only, error))
        else:
            self.fail(question, error)

    def expired(self, question: Question) -> None:
        """Its time is over."""
        self.fail(question, NoAnswer(f"no answer to {question.operation!r} in time"))

    def fail(self, question: Question, error: BaseException) -> None:
        """There will be no answer."""
        if not question.over:
            self._counters["failed"] += 1
            self._answer(question, failure(question.operation, error))

    def _do(self, question: Question, step: Step) -> None:
        asking, job = question.asking, question.job
        if question.over or asking is None or job is None:
            return
        if step.over:
            if step.error is not None:
                self.fail(question, step.error)
            else:
                self._answer(question, RouteAnswer(question.operation, step.answer))
            return
        for name in step.ask:
            if not self._give(Job(job.payload, "", question.operation, None, question, only=name), name):
                self._do(question, asking.gone(name, StreamError(f"{name} is gone")))
        if not question.over and asking.next_tick < asking.deadline:
            question.cancel_tick()
            question.cancel_tick = self._around.after(max(0.0, asking.next_tick - self._around.now()), self._tick, question)

    def _tick(self, question: Question) -> None:
        if question.asking is not None and not question.over:
            self._do(question, question.asking.tick(self._around.now()))

    def _answer(self, question: Question, answer: RouteAnswer) -> None:
        question.over = True
        question.cancel()
        question.cancel_tick()
        if not answer.error:
            self._counters["answered"] += 1
        self._memory.answer(question, answer)


def failure(operation: str, error: BaseException) -> RouteAnswer:
    """The answer that says why there is none."""
    code = error.code if isinstance(error, RtEdgeError) else StreamError.code
    return RouteAnswer(operation, None, f"{type(error).__name__}: {error}", code)
