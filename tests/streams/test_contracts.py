"""Every stage of the DSL is held to a contract: StageContract, SourceContract or SinkContract; what is not says why."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from rt_edge.streams.dsl import METHODS
from rt_edge.streams.stage import Stage
from rt_edge.testkit.sink_contract import SinkContract
from rt_edge.testkit.sink_contract_run import Came
from rt_edge.testkit.source_contract import SourceContract
from rt_edge.testkit.source_contract_feed import Feed
from rt_edge.testkit.stage_contract import StageContract

TESTS = Path(__file__).parents[1]

EXEMPT: dict[str, str] = {}
"""Name of a stage -> why it is held to no contract."""


def subclasses(contract: type) -> set[type]:
    found = set(contract.__subclasses__())
    return found.union(*(subclasses(one) for one in found)) if found else found


def held() -> dict[type[Stage], set[type]]:
    """Stage -> the contracts that a test class holds it to."""
    for path in sorted(TESTS.joinpath("streams").rglob("test_*.py")):
        if "Contract" in path.read_text(encoding="utf-8"):
            importlib.import_module(".".join(path.relative_to(TESTS.parent).with_suffix("").parts))
    found: dict[type[Stage], set[type]] = {}
    given_to: dict[type, tuple[Any, ...]] = {StageContract: (), SourceContract: (Feed([]),), SinkContract: (Came(),)}
    for contract, given in given_to.items():
        for cls in subclasses(contract):
            if cls.__name__.startswith("Test") and cls.__module__.startswith("tests."):
                found.setdefault(type(cls().make(*given)), set()).add(contract)
    return found


@pytest.fixture(scope="module")
def contracts() -> dict[type[Stage], set[type]]:
    """Of all stages."""
    return held()


def test_every_stage_has_a_contract_when_it_is_in_the_dsl(contracts: dict[type[Stage], set[type]]) -> None:
    """One of the three; who is left out is named with a reason, and none is named that need not be."""
    without = {stage.__name__ for stage in METHODS if stage not in contracts}
    assert without == set(EXEMPT)
    assert all(EXEMPT.values())


def test_contract_is_that_of_its_ports_when_a_stage_has_one(contracts: dict[type[Stage], set[type]]) -> None:
    """A source has no inlet, a sink no outlet, and the flows are the others: none is held to the wrong one."""
    for stage, held_to in contracts.items():
        owner = METHODS.get(stage, "")
        if owner.startswith("Source."):
            assert held_to == {SourceContract}, stage
        elif owner.startswith("Sink."):
            assert held_to == {SinkContract}, stage
        elif owner:
            assert held_to == {StageContract}, stage
