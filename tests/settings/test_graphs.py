"""Graphs as written, and the model that comes of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from rt_edge.settings.draft import Draft
from rt_edge.settings.load import Checked, load
from rt_edge.settings.plan import NodePlan
from rt_edge.settings.report import Report
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.dsl import Graph
from rt_edge.streams.model import GraphModel, GraphProblem, parse_port
from rt_edge.testkit.waiting import until

HEAD = """\
node: {id: a}
adapters:
  plc.1: {kind: bus, channel: {serial: /dev/s1}}
  post: {kind: post, channel: {serial: /dev/s2}}
uplinks: {hq: {peers: ["127.0.0.1:1900"]}}
stores: {s: {kind: sqlite}}
graphs:
  g:
"""


def _graph(checked: Checked) -> GraphModel:
    assert checked.errors == ()
    assert checked.plan is not None
    return checked.plan.graphs["g"]


def _wires(graph: GraphModel) -> list[str]:
    return [str(wire) for wire in graph.wires]


def test_wires_steps_in_order_when_they_are_a_list(check: Callable[..., Checked]) -> None:
    """A list is a chain; each step is a graph node called like its kind, ends like what they name."""
    graph = _graph(
        check(
            HEAD + "    - from: plc.1\n    - filter: a > 1\n    - filter: {where: b > 1}\n    - band: {field: c}\n    - to: hq\n"
        )
    )
    assert [(n.id, n.kind) for n in graph.nodes] == [
        ("plc-1", "from"),
        ("filter", "filter"),
        ("filter-2", "filter"),
        ("band", "band"),
        ("hq", "to"),
    ]
    assert graph.nodes[1].properties == {"where": "a > 1"}
    assert graph.nodes[0].properties == {"name": "plc.1"}
    assert _wires(graph) == [
        "plc-1.out -> filter.in",
        "filter.out -> filter-2.in",
        "filter-2.out -> band.in",
        "band.out -> hq.in",
    ]


def test_merges_and_broadcasts_when_ends_are_several(check: Callable[..., Checked]) -> None:
    """`from: [a, b]` is merged, `to: [a, b]` gets everything each."""
    graph = _graph(check(HEAD + "    - from: [plc.1, post]\n    - to: [hq, s, post]\n"))
    assert [n.id for n in graph.nodes] == ["plc-1", "post", "merge", "broadcast", "hq", "s", "post-2"]
    assert graph.node("broadcast").properties == {"count": 3}
    assert _wires(graph) == [
        "plc-1.out -> merge.in0",
        "post.out -> merge.in1",
        "merge.out -> broadcast.in",
        "broadcast.out0 -> hq.in",
        "broadcast.out1 -> s.in",
        "broadcast.out2 -> post-2.in",
    ]


def test_takes_ids_and_positions_when_steps_say_them(check: Callable[..., Checked]) -> None:
    """A step may have a name of its own and a place in the window."""
    graph = _graph(check(HEAD + "    - from: plc.1\n    - {filter: a > 1, id: hot, at: [10, 20.5]}\n    - to: hq\n"))
    assert graph.node("hot").position == (10.0, 20.5)


def test_wires_free_ports_when_wires_name_nodes_only(check: Callable[..., Checked]) -> None:
    """In the general form an end without a port takes the next free one; a chain is several wires."""
    text = HEAD + (
        "    nodes:\n"
        "      p: {from: plc.1}\n"
        "      split: {broadcast: 2}\n"
        "      hot: {filter: a > 1, at: [1, 2]}\n"
        "      join: merge\n"
        "      up: {to: hq}\n"
        "    wires:\n"
        "      - p -> split -> hot -> join\n"
        "      - split.out1 -> join.in1\n"
        "      - join -> up\n"
    )
    assert _wires(_graph(check(text))) == [
        "p.out -> split.in",
        "split.out0 -> hot.in",
        "hot.out -> join.in0",
        "split.out1 -> join.in1",
        "join.out -> up.in",
    ]


def test_is_the_same_graph_when_the_list_stands_under_steps(check: Callable[..., Checked]) -> None:
    """`steps` beside `island` is the list."""
    short = _graph(check(HEAD + "    - from: plc.1\n    - to: hq\n"))
    checked = check(HEAD + "    island: x\n    steps:\n      - from: plc.1\n      - to: hq\n", memory=8 * 10**9)
    assert _graph(checked) == short
    assert checked.plan is not None
    assert checked.plan.islands["island-x"] == ("graph/g",)


@pytest.mark.parametrize(
    ("problem", "place"),
    [
        (GraphProblem("x", node="filter"), "10:15"),
        (GraphProblem("x", node="filter", property="where"), "10:7"),
        (GraphProblem("x", wire=1), "11:11"),
        (GraphProblem("x"), "8:3"),
    ],
)
def test_has_a_line_when_a_later_check_finds_an_error_in_a_graph(
    check: Callable[..., Checked], problem: GraphProblem, place: str
) -> None:
    """The planner names a graph node, a property or a wire, and the error gets the line it was written in."""

    def planner(plan: NodePlan, draft: Draft, report: Report) -> None:
        assert draft.adapters["plc.1"].capability.delivery == "polled"
        report.graph_error("g", problem)

    checked = check(HEAD + "    - from: plc.1\n    - filter: a > 1\n    - to: hq\n", checks=[planner])
    assert [f"{e.place.line}:{e.place.column}" for e in checked.errors] == [place]
    assert checked.plan is None


def test_warns_when_something_is_used_by_no_graph(check: Callable[..., Checked]) -> None:
    """An adapter, uplink or store that nothing uses is probably a slip."""
    checked = check(HEAD + "    - from: plc.1\n    - to: hq\n")
    assert [w.path for w in checked.warnings] == ["adapters > post", "stores > s"]


def test_warns_when_there_are_no_graphs_although_an_adapter_takes_commands(tmp_path: Path) -> None:
    """It polls nothing; a file with graphs may keep an adapter for commands alone."""
    file = tmp_path / "node.yaml"
    text = """
