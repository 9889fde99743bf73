"""foreach, collect, fold and ignore as ends of a stream.

A sink says what it came to by calling `done(result, error)` once, when it stops: the error is None after completion.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import StreamError
from rt_edge.streams.stage import IN, Inlet, Outlet, ReceiptUse, StageLogic, Supervision
from rt_edge.streams.stages._common import Failures, UserCode, at_least, attempt, discard, named, note_failures

Done = Callable[[Any, BaseException | None], None]


def unheard(result: Any, error: BaseException | None) -> None:
    """Nobody asked what the sink came to."""


class SinkStage(UserCode, frozen=True, kw_only=True):
    """Base of sinks.

    Attributes:
        demand: elements asked for at a time.
        done: called with what the sink came to.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.END

    demand: int = CHUNK_ELEMENTS
    done: Done = unheard

    def __post_init__(self) -> None:
        """Refuse a sink that asks for nothing."""
        at_least(1, demand=self.demand)

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """None."""
        return ()


class ForEach(SinkStage, frozen=True):
    """Calls a function with each element; settles the element when it returns.

    Emits when: -
    Backpressures when: never longer than the function takes.
    Completes when: upstream completes.
    Cancels when: the function raises, under `stop`.

    Attributes:
        function: called with an element.
    """

    function: Callable[[Any], Any]

    def create_logic(self) -> StageLogic:
        """A logic that calls it."""
        return _ForEachLogic(self)


class Collect(SinkStage, frozen=True):
    """Collects all elements in a list; settles them. What it came to is the list.

    Emits when: -
    Backpressures when: never.
    Completes when: upstream completes.
    Cancels when: more than `most` elements come.

    Attributes:
        most: elements at most; one more fails the stage.
    """

    most: int = 1_000_000

    def create_logic(self) -> StageLogic:
        """A logic with the list."""
        return _CollectLogic(self)


class FoldInto(SinkStage, frozen=True):
    """Folds all elements; settles them. What it came to is the last state.

    Emits when: -
    Backpressures when: never.
    Completes when: upstream completes.
    Cancels when: the function raises, under `stop`.
    On restart: the state is `zero` again.

    Attributes:
        zero: the first state; must not be changed by `function`, as all runs share it.
        function: (state, element) -> state.
    """

    zero: Any
    function: Callable[[Any, Any], Any]

    def create_logic(self) -> StageLogic:
        """A logic with the state."""
        return _FoldLogic(self)


class Ignore(SinkStage, frozen=True):
    """Throws all elements away; they are settled as dropped, `ignored`.

    Emits when: -
    Backpressures when: never.
    Completes when: upstream completes.
    Cancels when: never.
    """

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return _IgnoreLogic(self)


class Settling(SinkStage, frozen=True):
    """Settles all elements as stored, without storing them: for tests and benchmarks. What it came to is their number.

    Emits when: -
    Backpressures when: never.
    Completes when: upstream completes.
    Cancels when: never.
    """

    def create_logic(self) -> StageLogic:
        """A logic that counts."""
        return _SettlingLogic(self)


class SinkLogic(StageLogic):
    """Asks for `demand` elements, and again for each that was consumed."""

    result: Any = None

    def __init__(self, stage: SinkStage) -> None:
        self.stage = stage
        self._failing = False

    def on_start(self) -> None:
        """Ask."""
        self.request(IN, self.stage.demand)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Consume; ask again."""
        self.consume(chunk)
        self.request(IN, len(chunk))

    def consume(self, chunk: Chunk) -> None:
        """Do with the elements what the sink does, and settle them."""
        raise NotImplementedError

    def settle_but(self, chunk: Chunk, failures: Failures) -> None:
        """Settle `chunk` except what failed; under `stop` fail the stage."""
        if not failures:
            chunk.settle()
            self._failing = False
            return
        note_failures(self, failures)
        self._failing = True
        stops = self.stage.supervision is Supervision.STOP
        first, error = failures[0]
        bad = dict(failures) if not stops else dict.fromkeys(range(first, len(chunk)), error)
        good = [place for place in range(len(chunk)) if place not in bad]
        if good:
            chunk.take(good).settle()
        for place, reason in bad.items():
            chunk.take([place]).fail(named(self, reason))
        if self.stage.supervision is Supervision.RESTART:
            self.ctx.count("restarts", len(failures))
        if stops:
            self.fail_stage(error)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Say what it came to."""
        self.stage.done(self.result, None)
        self.complete_stage()

    def on_stop(self, error: BaseException | None) -> None:
        """Say why it ended, if not by completion."""
        if error is not None:
            self.stage.done(self.result, error)


class _ForEachLogic(SinkLogic):
    stage: ForEach

    def consume(self, chunk: Chunk) -> None:
        _, failures = attempt(self.stage.function, chunk.items, self.stage.supervision)
        self.settle_but(chunk, failures)


class _CollectLogic(SinkLogic):
    stage: Collect

    def on_start(self) -> None:
        self.result = []
        super().on_start()

    def consume(self, chunk: Chunk) -> None:
        if len(self.result) + len(chunk) > self.stage.most:
            error = StreamError(f"{self.ctx.name}: more than {self.stage.most} elements were to be collected")
            chunk.fail(error)
            self.fail_stage(error)
            return
        self.result += chunk.items
        chunk.settle()


class _FoldLogic(SinkLogic):
    stage: FoldInto

    def on_start(self) -> None:
        self.result = self.stage.zero
        super().on_start()

    def consume(self, chunk: Chunk) -> None:
        function, state = self.stage.function, self.result
        failures: list[tuple[int, Exception]] = []
        items = enumerate(chunk.items)
        place = -1
        while place < len(chunk) - 1:
            try:
                for place, item in items:  # noqa: B007 - the place of the guilty element
                    state = function(state, item)
            except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
                failures.append((place, error))
                if self.stage.supervision is Supervision.STOP:
                    break
                if self.stage.supervision is Supervision.RESTART:
                    state = self.stage.zero
        self.result = state
        self.settle_but(chunk, failures)


class _IgnoreLogic(SinkLogic):
    def consume(self, chunk: Chunk) -> None:
        discard(self, chunk, "ignored")


class _SettlingLogic(SinkLogic):
    result = 0

    def consume(self, chunk: Chunk) -> None:
        chunk.settle()
        self.result += len(chunk)
