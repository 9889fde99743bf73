"""The kit itself: every test of it finds the bug it is for, and passes without it; names, knobs and rules are complete."""

from __future__ import annotations

import gc
import inspect
from pathlib import Path
from typing import Any

import pytest

from rt_edge.protocol.roles import Processor, Publisher
from rt_edge.protocol.rules import RULES
from rt_edge.testkit.tck import (
    PERMISSIONS,
    IdentityProcessorVerification,
    ListPublisher,
    PublisherVerification,
    SubscriberBlackboxVerification,
    SubscriberWhiteboxVerification,
    Verification,
    fact_sheet,
    is_optional,
    kind_of,
    names_of,
    rule_of,
    rules_covered,
    run,
    run_test,
    table,
)
from tests.tck import jvm_names, mutants

KITS = (
    PublisherVerification,
    SubscriberBlackboxVerification,
    SubscriberWhiteboxVerification,
    IdentityProcessorVerification,
)
ALL = list(mutants.mutants())
PAGE = Path(__file__).resolve().parents[2] / "docs" / "tck.md"


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.id)
def test_bug_is_found_by_the_test_of_its_rule_when_an_implementation_has_it(mutant: mutants.Mutant) -> None:
    """The test that is named for the rule of a bug fails on the implementation that has it, whether it is optional or not."""
    outcome = run_test(mutant.verification, mutant.test)
    assert outcome.status == ("not held" if is_optional(mutant.test) else "failed"), f"{mutant.test} does not find {mutant.bug!r}"
    assert rule_of(mutant.test) == mutant.rule


@pytest.mark.parametrize("part", mutants.HEALTHY)
def test_healthy_implementation_passes_when_every_test_is_run(part: str) -> None:
    """The implementation of the mutants passes everything when it has no bug, the optional tests too."""
    outcomes = run(mutants.HEALTHY[part])
    assert [outcome for outcome in outcomes if outcome.status != "passed"] == []
    assert len(outcomes) > 15


def test_every_test_of_the_kit_has_a_bug_when_they_are_listed() -> None:
    """At least 60 bugs; no test of the kit without one that it finds."""
    assert len(ALL) >= 60
    assert len({(mutant.part, mutant.bug) for mutant in ALL}) == len(ALL)
    found = {mutant.test for mutant in ALL}
    assert {name for kit in KITS for name in names_of(kit)} == found


def test_the_59_tests_of_the_jvm_are_here_when_names_are_compared() -> None:
    """Each executable test of the kit for the JVM has one here, of the same kind, with the same name in snake_case."""
    lists = (jvm_names.PUBLISHER, jvm_names.WHITEBOX, jvm_names.BLACKBOX, jvm_names.PROCESSOR)
    assert [len(names) for names in lists] == [31, 14, 11, 3]
    assert len({name for names in lists for name in names}) == 59
    where = (PublisherVerification, SubscriberWhiteboxVerification, SubscriberBlackboxVerification, IdentityProcessorVerification)
    for names, kit in zip(lists, where, strict=True):
        assert {jvm_names.here(name) for name in names} <= set(names_of(kit)), kit.__name__


def test_names_say_kind_and_rule_when_every_test_is_read() -> None:
    """Every name begins with its kind and, where it is of one rule, the number of one of the 43."""
    for kit in KITS:
        for name in names_of(kit):
            assert kind_of(name), name
            assert ("_spec" in name) == bool(rule_of(name)) or name.endswith("spec_violation"), name
            assert rule_of(name) in {"", *RULES}, name
            assert inspect.getdoc(getattr(kit, name)), name


def test_processor_has_every_test_of_publisher_and_white_box_when_classes_are_compared() -> None:
    """The verification of a processor runs the very functions of the other two, and has tests of its own."""
    own = set(names_of(IdentityProcessorVerification))
    for kit in (PublisherVerification, SubscriberWhiteboxVerification):
        for name in names_of(kit):
            assert getattr(IdentityProcessorVerification, name) is getattr(kit, name), name
            own.discard(name)
    assert not set(names_of(PublisherVerification)) & set(names_of(SubscriberWhiteboxVerification))
    assert len(own) == 7, own


def test_every_rule_has_a_test_when_all_43_are_listed() -> None:
    """No rule is without a test that is named for it; of the permissions the tests say what was chosen, too."""
    assert rules_covered(*KITS) == set(RULES)
    assert set(PERMISSIONS) == {"3.10", "3.11", "3.14"}


def test_processor_behind_the_tests_gets_both_parts_when_its_factory_is_counted() -> None:
    """Publisher tests and white-box tests of a processor both use the processor that was handed in."""
    made: list[int] = []

    class Counting(mutants.HEALTHY["processor"]):  # type: ignore[misc]
        def create_identity_processor(self, buffer_size: int) -> Processor[Any, Any]:
            made.append(buffer_size)
            processor: Processor[Any, Any] = super().create_identity_processor(buffer_size)
            return processor

    for test in ("test_required_spec107_must_not_emit_further_signals_once_on_complete_has_been_signalled",
                 "test_required_exercise_whitebox_happy_path"):  # fmt: skip
        before = len(made)
        assert run_test(Counting, test).status == "passed"
        assert len(made) > before
    assert set(made) == {16}


