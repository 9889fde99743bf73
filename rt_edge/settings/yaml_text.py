"""YAML text -> `Node` tree. Bounded: no text, however made, costs more than its limits.

Built on the events of ruamel.yaml's parser (the one YAML parser of rt_edge), not on its loader: the tree needs the place of
every key and value and no comments, and limits have to hold before anything is built. Who rewrites a file loads it with
ruamel's round-trip loader, which keeps its comments.
"""

from __future__ import annotations

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from rt_edge.settings.places import Path, Place, Problem
from rt_edge.settings.yaml_tree import Node, TreeBuilder, YamlRefused

TEXT_BYTES_MAX = 4_000_000
"""A larger file is refused (500 Modbus devices with 4 points each are 190 kB)."""


def read_yaml(data: bytes, file: str) -> Node:
    """The tree of a configuration file's bytes.

    Args:
        data: the file's content.
        file: its name, for places.

    Raises:
        YamlRefused: not UTF-8, not YAML, duplicate keys, tags, too large, too deep, more than one document, or empty.
    """
    if len(data) > TEXT_BYTES_MAX:
        message = f"the file has {len(data)} bytes, more than {TEXT_BYTES_MAX}"
        raise YamlRefused([Problem(Place(file), "", message, "split it into several nodes")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        place = Place(file, before.count(b"\n") + 1, len(before) - before.rfind(b"\n"))
        message = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise YamlRefused([Problem(place, "", message, "save the file as UTF-8")]) from None
    builder = TreeBuilder(file)
    parser = YAML(typ="safe", pure=True)
    try:
        for event in parser.parse(text):
            builder.take(event)
    except ReaderError as error:
        raise YamlRefused([_unprintable(text, error, file)]) from None
    except MarkedYAMLError as error:
        raise YamlRefused([*builder.problems, _syntax(error, file)]) from None
    except YAMLError as error:
        raise YamlRefused([*builder.problems, Problem(Place(file), "", f"not YAML: {error}")]) from None
    if builder.root is None:
        raise YamlRefused([Problem(Place(file, 1, 1), "", "the file is empty", "start with `node: {id: NAME, data: DIRECTORY}`")])
    if builder.problems:
        raise YamlRefused(builder.problems)
    assert builder.root is not None
    return builder.root


def locate(root: Node, path: Path, file: str, *, key: bool = False) -> Place:
    """The place of `path`: of a scalar itself, of a list's or mapping's key; of the nearest parent that is in the file.

    Args:
        root: the file's tree.
        path: keys and indices.
        file: the file's name.
        key: the place of a scalar's key is wanted, not its own.
    """
    node = root
    line, column = node.line, node.column
    for depth, element in enumerate(path):
        child = node.child(element)
        if child is None:
            break
        line, column = (node.keys or {}).get(str(element), (child.line, child.column))
        node = child
        if depth == len(path) - 1 and not key and child.value is not None and child.height == 0 and child.keys is None:
            line, column = child.line, child.column
    return Place(file, line, column)


def _unprintable(text: str, error: ReaderError, file: str) -> Problem:
    before = text[: error.position]
    place = Place(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
    code = ord(text[error.position]) if error.position < len(text) else 0
    return Problem(place, "", f"the character U+{code:04X} is not allowed in YAML", "remove it")


def _syntax(error: MarkedYAMLError, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    place = Place(file, mark.line + 1, mark.column + 1) if mark is not None else Place(file)
    what = str(error.problem or error.context or "cannot be read").split("\n", 1)[0]
    parts = [what]
    if error.context and error.problem:
        start = error.context_mark
        parts.append(f"{error.context}" + (f" that began in line {start.line + 1}" if start is not None else ""))
    hint = ""
    if "\\t" in what:
        hint = "indent with spaces, not tabs"
    elif "expected <block end>" in what or "could not find expected ':'" in what:
        hint = "look at the indentation of this line, and for a missing `:` or quote above it"
    elif "mapping values are not allowed" in what:
        hint = "a text with `: ` in it needs quotes; look at the indentation too"
    elif "undefined alias" in what:
        hint = "define it before, with &name"
    return Problem(place, "", "not YAML: " + " ".join(parts), hint)
