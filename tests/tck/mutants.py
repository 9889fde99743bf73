"""Every implementation that breaks a rule on purpose, with the test that has to find it, and the table of them in docs/tck.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rt_edge.testkit.tck import Verification
from tests.tck.broken_processor import PROCESSOR_BUGS, of_processor
from tests.tck.broken_publisher import PUBLISHER_BUGS, of_publisher
from tests.tck.broken_subscriber import PROBE_BUGS, SUBSCRIBER_BUGS, of_blackbox, of_whitebox, test_name


class Mutant(NamedTuple):
    """One broken implementation: what is wrong with it, the verification of it, the test that has to fail, its rule."""

    part: str
    bug: str
    verification: type[Verification]
    test: str
    rule: str

    @property
    def id(self) -> str:
        return f"{self.part}-{self.bug}".replace(" ", "_")


def mutants() -> Iterator[Mutant]:
    """All of them."""
    for bug, (test, rule) in PUBLISHER_BUGS.items():
        yield Mutant("publisher", bug, of_publisher(bug), test, rule)
    for bug, (_, rule, _) in SUBSCRIBER_BUGS.items():
        yield Mutant("subscriber (black box)", bug, of_blackbox(bug), test_name(bug, blackbox=True), rule)
    for bug, (_, rule, _) in SUBSCRIBER_BUGS.items():
        yield Mutant("subscriber (white box)", bug, of_whitebox(bug), test_name(bug, blackbox=False), rule)
    for bug, (test, rule) in PROBE_BUGS.items():
        yield Mutant("subscriber (white box)", bug, of_whitebox(bug), test, rule)
    for bug, (test, rule) in PROCESSOR_BUGS.items():
        yield Mutant("processor", bug, of_processor(bug), test, rule)


HEALTHY: dict[str, type[Verification]] = {
    "publisher": of_publisher(""),
    "subscriber (black box)": of_blackbox(""),
    "subscriber (white box)": of_whitebox(""),
    "processor": of_processor(""),
}
"""The same implementations without a bug."""

BEGIN = "<!-- made by `python -m tests.tck.mutants`: begin -->"
END = "<!-- made by `python -m tests.tck.mutants`: end -->"


def table() -> str:
    """The table, as Markdown between its marks."""
    found = list(mutants())
    lines = [
        BEGIN,
        "",
        f"{len(found)} broken implementations:",
        "",
        "| part | what is wrong | rule | found by |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| {m.part} | {m.bug} | {m.rule or '-'} | `{m.test}` |" for m in found]
    return "\n".join([*lines, "", END])


def with_table(page: str) -> str:
    """`page` with the table of today between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + table() + after


if __name__ == "__main__":
    from pathlib import Path

    path = Path(__file__).resolve().parents[2] / "docs" / "tck.md"
    path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
