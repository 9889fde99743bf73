"""Rows of a benchmark, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def show(title: str, rows: Sequence[Row]) -> None:
    """Print a Markdown table with a column for every name that any row has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    print(f"\n### {title}\n")
    print("| " + " | ".join(names) + " |")
    print("|" + "---|" * len(names))
    for row in rows:
        print("| " + " | ".join(_text(row.get(name, "")) for name in names) + " |", flush=True)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def dump(results: dict[str, Sequence[Row]], path: str) -> None:
    """Write all tables as JSON."""
    Path(path).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
