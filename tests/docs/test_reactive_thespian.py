"""The pages on the original's features and on routers: all rows are there, what they name exists, their examples run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.test_names import FENCE, ROOT, spans, wrong_names

FEATURES = ROOT / "docs" / "reactive-thespian.md"
ROUTERS = ROOT / "docs" / "routers.md"
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_feature_has_a_home_when_the_original_names_it() -> None:
    """63 rows, in order; each names a path here, or says `not yet`."""
    rows = ROW.findall(FEATURES.read_text())
    assert [int(number) for number, _, _ in rows] == list(range(1, 64))
    for number, feature, home in rows:
        assert spans(home) or "not yet" in home or "](" in home, f"row {number} ({feature}) has no home"


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
    """One for each kind: graph, hub, topic, actor."""
    assert len(EXAMPLE.findall(ROUTERS.read_text())) == 4
    assert FENCE.search(ROUTERS.read_text())
