"""`python -m rt_edge.testkit.tck`: each rule with the tests that name it, or the reason why there is none."""

from __future__ import annotations

import sys

from rt_edge.protocol.rules import RULES
from rt_edge.testkit.tck import (
    UNTESTED,
    IdentityProcessorVerification,
    PublisherVerification,
    SubscriberBlackboxVerification,
)


def table() -> str:
    """The text."""
    tests = {
        name
        for cls in (PublisherVerification, SubscriberBlackboxVerification, IdentityProcessorVerification)
        for name in dir(cls)
    }
    reasons = {fact.about: fact.reason for fact in UNTESTED}
    lines = []
    for rule in RULES.values():
        chapter, number = rule.number.split(".")
        lines.append(f"{rule.number:5} {rule.level:9} {rule.text}")
        found = sorted(test for test in tests if test.startswith("test_") and f"_spec_{chapter}_{int(number):02}_" in test)
        lines += [f"                {test}" for test in found] or [f"                not tested: {reasons[rule.number]}"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
