"""What `scatter_gather` and `tail_chop` share: each element is a question to several functions, several at a time, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import ConfigError
from rt_edge.data.units import Duration
from rt_edge.streams.routing.asking import Asking, AskPolicy, Step
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, Outlet, ReceiptUse, StageLogic, Supervision
from rt_edge.streams.stages._common import UserCode, at_least, fail_behind, named, ports, settle_rest
from rt_edge.streams.stages._outbox import Outbox

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
        """What is asked about, no longer than an answer may take; answers go out with the next demand."""
        return Hold(self.parallelism, float(self.within))


class _Question:
    """One element that is asked about; done when it has a result or has failed."""

    __slots__ = ("asking", "cancels", "chunk", "done", "number")

    def __init__(self, number: int, chunk: Chunk, asking: Asking) -> None:
        self.number = number
        self.chunk: Chunk | None = chunk
        self.asking = asking
        self.cancels: dict[str, Callable[[], None]] = {}
        self.done = False


class AskLogic(StageLogic):
    """Asks, and emits answers in the order of the elements.

    Args:
        stage: whom, how, how many at a time.
        random: shuffles whom is asked first; None: in order.
    """

    def __init__(self, stage: AskStage, random: Random | None = None) -> None:
        self._stage = stage
        self._random = random
        self._questions: deque[_Question] = deque(maxlen=stage.parallelism)
        self._number = 0
        self._finished = False
        self._failure: BaseException | None = None

    def on_start(self) -> None:
        """Answers wait in an outbox for the demand they were asked under."""
        self._out = Outbox(self, bound=self._stage.parallelism)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """As many are asked about as are wanted."""
        self._ask()
        self._out.flush()
        self._complete_if_over()

    def _ask(self) -> None:
        if self._finished or self.is_closed(IN):
            return
        busy = len(self._questions) + self._out.elements
        n = min(self.demand(OUT), self._stage.parallelism) - busy - self.requested(IN)
        if n > 0:
            self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Begin a question for each element."""
        now = self.ctx.clock.monotonic()
        for place in range(len(chunk)):
            names = [str(index) for index in range(len(self._stage.functions))]
            if self._random is not None:
                self._random.shuffle(names)
            self._number += 1
            question = _Question(self._number, chunk.take([place]), Asking(self._stage.policy, names, now))
            self._questions.append(question)
            self._do(question, question.asking.begin())

    def _do(self, question: _Question, step: Step) -> None:
        if question.done or question.chunk is None:
            return  # a call that would not be cancelled
        if step.over:
            self._end(question, step, question.chunk)
            return
        for name in step.ask:
            call = _call(self._stage.functions[int(name)], question.chunk.items[0])
            question.cancels[name] = self.ctx.spawn(call, self._told(question, name))
        wait = question.asking.next_tick - self.ctx.clock.monotonic()
        self.ctx.after(max(0.0, wait), question.number)

    def _told(self, question: _Question, name: str) -> Callable[[Any, BaseException | None], None]:
        def told(result: Any, error: BaseException | None) -> None:
            question.cancels.pop(name, None)
            if error is None and result is None:
                error = TypeError("None is not an element (rule 2.13)")
            asking = question.asking
            self._do(question, asking.answered(name, result) if error is None else asking.failed(name, error))

        return told

    def on_timer(self, key: object) -> None:
        """Time for the next one, or out of time."""
        for question in self._questions:
            if question.number == key:
                self._do(question, question.asking.tick(self.ctx.clock.monotonic()))
                return

    def _end(self, question: _Question, step: Step, chunk: Chunk) -> None:
        self._close(question)
        if step.error is None:
            question.chunk = chunk.replace([step.answer])
        else:
            question.chunk = None
            self.ctx.count("errors")
            chunk.fail(named(self, step.error))
            if self._stage.supervision is Supervision.STOP:
                self._fail(question, step.error)
            elif self._stage.supervision is Supervision.RESTART:
                self.ctx.count("restarts")
        self._emit()

    def _close(self, question: _Question) -> None:
        question.done = True
        self.ctx.cancel_timer(question.number)
        for cancel in question.cancels.values():
            cancel()
        question.cancels.clear()

    def _emit(self) -> None:
        questions = self._questions
        while questions and questions[0].done:
            chunk = questions.popleft().chunk
            if chunk is not None:
                self._out.put(chunk)
        if self.is_free(OUT):
            self._ask()
        else:
            self.pull_again(OUT)
        self._complete_if_over()

    def _fail(self, failed: _Question, error: BaseException) -> None:
        """Under `stop`: what is behind the failed element fails too; what is before it is waited for, and goes out."""
        self._failure = error
        self.cancel(IN, error)
        while self._questions[-1] is not failed:
            question = self._questions.pop()
            self._close(question)
            if question.chunk is not None:
                question.chunk.fail(named(self, error))

    def _complete_if_over(self) -> None:
        if self._questions or self._out:
            return
        if self._failure is not None:
            fail_behind(self, self._failure)
        elif self._finished:
            self.complete_stage()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete as soon as the last answer has gone out."""
        self._finished = True
        self._complete_if_over()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held; tasks and timers end with the stage."""
        settle_rest(self, self.residue(), error)

    def residue(self) -> list[Chunk]:
        """Answers that wait, then the elements that have none so far, raw; their functions are cancelled."""
        chunks = self._out.take_all()
        for question in self._questions:
            self._close(question)
            if question.chunk is not None:
                chunks.append(question.chunk)
        self._questions.clear()
        return chunks


async def _call(function: AsyncFunction, item: Any) -> Any:
    return await function(item)
