"""Judging: what a function, or an expression on readings, says of each element; shared by stages that take either."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rt_edge.data.errors import ConfigError
from rt_edge.streams.expression import compile_predicate, compile_value
from rt_edge.streams.stage import Stage, Supervision
from rt_edge.streams.stages._user_code import ElementLogic, attempt

Failed = list[tuple[int, Exception]]
Judge = Callable[[Sequence[Any]], tuple[list[Any], int, Failed]]
"""Elements -> (what is said of each, how many missed a field, which failed). Under `stop` it may end behind the first failure."""


def check_by(name: str, by: Any) -> None:
    """Raise ConfigError unless `by` is a function or an expression that compiles."""
    if isinstance(by, str):
        compile_value(by)
    elif not callable(by):
        raise ConfigError(f"{name} is {by!r}, it has to be an expression", "like: temperature > 80")


def judge_of(by: Any, policy: Supervision) -> Judge:
    """Runs `by`: an expression (false where a field is missing, and for gap records), or a function."""
    if isinstance(by, str):
        return compile_value(by).run

    def run(items: Sequence[Any]) -> tuple[list[Any], int, Failed]:
        results, failures = attempt(by, items, policy)
        return results, 0, failures

    return run


def weights_of(cost: Any, policy: Supervision) -> Judge:
    """As `judge_of`; what is no number of at least 0 fails its element."""
    judge = judge_of(cost, policy)

    def run(items: Sequence[Any]) -> tuple[list[Any], int, Failed]:
        costs, missing, failures = judge(items)
        known = {place for place, _ in failures}
        for place, weight in enumerate(costs):
            if place not in known and not (isinstance(weight, int | float) and weight >= 0):
                failures.append((place, ValueError(f"{weight!r} is no weight: a number of at least 0")))
        failures.sort(key=lambda failure: failure[0])
        return costs, missing, failures

    return run


class FrontLogic(ElementLogic):
    """Judges elements in order, and calls user code for none behind the one that decides.

    Args:
        stage: whose `supervision` counts.
        predicate: function or expression.
        decides: what it says of the element that decides.
    """

    def __init__(self, stage: Stage, predicate: Any, decides: bool) -> None:
        super().__init__(stage)
        self._decides = decides
        self._predicate = predicate
        self._program = None
        if isinstance(predicate, str):
            # gap records never decide: they count as true where a false decides, and as false where a true does
            self._program = (compile_value if decides else compile_predicate)(predicate)

    def front(self, items: Sequence[Any]) -> tuple[int, bool, Failed]:
        """How many stand in front of the element that decides, whether there is one, and which in front of it failed.

        Under `stop`, nothing behind the first failure is judged.
        """
        if self._program is not None:
            said, missing, failures = self._program.run(items)
            if missing:
                self.ctx.count("missing_field", missing)
            failed = {place for place, _ in failures}
            places = (place for place, value in enumerate(said) if bool(value) is self._decides and place not in failed)
            decided = next(places, len(items))
            failures = [failure for failure in failures if failure[0] < decided]
            if failures and self._policy is Supervision.STOP:
                return len(items), False, failures
            return decided, decided < len(items), failures
        return self._call(items)

    def _call(self, items: Sequence[Any]) -> tuple[int, bool, Failed]:
        predicate, decides = self._predicate, self._decides
        failures: Failed = []
        for place, item in enumerate(items):
            try:
                if bool(predicate(item)) is decides:
                    return place, True, failures
            except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
                failures.append((place, error))
                if self._policy is Supervision.STOP:
                    break
        return len(items), False, failures
