"""What several stages share: parameters, ports, and how elements that go no further are settled and counted."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any, ClassVar, Literal

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import ConfigError, StreamError
from rt_edge.data.weave import emitted_again
from rt_edge.streams.stage import OUT, Inlet, Outlet, Stage, StageLogic, Supervision

log = logging.getLogger(__name__)

OnError = Literal["stop", "resume", "restart"]
Settle = Literal["end", "early"]
Failures = Sequence[tuple[int, Exception]]

SKIPPED = "skipped"
"""The reason of what is left out by its place."""

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


class ReadingCode(UserCode, frozen=True, kw_only=True):
    """Base of stages that evaluate expressions on readings: what devices send stops no graph, unless the settings say so.

    Attributes:
        on_error: resume (the default): a reading for which an expression cannot be evaluated (text where a number was
            expected) fails alone. stop, restart: as of `UserCode`.
    """

    on_error: OnError = "resume"


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
    """Cancel upstream and fail the stage; what waits in the slot of `outlet` is still taken before the error."""
    logic.fail_behind(outlet, error)
    logic.fail_stage(error)


def end_branches(logic: StageLogic, left: Collection[object], cause: BaseException | None) -> None:
    """A branch has cancelled, and that ends all: those that are left complete, or fail with the error that it failed with."""
    if left and cause is not None:
        logic.fail_stage(cause)
    else:
        logic.cancel_stage(cause)


def discard(logic: StageLogic, chunk: Chunk, reason: str) -> None:
    """Settle `chunk` as dropped for `reason`, and count it."""
    chunk.drop(reason)
    logic.ctx.count(f"dropped_{reason}", len(chunk))


def skip(logic: StageLogic, chunk: Chunk, most: int, reason: str = SKIPPED) -> tuple[Chunk | None, int]:
    """Discard the first `most` elements, but none that comes again; what is left, and how many were discarded."""
    again = emitted_again(chunk)
    if again is None:
        skipped = min(most, len(chunk))
        first, rest = (chunk, None) if skipped == len(chunk) else chunk.cut(skipped) if skipped else (None, chunk)
        if first is not None:
            discard(logic, first, reason)
        return rest, skipped
    skipped, mask = 0, []
    for comes_again in again:
        mask.append(comes_again or skipped >= most)
        skipped += not mask[-1]
    if skipped:
        logic.ctx.count(f"dropped_{reason}", skipped)
    return chunk.select(mask, reason), skipped


def settle_rest(logic: StageLogic, chunks: Sequence[Chunk], error: BaseException | None) -> None:
    """What a stage holds when it stops: dropped after a plain cancel, failed after an error."""
    for chunk in chunks:
        if error is None:
            discard(logic, chunk, "cancelled")
        else:
            chunk.fail(named(logic, error))


def has_none(items: Sequence[Any]) -> bool:
    """Whether one of `items` is None, which is no element (rule 2.13)."""
    for item in items:  # noqa: SIM110 - a quarter of what `any`, or `is_` by way of `map`, takes; every element passes here
        if item is None:
            return True
    return False


def take_parts(parts: list[Chunk], n: int) -> tuple[list[Chunk], list[Chunk]]:
    """The first `n` elements of consecutive chunks, and the rest; there are at least `n`."""
    taken: list[Chunk] = []
    for place, part in enumerate(parts):
        if len(part.items) > n:
            if n:
                first, part = part.cut(n)  # noqa: PLW2901 - what is left of it
                taken.append(first)
            return taken, [part, *parts[place + 1 :]]
        taken.append(part)
        n -= len(part.items)
    return taken, []


def split(chunk: Chunk | None, n: int) -> tuple[Chunk | None, Chunk | None]:
    """The first `n` elements, and the rest; None where there is none."""
    if chunk is None or not n:
        return None, chunk
    return chunk.cut(n) if n < len(chunk) else (chunk, None)


def bare(chunk: Chunk) -> Chunk:
    """The receipt of `chunk` without its elements, for who keeps receipts for long."""
    return chunk.replace(())