node: {id: n, data: ./data}
adapters:
  pumps: {kind: modbus, channel: {tcp: "127.0.0.1:502"}, units: {u: {every: 1s, points: {p: {holding: 0, writable: true}}}}}
  other: {kind: simulated}
"""
    file.write_text(text)
    assert any(w.path == "adapters > pumps" and "no graphs" in w.message for w in load(file).warnings)
    file.write_text(text + "stores: {s: {kind: sqlite}}\ngraphs: {g: [{from: other}, {to: s}]}\n")
    assert load(file).warnings == ()


def test_merges_in_steps_when_there_are_more_sources_than_a_merge_takes(check: Callable[..., Checked]) -> None:
    """A hundred sources behind one `from` are merges of merges; nothing is left unwired."""
    adapters = "".join(f"  a{i}: {{kind: bus, channel: {{serial: /dev/x{i}}}}}\n" for i in range(130))
    text = (
        HEAD.replace("uplinks:", f"{adapters}uplinks:")
        + f"    - from: [{', '.join(f'a{i}' for i in range(130))}]\n    - to: hq\n"
    )
    graph = _graph(check(text))
    assert [n.properties["count"] for n in graph.nodes if n.kind == "merge"] == [64, 64, 2, 3]


def test_is_an_error_of_the_step_when_a_list_has_too_many_targets(check: Callable[..., Checked]) -> None:
    """What the broadcast behind `to: [...]` cannot do is said at that step."""
    stores = "".join(f"  s{i}: {{kind: sqlite}}\n" for i in range(65))
    text = HEAD.replace("stores: {s: {kind: sqlite}}", f"stores:\n{stores}".rstrip())
    text += f"    - from: plc.1\n    - to: [{', '.join(f's{i}' for i in range(65))}]\n"
    (error,) = check(text, catalogue=Catalogue.built_in()).errors
    assert error.path == "graphs > g > item 2 > to"
    assert error.message.startswith("`to` names 65; broadcast: count is 65")


SOURCES_AND_SINKS = """\
node: {id: a}
graphs:
  g:
    nodes:
      beat: {tick: {every: 10s, initial: 1s, element: {source: hall-3, fields: {alive: true}}}}
      number: {zip_with_index: n}
      late: {delay_with: n}
      half: {route_where: {conditions: [n < 3], otherwise: true}}
      file: {to_path: {path: PATH, content: json}}
      rest: {ignore: }
    wires: [beat -> number -> late -> half, half.out0 -> file, half.out1 -> rest]
"""


def test_graph_runs_when_its_ends_are_stages(check: Callable[..., Checked], tmp_path: Path) -> None:
    """A source that ticks, and sinks that write and throw away, need no adapter and no uplink."""
    path = tmp_path / "readings.jsonl"
    graph = _graph(check(SOURCES_AND_SINKS.replace("PATH", str(path)), catalogue=Catalogue.built_in()))
    blueprint, catalogue = Blueprint(), Catalogue.built_in()
    for node in graph.nodes:
        stage = catalogue.stage(node)
        blueprint.add(msgspec.structs.replace(stage, every=0.002, initial=0.001) if node.kind == "tick" else stage, node.id)
    for wire in graph.wires:
        source, target = parse_port(wire.source), parse_port(wire.target)
        blueprint.connect(source.node, target.node, int(source.port[-1]) if source.node == "half" else 0)
    running = Graph(blueprint)

    async def until_written() -> None:
        task = asyncio.ensure_future(running.run_async())
        await until(lambda: path.exists() and path.read_bytes().count(b"\n") >= 1)
        task.cancel()
        await asyncio.wait([task], timeout=10)

    asyncio.run(until_written())
    line = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    assert (line["source"], line["fields"], line["quality"]) == ("hall-3", {"alive": True, "n": 0}, "good")
    assert line["ts"] == line["received"] > 1_600_000_000_000_000_000


def test_list_needs_no_from_and_no_to_when_its_ends_are_stages(check: Callable[..., Checked]) -> None:
    """Whatever properties they need; wrong ones are one error, and a stage in the middle is no end."""
    head = "node: {id: a}\ngraphs:\n  g:\n"
    tick, file = "    - tick: {every: 1s, element: {source: a, fields: {x: 1}}}\n", "    - to_path: out\n"
    graph = _graph(check(f"{head}{tick}    - zip_with_index: n\n{file}", catalogue=Catalogue.built_in()))
    assert _wires(graph) == ["tick.out -> zip_with_index.in", "zip_with_index.out -> to_path.in"]
    again = f"{head}{tick}    - restart_sink: [{{to_path: {{path: out, content: json}}}}]\n"
    assert _wires(_graph(check(again, catalogue=Catalogue.built_in()))) == ["tick.out -> restart_sink.in"]
    (error,) = check(f"{head}    - tick: 1s\n{file}", catalogue=Catalogue.built_in()).errors
    assert (error.path, error.message) == ("graphs > g > item 1 > tick", "`element` is missing")
    messages = [error.message for error in check(f"{head}    - gzip\n    - gunzip\n", catalogue=Catalogue.built_in()).errors]
    assert messages == ["the first step is `gzip`, not `from`", "the last step is `gunzip`, not `to`"]
