"""From checked trees to one code object over a list of readings.

The loop is written here, as text; the checked trees take the place of the names `EXPRESSION` and `TARGET` in it. The
program never raises: it returns what it made, how many elements had a field missing, and which elements failed and why.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from rt_edge.data.reading import Reading, is_gap
from rt_edge.streams.expression.builder import MAX_SOURCE, RESERVED, Node, build
from rt_edge.streams.expression.errors import AssignmentErrors, ExpressionError
from rt_edge.streams.expression.functions import FUNCTIONS, GUARDED, value

MAX_ASSIGNMENTS: Final = 64
"""Fields one `set` may assign."""

Failures = list[tuple[int, Exception]]
"""Place in the list and error of each element that failed."""

_VALUES = """
def run(items):
    out = []
    add = out.append
    missing = 0
    failures = []
    for r in items:
        try:
            f = r.fields
            if not f and is_gap(r):
                add(GAP)
                continue
            add(EXPRESSION)
        except KeyError:
            missing += 1
            add(False)
        except Exception as error:
            failures.append((len(out), error))
            add(False)
    return out, missing, failures
"""

_ASSIGNMENTS = """
def run(items):
    out = []
    add = out.append
    missing = 0
    failures = []
    for r in items:
        try:
            f = {**r.fields}
            if not f and is_gap(r):
                add(r)
                continue
            BODY
            add(Reading(r.source, r.ts, f, r.quality, r.tags, r.received, r.clock, r.held))
        except Exception as error:
            failures.append((len(out), error))
            add(r)
    return out, missing, failures
"""

_ASSIGN = """
try:
    v = EXPRESSION
    f[TARGET] = v if v.__class__ is float else _value(v)
except KeyError:
    missing += 1
"""

_ASSIGN_FLOAT = """
try:
    f[TARGET] = EXPRESSION
except KeyError:
    missing += 1
"""


class Program:
    """A compiled expression, or several.

    Attributes:
        source: the text, for messages.
        fields: the fields it reads.
        run: readings -> (results, one each; how often a field was missing; failures). Does not raise.
    """

    __slots__ = ("fields", "run", "source")

    def __init__(
        self, source: str, fields: frozenset[str], run: Callable[[Sequence[Any]], tuple[list[Any], int, Failures]]
    ) -> None:
        self.source = source
        self.fields = fields
        self.run = run

    def __repr__(self) -> str:
        return f"Program({self.source!r})"


@lru_cache(maxsize=256)
def compile_value(source: str) -> Program:
    """One value a reading; false where a field is missing and for gap records. Raises ExpressionError."""
    node, fields = build(source)
    return Program(source, fields, _function(_VALUES, {"EXPRESSION": node.tree, "GAP": ast.Constant(False)}))


@lru_cache(maxsize=256)
def compile_predicate(source: str) -> Program:
    """One truth a reading; false where a field is missing, true for gap records, which pass every filter.

    Raises ExpressionError, also where the result can only be text.
    """
    node, fields = build(source)
    if node.kind == "text":
        raise ExpressionError("a condition is needed, this is text", 1, source, "compare it with something")
    return Program(source, fields, _function(_VALUES, {"EXPRESSION": node.tree, "GAP": ast.Constant(True)}))


def compile_assignments(assignments: Mapping[str, str | float | bool]) -> Program:
    """Readings with fields set, in the order of `assignments`: each expression sees what was set before it.

    A field whose expression misses a field is not set (a value it had stays). Raises ExpressionError; AssignmentErrors, with all
    of them, where expressions are wrong.
    """
    if not assignments:
        raise ExpressionError("no field is set", 1, "")
    if len(assignments) > MAX_ASSIGNMENTS:
        raise ExpressionError(f"more than {MAX_ASSIGNMENTS} fields are set", 1, "")
    return _compile_assignments(tuple((name, x if isinstance(x, str) else repr(x)) for name, x in assignments.items()))


@lru_cache(maxsize=256)
def _compile_assignments(assignments: tuple[tuple[str, str], ...]) -> Program:
    body: list[ast.stmt] = []
    read: frozenset[str] = frozenset()
    wrong: dict[str, ExpressionError] = {}
    for name, source in assignments:
        try:
            if not 0 < len(name) <= MAX_SOURCE or name in RESERVED:
                raise ExpressionError(f"{name!r} cannot be set: not the name of a field", 1, source)
            node, fields = build(source)
        except ExpressionError as error:
            wrong[name] = error
            continue
        read |= fields
        body += _assignment(name, node)
    if wrong:
        raise AssignmentErrors(wrong)
    text = ", ".join(f"{name}: {source}" for name, source in assignments)
    return Program(text, read, _function(_ASSIGNMENTS, {}, body))


def _assignment(name: str, node: Node) -> list[ast.stmt]:
    template = _ASSIGN_FLOAT if node.kind in ("float", "bool") else _ASSIGN
    filler = _Filler({"EXPRESSION": node.tree, "TARGET": ast.Constant(name)}, [])
    return [filler.visit(statement) for statement in ast.parse(template).body]


def _function(
    template: str, parts: dict[str, ast.expr], body: list[ast.stmt] | None = None
) -> Callable[[Sequence[Any]], tuple[list[Any], int, Failures]]:
    tree = ast.fix_missing_locations(_Filler(parts, body or []).visit(ast.parse(template)))
    names: dict[str, Any] = {"__builtins__": {"KeyError": KeyError, "Exception": Exception, "len": len, "float": float}}
    names |= {f"_{name}": function for name, function in GUARDED.items()}
    names |= {f"_{name}": function.call for name, function in FUNCTIONS.items()}
    names |= {"_value": value, "Reading": Reading, "is_gap": is_gap}
    exec(compile(tree, "<expression>", "exec"), names)  # noqa: S102 - the tree was built by `builder`, node by node
    run: Callable[[Sequence[Any]], tuple[list[Any], int, Failures]] = names["run"]
    return run


class _Filler(ast.NodeTransformer):
    """Puts the checked trees into a template."""

    def __init__(self, parts: dict[str, ast.expr], body: list[ast.stmt]) -> None:
        self._parts = parts
        self._body = body

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._parts.get(node.id, node)

    def visit_Expr(self, node: ast.Expr) -> Any:
        if isinstance(node.value, ast.Name) and node.value.id == "BODY":
            return self._body
        return self.generic_visit(node)
