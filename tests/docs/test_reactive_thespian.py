"""The pages on the original's features and on routers: all rows are there, what they name exists, their examples run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.test_names import FENCE, ROOT, spans, wrong_names

FEATURES = ROOT / "docs" / "reactive-thespian.md"
ROUTERS = ROOT / "docs" / "routers.md"
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
PLANNED = re.compile(r"planned in \*\*(rt_edge/[\w/.]+)\*\*")
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_feature_has_a_home_when_the_original_names_it() -> None:
    """63 rows, in order; each names a path here, or where it is planned."""
    rows = ROW.findall(FEATURES.read_text())
    assert [int(number) for number, _, _ in rows] == list(range(1, 64))
    for number, feature, home in rows:
        assert spans(home) or PLANNED.search(home) or "](" in home, f"row {number} ({feature}) has no home"
        assert "not yet" not in home, f"row {number} ({feature}): say where it is planned, and on what"


def test_what_is_planned_is_not_there_and_has_something_to_build_on() -> None:
    """A row whose module has been made has to say so; a plan that builds on nothing is a wish."""
    for number, _, home in ROW.findall(FEATURES.read_text()):
        for place in PLANNED.findall(home):
            assert not (ROOT / place).exists(), f"row {number}: {place} is there by now: name what it has"
            assert spans(home) or "as row " in home, f"row {number}: {place} is planned on nothing"


@pytest.mark.parametrize("page", [FEATURES, ROUTERS], ids=lambda page: page.name)
def test_leads_somewhere_when_a_page_names_code(page: Path) -> None:
    """Every path and name in backticks is in the repository."""
    assert list(wrong_names(page.read_text())) == []
    assert len([span for span in spans(page.read_text()) if span.startswith("rt_edge/")]) > 15


def test_is_found_when_a_row_names_what_is_not_there() -> None:
    """The check can fail."""
    text = FEATURES.read_text().replace("merge_rated.py: MergeRated", "merge_rated.py: RatedMerge")
    assert list(wrong_names(text)) == ["rt_edge/streams/stages/merge_rated.py has no RatedMerge"]


@pytest.mark.parametrize("number", range(len(EXAMPLE.findall(ROUTERS.read_text()))))
def test_example_holds_when_it_is_run(number: int) -> None:
    """As it is written."""
    exec(compile(EXAMPLE.findall(ROUTERS.read_text())[number], f"{ROUTERS}:{number}", "exec"), {"__name__": "example"})


def test_there_are_examples() -> None:
    """One for each kind: graph, hub, topic, actor, client of a topic actor, stream that is one."""
    assert len(EXAMPLE.findall(ROUTERS.read_text())) == 6
    assert FENCE.search(ROUTERS.read_text())
