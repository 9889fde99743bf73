"""Graphs as data: ports, wires, structural errors."""

from __future__ import annotations

import msgspec
import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.streams.model import FROM, TO, GraphModel, NodeModel, Ports, WireModel, nearest_hint, parse_port


def _ports(node: NodeModel) -> Ports | None:
    known = {"map": Ports(("in",), ("out",)), "merge": Ports(("in0", "in1"), ("out",)), "tee": Ports(("in",), ("out0", "out1"))}
    return known.get(node.kind)


def _graph(kinds: dict[str, str], *wires: str) -> GraphModel:
    nodes = tuple(NodeModel(name, kind, {"name": name} if kind in {FROM, TO} else {}) for name, kind in kinds.items())
    return GraphModel(nodes, tuple(WireModel(*wire.split(" -> ")) for wire in wires))


def _messages(graph: GraphModel) -> list[str]:
    return [problem.message for problem in graph.validate(_ports)]


def test_has_no_errors_when_every_port_is_wired_once() -> None:
    """A diamond of two ports each is sound."""
    kinds = {"a": FROM, "t": "tee", "l": "map", "m": "merge", "z": TO}
    graph = _graph(kinds, "a.out -> t.in", "t.out0 -> l.in", "l.out -> m.in0", "t.out1 -> m.in1", "m.out -> z.in")
    assert _messages(graph) == []


@pytest.mark.parametrize(
    ("wires", "messages"),
    [
        (["a.out -> b.in"], []),
        (["a.out -> c.in"], ["there is no graph node 'c'", "inlet 'in' of 'b' is not wired"]),
        (["a.out -> b.inn"], ["'b' has no inlet 'inn'", "inlet 'in' of 'b' is not wired"]),
        (["b.out -> b.in"], ["'b' has no outlets", "outlet 'out' of 'a' is not wired"]),
        (["a.out -> b.in", "a.out -> b.in"], ["outlet 'out' of 'a' is wired twice", "inlet 'in' of 'b' is wired twice"]),
        ([], ["outlet 'out' of 'a' is not wired", "inlet 'in' of 'b' is not wired"]),
        (["a -> b.in"], ["'a' does not name a port", "outlet 'out' of 'a' is not wired"]),
    ],
)
def test_names_every_error_when_wires_are_wrong(wires: list[str], messages: list[str]) -> None:
    """All structural errors come at once, each about its wire or node."""
    assert _messages(_graph({"a": FROM, "b": TO}, *wires)) == messages


def test_points_at_the_wire_or_the_node_when_it_reports() -> None:
    """A problem carries the index of its wire, or the id of its node."""
    problems = _graph({"a": FROM, "b": TO, "m": "map"}, "a.out -> b.in", "x.out -> m.in").validate(_ports)
    assert [(p.node, p.wire) for p in problems] == [(None, 1), ("m", None)]


def test_keeps_quiet_when_the_ports_of_a_node_are_not_known() -> None:
    """A node whose kind is wrong is reported elsewhere; its wires are not errors of their own."""
    assert _messages(_graph({"a": FROM, "x": "nonsense", "b": TO}, "a.out -> x.foo", "x.bar -> b.in")) == []


@pytest.mark.parametrize("bad", ["A", "a.b", "", "-a", "a" * 65])
def test_refuses_an_id_when_it_could_not_stand_in_a_wire(bad: str) -> None:
    """Ids have no dots and no capitals."""
    assert f"{bad!r} is not an id" in _messages(GraphModel((NodeModel(bad, "map"),)))


def test_refuses_a_graph_when_an_id_is_there_twice() -> None:
    """Two nodes of one id are an error."""
    graph = GraphModel((NodeModel("a", FROM), NodeModel("a", TO)))
    assert "two graph nodes are called 'a'" in _messages(graph)


@pytest.mark.parametrize("text", ["a", "a.", ".b", "a.b.c", ""])
def test_refuses_an_end_of_a_wire_when_it_is_not_node_dot_port(text: str) -> None:
    """An end is `node.port`, nothing else."""
    with pytest.raises(ConfigError, match="does not name a port"):
        parse_port(text)


def test_is_the_same_when_encoded_and_decoded() -> None:
    """Graphs cross processes as MessagePack."""
    graph = GraphModel((NodeModel("a", FROM, {"name": "plc"}, (1.0, 2.0)),), (WireModel("a.out", "b.in"),))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(graph), type=GraphModel) == graph


def test_finds_nodes_and_ends_when_asked() -> None:
    """`node` finds by id and says what is near; `ends` lists what a graph reads from or writes to, each once."""
    graph = GraphModel(
        (NodeModel("a", FROM, {"name": "plc"}), NodeModel("b", FROM, {"name": "plc"}), NodeModel("z", TO, {"name": "hq"}))
    )
    assert graph.node("b").id == "b"
    assert (graph.ends(FROM), graph.ends(TO)) == (("plc",), ("hq",))
    with pytest.raises(ConfigError, match="no node 'c'"):
        graph.node("c")


def test_lists_what_is_known_when_nothing_is_near() -> None:
    """A hint is the nearest name, or the names there are, at most twelve."""
    assert nearest_hint("bufer", ["buffer", "map"]) == "did you mean 'buffer'?"
    assert nearest_hint("x", ["b", "a"]) == "known: a, b"
    assert nearest_hint("x", [f"n{i:02}" for i in range(14)]).endswith("n11 and 2 more")
    assert nearest_hint("x", []) == ""


def test_says_the_longer_name_when_words_are_missing_behind_it() -> None:
    """Also where the spelling is too different to be near, and all of them where there are two or three."""
    assert nearest_hint("at", ["at_byte", "bat", "type"]) == "did you mean 'at_byte'?"
    assert nearest_hint("window", ["windy", "window_messages"]) == "did you mean 'window_messages'?"
    assert nearest_hint("unit", ["unit_timeout", "units"]) == "did you mean 'units'?"
    assert nearest_hint("retry", ["retry_min", "retry_max", "entry"]) == "did you mean 'retry_max' or 'retry_min'?"
    assert nearest_hint("route", [f"route_{n}" for n in range(4)]) == "did you mean 'route_3'?"
    assert nearest_hint("att", ["attach", "ring"]).startswith("did you mean 'attach'")
