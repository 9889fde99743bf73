"""What several stages share: user code that may raise, chunks that wait for demand, one-for-one demand."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from itertools import repeat
from operator import is_
from typing import Any, ClassVar, Literal

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import ConfigError, InternalError, StreamError
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Stage, StageLogic, Supervision

log = logging.getLogger(__name__)

OnError = Literal["stop", "resume", "restart"]
Settle = Literal["end", "early"]
Failures = Sequence[tuple[int, Exception]]

PORTS_MAX = 64
"""Ports of a fan-in or fan-out, at most."""


def at_least(least: float, **values: float) -> None:
    """Raise ConfigError for the first of `values` that is smaller than `least`."""
    for name, value in values.items():
        if not value >= least:
            raise ConfigError(f"{name} is {value:g}, it has to be at least {least:g}")


def inlets(n: int) -> tuple[Inlet, ...]:
    """`in0`, `in1`, ..."""
    return tuple(Inlet(f"in{i}", i) for i in range(n))


def outlets(n: int) -> tuple[Outlet, ...]:
    """`out0`, `out1`, ..."""
    return tuple(Outlet(f"out{i}", i) for i in range(n))


def ports(name: str, n: int) -> None:
    """Raise ConfigError unless a fan-in or fan-out can have `n` ports."""
    if not 1 <= n <= PORTS_MAX:
        raise ConfigError(f"{name} is {n}, it has to be 1 to {PORTS_MAX}")


class UserCode(Stage, frozen=True, kw_only=True):
    """Base of stages that call user code: `on_error` says what happens when it raises.

    Attributes:
        on_error: stop: the stage emits what was good before, then fails. resume: only the elements concerned fail.
            restart: they and all that the stage holds fail, and its state is made afresh.
    """

    on_error: OnError = "stop"

    @property
    def supervision(self) -> Supervision:
        """By `on_error`."""
        return Supervision(self.on_error)


class Combining(Stage, frozen=True, kw_only=True):
    """Base of stages that make one element of several.

    Attributes:
        settle: end: what went in is settled when what came out of it is. early: what comes in is settled at once, and what
            the stage makes of it is volatile.
    """

    combines: ClassVar[bool] = True

    settle: Settle = "end"


def intake(stage: Combining, chunk: Chunk) -> Chunk:
    """`chunk`, settled and without its receipt where the stage settles early."""
    if stage.settle == "end":
        return chunk
    chunk.settle()
    return Chunk(chunk.items)


def attempt(
    function: Callable[[Any], Any], items: Sequence[Any], policy: Supervision = Supervision.RESUME
) -> tuple[list[Any], list[tuple[int, Exception]]]:
    """`function` of each item, called once each: the results (None in the place of a failure) and the failures by place.

    Under STOP the first failure ends it: there are no results from there on.
    """
    results: list[Any] = []
    failures: list[tuple[int, Exception]] = []
    calls = map(function, items)
    while True:
        try:
            results.extend(calls)
        except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
            failures.append((len(results), error))
        else:
            if len(results) >= len(items):
                return results, failures
            failures.append((len(results), StreamError("user code raised StopIteration")))
        if policy is Supervision.STOP:
            return results, failures
        results.append(None)


def refuse_none(results: Sequence[Any], failures: list[tuple[int, Exception]]) -> None:
    """Add a failure for each result that is None: None is no element (rule 2.13)."""
    if True in map(is_, results, repeat(None)):
        failed = {place for place, _ in failures}
        for place, result in enumerate(results):
            if result is None and place not in failed:
                failures.append((place, TypeError("None is not an element (rule 2.13)")))
        failures.sort(key=lambda failure: failure[0])


class PassLogic(StageLogic):
    """Asks for one element for each that is wanted."""

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Keep as much asked for as is wanted, also after a supervised restart."""
        missing = self.demand(OUT) - self.requested(IN)
        if missing > 0:
            self.request(IN, missing)


