"""Probes: a source and a sink driven by a test, and a bench that puts a stage between them.

    with StageBench(Map(str)) as bench:
        bench.sink.request(2)
        bench.source.send(1, 2)
        bench.sink.expect_next("1", "2")
        bench.source.complete()
        bench.sink.expect_complete()

The bench runs the engine under a virtual clock after each action, and at its end it checks that every element that was sent
has exactly one outcome.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import ReceiptLost
from rt_edge.data.receipt import LOST, Dropped, Failed, Marks, Origin, Outcome, Receipt, Stored
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.engine import Engine
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Stage, StageLogic
from rt_edge.testkit.virtual_clock import VirtualHost

MOST = 1_000_000
"""Signals a probe keeps."""


class Outcomes:
    """Listens to receipts; knows what became of each mark.

    Attributes:
        by_mark: number -> outcome.
        again: numbers that were reported more than once: there must be none.
    """

    def __init__(self) -> None:
        self.by_mark: dict[Any, Outcome] = {}
        self.again: list[Any] = []

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        """Note it."""
        for mark in marks:
            if mark in self.by_mark:
                self.again.append(mark)
            self.by_mark[mark] = outcome

    def stored(self) -> list[Any]:
        """Marks of what was stored, sorted."""
        return sorted(mark for mark, outcome in self.by_mark.items() if isinstance(outcome, Stored))

    def dropped(self, reason: str | None = None) -> list[Any]:
        """Marks of what was dropped (for `reason`), sorted."""
        return sorted(m for m, o in self.by_mark.items() if isinstance(o, Dropped) and reason in (None, o.reason))

    def failed(self) -> list[Any]:
        """Marks of what failed, sorted."""
        return sorted(mark for mark, outcome in self.by_mark.items() if isinstance(outcome, Failed))

    def errors(self) -> list[BaseException]:
        """The errors of what failed, in the order of the marks."""
        found = [self.by_mark[mark] for mark in self.failed()]
        return [outcome.error for outcome in found if isinstance(outcome, Failed)]


class _ProbeStage(Stage, frozen=True):
    probe: Any
    is_source: bool

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        return () if self.is_source else (IN,)

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        return (OUT,) if self.is_source else ()

    def create_logic(self) -> StageLogic:
        logic = _SourceLogic(self.probe) if self.is_source else _SinkLogic(self.probe)
        self.probe.logic = logic
        return logic


class SourceProbe:
    """A source that emits what a test says.

    Args:
        settle: runs the engine until it rests; called after each action.
        tracked: whether what it sends has receipts.
        name: of its origin.
    """

    accounts = True
    """Whether each element it has sent has to have one outcome in the end, which `outcomes` knows."""

    def __init__(self, settle: Callable[[], None], tracked: bool = True, name: str = "probe") -> None:
        self.logic: StageLogic
        self.stage = _ProbeStage(self, is_source=True)
        self.outcomes = Outcomes()
        self.sent: list[Any] = []
        self.pulls: deque[int] = deque(maxlen=MOST)
        self.cancelled: list[BaseException | None] = []
        self.finished = False
        self._settle = settle
        self.tracked = tracked
        self._origin = Origin(name, "1")

    @property
    def demand(self) -> int:
        """Elements asked for and not sent."""
        return self.logic.demand(OUT)

    @property
    def ended(self) -> bool:
        """Whether it completed, failed or was cancelled."""
        return self.finished or bool(self.cancelled)

    def send(self, *items: Any, settle: bool = True) -> None:
        """Emit `items` as one chunk; needs demand for all of them."""
        assert len(items) <= self.demand, f"{len(items)} elements are sent where {self.demand} were asked for"
        receipt = None
        if self.tracked:
            receipt = Receipt(range(len(self.sent), len(self.sent) + len(items)), self.outcomes, self._origin)
        self.sent += items
        chunk = Chunk(list(items), receipt)
        del receipt
        self._do(lambda: self.logic.push(OUT, chunk), settle)

    def complete(self, settle: bool = True) -> None:
        """The last word."""
        self.finished = True
        self._do(self.logic.complete_stage, settle)

    def fail(self, error: BaseException, settle: bool = True) -> None:
        """The last word is an error."""
        self.finished = True
        self._do(lambda: self.logic.fail_stage(error), settle)

    def expect_request(self, n: int | None = None) -> int:
        """There is demand (of `n`); returns it."""
        assert self.demand > 0, "nothing was asked for"
        assert n is None or self.demand == n, f"{self.demand} elements were asked for, not {n}"
        return self.demand

    def expect_no_request(self) -> None:
        """There is no demand."""
        assert not self.demand, f"{self.demand} elements were asked for"

    def expect_cancellation(self) -> BaseException | None:
        """It was cancelled; returns the cause."""
        assert self.cancelled, "was not cancelled"
        return self.cancelled[0]

    def _do(self, action: Callable[[], None], settle: bool) -> None:
        seat = self.logic.seat
        seat.engine.enter(seat, action)
        if settle:
            self._settle()


class _SourceLogic(StageLogic):
    def __init__(self, probe: SourceProbe) -> None:
        self._probe = probe

    def on_pull(self, outlet: Outlet, n: int) -> None:
        self._probe.pulls.append(n)

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        self._probe.cancelled.append(cause)
        self.cancel_stage(cause)


class SinkProbe:
    """A sink that asks for what a test says, and keeps what it gets.

    Args:
        settle: runs the engine until it rests; called after each action.
        keep: whether received chunks stay unsettled until `settle_all`; else they are settled as they come.
    """

    def __init__(self, settle: Callable[[], None], keep: bool = False) -> None:
        self.logic: StageLogic
        self.stage = _ProbeStage(self, is_source=False)
        self.received: list[Any] = []
        self.chunks: list[list[Any]] = []
        self.held: list[Chunk] = []
        self.completed = False
        self.error: BaseException | None = None
        self.cancelled = False
        self._settle = settle
        self._keep = keep
        self._read = 0

    @property
    def ended(self) -> bool:
        """Whether it heard or said the last word."""
        return self.completed or self.cancelled or self.error is not None

    def request(self, n: int, settle: bool = True) -> None:
        """Ask for `n` more elements."""
        self._do(lambda: self.logic.request(IN, n), settle)

    def cancel(self, cause: BaseException | None = None, settle: bool = True) -> None:
        """Say that nothing more is wanted."""
        self.cancelled = True
        self._do(lambda: self.logic.cancel_stage(cause), settle)

    def expect_next(self, *items: Any) -> None:
        """These are the next elements that arrived."""
        got = self.received[self._read : self._read + len(items)]
        assert got == list(items), f"expected {list(items)!r}, got {self.received[self._read :]!r}"
        self._read += len(items)

    def expect_no_next(self) -> None:
        """No further element has arrived."""
        assert self._read == len(self.received), f"got {self.received[self._read :]!r}"

    def expect_no_signal(self) -> None:
        """No further element has arrived, nor the end."""
        self.expect_no_next()
        assert not self.completed, "has completed"
        assert self.error is None, f"failed with {self.error!r}"

    def expect_complete(self) -> None:
        """No further element, and the end without an error."""
        self.expect_no_next()
        assert self.error is None, f"failed with {self.error!r}"
        assert self.completed, "has not completed"

    def expect_error(self, kind: type[BaseException] = BaseException) -> BaseException:
        """No further element, and the end with an error of this kind; returns it."""
        self.expect_no_next()
        assert isinstance(self.error, kind), f"ended with {self.error!r}, not with {kind.__name__}"
        return self.error

    def settle_all(self, outcome: Outcome | None = None) -> None:
        """Settle all that is kept, as stored or with `outcome`."""
        held, self.held = self.held, []
        for chunk in held:
            chunk.settle() if outcome is None else chunk.outcome(outcome)

    def take(self, chunk: Chunk) -> None:
        """An element arrived; called by the probe's logic."""
        self.received += chunk.items
        self.chunks.append(list(chunk.items))
        if self._keep:
            self.held.append(chunk)
        else:
            chunk.settle()

    def _do(self, action: Callable[[], None], settle: bool) -> None:
        seat = self.logic.seat
        seat.engine.enter(seat, action)
        if settle:
            self._settle()


