"""Whatever a configuration says, checking it gives a plan or errors with places, never an exception."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from rt_edge.settings.load import Checked
from rt_edge.settings.plan import decode_plan, encode_plan
from rt_edge.settings.yaml_text import read_yaml

GOOD = """\
node: {id: a, data: d}
adapters:
  plc: {kind: bus, channel: {serial: x, parity: even}, password: {env: X}, units: {p: {unit: 1, every: 1s}}, island: i}
  post: {kind: post, channel: {tcp: "a:1"}}
graphs:
  short: [{from: [plc, post]}, {filter: a > 1}, {band: {field: x, mode: last}, id: b, at: [1, 2]}, {to: [hq, s]}]
  general: {nodes: {p: {from: plc, at: [1, 2]}, i: ignore}, wires: [p -> i], island: j}
uplinks: {hq: {peers: ["127.0.0.1:1900"], spool: {max: 2MB, max_wait: 200ms, when_full: block}, window: 100kB}}
ingress: {listen: "127.0.0.1:0", store: s, allow: [b]}
stores: {s: {kind: sqlite, path: x.db}}
island: each
telemetry: {log_level: debug}
"""

WORDS = [
    "plc",
    "hq",
    "s",
    "x",
    "a > 1",
    "1s",
    "5MB",
    "from",
    "to",
    "merge",
    "filter",
    "p -> i",
    "a.out -> b.in",
    "127.0.0.1:0",
    "all",
    "",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**6) | st.floats() | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += _places(inner, (*path, key))
    return found


PLACES = _places(read_yaml(GOOD.encode(), "x").plain())


def _changed(edits: list[tuple[tuple[Any, ...], Any]]) -> str:
    tree = read_yaml(GOOD.encode(), "x").plain()
    for path, value in edits:
        here = tree
        for key in path[:-1]:
            try:
                here = here[key]
            except (KeyError, IndexError, TypeError):
                here = None
                break
        if isinstance(here, dict) or (isinstance(here, list) and isinstance(path[-1], int) and path[-1] < len(here)):
            here[path[-1]] = value
    stream = io.StringIO()
    YAML(typ="safe", pure=True).dump(tree, stream)
    return stream.getvalue()


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(edits=st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=3))
def test_gives_a_plan_or_errors_when_values_are_anything(check: Callable[..., Checked], edits: list[tuple[Any, Any]]) -> None:
    """Replacing any values by anything gives a plan that survives encoding, or errors that each have a line."""
    checked = check(_changed(edits))
    if checked.plan is None:
        assert checked.errors
        assert all(error.place.line >= 1 for error in checked.errors)
    else:
        assert decode_plan(encode_plan(checked.plan)) == checked.plan
        assert all(adapter.frozen() is not None for adapter in checked.plan.adapters.values())