class ElementLogic(PassLogic):
    """Calls user code element by element, list in, list out, and attributes failures to elements.

    Args:
        stage: whose `supervision` counts.
    """

    def __init__(self, stage: Stage) -> None:
        self._policy = stage.supervision
        self._failing = False

    def survivors(self, chunk: Chunk, results: list[Any], failures: Failures) -> tuple[Chunk | None, list[Any]]:
        """What is left of `chunk` and of `results` when the failed elements are failed, by the stage's supervision.

        Under `stop` all elements from the first failure on fail, and the stage is going to fail: see `finish_push`.
        """
        note_failures(self, failures)
        self._failing = True
        policy = self._policy
        if policy is Supervision.STOP:
            place, error = failures[0]
            good, bad = (None, chunk) if place == 0 else chunk.cut(place)
            bad.fail(named(self, error))
            return good, results[:place]
        if policy is Supervision.RESTART:
            self.ctx.count("restarts", len(failures))
        for place, error in failures:
            chunk.take([place]).fail(named(self, error))
        failed = {place for place, _ in failures}
        places = [i for i in range(len(chunk)) if i not in failed]
        return (chunk.take(places) if places else None), [results[i] for i in places]

    def stop_after(self, failures: Failures) -> bool:
        """Whether the stage has to fail now. It is arranged: upstream is cancelled, the error follows what was pushed."""
        if not failures or self._policy is not Supervision.STOP:
            return False
        fail_behind(self, failures[0][1])
        return True

    def note_success(self) -> None:
        """Log once that user code works again."""
        if self._failing:
            self._failing = False
            log.info("%s: works again", self.ctx.name)


def note_failures(logic: StageLogic, failures: Failures) -> None:
    """Count failures; log the first of a series."""
    logic.ctx.count("errors", len(failures))
    if not getattr(logic, "_failing", False):
        log.warning("%s: %d elements failed, first: %r", logic.ctx.name, len(failures), failures[0][1])


