"""The fact sheet: what was chosen where the specification permits, what the knobs leave out, which rule has which tests."""

from __future__ import annotations

from typing import Any

from rt_edge.protocol.rules import RULES
from rt_edge.testkit.tck.bench import Verification, rule_of

PERMISSIONS: dict[str, str] = {
    "3.10": "a permission: signals from inside request are neither required nor forbidden; 3.3 bounds their depth",
    "3.11": "a permission, as 3.10",
    "3.14": "a permission: a publisher may end with its last subscription, or serve further ones",
}
"""Rules of which no test decides whether they are kept: their tests say what was chosen, and that the choice keeps the others."""


def names_of(verification: type[Verification]) -> list[str]:
    """The names of the tests that a verification has."""
    return sorted(name for name in dir(verification) if name.startswith("test_") and getattr(verification, name) is not None)


def rules_covered(*verifications: type[Verification]) -> set[str]:
    """The numbers of the rules that the tests of these classes name."""
    return {rule_of(name) for cls in verifications for name in names_of(cls)} & set(RULES)


def fact_sheet(*verifications: type[Verification], seen: dict[str, dict[str, str]] | None = None) -> str:
    """What no pass or failure says, as text, a line each.

    Args:
        verifications: what was run; what their knobs leave out is listed.
        seen: name of a verification -> rule -> the choice that was seen while its tests ran.
    """
    lines = []
    for name, facts in (seen or {}).items():
        lines += [f"{name}: rule {rule}: {choice}" for rule, choice in sorted(facts.items())]
    for cls in verifications:
        lines += [f"{cls.__name__}: {name}: left out: {reason}" for name, reason in sorted(cls.left_out.items())]
    return "\n".join(lines)


def table(*verifications: type[Any]) -> str:
    """Each of the 43 rules with the tests that are named for it, and the tests that are named for none."""
    names = sorted({name for cls in verifications for name in names_of(cls)})
    lines = []
    for rule in RULES.values():
        lines.append(f"{rule.number:5} {rule.level:9} {rule.text}")
        if rule.number in PERMISSIONS:
            lines.append(f"                ({PERMISSIONS[rule.number]})")
        lines += [f"                {name}" for name in names if rule_of(name) == rule.number]
    lines.append("of no rule alone")
    lines += [f"                {name}" for name in names if not rule_of(name)]
    return "\n".join(lines)
