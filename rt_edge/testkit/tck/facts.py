"""Facts: what no test decides, with the reason, and what an implementation has declined."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from rt_edge.protocol.rules import RULES


class Fact(NamedTuple):
    """Something that is not tested: a rule or the name of a test, and why."""

    about: str
    reason: str


UNTESTED: tuple[Fact, ...] = (
    Fact("2.2", "what slows a publisher is a matter of measure, of which the specification gives none"),
    Fact("2.11", "a guarantee of the memory model; in CPython every hand-over between threads is by an object under its lock"),
    Fact("3.1", "who makes a call cannot be seen from outside; what the rule is for, serial calls, is tested by 2.7"),
    Fact("3.4", "what is heavy is a matter of measure; that request never waits follows from a settled run without threads"),
    Fact("3.10", "a permission: signals from inside request are neither required nor forbidden; 3.3 bounds their depth"),
    Fact("3.11", "a permission, as 3.10"),
    Fact("3.14", "a permission: a publisher may end with its last subscription, or serve further ones"),
)
"""Rules of which no test exists here."""

_SPEC = re.compile(r"_spec_(\d)_(\d\d)_")


def rules_covered(*verifications: type[Any]) -> set[str]:
    """The numbers of the rules that the tests of these classes name."""
    names = [name for cls in verifications for name in dir(cls) if name.startswith("test_")]
    found = {f"{match[1]}.{int(match[2])}" for name in names if (match := _SPEC.search(name))}
    return found & set(RULES)


def decline(cls: type[Any], declined: dict[str, str]) -> None:
    """Take the tests that are named out of a verification.

    Raises:
        TypeError: there is no such test, or no reason.
    """
    for name, reason in declined.items():
        if not callable(getattr(cls, name, None)):
            raise TypeError(f"{cls.__name__} declines {name}, which is no test of it")
        if not reason.strip():
            raise TypeError(f"{cls.__name__} declines {name} without a reason")
        setattr(cls, name, None)


def fact_sheet(*verifications: type[Any]) -> str:
    """What was not tested, as text: a line each."""
    lines = [f"rule {fact.about}: {fact.reason}" for fact in UNTESTED]
    for cls in verifications:
        lines += [f"{cls.__name__}: {name}: {reason}" for name, reason in cls.declined.items()]
    return "\n".join(lines)
