"""From the text of an expression to a checked, rebuilt syntax tree.

Nothing of the parsed tree is compiled: every node is checked against a list of what is allowed and built anew, so what is not
named here cannot get in. Each rebuilt node has a *kind*, what is known of its value before there is one: `float`, `number`,
`bool`, `text` or `any`. Kinds let an operator be used as it is where its operands make that safe (`pressure * 14.5` cannot
repeat text), and tell mistakes early (`source > 3`). Constant parts are worked out here, so `9**9**9` is refused at once.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from rt_edge.streams.expression.errors import ExpressionError
from rt_edge.streams.expression.functions import FUNCTIONS, GUARDED, MAX_BITS, PLAIN

MAX_SOURCE: Final = 1000
"""Characters of an expression."""
MAX_NODES: Final = 200
MAX_DEPTH: Final = 30

RESERVED: Final = ("fields", "quality", "source", "tags", "ts")
"""Names that mean the reading itself; a field of such a name is written `fields['quality']`."""

NUMERIC: Final = ("float", "number", "bool")
_NOT_CONSTANT: Final = object()

_BINARY: Final[dict[type[ast.operator], tuple[str, str]]] = {
    ast.Add: ("add", "+"),
    ast.Sub: ("sub", "-"),
    ast.Mult: ("mul", "*"),
    ast.Div: ("truediv", "/"),
    ast.FloorDiv: ("floordiv", "//"),
    ast.Mod: ("mod", "%"),
    ast.Pow: ("power", "**"),
    ast.BitAnd: ("and_", "&"),
    ast.BitOr: ("or_", "|"),
    ast.BitXor: ("xor", "^"),
    ast.LShift: ("lshift", "<<"),
    ast.RShift: ("rshift", ">>"),
}
_UNARY: Final[dict[type[ast.unaryop], Callable[[Any], Any]]] = {
    ast.USub: lambda x: -x,
    ast.UAdd: lambda x: +x,
    ast.Invert: lambda x: ~x if x.__class__ is not bool else ~int(x),
}
_ORDER: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
_REFUSED: Final[dict[type[ast.AST], str]] = {
    ast.Attribute: "attribute access is",
    ast.Lambda: "a lambda is",
    ast.JoinedStr: "an f-string is",
    ast.NamedExpr: "an assignment is",
    ast.Starred: "a starred argument is",
    ast.ListComp: "a comprehension is",
    ast.SetComp: "a comprehension is",
    ast.DictComp: "a comprehension is",
    ast.GeneratorExp: "a comprehension is",
    ast.Dict: "a dict is",
    ast.Set: "a set is",
    ast.Slice: "a slice is",
    ast.Await: "await is",
    ast.Yield: "yield is",
    ast.YieldFrom: "yield is",
}


class Node(NamedTuple):
    """A rebuilt part of an expression.

    Attributes:
        tree: what will be compiled.
        kind: what is known of its value.
        constant: its value where that is known, else a mark of this module.
    """

    tree: ast.expr
    kind: str
    constant: Any = _NOT_CONSTANT


def build(source: str) -> tuple[Node, frozenset[str]]:
    """Check `source` and rebuild it; returns the tree and the names of the fields it reads. Raises ExpressionError."""
    builder = _Builder(source)
    return builder.build(), frozenset(builder.fields)


class _Builder:
    def __init__(self, source: str) -> None:
        self.source = source
        self.fields: set[str] = set()
        self._nodes = 0
        text = source.strip()
        if "#" not in text:
            text = text.replace("\n", " ")  # a block of lines in YAML is one expression; columns stay what they were
        self._shift = len(source) - len(source.lstrip())
        self._lines = text.split("\n")
        self._text = text
        self._allowed: dict[type[ast.AST], Callable[[Any, int], Node]] = {
            ast.Constant: self.build_constant,
            ast.Name: self.build_name,
            ast.Subscript: self.build_subscript,
            ast.BinOp: self.build_binary,
            ast.UnaryOp: self.build_unary,
            ast.BoolOp: self.build_bool_op,
            ast.IfExp: self.build_if_else,
            ast.Compare: self.build_compare,
            ast.Call: self.build_call,
        }

    def build(self) -> Node:
        if len(self.source) > MAX_SOURCE:
            raise ExpressionError(f"longer than {MAX_SOURCE} characters", MAX_SOURCE + 1, self.source[:MAX_SOURCE])
        if not self._text:
            raise ExpressionError("the expression is empty", 1, self.source)
        try:
            tree = ast.parse(self._text, mode="eval")
        except SyntaxError as error:
            raise self._syntax(error) from error
        except (ValueError, MemoryError, RecursionError) as error:
            raise ExpressionError(f"cannot be read ({error or type(error).__name__})", 1, self.source) from error
        return self._node(tree.body, 1)

    # -- the dispatcher ------------------------------------------------------------------------------------------------

    def _node(self, node: ast.expr, depth: int) -> Node:
        self._nodes += 1
        if depth > MAX_DEPTH:
            raise self._error(node, f"nested deeper than {MAX_DEPTH}", "split it into several expressions")
        if self._nodes > MAX_NODES:
            raise self._error(node, f"more than {MAX_NODES} parts", "split it into several expressions")
        build = self._allowed.get(type(node))
        if build is None:
            raise self._error(node, f"{_REFUSED.get(type(node), type(node).__name__ + ' is')} not allowed in an expression")
        return build(node, depth + 1)

    def build_constant(self, node: ast.Constant, _depth: int) -> Node:
        value = node.value
        if value is None:
            raise self._error(node, "None is not a value", "has(field) asks whether a field is there")
        if not isinstance(value, bool | int | float | str):
            raise self._error(node, f"a {type(value).__name__} constant is not allowed", "numbers, text, true and false are")
        if isinstance(value, int) and value.bit_length() > MAX_BITS:
            raise self._error(node, f"an integer of more than {MAX_BITS} bits")
        return _constant_node(value)

    def build_name(self, node: ast.Name, _depth: int) -> Node:
        name = self._segment(node) or node.id
        if name in ("true", "false"):
            return _constant_node(name == "true")
        if name in ("source", "quality"):
            return Node(_attribute(name), "text")
        if name == "ts":
            return Node(_attribute("ts"), "number")
        if name in RESERVED:
            raise self._error(node, f"{name} needs a name in brackets", f"{name}['...']")
        if name in FUNCTIONS or name == "has":
            raise self._error(node, f"{name} is a function", f"{name}(...) calls it, fields['{name}'] is the field of this name")
        return self._field(name)

    def _field(self, name: str) -> Node:
        self.fields.add(name)
        return Node(_item(ast.Name("f", ast.Load()), name), "any")

    def build_subscript(self, node: ast.Subscript, _depth: int) -> Node:
        base, key = node.value, node.slice
        if not (isinstance(base, ast.Name) and base.id in ("tags", "fields")):
            raise self._error(node, "brackets are allowed after tags and fields only", "tags['line']")
        if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
            raise self._error(node, "the name in brackets has to be constant text", f"{base.id}['name']")
        if base.id == "fields":
            return self._field(key.value)
        return Node(_item(_attribute("tags"), key.value), "text")

    # -- operators -----------------------------------------------------------------------------------------------------

    def build_binary(self, node: ast.BinOp, depth: int) -> Node:
        if type(node.op) not in _BINARY:
            raise self._error(node, "the operator @ is not allowed")
        name, sign = _BINARY[type(node.op)]
        left, right = self._node(node.left, depth), self._node(node.right, depth)
        kinds = (left.kind, right.kind)
        joins_text = name == "add" and not any(kind in NUMERIC for kind in kinds)
        if "text" in kinds and not joins_text:
            raise self._error(node, f"{sign} does not work on text", "number(x) makes a number of text")
        if left.constant is not _NOT_CONSTANT and right.constant is not _NOT_CONSTANT:
            function = GUARDED.get(name) or PLAIN[name]
            return self._work_out(node, function, left.constant, right.constant)
        if name in PLAIN or _is_safe(name, *kinds):
            tree: ast.expr = ast.BinOp(left.tree, type(node.op)(), right.tree)
        else:
            tree = _call(name, [left.tree, right.tree])
        return Node(tree, _binary_kind(name, *kinds))

    def build_unary(self, node: ast.UnaryOp, depth: int) -> Node:
        operand = self._node(node.operand, depth)
        if isinstance(node.op, ast.Not):
            return Node(ast.UnaryOp(ast.Not(), operand.tree), "bool")
        if operand.kind == "text":
            raise self._error(node, "a sign does not work on text", "number(x) makes a number of text")
        if operand.constant is not _NOT_CONSTANT:
            return self._work_out(node, _UNARY[type(node.op)], operand.constant)
        if isinstance(node.op, ast.Invert):
            return Node(ast.UnaryOp(ast.Invert(), ast.BinOp(operand.tree, ast.BitOr(), ast.Constant(0))), "number")
        return Node(ast.UnaryOp(type(node.op)(), operand.tree), "float" if operand.kind == "float" else "number")

    def build_bool_op(self, node: ast.BoolOp, depth: int) -> Node:
        parts = [self._node(value, depth) for value in node.values]
        return Node(ast.BoolOp(type(node.op)(), [part.tree for part in parts]), _join(part.kind for part in parts))

    def build_if_else(self, node: ast.IfExp, depth: int) -> Node:
        test, yes, no = (self._node(part, depth) for part in (node.test, node.body, node.orelse))
        return Node(ast.IfExp(test.tree, yes.tree, no.tree), _join((yes.kind, no.kind)))

    def build_compare(self, node: ast.Compare, depth: int) -> Node:
        left = self._node(node.left, depth)
        trees: list[ast.expr] = []
        first = left.tree
        for operator, operand in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, ast.In | ast.NotIn):
                trees.append(self._literals(operand, depth))
                left = Node(trees[-1], "any")
                continue
            if not isinstance(operator, _ORDER):
                raise self._error(operand, "the operator 'is' is not allowed", "use ==")
            right = self._node(operand, depth)
            if "text" in (left.kind, right.kind) and (left.kind in NUMERIC or right.kind in NUMERIC):
                raise self._error(operand, "text is compared with a number")
            trees.append(right.tree)
            left = right
        return Node(ast.Compare(first, [type(operator)() for operator in node.ops], trees), "bool")

    def _literals(self, node: ast.expr, depth: int) -> ast.expr:
        if not isinstance(node, ast.Tuple | ast.List):
            raise self._error(node, "'in' needs a list of constants on its right", "mode in ['auto', 'manual']")
        parts = [self._node(item, depth + 1) for item in node.elts]
        for part, item in zip(parts, node.elts, strict=True):
            if part.constant is _NOT_CONSTANT:
                raise self._error(item, "the list after 'in' may hold constants only")
        return ast.Tuple([part.tree for part in parts], ast.Load())

    # -- calls ---------------------------------------------------------------------------------------------------------

    def build_call(self, node: ast.Call, depth: int) -> Node:
        if not isinstance(node.func, ast.Name):
            raise self._error(node, "only functions of the fixed list can be called")
        name = node.func.id
        if node.keywords:
            raise self._error(node, f"{name} takes no named arguments")
        if name == "has":
            return self._has(node)
        function = FUNCTIONS.get(name)
        if function is None:
            import difflib  # only a mistake needs it, not a running node

            near = difflib.get_close_matches(name, [*FUNCTIONS, "has"], 1)
            hint = f"did you mean {near[0]}?" if near else "known are " + ", ".join(sorted([*FUNCTIONS, "has"]))
            raise self._error(node, f"there is no function {name}", hint)
        if not function.least <= len(node.args) <= function.most:
            wanted = f"{function.least}" if function.least == function.most else f"{function.least} to {function.most}"
            raise self._error(node, f"{name} takes {wanted} arguments, not {len(node.args)}")
        args = [self._node(arg, depth) for arg in node.args]
        if all(arg.constant is not _NOT_CONSTANT for arg in args):
            return self._work_out(node, function.call, *(arg.constant for arg in args))
        kind = _join(arg.kind for arg in args) if function.kind == "join" else function.kind
        return Node(_call(name, [arg.tree for arg in args]), kind)

    def _has(self, node: ast.Call) -> Node:
        if len(node.args) != 1 or not isinstance(node.args[0], ast.Name | ast.Subscript):
            raise self._error(node, "has takes a field or a tag", "has(pressure), has(tags['line'])")
        asked = self._node(node.args[0], MAX_DEPTH).tree
        if not isinstance(asked, ast.Subscript):
            raise self._error(node, "has takes a field or a tag", "the reading itself always has a source, a quality and a ts")
        return Node(ast.Compare(asked.slice, [ast.In()], [asked.value]), "bool")

    # -- help ----------------------------------------------------------------------------------------------------------

    def _work_out(self, node: ast.expr, function: Callable[..., Any], *args: Any) -> Node:
        try:
            return _constant_node(function(*args))
        except (ArithmeticError, TypeError, ValueError) as error:
            raise self._error(node, f"this part always fails: {error}") from error

    def _segment(self, node: ast.expr) -> str | None:
        return ast.get_source_segment(self._text, node)

    def _column(self, line: int, characters: int) -> int:
        return self._shift + sum(len(x) + 1 for x in self._lines[: line - 1]) + characters + 1

    def _error(self, node: ast.expr, reason: str, hint: str = "") -> ExpressionError:
        before = self._lines[node.lineno - 1].encode()[: node.col_offset].decode(errors="replace")
        return ExpressionError(reason, self._column(node.lineno, len(before)), self.source, hint)

    def _syntax(self, error: SyntaxError) -> ExpressionError:
        line = min(max(error.lineno or 1, 1), len(self._lines))
        column = self._column(line, max((error.offset or 1) - 1, 0))
        wrong = any(sign in self._text for sign in ("&&", "||", " AND ", " OR ", " NOT ", "!"))
        hint = "write and, or, not in small letters" if wrong else ""
        if self.source[column - 1 : column] == "=":
            hint = "compare with =="
        return ExpressionError(str(error.msg or "cannot be read"), min(column, len(self.source) + 1), self.source, hint)


def _constant_node(value: Any) -> Node:
    if isinstance(value, bool):
        return Node(ast.Constant(value), "bool", value)
    kind = "text" if isinstance(value, str) else "float" if isinstance(value, float) else "number"
    return Node(ast.Constant(value), kind, value)


def _attribute(name: str) -> ast.expr:
    return ast.Attribute(ast.Name("r", ast.Load()), name, ast.Load())


def _item(base: ast.expr, key: str) -> ast.expr:
    return ast.Subscript(base, ast.Constant(key), ast.Load())


def _call(name: str, args: list[ast.expr]) -> ast.expr:
    return ast.Call(ast.Name(f"_{name}", ast.Load()), args, [])


def _is_safe(name: str, left: str, right: str) -> bool:
    """Whether an operator that needs a guard in general needs none between these kinds."""
    if name == "add":
        return left in NUMERIC or right in NUMERIC
    if name == "mul":
        return "float" in (left, right) or (left in NUMERIC and right in NUMERIC)
    return name == "mod" and left in NUMERIC


def _binary_kind(name: str, left: str, right: str) -> str:
    if name == "truediv":
        return "float"
    if name == "add" and left not in NUMERIC and right not in NUMERIC:
        return "text" if "text" in (left, right) else "any"
    if name in ("add", "sub", "mul", "floordiv", "mod") and "float" in (left, right):
        return "float"
    return "number"


def _join(kinds: Any) -> str:
    found = set(kinds)
    if len(found) == 1:
        return str(found.pop())
    return "number" if found <= set(NUMERIC) else "any"
