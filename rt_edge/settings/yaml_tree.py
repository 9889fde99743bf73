"""The tree of a YAML text: values that know their line and column, built from a parser's events within limits.

YAML 1.2 core schema: `yes`, `no`, `on`, `off` are texts. Keys are texts always: `11:` is the key "11". Anchors, aliases and
`<<` work; tags do not.
"""

from __future__ import annotations

import re
from typing import Any

from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from rt_edge.data.errors import ConfigError
from rt_edge.settings.places import Path, Place, Problem, path_words

NODES_MAX = 500_000
"""Most values in a file, aliases counted as often as they are used."""

DEPTH_MAX = 40
"""Most nested lists and mappings, aliases included."""

PROBLEMS_MAX = 100
"""So many problems of YAML itself are collected before reading ends."""

_NULL = frozenset(("", "null", "Null", "NULL", "~"))
_TRUE = frozenset(("true", "True", "TRUE"))
_FALSE = frozenset(("false", "False", "FALSE"))
_NUMBER_START = frozenset("0123456789+-.")
_INT = re.compile(r"[-+]?[0-9]{1,40}\Z|0o[0-7]{1,40}\Z|0x[0-9a-fA-F]{1,40}\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?\Z|[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")


class Node:
    """A value and where it stands.

    Attributes:
        value: dict[str, Node], list[Node], or a scalar (str, int, float, bool, None).
        line, column: of its first character, from 1.
        keys: for a mapping: line and column of each key.
        weight: how many values it holds, itself included, aliases counted as often as they are used.
        height: how deep it is nested; 0 for a scalar.
    """

    __slots__ = ("column", "height", "keys", "line", "value", "weight")

    def __init__(self, value: Any, line: int, column: int, keys: dict[str, tuple[int, int]] | None = None) -> None:
        self.value = value
        self.line = line
        self.column = column
        self.keys = keys
        self.weight = 1
        self.height = 0

    def plain(self) -> Any:
        """The value without places; aliases become shared objects."""
        value = self.value
        if isinstance(value, dict):
            return {key: node.plain() for key, node in value.items()}
        if isinstance(value, list):
            return [node.plain() for node in value]
        return value

    def child(self, key: str | int) -> Node | None:
        """The value under a key or at an index; None if there is none."""
        value = self.value
        if isinstance(value, dict):
            found: Node | None = value.get(str(key))
            return found
        if isinstance(value, list) and isinstance(key, int) and 0 <= key < len(value):
            item: Node = value[key]
            return item
        return None


