"""The JSON Schema agrees with the validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from rt_edge.data.clock import SystemClock
from rt_edge.sdk.registry import Registry
from rt_edge.settings.load import Checked, load
from rt_edge.settings.schema import whole_schema
from rt_edge.settings.yaml_text import read_yaml
from rt_edge.streams.catalogue import Catalogue

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "config").glob("*.yaml"))

GOOD = """\
node: {id: a}
adapters:
  plc: {kind: bus, channel: {tcp: "a:1"}, password: {env: X}, units: {p: {unit: 1, every: 250ms}}}
  air: {kind: radio, anything: 3}
graphs:
  short: [{from: plc}, {filter: a > 1}, {band: {field: x}, id: b}, {to: [hq, s]}]
  general: {nodes: {p: {from: plc, at: [1, 2]}, i: ignore}, wires: [p -> i]}
uplinks: {hq: {peers: ["127.0.0.1:1900"], spool: {max: 2MB, max_wait: 200ms}, window: 100kB}}
ingress: {listen: "127.0.0.1:0", store: s}
stores: {s: {kind: sqlite}}
telemetry: {log_level: debug}
"""


@pytest.fixture
def validator(registry: Registry, catalogue: Catalogue) -> Draft202012Validator:
    schema = whole_schema(registry, catalogue)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def _plain(text: str) -> Any:
    return read_yaml(text.encode(), "x").plain()


def test_accepts_what_the_check_accepts_when_all_sections_are_there(validator: Draft202012Validator) -> None:
    """A configuration with every kind of section is valid, also where an adapter is not installed."""
    assert [e.message for e in validator.iter_errors(_plain(GOOD))] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("node:", "nod:"),
        ("id: a}", "id: A}"),
        ("kind: bus", "kind: buss"),
        ("unit: 1,", "unt: 1,"),
        ("unit: 1,", "unit: 300,"),
        ("250ms", "250"),
        ("filter: a", "fliter: a"),
        ("id: b}", "idd: b}"),
        ("at: [1, 2]", "att: [1, 2]"),
        ("wires: [p -> i]", "wires: [p -> i], wire: []"),
        ("window: 100kB", "windw: 100kB"),
        ("window: 100kB", "window: 100000"),
        ("field: x", "feild: x"),
        ("{field: x}", "{}"),
        ("to: [hq, s]", "to: []"),
        ("p -> i", "p to i"),
        ("2MB", "2XB"),
        ("sqlite", "mysql"),
        ("debug", "loud"),
        ("{env: X}", "{evn: X}"),
    ],
)
def test_refuses_what_the_check_refuses(
    validator: Draft202012Validator, check: Callable[..., Checked], old: str, new: str
) -> None:
    """A slip that the check reports is one in the editor, too."""
    text = GOOD.replace(old, new)
    assert text != GOOD
    assert list(validator.iter_errors(_plain(text)))
    assert check(text).errors


def test_says_what_a_key_means_when_an_editor_asks(registry: Registry, catalogue: Catalogue) -> None:
    """Every property of rt_edge's own sections and of the adapters has a description; defaults are as a user writes them."""
    schema = whole_schema(registry, catalogue)
    silent = [path for path, inner in _properties(schema, "") if "description" not in inner and "$ref" not in inner]
    assert [path for path in silent if not path.startswith(("/$defs/Step", "/$defs/GraphNode", "/$defs/Graph/"))] == []
    assert schema["$defs"]["SpoolSection"]["properties"]["max_wait"]["default"] == "20ms"
    assert schema["$defs"]["bus.Unit"]["properties"]["every"]["default"] == "1s"


def _properties(schema: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        for name, inner in schema.get("properties", {}).items():
            if path.rsplit("/", maxsplit=1)[-1] not in {"if", "then"} and isinstance(inner, dict) and "const" not in inner:
                yield f"{path}/{name}", inner
        for key, inner in schema.items():
            yield from _properties(inner, f"{path}/{key}")
    elif isinstance(schema, list):
        for index, inner in enumerate(schema):
            yield from _properties(inner, f"{path}/{index}")


def _kinds(example: Path) -> set[str]:
    adapters = read_yaml(example.read_bytes(), example.name).plain().get("adapters", {})
    return {entry["kind"] for entry in adapters.values()}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_accepts_the_example_when_its_kinds_are_installed(example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file in config/ is without errors, by the check and by the schema, and warns of nothing but missing certificates."""
    monkeypatch.chdir(ROOT)
    registry, catalogue = Registry.installed(), Catalogue.installed()
    assert _kinds(example) <= set(registry.kinds())
    checked = load(example, registry=registry, catalogue=catalogue)
    assert [str(e) for e in checked.errors] == []
    assert [str(w) for w in checked.warnings if "tls" not in w.path] == []
    schema = Draft202012Validator(whole_schema(registry, catalogue))
    assert [e.message for e in schema.iter_errors(read_yaml(example.read_bytes(), "x").plain())] == []


def test_finds_the_examples_when_it_looks_in_config() -> None:
    """The examples the documentation names are there."""
    assert [path.name for path in EXAMPLES] == [
        "edge-ble.yaml",
        "edge-coap.yaml",
        "edge-full.yaml",
        "edge-modbus.yaml",
        "edge-mqtt.yaml",
        "edge-processing.yaml",
        "edge-serial.yaml",
        "simulated.yaml",
        "upstream.yaml",
    ]


def test_checks_500_modbus_devices_when_they_are_in_one_file(tmp_path: Path) -> None:
    """A file of 4,000 lines, 500 devices with 4 points each, is checked in seconds (1.5 s on one of two busy cores)."""
    lines = ["node: {id: a}", "adapters:"]
    for line in range(5):
        lines += [
            f"  line-{line}:",
            "    kind: modbus",
            f'    channel: {{tcp: "10.0.0.{line}:502"}}',
            "    overload: coalesce",
            "    units:",
        ]
        for unit in range(100):
            lines += [f"      pump-{unit}:", f"        unit: {unit + 1}", "        every: 1s", "        points:"]
            lines += [f"          p{n}: {{holding: {100 + 2 * n}, type: float32, order: CDAB, unit: bar}}" for n in range(4)]
    config = tmp_path / "node.yaml"
    config.write_text("\n".join(lines) + "\n")
    clock = SystemClock()
    start = clock.monotonic()
    checked = load(config)
    assert checked.errors == ()
    assert clock.monotonic() - start < 15
    assert checked.plan is not None
    assert sum(len(a.frozen().units) for a in checked.plan.adapters.values()) == 500