def named(logic: StageLogic, error: BaseException) -> StreamError:
    """`error` with the name of the graph node, for the receipts of the elements concerned."""
    wrapped = StreamError(f"{logic.ctx.name}: {type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped


def fail_behind(logic: StageLogic, error: BaseException, outlet: Outlet = OUT) -> None:
    """Cancel upstream and fail the stage, but after what waits in the slot of `outlet` was taken."""
    logic.cancel(IN, error)
    if logic.is_closed(outlet) or logic.is_free(outlet):
        logic.fail_stage(error)
    else:
        logic.ctx.soon(lambda: fail_behind(logic, error, outlet))


class Outbox:
    """Chunks that wait for demand at one outlet, in order; never pushes more than is wanted.

    Args:
        logic: whose outlet it is.
        outlet: which.
        bound: most chunks; the stage keeps to it by what it asks for.
    """

    __slots__ = ("_chunks", "_logic", "_outlet", "elements")

    def __init__(self, logic: StageLogic, outlet: Outlet = OUT, bound: int = CHUNK_ELEMENTS) -> None:
        self._logic = logic
        self._outlet = outlet
        self._chunks: deque[Chunk] = deque(maxlen=bound)
        self.elements = 0

    def __bool__(self) -> bool:
        return bool(self._chunks)

    def put(self, chunk: Chunk) -> None:
        """Push it now, or when it is wanted."""
        if len(self._chunks) == self._chunks.maxlen:
            raise InternalError(f"{self._logic.ctx.name} holds more than {self._chunks.maxlen} chunks")
        self._chunks.append(chunk)
        self.elements += len(chunk)
        self.flush()

    def flush(self) -> None:
        """Push what is wanted; to be called in `on_pull`."""
        chunks, logic, outlet = self._chunks, self._logic, self._outlet
        if not chunks:
            return
        if not logic.is_free(outlet):
            logic.pull_again(outlet)
            return
        wanted = logic.demand(outlet)
        if wanted <= 0:
            return
        chunk = chunks.popleft()
        if len(chunk) > wanted:
            chunk, rest = chunk.cut(wanted)
            chunks.appendleft(rest)
        self.elements -= len(chunk)
        logic.push(outlet, chunk)
        if chunks:
            logic.pull_again(outlet)

    def drop_head(self, n: int, reason: str) -> None:
        """Drop the `n` oldest elements, counted."""
        self._drop(n, reason, oldest=True)

    def drop_tail(self, n: int, reason: str) -> None:
        """Drop the `n` youngest elements, counted."""
        self._drop(n, reason, oldest=False)

    def _drop(self, n: int, reason: str, oldest: bool) -> None:
        chunks = self._chunks
        self.elements -= n
        while n > 0:
            chunk = chunks.popleft() if oldest else chunks.pop()
            if len(chunk) > n:
                first, last = chunk.cut(n if oldest else len(chunk) - n)
                chunk = first if oldest else last
                (chunks.appendleft if oldest else chunks.append)(last if oldest else first)
            n -= len(chunk)
            discard(self._logic, chunk, reason)

    def take_all(self) -> list[Chunk]:
        """Empty it."""
        chunks = list(self._chunks)
        self._chunks.clear()
        self.elements = 0
        return chunks

    def discard(self, reason: str) -> None:
        """Drop all, counted."""
        for chunk in self.take_all():
            discard(self._logic, chunk, reason)

    def settle_rest(self, error: BaseException | None) -> None:
        """Drop all after a cancel, fail all after an error; for `on_stop`."""
        settle_rest(self._logic, self.take_all(), error)


class OutboxLogic(StageLogic):
    """A logic with one outlet that may hold several chunks ready for it.

    `ask()` requests what the stage wants; it is called with every demand, and has to be called (by `proceed`) after input.
    """

    bound: ClassVar[int] = CHUNK_ELEMENTS
    out: Outbox
    finished: bool

    def on_start(self) -> None:
        """Make the outbox."""
        self.out = Outbox(self, bound=self.bound)
        self.finished = False

    def ask(self) -> None:
        """Request what is wanted; `demand(OUT)` is valid here."""

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Ask first, since `demand` says 0 once something was pushed."""
        if not self.finished:
            self.ask()
        self.out.flush()
        if self.finished and not self.out:
            self.complete_stage()

    def proceed(self) -> None:
        """Input was consumed: ask for more, now or when the slot is empty."""
        if self.is_free(OUT):
            self.ask()
        else:
            self.pull_again(OUT)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete as soon as what is held has gone out."""
        self.finished = True
        self.out.flush()
        if not self.out:
            self.complete_stage()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
        self.out.settle_rest(error)

    def residue(self) -> list[Chunk]:
        """What is ready to go out."""
        return self.out.take_all()


def take_parts(parts: list[Chunk], n: int) -> tuple[list[Chunk], list[Chunk]]:
    """The first `n` elements of consecutive chunks, and the rest; there are at least `n`."""
    taken: list[Chunk] = []
    for place, part in enumerate(parts):
        if len(part) > n:
            if n:
                first, part = part.cut(n)  # noqa: PLW2901 - what is left of it
                taken.append(first)
            return taken, [part, *parts[place + 1 :]]
        taken.append(part)
        n -= len(part)
    return taken, []


def bare(chunk: Chunk) -> Chunk:
    """The receipt of `chunk` without its elements, for who keeps receipts for long."""
    return chunk.replace(())


def discard(logic: StageLogic, chunk: Chunk, reason: str) -> None:
    """Settle `chunk` as dropped for `reason`, and count it."""
    chunk.drop(reason)
    logic.ctx.count(f"dropped_{reason}", len(chunk))


def settle_rest(logic: StageLogic, chunks: Sequence[Chunk], error: BaseException | None) -> None:
    """What a stage holds when it stops: dropped after a plain cancel, failed after an error."""
    for chunk in chunks:
        if error is None:
            discard(logic, chunk, "cancelled")
        else:
            chunk.fail(named(logic, error))
