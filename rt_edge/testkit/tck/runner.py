"""Running a verification without pytest: every test of a class, or one, and what became of it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import pytest

from rt_edge.testkit.tck.bench import Verification, is_optional
from rt_edge.testkit.tck.facts import names_of

Status = Literal["passed", "failed", "not held"]


class Outcome(NamedTuple):
    """What became of one test: an optional one that fails is `not held`, unless the verification is strict."""

    test: str
    status: Status
    error: BaseException | None
    facts: dict[str, str]


def run_test(verification: type[Verification], test: str) -> Outcome:
    """Run one test in an instance of its own, with `setup_method` and `teardown_method` around it where there are some."""
    instance = verification()
    error: BaseException | None = None
    getattr(instance, "setup_method", lambda: None)()
    try:
        getattr(instance, test)()
    except (Exception, pytest.fail.Exception) as raised:  # noqa: BLE001  # it is the outcome
        error = raised
    finally:
        getattr(instance, "teardown_method", lambda: None)()
    status: Status = "passed"
    if error is not None:
        status = "not held" if is_optional(test) and not verification.strict else "failed"
    return Outcome(test, status, error, instance.facts)


def run(verification: type[Verification]) -> list[Outcome]:
    """Run every test of a verification, in the order of their names."""
    return [run_test(verification, test) for test in names_of(verification)]