def test_knobs_leave_tests_out_when_they_do_not_allow_them() -> None:
    """Nothing is skipped: a test that the knobs do not allow is not there, and the fact sheet says why."""

    class Short(PublisherVerification):
        max_elements_from_publisher = 1
        max_supported_subscribers = 1
        stochastic_runs = 0

        def create_publisher(self, elements: int) -> Publisher[Any]:
            return ListPublisher(range(elements))

    class Endless(Short):
        max_elements_from_publisher = 2**63 - 1
        create_failed_publisher = None  # type: ignore[assignment]

    class Whole(Endless):
        max_elements_from_publisher = 5

        def create_failed_publisher(self) -> Publisher[Any]:
            return ListPublisher([], ValueError("a test"))

    spec101 = "test_required_spec101_subscription_request_must_result_in_the_correct_number_of_produced_elements"
    spec105 = "test_required_spec105_must_signal_on_complete_when_finite_stream_terminates"
    assert spec101 not in names_of(Short)
    assert spec101 in names_of(Endless)
    assert spec105 not in names_of(Endless)
    assert {spec101, spec105} <= set(names_of(Whole))
    reasons = fact_sheet(Short)
    assert f"{spec101}: left out: needs 5 elements, max_elements_from_publisher is 1" in reasons
    assert "create_failed_publisher makes none" in reasons
    assert "max_supported_subscribers is 1" in reasons
    assert "never does" in fact_sheet(Endless)
    assert all("create_failed_publisher" not in reason for reason in Whole.left_out.values())


def test_test_is_declined_by_name_when_a_reason_is_given() -> None:
    """A declined test is not there and stands in the fact sheet; without a reason, or of no test, it cannot be declined."""
    test = "test_optional_spec104_must_signal_on_error_when_fails"
    declining = type("Declining", (PublisherVerification,), {"declined": {test: "it cannot fail"}})
    assert test not in names_of(declining)
    assert f"Declining: {test}: left out: it cannot fail" in fact_sheet(declining)
    for wrong in ({test: " "}, {"test_nothing": "a reason"}):
        with pytest.raises(TypeError, match="declines"):
            type("Wrong", (PublisherVerification,), {"declined": wrong})


def test_facts_are_noted_when_permissions_are_tried() -> None:
    """What an implementation chose where it may choose is a fact, not a failure: here all is signalled from inside request."""
    seen: dict[str, str] = {}
    for outcome in run(mutants.HEALTHY["publisher"]):
        seen |= outcome.facts
    assert set(seen) == {"1.10", "3.10", "3.11", "3.14"}
    assert seen["3.10"] == "on_next is called before request returns"
    assert "serves on" in seen["3.14"]
    assert "publisher: rule 3.10: on_next is called before" in fact_sheet(seen={"publisher": seen})


def test_optional_test_is_no_failure_when_the_verification_is_not_strict() -> None:
    """An optional test that fails is `not held`; a strict verification makes it a failure."""
    mutant = next(mutant for mutant in ALL if mutant.bug == "unnamed error")
    assert run_test(mutant.verification, mutant.test).status == "not held"
    strict = type("Strict", (mutant.verification,), {"strict": True})
    assert run_test(strict, mutant.test).status == "failed"


def test_garbage_collection_is_on_again_when_a_test_that_stops_it_has_failed() -> None:
    """The test that works without the garbage collector leaves it as it was, also when it fails."""
    mutant = next(mutant for mutant in ALL if mutant.bug == "leaves a cycle")
    assert run_test(mutant.verification, mutant.test).status == "not held"
    assert gc.isenabled()


def test_no_test_of_the_kit_skips_or_sleeps_when_its_source_is_read() -> None:
    """There is no skip and no sleep in the verifications."""
    for cls in KITS:
        for base in cls.__mro__:
            if issubclass(base, Verification):
                source = inspect.getsource(inspect.getmodule(base))  # type: ignore[arg-type]
                assert "skip" not in source
                assert "sleep" not in source


def test_table_names_a_test_of_each_rule_when_the_kit_is_run_as_a_program() -> None:
    """`python -m rt_edge.testkit.tck` lists 43 rules, each with its tests."""
    lines = table(*KITS).splitlines()
    rules = [line for line in lines if not line.startswith(" ")]
    assert [line.split()[0] for line in rules[:43]] == list(RULES)
    assert sum(line.startswith(" " * 16 + "test_") for line in lines) == len({n for kit in KITS for n in names_of(kit)})


def test_page_has_the_table_of_today_when_it_is_read() -> None:
    """docs/tck.md says which bug is found by which test; `python -m tests.tck.mutants` writes it."""
    page = PAGE.read_text(encoding="utf-8")
    assert mutants.table() in page
