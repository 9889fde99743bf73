"""A worker without threads, for stages whose calls may block: under a virtual clock they take virtual time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from rt_edge.streams.stage import Stage, StageContext
from rt_edge.testkit.virtual_clock import Sleep


def slow(monkeypatch: pytest.MonkeyPatch, stage: Stage) -> None:
    """Let the logics of `stage` have such a worker."""
    monkeypatch.setattr(sys.modules[type(stage.create_logic()).__module__], "Worker", SlowWorker)


class SlowWorker:
    """In the place of a `Worker`: calls take virtual time, one after the other; what is under way is finished before the end."""

    def __init__(self, context: StageContext, on_thread: bool) -> None:
        self._context = context
        self._random = Random(1)
        self._under_way: Callable[[], Any] | None = None

    def call(self, function: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> None:
        self._under_way = function
        self._context.spawn(self._run(function), done)

    async def _run(self, function: Callable[[], Any]) -> Any:
        await Sleep(self._random.choice([0.0, 0.01, 0.5]))
        self._under_way = None
        return function()

    def end(self, function: Callable[[], Any]) -> None:
        for last in (self._under_way, function):
            with suppress(Exception):  # a Worker logs it: nobody waits for it
                if last is not None:
                    last()
