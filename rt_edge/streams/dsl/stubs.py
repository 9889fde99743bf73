"""The types of `Source`, `Flow` and `Sink`, made of the signatures of all operators.

python -m rt_edge.streams.dsl.stubs

Python cannot say "whatever class I am, of another element type". So an operator says `Continuation[B]`, and this writes it down
twice: `Source[B]` in the class `Source[A]`, `Flow[Taken, B]` in the class `Flow[Taken, A]`. `Self` stays.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from rt_edge.streams.dsl import parts

STUB = Path(parts.__file__).with_name("linear.pyi")
HEAD = """# Made by `python -m rt_edge.streams.dsl.stubs`; do not edit.
"""


class Target(NamedTuple):
    """A class of the stub.

    Attributes:
        cls: what it describes.
        head: the class line.
        continued: what `Continuation[X]` becomes, with `X` in the place of `{}`.
        divided: what a fan-out comes to.
    """

    cls: type
    head: str
    continued: str
    divided: str


TARGETS = (
    Target(parts.Source, "class Source(Generic[A]):", "Source[{}]", "Graph"),
    Target(parts.Flow, "class Flow(Generic[Taken, A]):", "Flow[Taken, {}]", "Sink[Taken]"),
    Target(parts.Sink, "class Sink(Generic[Given_contra]):", "Sink[{}]", "Sink[Given_contra]"),
)

SPECIAL = {
    ("Source", "via"): """@overload
def via(self, step: Flow[A, B], name: str = ...) -> Source[B]: ...
@overload
def via(self, step: Stage, name: str = ...) -> Source[Any]: ...""",
    ("Source", "__aiter__"): "def __aiter__(self) -> AsyncIterator[A]: ...",
    ("Source", "to"): "def to(self, sink: Sink[A]) -> Graph: ...",
    ("Source", "also_to"): "def also_to(self, sink: Sink[A], eager_cancel: bool = ...) -> Self: ...",
    ("Flow", "via"): """@overload
def via(self, step: Flow[A, B], name: str = ...) -> Flow[Taken, B]: ...
@overload
def via(self, step: Stage, name: str = ...) -> Flow[Taken, Any]: ...""",
    ("Flow", "to"): "def to(self, sink: Sink[A]) -> Sink[Taken]: ...",
    ("Flow", "also_to"): "def also_to(self, sink: Sink[A], eager_cancel: bool = ...) -> Self: ...",
}
"""What an implementation that serves any type cannot say."""
SPECIAL_NAMES = {"AsyncIterator", "overload", "A", "B", "Stage", "Graph", "Any", "Self"}


class _Types(ast.NodeTransformer):
    """Replaces what an annotation says of the class by what it is in the target."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id == "Continuation":
            return ast.parse(self._target.continued.format(ast.unparse(node.slice)), mode="eval").body
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id == "A" and self._target.cls is parts.Sink:
            node.id = "Given_contra"
        return node


def stub() -> str:
    """The text of `linear.pyi`."""
    bodies = [(target, _methods(target)) for target in TARGETS]
    used = {name for _, methods in bodies for method in methods for name in method.names}
    imports = _imports([module for target, _ in bodies for module in _modules(target.cls)], used)
    types = [
        'Element = TypeVar("Element")',
        'Taken = TypeVar("Taken")',
        'Given_contra = TypeVar("Given_contra", contravariant=True)',
        "Place: TypeAlias = tuple[str, int]",
    ]
    lines = [HEAD + "\n".join(imports), "", *types, ""]
    for target, methods in bodies:
        lines += ["", target.head, *_attributes(target)]
        for method in methods:
            lines += [textwrap.indent(method.text, "    ")]
    return "\n".join(lines) + "\n"


class _Method(NamedTuple):
    text: str
    names: set[str]


def _attributes(target: Target) -> list[str]:
    known = {
        "Source": ["    blueprint: Blueprint", "    outlet: Place"],
        "Flow": ["    blueprint: Blueprint", "    inlet: Place | None", "    outlet: Place | None"],
        "Sink": ["    blueprint: Blueprint", "    inlet: Place"],
    }
    return known[target.cls.__name__]


def _classes(cls: type) -> list[type]:
    return [base for base in cls.__mro__ if base.__module__.startswith("rt_edge.")]


def _modules(cls: type) -> list[ModuleType]:
    return [sys.modules[base.__module__] for base in _classes(cls)]


def _methods(target: Target) -> list[_Method]:
    made: dict[str, _Method] = {}
    for cls in _classes(target.cls):
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        assert isinstance(tree, ast.ClassDef)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name not in made and _is_public(node.name):
                special = SPECIAL.get((target.cls.__name__, node.name))
                made[node.name] = _method(node, target) if special is None else _Method(special, SPECIAL_NAMES)
    return list(made.values())


def _is_public(name: str) -> bool:
    return name in {"__init__", "__aiter__"} or not name.startswith("_")


def _method(node: ast.FunctionDef | ast.AsyncFunctionDef, target: Target) -> _Method:
    divides = "._divide(" in ast.unparse(node)
    kept = {"classmethod", "staticmethod", "property"}
    node.decorator_list = [one for one in node.decorator_list if isinstance(one, ast.Name) and one.id in kept]
    node.body = [ast.Expr(ast.Constant(...))]
    _Types(target).visit(node)
    if returns_self(node) and is_maker(node):
        _make_of(node, target)
    if divides:
        node.returns = ast.parse(target.divided, mode="eval").body
    args = node.args
    args.defaults = [ast.Constant(...) for _ in args.defaults]
    args.kw_defaults = [None if one is None else ast.Constant(...) for one in args.kw_defaults]
    ast.fix_missing_locations(node)
    names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return _Method(ast.unparse(node).replace(":\n    ...", ": ..."), names)


def returns_self(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it is annotated so."""
    return isinstance(node.returns, ast.Name) and node.returns.id == "Self"


def is_maker(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it is a class method that makes a part of what it is given."""
    return node.name != "of" and any(isinstance(one, ast.Name) and one.id == "classmethod" for one in node.decorator_list)


def _make_of(node: ast.FunctionDef | ast.AsyncFunctionDef, target: Target) -> None:
    """Its element type is the one of its arguments, not that of the class, which nobody has named yet: `Source.single(1)`."""
    element = "Any"
    for one in ast.walk(node.args):
        if isinstance(one, ast.Name) and one.id in {"A", "Given_contra"}:
            one.id = element = "Element"
    node.returns = ast.parse(f"{target.cls.__name__}[{element}]", mode="eval").body


def _imports(modules: list[ModuleType], used: set[str]) -> list[str]:
    """The imports of `modules`, those under TYPE_CHECKING too, as far as the names are used."""
    used = used | {"Generic", "TypeVar", "TypeAlias", "Blueprint", "Graph", "A"}
    found = {name: ("typing", name) for name in ("TypeVar", "Generic", "TypeAlias", "overload", "Any")}
    for module in modules:
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    found.setdefault(alias.asname or alias.name, (node.module, alias.name))
        for name in used:
            value: Any = vars(module).get(name)
            if name not in found and name in vars(module) and name not in {"Place", "Taken"}:
                found[name] = (getattr(value, "__module__", module.__name__), name)
    by_module: dict[str, set[str]] = {}
    for name in used:
        if name in found and name not in {"Source", "Flow", "Sink", "Place", "Taken", "Continuation"}:
            by_module.setdefault(found[name][0], set()).add(found[name][1])
    return [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(by_module.items())]


def main() -> None:
    """Write the stub."""
    STUB.write_text(stub(), encoding="utf-8")


if __name__ == "__main__":
    main()
