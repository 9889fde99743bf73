"""What the documentation names is there: paths, names in files, numbers at names, links."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = ROOT / "docs" / "ARCHITECTURE.md"
PAGES = [
    ARCHITECTURE,
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "config/README.md", "docs/README.md")),
]
TOPS = ("rt_edge", "adapters", "config", "systemd", "tests", "benchmarks", "scripts", "docs", ".ci")
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
BOUND = re.compile(r"^\| `([^`]+): ([^`]+)` \|.*\| ([0-9_.]+) \|$", re.MULTILINE)


def spans(text: str) -> list[str]:
    """What is in backticks, outside of fenced blocks."""
    return CODE.findall(FENCE.sub("", text))


def is_path(span: str) -> bool:
    """Whether a text in backticks is meant as a path of this repository."""
    return re.fullmatch(r"[\w./-]+", span) is not None and span.split("/", maxsplit=1)[0] in TOPS and "/" in span


def is_dotted(span: str) -> bool:
    """Whether a text in backticks is meant as a module of ours, or as a name in one."""
    return re.fullmatch(r"(rt_edge|adapters|tests)(\.\w+)+", span) is not None


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def find(path: Path, name: str) -> ast.AST | None:
    """The definition of `Class.method`, `function` or `CONSTANT` in a file, by its text alone."""
    body: list[ast.stmt] = _tree(path).body
    found: ast.AST | None = None
    for part in name.split("."):
        found = next((node for node in body if part in _defines(node)), None)
        if found is None:
            return None
        body = getattr(found, "body", [])
    return found


def _defines(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def wrong_names(text: str, root: Path = ROOT) -> Iterator[str]:
    """Names in backticks that lead nowhere."""
    for span in spans(text):
        file, colon, name = span.partition(": ")
        if colon and file.endswith(".py"):
            if not (root / file).is_file():
                yield f"{file} is not there"
            elif find(root / file, name) is None:
                yield f"{file} has no {name}"
        elif is_path(span):
            if not (root / span).exists():
                yield f"{span} is not there"
        elif is_dotted(span) and not _dotted(span, root):
            yield f"{span} is not there"


def _dotted(span: str, root: Path) -> bool:
    """An import path to a package, a module, a name in one; the entry-point group of adapters."""
    if span == "rt_edge.adapters":
        return True
    parts = span.split(".")
    for cut in range(len(parts), 0, -1):
        base = root.joinpath(*parts[:cut])
        module = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        rest = ".".join(parts[cut:])
        if base.is_dir() and not rest:
            return True
        if module.is_file():
            return not rest or find(module, rest) is not None or parts[cut] in _imported(module)
    return False


def _imported(module: Path) -> set[str]:
    return {alias.asname or alias.name for node in _tree(module).body if isinstance(node, ast.ImportFrom) for alias in node.names}


def wrong_numbers(text: str, root: Path = ROOT) -> Iterator[str]:
    """Bounds whose number is not the one in the code."""
    for file, name, number in BOUND.findall(text):
        node = find(root / file, name)
        value = getattr(node, "value", None)
        said = ast.literal_eval(number)
        if not isinstance(value, ast.Constant) or value.value != said:
            yield f"{file}: {name} is not {number}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_leads_somewhere_when_a_page_names_code(page: Path) -> None:
    """Every path, `FILE: NAME` and dotted name in backticks is in the repository."""
    assert list(wrong_names(page.read_text())) == []


def test_is_the_number_in_the_code_when_a_bound_is_listed() -> None:
    """The table of bounds says what the constants say."""
    text = ARCHITECTURE.read_text()
    assert len(BOUND.findall(text)) >= 30
    assert list(wrong_numbers(text)) == []


def test_names_the_whole_way_when_the_architecture_is_read() -> None:
    """The way of a reading passes every package that it has to pass."""
    named = {span.partition(": ")[0] for span in spans(ARCHITECTURE.read_text()) if ": " in span}
    for package in (
        "adapters/mqtt",
        "adapters/modbus",
        "rt_edge/sdk",
        "rt_edge/streams/boundary",
        "rt_edge/spool",
        "rt_edge/uplink",
    ):
        assert [name for name in named if name.startswith(package)], package


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda page: str(page.relative_to(ROOT)))
def test_leads_somewhere_when_a_page_links(page: Path) -> None:
    """Every relative link leads to a file."""
    targets = [target.partition("#")[0] for target in LINK.findall(FENCE.sub("", page.read_text()))]
    assert [t for t in targets if t and "://" not in t and not (page.parent / t).exists()] == []


@pytest.mark.parametrize(
    "text",
    [
        "`rt_edge/data/chunk.py: Chunk.setle`",
        "`rt_edge/data/chnk.py: Chunk`",
        "`rt_edge/data/chunk.py: CHUNKS`",
        "`rt_edge/nowhere/`",
        "`docs/adr/0000-none.md`",
        "`rt_edge.data.chunk.Chnk`",
        "`rt_edge.nothing`",
    ],
)
def test_is_found_when_a_name_leads_nowhere(text: str) -> None:
    """Each form of a wrong name is caught."""
    assert len(list(wrong_names(text))) == 1


def test_is_found_when_a_number_is_another_one() -> None:
    """A bound that was changed in the code alone is caught."""
    assert list(wrong_numbers("| `rt_edge/data/chunk.py: CHUNK_ELEMENTS` | x | 1024 |")) == []
    assert list(wrong_numbers("| `rt_edge/data/chunk.py: CHUNK_ELEMENTS` | x | 1025 |")) != []
