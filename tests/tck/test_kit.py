"""The kit itself: each of its tests finds the bug it is for, and passes without it; rules without a test are named."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from rt_edge.protocol.roles import Processor, Publisher, Subscriber
from rt_edge.protocol.rules import RULES
from rt_edge.testkit.tck import (
    UNTESTED,
    IdentityProcessorVerification,
    PublisherVerification,
    SubscriberBlackboxVerification,
    fact_sheet,
    rules_covered,
)
from rt_edge.testkit.tck.__main__ import table
from tests.tck.mutants import (
    PROCESSOR_BUGS,
    PUBLISHER_BUGS,
    SUBSCRIBER_BUGS,
    BrokenProcessor,
    BrokenPublisher,
    BrokenSubscriber,
)

HEALTHY = ""
VERIFICATIONS = (PublisherVerification, SubscriberBlackboxVerification, IdentityProcessorVerification)
Failure = (Exception, pytest.fail.Exception)


class OfPublisher(PublisherVerification):
    def __init__(self, bug: str) -> None:
        self.bug = bug

    def create_publisher(self, elements: int) -> Publisher[Any]:
        return BrokenPublisher(elements, self.bug)

    def create_failed_publisher(self) -> Publisher[Any]:
        return BrokenPublisher(0, self.bug, fails=True)


class OfSubscriber(SubscriberBlackboxVerification):
    def __init__(self, bug: str) -> None:
        self.bug = bug

    def create_subscriber(self) -> Subscriber[Any]:
        return BrokenSubscriber(self.bug)

    def trigger_request(self, subscriber: Subscriber[Any]) -> None:
        assert isinstance(subscriber, BrokenSubscriber)
        subscriber.ask()

    def stop(self, subscriber: Subscriber[Any]) -> None:
        assert isinstance(subscriber, BrokenSubscriber)
        subscriber.stop()


class OfProcessor(IdentityProcessorVerification):
    def __init__(self, bug: str) -> None:
        self.bug = bug

    def create_identity_processor(self) -> Processor[Any, Any]:
        return BrokenProcessor(self.bug)


CASES = [
    (kit, test, bug)
    for kit, bugs in ((OfPublisher, PUBLISHER_BUGS), (OfSubscriber, SUBSCRIBER_BUGS), (OfProcessor, PROCESSOR_BUGS))
    for test, bug in bugs.items()
]


def names(cls: type[Any]) -> set[str]:
    return {name for name in dir(cls) if name.startswith("test_") and getattr(cls, name) is not None}


def arguments(test: Any) -> Iterator[dict[str, Any]]:
    """The arguments of each case of a test that is parametrized, or none once."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    for value in marks[0].args[1] if marks else [None]:
        yield {marks[0].args[0]: value} if marks else {}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("kit", "test", "bug"), CASES, ids=[f"{kit.__name__}-{test}" for kit, test, _ in CASES])
def test_each_test_of_the_kit_fails_when_its_bug_is_there(kit: Any, test: str, bug: str) -> None:
    """A test of the kit passes on an implementation that is healthy, and fails on the one with the bug it is for."""
    cases = list(arguments(getattr(kit, test)))
    for case in cases:
        getattr(kit(HEALTHY), test)(**case)
    failed = 0
    for case in cases:
        try:
            getattr(kit(bug), test)(**case)
        except Failure:
            failed += 1
    assert failed, f"{test} does not find the bug {bug!r}"


def test_every_test_of_the_kit_has_a_bug_when_they_are_listed() -> None:
    """No test of the kit is without a broken implementation on which it fails."""
    assert set(PUBLISHER_BUGS) == names(PublisherVerification)
    assert set(SUBSCRIBER_BUGS) == names(SubscriberBlackboxVerification)
    assert set(PROCESSOR_BUGS) == names(IdentityProcessorVerification) - names(PublisherVerification)


def test_every_rule_is_tested_or_has_a_reason_when_all_43_are_listed() -> None:
    """A rule has a test that names it, or stands in the list of facts with a reason; none is in both."""
    tested, facts = rules_covered(*VERIFICATIONS), {fact.about for fact in UNTESTED}
    assert tested | facts == set(RULES)
    assert not tested & facts
    assert all(len(fact.reason) > 20 for fact in UNTESTED)


def test_nothing_is_skipped_when_a_test_is_declined() -> None:
    """A declined test is not collected, and is in the fact sheet with its reason; without a reason it cannot be declined."""
    test = "test_optional_spec_1_04_failure_is_signalled"

    class Declining(PublisherVerification):
        declined = {test: "it cannot fail"}

    assert names(PublisherVerification) - names(Declining) == {test}
    assert f"Declining: {test}: it cannot fail" in fact_sheet(Declining)
    assert all(f"rule {fact.about}: " in fact_sheet() for fact in UNTESTED)
    for wrong in ({test: " "}, {"test_nothing": "a reason"}):
        with pytest.raises(TypeError, match="declines"):
            type("Wrong", (PublisherVerification,), {"declined": wrong})


def test_no_test_of_the_kit_skips_or_sleeps_when_its_source_is_read() -> None:
    """There is no skip and no sleep in the kit."""
    for cls in VERIFICATIONS:
        for base in cls.__mro__[:-1]:
            source = inspect.getsource(inspect.getmodule(base))  # type: ignore[arg-type]
            assert "skip" not in source
            assert "sleep" not in source


def test_table_names_a_test_or_a_reason_when_the_kit_is_run_as_a_program() -> None:
    """`python -m rt_edge.testkit.tck` lists 43 rules, each with a test or with why there is none."""
    lines = table().splitlines()
    rules = [line for line in lines if not line.startswith(" ")]
    assert [line.split()[0] for line in rules] == list(RULES)
    assert sum("not tested: " in line for line in lines) == len(UNTESTED)
