"""The rules of the house as functions over source text: each returns its findings as `line: what`, none when the text is tidy."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

MODULE_LINES = 400
STAGE_MODULE_LINES = 150
FUNCTION_LINES = 70
STAGE_LINES = ("Emits when", "Backpressures when", "Completes when", "Cancels when")

UNBOUNDED_BY_DEFAULT = {"Queue", "LifoQueue", "PriorityQueue", "JoinableQueue"}
NEVER_BOUNDED = {"SimpleQueue"}
MACHINE_PATHS = re.compile(r"(?<![\w.$}])/(work|root)/")
HOST_NAMES = re.compile(
    "|".join(re.escape(".".join(name)) for name in (("pypi", "org"), ("pythonhosted", "org"), ("deb", "debian", "org")))
)
UNNUMBERED = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))")

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def too_long_module(text: str) -> list[str]:
    """A module has at most MODULE_LINES lines: it fits the head."""
    lines = text.count("\n")
    return [f"{lines}: {lines} lines, at most {MODULE_LINES} are allowed"] if lines > MODULE_LINES else []


def too_long_stage(text: str) -> list[str]:
    """A module with a public stage has at most STAGE_MODULE_LINES lines; what is more is a subject of its own: `_name.py`."""
    lines = text.count("\n")
    found = f"{lines}: {lines} lines, at most {STAGE_MODULE_LINES} are allowed where a stage is"
    return [found] if lines > STAGE_MODULE_LINES and public_stages(text) else []


def several_stages(text: str) -> list[str]:
    """One verb a module: at most one public stage."""
    names = public_stages(text)
    return [f"1: {len(names)} stages, one is allowed: {', '.join(names)}"] if len(names) > 1 else []


def public_stages(text: str) -> list[str]:
    """Names of the classes that make a logic or have a kind."""
    return [node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef) and _is_stage(node)]


def _is_stage(node: ast.ClassDef) -> bool:
    return not node.name.startswith("_") and bool(_members(node) & {"create_logic", "kind"})


def too_long_functions(text: str) -> list[str]:
    """A function has at most FUNCTION_LINES lines, docstring and all."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, FunctionNode):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                found.append(f"{node.lineno}: {node.name} has {lines} lines, at most {FUNCTION_LINES} are allowed")
    return found


def unbounded_queues(text: str) -> list[str]:
    """Every queue is made with a bound that is not zero or None."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            name = _last_name(node.func)
            if name in NEVER_BOUNDED:
                found.append(f"{node.lineno}: {name} cannot be bounded")
            elif (name == "deque" and not _bounded(node, "maxlen", 1)) or (
                name in UNBOUNDED_BY_DEFAULT and not _bounded(node, "maxsize", 0)
            ):
                found.append(f"{node.lineno}: {name}() without a bound")
        elif isinstance(node, ast.keyword) and node.arg == "default_factory":
            name = _last_name(node.value)
            if name == "deque" or name in UNBOUNDED_BY_DEFAULT | NEVER_BOUNDED:
                found.append(f"{node.value.lineno}: {name} as default_factory has no bound")
    return found


def _bounded(call: ast.Call, keyword: str, position: int) -> bool:
    bounds = [k.value for k in call.keywords if k.arg == keyword] + call.args[position : position + 1]
    return any(not (isinstance(bound, ast.Constant) and not bound.value) for bound in bounds)


def direct_time(text: str, may_read: bool = False) -> list[str]:
    """Time comes from the clock that was passed in; `may_read` is for the one module that makes it of `time`.

    `perf_counter` is a clock that nobody can hold in a test: nowhere.
    """
    tree = ast.parse(text)
    modules = {"time"} if not may_read else set()
    aliases = {"time"}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named = [alias for alias in node.names if alias.name == "time"]
            aliases |= {alias.asname or alias.name for alias in named}
            found += [f"{node.lineno}: imports time" for _ in named if modules]
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            names = [alias.name for alias in node.names]
            if modules or any(name.startswith("perf_counter") for name in names):
                found.append(f"{node.lineno}: imports {', '.join(names)} from time")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("perf_counter") and _last_name(node.value) in aliases:
            found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


def bare_sleeps(text: str) -> list[str]:
    """A test waits for a condition with a deadline; `asyncio.sleep(0)` gives way and is no waiting."""
    tree = ast.parse(text)
    named = {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in {"time", "asyncio", "anyio", "trio"}
        for alias in node.names
        if alias.name == "sleep"
    }
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called == "asyncio.wait" and node.args and "create_future()" in ast.unparse(node.args[0]):
            found.append(f"{node.lineno}: {ast.unparse(node)} is a sleep by another name: use rt_edge.testkit.waiting.until")
        if called in named or called in {"time.sleep", "asyncio.sleep", "anyio.sleep", "trio.sleep"}:
            gives_way = len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
            if not gives_way or called == "time.sleep" or named.get(called) == "time":
                found.append(f"{node.lineno}: {ast.unparse(node)} waits for time, not for a condition")
    return found


def undocumented(text: str) -> list[str]:
    """The module and every public class, function and method has a docstring."""
    tree = ast.parse(text)
    found = [] if ast.get_docstring(tree) else ["1: the module has no docstring"]
    for node, name in _public(tree.body, ""):
        if not (ast.get_docstring(node) or "").strip():
            found.append(f"{node.lineno}: {name} has no docstring")
    return found


def _public(body: list[ast.stmt], prefix: str) -> Iterator[tuple[FunctionNode | ast.ClassDef, str]]:
    for node in body:
        if isinstance(node, FunctionNode | ast.ClassDef) and not node.name.startswith("_"):
            marks = {_last_name(mark) for mark in node.decorator_list}
            if not marks & {"overload", "override", "setter", "deleter"}:
                yield node, prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body, f"{prefix}{node.name}.")


def unnumbered_todos(text: str) -> list[str]:
    """What is left to do has an issue: the word is followed by `(#12)`."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = [token for token in tokens if token.type == tokenize.COMMENT]
    return [f"{token.start[0]}: {token.string}" for token in comments if UNNUMBERED.search(token.string)]


def machine_paths(text: str) -> list[str]:
    """No path of somebody's machine."""
    return [f"{number}: {line.strip()}" for number, line in enumerate(text.splitlines(), 1) if MACHINE_PATHS.search(line)]


def archive_hosts(text: str) -> list[str]:
    """No mirror or index by name: which one is the business of the machine's configuration."""
    return [f"{number}: {line.strip()}" for number, line in enumerate(text.splitlines(), 1) if HOST_NAMES.search(line)]


def unexplained_stages(text: str) -> list[str]:
    """Every public stage says in its docstring when it emits, backpressures, completes and cancels.

    A stage is a class that makes a logic or has a kind; a base class that leaves both to others is none.
    """
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef) and _is_stage(node):
            lines = [line.strip().lstrip("*-` ") for line in (ast.get_docstring(node) or "").splitlines()]
            lacking = [start for start in STAGE_LINES if not any(line.startswith(start) for line in lines)]
            if lacking:
                found.append(f"{node.lineno}: {node.name} does not say: {', '.join(lacking)}")
    return found


def _members(node: ast.ClassDef) -> set[str]:
    names = {part.name for part in node.body if isinstance(part, FunctionNode)}
    names |= {part.target.id for part in node.body if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)}
    return names | {
        target.id for part in node.body if isinstance(part, ast.Assign) for target in part.targets if isinstance(target, ast.Name)
    }


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Call | ast.Subscript):
        return _last_name(node.func if isinstance(node, ast.Call) else node.value)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