class YamlRefused(ConfigError):
    """The text is not YAML that rt_edge takes; `problems` says why and where."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(str(problems[0]))
        self.args = (problems,)
        self.problems = problems


def scalar(text: str) -> Any:
    """An unquoted scalar in the YAML 1.2 core schema."""
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if text[0] not in _NUMBER_START:
        return text
    if _INT.match(text):
        return int(text, 8 if text[:2] == "0o" else 16 if text[:2] == "0x" else 10)
    if _FLOAT.match(text):
        return float(text.replace(".", "", 1) if text[-1] in "fFnN" else text)
    return text


class _Open:
    """A list or mapping that has begun and not ended."""

    __slots__ = ("anchor", "is_merge", "key", "merges", "node")

    def __init__(self, node: Node, anchor: str | None) -> None:
        self.node = node
        self.anchor = anchor
        self.key: str | None = None
        self.is_merge = False
        self.merges: list[Node] = []


class TreeBuilder:
    """Takes the parser's events one by one and makes the tree; an explicit stack, so depth cannot overflow ours."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self.stack: list[_Open] = []
        self.anchors: dict[str, Node] = {}
        self.documents = 0
        self.count = 0

    def _problem(self, line: int, column: int, message: str, hint: str = "") -> None:
        path: Path = tuple(
            len(o.node.value) if o.key is None else o.key for o in self.stack if o.key is not None or o.node.keys is None
        )
        self.problems.append(Problem(Place(self.file, line, column), path_words(path), message, hint))
        if len(self.problems) >= PROBLEMS_MAX:
            raise YamlRefused(self.problems)

    def _refuse(self, line: int, column: int, message: str, hint: str) -> YamlRefused:
        return YamlRefused([*self.problems, Problem(Place(self.file, line, column), "", message, hint)])

    def take(self, event: Any) -> None:
        """The parser's next event.

        Raises:
            YamlRefused: what came so far cannot become a tree within the limits.
        """
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, ScalarEvent):
            self._tag(event, line, column)
            plain = event.style is None or event.style == ""
            if self._at_key():
                self._key(event.value, line, column, plain)
            else:
                node = Node(scalar(event.value) if plain and event.tag is None else event.value, line, column)
                self._remember(event.anchor, node)
                self._value(node)
        elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            self._tag(event, line, column)
            self._begin({} if isinstance(event, MappingStartEvent) else [], event.anchor, line, column)
        elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            self._end()
        elif isinstance(event, AliasEvent):
            self._alias(event.anchor, line, column)
        elif isinstance(event, DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise self._refuse(line, column, "a second document begins here", "one file describes one node; remove `---`")
        else:
            assert isinstance(event, (StreamStartEvent, StreamEndEvent, DocumentEndEvent))

    def _tag(self, event: Any, line: int, column: int) -> None:
        if event.tag is not None and event.tag not in {"!", "tag:yaml.org,2002:str"}:
            self._problem(line, column, f"the tag {event.tag} is not used here", "remove it; write text in quotes")

    def _at_key(self) -> bool:
        if not self.stack:
            return False
        top = self.stack[-1]
        return top.node.keys is not None and top.key is None and not top.is_merge

    def _key(self, text: str, line: int, column: int, plain: bool) -> None:
        top = self.stack[-1]
        if text == "<<" and plain:
            top.is_merge = True
            return
        keys = top.node.keys
        assert keys is not None
        if text in keys:
            first = keys[text]
            self._problem(line, column, f"the key {text!r} is here twice; first in line {first[0]}", "remove one, or rename it")
        keys[text] = (line, column)
        top.key = text

    def _begin(self, value: Any, anchor: str | None, line: int, column: int) -> None:
        if self._at_key():
            raise self._refuse(line, column, "a list or a mapping is used as a key", "keys are texts; quote it if it is a text")
        if len(self.stack) >= DEPTH_MAX:
            raise self._refuse(line, column, f"nested more than {DEPTH_MAX} deep", "no setting is that deep")
        self.stack.append(_Open(Node(value, line, column, {} if isinstance(value, dict) else None), anchor))

    def _end(self) -> None:
        top = self.stack.pop()
        for merged in reversed(top.merges):
            for name, node in merged.value.items():
                if name not in top.node.value:
                    top.node.value[name] = node
                    top.node.weight += node.weight
                    assert top.node.keys is not None
                    assert merged.keys is not None
                    top.node.keys[name] = merged.keys[name]
        self._remember(top.anchor, top.node)
        self._value(top.node)

    def _remember(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self.anchors[anchor] = node

    def _alias(self, anchor: str, line: int, column: int) -> None:
        if self._at_key():
            raise self._refuse(line, column, f"the alias *{anchor} is used as a key", "write the key itself")
        if any(o.anchor == anchor for o in self.stack):
            raise self._refuse(line, column, f"*{anchor} is inside of what it stands for", "a value cannot contain itself")
        node = self.anchors.get(anchor)
        if node is None:
            self._problem(line, column, f"nothing is called &{anchor} above", "define it before it is used")
            node = Node(None, line, column)
        self._value(node)

    def _value(self, node: Node) -> None:
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        parent = top.node
        parent.weight += node.weight
        parent.height = max(parent.height, node.height + 1)
        if len(self.stack) + node.height > DEPTH_MAX:
            raise self._refuse(node.line, node.column, f"nested more than {DEPTH_MAX} deep", "no setting is that deep")
        self.count += 1
        if self.count > NODES_MAX or parent.weight > NODES_MAX:
            raise self._refuse(node.line, node.column, f"more than {NODES_MAX} values", "aliases count as often as they are used")
        if isinstance(parent.value, list):
            parent.value.append(node)
        elif top.is_merge:
            self._merge(top, node)
        else:
            assert top.key is not None
            parent.value[top.key] = node
            top.key = None

    def _merge(self, top: _Open, node: Node) -> None:
        top.is_merge = False
        sources = node.value if isinstance(node.value, list) else [node]
        for source in sources:
            if isinstance(source.value, dict):
                top.merges.insert(0, source)
            else:
                self._problem(source.line, source.column, "`<<` takes a mapping or a list of mappings", "write `<<: *name`")
