"""Tables in files: key -> columns, from CSV, JSON or YAML, for stages that look things up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from rt_edge.data.errors import ConfigError

MAX_BYTES = 4_000_000
"""Bytes of a table's file."""
SUFFIXES = (".csv", ".json", ".yaml", ".yml")

Table = dict[str, dict[str, Any]]


def check_path(path: str) -> None:
    """Raise ConfigError unless a table can be at `path`: absolute, of a known kind. Does not look whether it is there."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path}: no kind of table is known by this name", f"known are {', '.join(SUFFIXES)}")
    if not Path(path).is_absolute():
        raise ConfigError(f"{path} is relative, and to what is not known", "write the whole path, beginning with /")


def read_table(path: str, column: str = "") -> Table:
    """The table at `path`.

    CSV: a row of names, then a row for each key; the key is in `column`, else in the first one; what looks like a number is one,
    empty cells are left out. JSON and YAML: a mapping key -> mapping, or a list of mappings with the key in `column`.

    Raises:
        ConfigError: it is not there, too large, or no such table.
    """
    file = Path(path)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} has more than {MAX_BYTES} bytes")
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if file.suffix.lower() == ".csv":
        return _from_csv(path, text, column)
    return _from_tree(path, _parse(path, text), column)


def _parse(path: str, text: str) -> Any:
    if Path(path).suffix.lower() == ".json":
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise ConfigError(f"{path} is no JSON: {error}") from error
    from ruamel.yaml import YAML  # a node without such a table does without
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise ConfigError(f"{path} is no YAML: {error}") from error


def _from_csv(path: str, text: str, column: str) -> Table:
    import csv  # a node without such a table does without

    rows = list(csv.DictReader(text.splitlines()))
    if not rows:
        raise ConfigError(f"{path} has no rows", "a line of names, then a line for each key")
    key = column or next(iter(rows[0]))
    table: Table = {}
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values() or not row.get(key):
            raise ConfigError(f"{path}:{number}: not as many cells as names, or no {key!r}")
        table[row[key]] = {name: _value(cell) for name, cell in row.items() if name != key and cell.strip()}
    return table


def _value(cell: str) -> Any:
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell.strip()


def _from_tree(path: str, tree: Any, column: str) -> Table:
    if isinstance(tree, list):
        if not column:
            raise ConfigError(f"{path} is a list", "say which column is the key")
        if not all(isinstance(row, dict) and column in row for row in tree):
            raise ConfigError(f"{path}: not every row has {column!r}")
        tree = {row[column]: {name: x for name, x in row.items() if name != column} for row in tree}
    if not isinstance(tree, dict) or not all(isinstance(row, dict) for row in tree.values()):
        raise ConfigError(f"{path} is no table", "a mapping key -> {column: value}")
    return {str(key): {str(name): x for name, x in row.items() if _is_value(path, x)} for key, row in tree.items()}


def _is_value(path: str, x: Any) -> bool:
    if x is not None and not isinstance(x, int | float | str | bool):
        raise ConfigError(f"{path}: {x!r} is no value", "numbers, text, true and false are")
    return x is not None
