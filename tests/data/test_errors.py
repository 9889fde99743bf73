"""Every error of the program: a code of its own, and a way through a pickle (errors cross processes)."""

from __future__ import annotations

import importlib
import inspect
import pickle
import pkgutil

import pytest

import adapters
import rt_edge
from rt_edge.data.errors import RtEdgeError
from rt_edge.settings.places import Place, Problem
from rt_edge.streams.expression.errors import ExpressionError

SKIPPED = ("rt_edge.settings.child",)


def modules():
    for package in (rt_edge, adapters):
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if info.name not in SKIPPED:
                yield importlib.import_module(info.name)


def errors() -> list[type[RtEdgeError]]:
    found = {}
    for module in modules():
        for value in vars(module).values():
            if (
                inspect.isclass(value)
                and issubclass(value, RtEdgeError)
                and value.__module__.split(".")[0] in ("rt_edge", "adapters")
            ):
                found[value.__module__ + "." + value.__qualname__] = value
    return [found[name] for name in sorted(found)]


ERRORS = errors()
PROBLEMS = [Problem(Place("file", 1, 2), "a > b", "wrong", "mend it")]
ARGUMENTS = {
    "BadConfiguration": (PROBLEMS,),
    "YamlRefused": (PROBLEMS,),
    "ExpressionError": ("reason", 3, "a +", "hint"),
    "AssignmentErrors": ({"total": ExpressionError("reason", 3, "a +", "hint")},),
    "ModbusException": (2,),
}


def test_code_belongs_to_one_error_when_all_modules_are_loaded():
    """An operator who looks up a code finds one error."""
    owners: dict[str, list[str]] = {}
    for error in ERRORS:
        if "code" in vars(error):
            owners.setdefault(error.code, []).append(error.__qualname__)
    assert {code: names for code, names in owners.items() if len(names) > 1} == {}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__qualname__)
def test_error_survives_a_pickle_when_it_crosses_processes(error):
    """Class, text and hint are the same on the other side."""
    made = error(*ARGUMENTS.get(error.__qualname__, ("text", "hint")))
    again = pickle.loads(pickle.dumps(made))
    assert type(again) is error
    assert str(again) == str(made)
