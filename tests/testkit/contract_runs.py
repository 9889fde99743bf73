"""Running a contract by hand: which of its tests find something."""

from __future__ import annotations

import gc
from itertools import product
from typing import Any

from rt_edge.data.receipt import LOST


def findings(contract: type, *made_of: Any, **given: Any) -> dict[str, BaseException]:
    """Name of a test of `contract` -> the first thing that it found.

    Args:
        contract: the class with the tests.
        made_of: what the class is made of, new for each test.
        given: what each test gets, besides what it is parametrized with (`tmp_path`).
    """
    found: dict[str, BaseException] = {}
    for name in sorted(name for name in dir(contract) if name.startswith("test_")):
        for arguments in cases(getattr(contract, name)):
            try:
                getattr(contract(*made_of), name)(**given, **arguments)
            except Exception as error:  # noqa: BLE001 - whatever a test raises, it has found something
                found[name] = error
                break
    gc.collect()
    LOST.drain()  # what broken stages have lost is no other test's
    return found


def cases(test: Any) -> list[dict[str, Any]]:
    """The arguments of each case of a parametrized test."""
    axes: list[list[dict[str, Any]]] = []
    for mark in getattr(test, "pytestmark", []):
        names, values = mark.args
        axes.append([{names: value} for value in values])
    return [{key: value for part in parts for key, value in part.items()} for parts in product(*axes)]
