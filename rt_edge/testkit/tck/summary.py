"""What the plug-in says at the end of a run: what passed, which optional tests are not held, what was chosen and left out."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.protocol.rules import RULES
from rt_edge.testkit.tck.bench import is_optional, rule_of


def note(report: pytest.TestReport, item: Any) -> None:
    """Write into a report of what verification its test is, and turn an optional one that failed into `not held`.

    Plain data, since reports may travel between processes.
    """
    cls, name = item.cls, item.originalname
    status: str = report.outcome
    why = ""
    if report.failed and is_optional(name) and not cls.strict:
        status, why = "not held", _last_line(report.longreprtext)
        path, line, _ = item.reportinfo()
        report.longrepr = (str(path), (line or 0) + 1, f"optional, and not held: {why}")
        report.outcome = "skipped"
    report.__dict__["tck"] = {
        "verification": cls.__name__,
        "test": name,
        "status": status,
        "why": why,
        "facts": dict(item.instance.facts) if item.instance is not None else {},
        "left_out": dict(cls.left_out),
    }


def _last_line(text: str) -> str:
    """What an error says: the first line that pytest marks with E, or the last one."""
    lines = [line for line in text.splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith("E  ")), lines[-1] if lines else "")
    return said.removeprefix("E").strip()


class Summary:
    """Adds up what reports say.

    Attributes:
        parts: name of a verification -> the notes of its tests.
    """

    def __init__(self) -> None:
        self.parts: dict[str, list[dict[str, Any]]] = {}

    def add(self, noted: dict[str, Any]) -> None:
        """One test has ended."""
        self.parts.setdefault(noted["verification"], []).append(noted)

    def lines(self, full: bool) -> list[str]:
        """A line for each verification and for each optional test that is not held; if `full`, the fact sheet too."""
        lines = []
        for name, notes in sorted(self.parts.items()):
            count = {status: sum(it["status"] == status for it in notes) for status in ("passed", "failed", "not held")}
            failed = {rule_of(it["test"]) for it in notes if it["status"] == "failed"} - {""}
            held = {rule_of(it["test"]) for it in notes if it["status"] == "passed"} - failed - {""}
            said = [f"{count['passed']} of {len(notes)} tests passed", f"{len(held)} of {len(RULES)} rules held"]
            said += [f"rules broken: {', '.join(_sorted(failed))}"] if failed else []
            said += [f"{count['failed']} failed"] if count["failed"] else []
            said += [f"{count['not held']} optional not held"] if count["not held"] else []
            left_out = notes[0]["left_out"]
            said += [f"{len(left_out)} left out"] if left_out else []
            lines.append(f"{name}: {', '.join(said)}")
            lines += [f"    not held: {it['test']}: {it['why']}" for it in notes if it["status"] == "not held"]
            if full:
                facts = {rule: choice for it in notes for rule, choice in it["facts"].items()}
                lines += [f"    rule {rule}: {facts[rule]}" for rule in _sorted(set(facts))]
                lines += [f"    left out: {test}: {reason}" for test, reason in sorted(left_out.items())]
        return lines


def _sorted(rules: set[str]) -> list[str]:
    return sorted(rules, key=lambda rule: [int(part) for part in rule.split(".")])
