"""The Python blocks of the documentation run, each page in one namespace, top to bottom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = ["streams.md"]


@pytest.mark.parametrize("page", PAGES)
def test_blocks_run_when_they_are_taken_from_the_page(page: str) -> None:
    """Their assertions hold."""
    text = (DOCS / page).read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": page}
    blocks = list(BLOCK.finditer(text))
    assert len(blocks) > 3
    for block in blocks:
        line = text.count("\n", 0, block.start(1))
        exec(compile("\n" * line + block[1], str(DOCS / page), "exec"), names)
