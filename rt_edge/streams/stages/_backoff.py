"""Backoff: how long to wait before the next attempt, and whether there is one."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from rt_edge.data.errors import ConfigError
from rt_edge.data.units import Duration
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages._common import at_least


class Retrying(Stage, frozen=True, kw_only=True):
    """Base of stages that wait and try again.

    Attributes:
        min_backoff: upper bound of the first wait; it doubles with each further one.
        max_backoff: upper bound of every wait.
        jitter: part of a wait that is drawn by lot: 1: all of it (full jitter); 0: none.
        seed: of the lot; None: another one in each run.
    """

    min_backoff: Duration | float = 1.0
    max_backoff: Duration | float = 60.0
    jitter: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        """Refuse waits that make no sense."""
        at_least(0.001, min_backoff=self.min_backoff)
        at_least(self.min_backoff, max_backoff=self.max_backoff)
        if not 0 <= self.jitter <= 1:
            raise ConfigError(f"jitter is {self.jitter:g}, it has to be between 0 and 1")


class Restarting(Retrying, frozen=True, kw_only=True):
    """Base of stages that run a part again when it has ended.

    Attributes:
        max_restarts: restarts in a series; one more end is the stage's. -1: without end.
        within: a part that ran for so long begins a new series; 0: `max_backoff`.
        only_failures: a part that completes is not run again.
        restart_on: error -> whether it is one of those after which it is run again; None: all are.
    """

    max_restarts: int = -1
    within: Duration | float = 0.0
    only_failures: bool = False
    restart_on: Callable[[BaseException], Any] | None = None

    def __post_init__(self) -> None:
        """Refuse waits and numbers that make no sense."""
        super().__post_init__()
        at_least(-1, max_restarts=self.max_restarts)
        at_least(0, within=self.within)


class Backoff:
    """The waits of one run.

    Args:
        stage: its settings.
    """

    __slots__ = ("_random", "_stage", "failures")

    def __init__(self, stage: Retrying) -> None:
        self._stage = stage
        self._random = Random(stage.seed)  # noqa: S311 - jitter, not a secret
        self.failures = 0

    def next(self) -> float:
        """Seconds to wait; counted as one more failure."""
        stage = self._stage
        bound = min(float(stage.max_backoff), float(stage.min_backoff) * 2.0 ** min(self.failures, 60))
        self.failures += 1
        return bound * (1 - stage.jitter * self._random.random())


class Series:
    """Whether and when a part that has ended is run again.

    Args:
        stage: its settings.
    """

    __slots__ = ("_backoff", "_lasting", "_stage", "began")

    def __init__(self, stage: Restarting) -> None:
        self._stage = stage
        self._backoff = Backoff(stage)
        self._lasting = float(stage.within) or float(stage.max_backoff)
        self.began = 0.0

    def wait(self, error: BaseException | None, now: float) -> float | None:
        """Seconds until the next run; None: there is none."""
        stage = self._stage
        if error is None and stage.only_failures:
            return None
        if error is not None and stage.restart_on is not None and not stage.restart_on(error):
            return None
        if now - self.began >= self._lasting:
            self._backoff.failures = 0
        if 0 <= stage.max_restarts <= self._backoff.failures:
            return None
        return self._backoff.next()
