"""`to: {command: ...}`: what a graph may command, checked where it is written."""

from __future__ import annotations

import pytest

from rt_edge.actors.layout import lay_out
from rt_edge.settings.load import load

TEXT = """
node: {{id: hall-3, data: data}}
adapters:
  sim: {{kind: simulated}}
  plc:
    kind: modbus
    channel: {{tcp: "127.0.0.1:502"}}
    units:
      pump-1: {{points: {{setpoint: {{holding: 3, writable: true}}, pressure: {{holding: 4}}}}}}
graphs:
  control:
    - from: sim
    - to: {end}
"""


def checked(tmp_path, end):
    file = tmp_path / "node.yaml"
    file.write_text(TEXT.format(end=end))
    return load(file)


def test_graph_ends_in_a_point_with_what_was_written(tmp_path):
    """Defaults: the field is called like the point, ten seconds, no priority; the wire knows what it commands."""
    plan = checked(tmp_path, "{command: plc/pump-1/setpoint}").plan
    (wire,) = [wire for wire in lay_out(plan).wires if wire.consumer == "adapter/plc"]
    wanted = {"name": "plc", "command": "pump-1/setpoint", "field": "setpoint", "expires_s": 10.0, "priority": False}
    assert wire.command == {**wanted, "graph": "control"}
    assert wire.node == "plc-pump-1-setpoint"
    full = checked(tmp_path, "{command: plc/pump-1/setpoint, field: count, expires: 500ms, priority: true}").plan
    (node,) = [node for node in full.graphs["control"].nodes if node.kind == "to"]
    assert (node.properties["field"], node.properties["expires_s"], node.properties["priority"]) == ("count", 0.5, True)


@pytest.mark.parametrize(
    ("end", "words", "hint"),
    [
        ("{command: plc/pump-1/setpont}", "has no point 'pump-1/setpont'", "pump-1/setpoint"),
        ("{command: plc/pump-1/pressure}", "plc/pump-1/pressure is not writable", "writable: true"),
        ("{command: pls/pump-1/setpoint}", "there is no adapter 'pls'", "plc"),
        ("{command: plc}", "must name a point", "ADAPTER/DEVICE/POINT"),
        ("{point: plc/pump-1/setpoint}", "unknown key 'point'", ""),
        ("{command: plc/pump-1/setpoint, expires: 5}", "5", ""),
        ("{command: plc/pump-1/setpoint, expires: 0s}", "above 0s", ""),
        ("{command: plc/pump-1/setpoint, priority: often}", "true or false", ""),
    ],
)
def test_end_that_cannot_work_is_an_error_with_its_line(tmp_path, end, words, hint):
    """What is wrong, where, and what to do."""
    found = checked(tmp_path, end)
    assert found.plan is None
    errors = [error for error in found.report.errors if words in error.message]
    assert errors, found.report.errors
    assert hint in errors[0].hint
    assert errors[0].place.line == 13
