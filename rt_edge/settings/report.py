"""Report: collects errors and warnings about one configuration file, each with its place."""

from __future__ import annotations

from rt_edge.settings.places import Path, Place, Problem, path_words
from rt_edge.settings.yaml_text import locate
from rt_edge.settings.yaml_tree import Node
from rt_edge.streams.model import GraphProblem

PROBLEMS_MAX = 1_000
"""More are counted, not kept."""


class Report:
    """What was found so far.

    Attributes:
        root: the file's tree.
        file: the file's name, for places.
        errors, warnings: in the order found; `sorted()` gives the order of places.
        nodes: (graph, id of a graph node) -> path of the step or node that says it; filled while graphs are read.
        wires: (graph, index of a wire) -> path of what says it.
    """

    def __init__(self, root: Node, file: str) -> None:
        self.root = root
        self.file = file
        self.errors: list[Problem] = []
        self.warnings: list[Problem] = []
        self.nodes: dict[tuple[str, str], Path] = {}
        self.wires: dict[tuple[str, int], Path] = {}

    def locate(self, path: Path, *, key: bool = False) -> Place:
        """File, line and column of a value (with `key`: of its key), or of the nearest parent that is in the file."""
        return locate(self.root, path, self.file, key=key)

    def error(self, path: Path, message: str, hint: str = "", *, key: bool = False) -> None:
        """Add an error about the value at `path`, or about its key."""
        self._add(self.errors, path, message, hint, key)

    def warn(self, path: Path, message: str, hint: str = "") -> None:
        """Add a warning about the value at `path`."""
        self._add(self.warnings, path, message, hint, False)

    def graph_error(self, graph: str, problem: GraphProblem) -> None:
        """Add an error about a graph, at the line of the graph node, property or wire concerned. For the planner."""
        path: Path = ("graphs", graph)
        if problem.wire is not None:
            path = self.wires.get((graph, problem.wire), path)
        elif problem.node is not None:
            path = self.nodes.get((graph, problem.node), path)
            if problem.property is not None:
                path = (*path, problem.property)
        self.error(path, problem.message, problem.hint)

    def _add(self, where: list[Problem], path: Path, message: str, hint: str, key: bool) -> None:
        problem = Problem(self.locate(path, key=key), path_words(path), message, hint)
        if len(where) < PROBLEMS_MAX and problem not in where[-20:]:
            where.append(problem)
