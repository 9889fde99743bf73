"""User code in stages: called element by element, list in, list out, and each failure attributed to its element."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import StreamError
from rt_edge.streams.stage import IN, Outlet, Stage, StageLogic, Supervision
from rt_edge.streams.stages._common import Failures, fail_behind, has_none, named, note_failures

log = logging.getLogger(__name__)


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
    if has_none(results):
        failed = {place for place, _ in failures}
        for place, result in enumerate(results):
            if result is None and place not in failed:
                failures.append((place, TypeError("None is not an element (rule 2.13)")))
        failures.sort(key=lambda failure: failure[0])


class PassLogic(StageLogic):
    """Asks for one element for each that is wanted."""

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Keep as much asked for as is wanted, also after a supervised restart."""
        wire = self._outs[0]
        missing = (wire.announced if wire.slot is None else 0) - self._ins[0].demand  # `demand(OUT) - requested(IN)`
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