class _SinkLogic(StageLogic):
    def __init__(self, probe: SinkProbe) -> None:
        self._probe = probe

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self._probe.take(chunk)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._probe.completed = True
        self.complete_stage()

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        self._probe.error = error
        self.complete_stage()


class StageBench:
    """A stage with a source probe at each inlet and a sink probe at each outlet, under a virtual clock.

    Args:
        stage: what is tested.
        seed: see `VirtualHost`.
        tracked: whether what sources send has receipts.
        keep: whether sinks keep what they get unsettled.
        sources: what sends.
    """

    NAME = "tested"

    def __init__(
        self,
        stage: Stage,
        seed: int | None = None,
        tracked: bool = True,
        keep: bool = False,
        sources: type[SourceProbe] = SourceProbe,
    ) -> None:
        self.host = VirtualHost(seed=seed)
        self.sources = [sources(self.host.settle, tracked) for _ in stage.inlets]
        self.sinks = [SinkProbe(self.host.settle, keep) for _ in stage.outlets]
        self.ended: list[BaseException | None] = []
        blueprint = Blueprint()
        blueprint.add(stage, self.NAME)
        for index, source in enumerate(self.sources):
            blueprint.add(source.stage, f"source{index}")
            blueprint.connect(f"source{index}", self.NAME, 0, index)
        for index, sink in enumerate(self.sinks):
            blueprint.add(sink.stage, f"sink{index}")
            blueprint.connect(self.NAME, f"sink{index}", index, 0)
        self.engine = Engine(blueprint, self.host, self.ended.append)
        self.host.attach(self.engine)
        self.engine.start()
        self.host.settle()

    @property
    def source(self) -> SourceProbe:
        """The source at the first inlet."""
        return self.sources[0]

    @property
    def sink(self) -> SinkProbe:
        """The sink at the first outlet."""
        return self.sinks[0]

    @property
    def logic(self) -> StageLogic:
        """The logic of the tested stage."""
        return self.engine.seats[self.NAME].logic

    @property
    def counters(self) -> dict[str, int]:
        """The counters of the tested stage."""
        return self.engine.seats[self.NAME].counters

    def advance(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.host.advance(seconds)

    def feed(self, items: Sequence[Any], source: int = 0) -> None:
        """Send all `items` as far as they are asked for, in chunks as large as the demand; fails if the demand stops."""
        rest = list(items)
        while rest:
            n = self.sources[source].expect_request()
            self.sources[source].send(*rest[:n])
            rest = rest[n:]

    def check_accounted(self) -> None:
        """Everything has stopped and every element that was sent has had one outcome."""
        LOST.drain()
        for index, source in enumerate(self.sources):
            if not source.accounts:
                continue
            outcomes = source.outcomes
            assert not outcomes.again, f"source {index}: reported twice: {outcomes.again}"
            lost = [error for error in outcomes.errors() if isinstance(error, ReceiptLost)]
            assert not lost, f"source {index}: {lost[0]}"
            if source.tracked:
                missing = [mark for mark in range(len(source.sent)) if mark not in outcomes.by_mark]
                assert not missing, f"source {index}: no outcome for {missing}"

    def stop(self) -> None:
        """Settle what sinks keep, stop what still runs, check that all is accounted for."""
        for sink in self.sinks:
            sink.settle_all()
        self.engine.stop()
        self.host.settle()
        self.check_accounted()
        assert all(seat.stopped for seat in self.engine.seats.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.stop()
