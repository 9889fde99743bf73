"""The table of rules, and the calls that keep them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from rt_edge.data.errors import InternalError, SpecViolation
from rt_edge.protocol import rules
from rt_edge.protocol.roles import Processor, Publisher, Subscriber, Subscription


class Raising:
    """Plays every role and raises in each."""

    def _raise(self, *args: Any) -> None:
        raise RuntimeError("broken")

    on_subscribe = on_next = on_error = on_complete = request = cancel = subscribe = _raise


def test_table_holds_all_rules_when_they_are_counted() -> None:
    """There are 11 + 13 + 17 + 2 rules, numbered without a hole, each with one sentence."""
    chapters = Counter(number.split(".")[0] for number in rules.RULES)
    assert chapters == {"1": 11, "2": 13, "3": 17, "4": 2}
    for chapter, count in chapters.items():
        assert [n for n in rules.RULES if n.startswith(f"{chapter}.")] == [f"{chapter}.{i}" for i in range(1, count + 1)]
    for number, rule in rules.RULES.items():
        assert rule.number == number
        assert rule.text.endswith(".")
    assert {r.number for r in rules.RULES.values() if r.level == "MAY"} == {"1.2", "1.11", "3.10", "3.11", "3.14", "4.2"}
    assert {r.number for r in rules.RULES.values() if r.level == "SHOULD"} == {"2.2", "3.4"}


def test_violation_names_its_rule_when_it_is_made() -> None:
    """The text has the number, what was seen and the sentence; a number that is none is refused."""
    text = str(rules.violation("1.1", "3 elements for a demand of 2"))
    assert text == f"rule 1.1: 3 elements for a demand of 2 [{rules.RULES['1.1'].text}]"
    with pytest.raises(KeyError):
        rules.violation("1.12", "nothing")


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (lambda it: rules.signal_subscribe(it, it), "2.13"),
        (lambda it: rules.signal_next(it, 1), "2.13"),
        (lambda it: rules.signal_error(it, ValueError()), "2.13"),
        (rules.signal_complete, "2.13"),
        (lambda it: rules.call_request(it, 1), "3.16"),
        (rules.call_cancel, "3.15"),
    ],
)
def test_raising_user_is_named_when_it_is_called(call: Callable[[Any], None], number: str) -> None:
    """What foreign code raises comes back as a violation of the rule that forbids it, with the error as its cause."""
    with pytest.raises(SpecViolation, match="RuntimeError: broken") as caught:
        call(Raising())
    assert caught.value.rule == number
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_violation_is_wrapped_when_it_would_be_signalled() -> None:
    """A SpecViolation never reaches on_error as itself; any other error does."""
    seen: list[BaseException] = []

    class Recorder(Raising):
        on_error = seen.append

    broken, other = SpecViolation("1.1", "x"), ValueError("y")
    rules.signal_error(Recorder(), broken)
    rules.signal_error(Recorder(), other)
    assert isinstance(seen[0], InternalError)
    assert seen[0].__cause__ is broken
    assert seen[1] is other


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (rules.check_subscriber, None),
        (rules.check_subscriber, object()),
        (rules.check_element, None),
        (rules.check_error, None),
        (rules.check_error, "no exception"),
    ],
)
def test_argument_is_refused_when_it_is_none_or_plays_no_role(check: Callable[[object], None], value: object) -> None:
    """None as subscriber, element or error raises TypeError that names a rule; so does what lacks the methods."""
    with pytest.raises(TypeError, match=r"rule (1\.9|2\.13)"):
        check(value)


def test_roles_are_structural_when_an_object_has_the_methods() -> None:
    """Whoever has the methods plays the role, without inheriting anything."""
    both = Raising()
    assert isinstance(both, Processor)
    assert isinstance(both, Subscriber)
    assert isinstance(both, Publisher)
    assert isinstance(both, Subscription)
    assert not isinstance(object(), Subscription)
