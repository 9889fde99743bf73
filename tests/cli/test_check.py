"""`rt-edge check`, `schema`, `adapters` as a user runs them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.simulated import SimulatedAdapter
from rt_edge.cli.adapters import describe_kind
from rt_edge.cli.app import main
from rt_edge.cli.check_live import probe_all
from rt_edge.daemon.data_dir import DataDir
from rt_edge.sdk.adapter import AdapterContext, ProbeResult
from rt_edge.sdk.registry import AdapterEntry, Registry
from rt_edge.settings.plan import AdapterPlan, NodeInfo, NodePlan

GOOD = "node: {id: up-a, data: d}\ningress: {listen: '127.0.0.1:0', store: s}\nstores: {s: {kind: sqlite}}\n"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = Path("node.yaml")
    file.write_text(GOOD)
    return file


def test_sums_up_the_node_when_the_configuration_is_good(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, and one line that says what would run."""
    assert main(["check", "node.yaml"]) == 0
    assert capsys.readouterr().out == "node.yaml: ok: node up-a: 1 store, ingress on 127.0.0.1:0, in 1 island\n"


def test_prints_every_error_when_the_configuration_is_bad(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3, a line an error in the form editors jump to, and the count."""
    config.write_text(GOOD.replace("up-a", "Up").replace("kind:", "knd:"))
    assert main(["check", "node.yaml"]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("node.yaml:1:12: error: node > id: 'Up' is not a name (1 to 64")
    assert lines[1:] == [
        "node.yaml:3:10: error: stores > s > kind: `kind` is missing (Kind of store; `sqlite` is a file.)",
        "node.yaml:3:14: error: stores > s > knd: unknown key 'knd' (did you mean 'kind'?)",
        "node.yaml: 3 errors, 0 warnings",
    ]


def test_prints_places_as_data_when_asked_for_json(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` has all there is to know, for programs."""
    assert main(["check", "node.yaml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "ok": True,
        "errors": [],
        "warnings": [],
        "node": "up-a",
        "bounds": {"sources": 0, "graphs": 0, "uplinks": 0, "total": 0},
        "islands": {"ingress": ["ingress"]},
    }
    config.write_text(GOOD.replace("up-a", "Up"))
    assert main(["check", "--json", "node.yaml"]) == 3
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert (error["file"], error["line"], error["column"], error["path"]) == ("node.yaml", 1, 12, "node > id")


def test_is_a_configuration_error_when_the_file_is_not_there(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that cannot be read is said like any other error."""
    assert main(["check", "none.yaml"]) == 3
    assert capsys.readouterr().out.splitlines()[0] == (
        "none.yaml: error: cannot be read: No such file or directory (name a readable file)"
    )


def test_prints_markup_as_it_is_when_it_stands_in_a_configuration(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets in a message are text, not colours."""
    config.write_text(GOOD + "'[red]x': 1\n")
    assert main(["check", "node.yaml"]) == 3
    assert "[red]x: unknown key '[red]x'" in capsys.readouterr().out


def test_prints_a_schema_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """The schema names the sections and the stages."""
    assert main(["schema"]) == 0
    schema: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert {"node", "adapters", "graphs", "uplinks", "ingress", "stores", "telemetry"} <= set(schema["properties"])
    assert "deadband" in json.dumps(schema["$defs"]["Step"])


def test_lists_installed_kinds_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """The simulated adapter needs nothing: it is there, with its promise."""
    assert main(["adapters", "--json"]) == 0
    kinds = {kind["kind"]: kind for kind in json.loads(capsys.readouterr().out)}
    assert kinds["simulated"]["installed"]
    assert kinds["simulated"]["capability"]["delivery"] == "polled"
    assert main(["adapters"]) == 0
    assert "simulated\t" in capsys.readouterr().out


def test_says_what_to_install_when_a_kind_cannot_be_imported() -> None:
    """A kind that is broken or lacks its library is listed with the command that helps."""

    def broken() -> Any:
        raise ImportError("no radiolib")

    kind = describe_kind(AdapterEntry("radio", broken, "x", "pip install x[radio]", ("radiolib",)))
    assert (kind.installed, kind.install, kind.capability) == (False, "pip install x[radio]", None)


def test_leaves_quietly_when_its_reader_goes_away(config: Path) -> None:
    """`rt-edge schema | head -1` prints no traceback."""
    command = f"{sys.executable} -m rt_edge.cli.app schema | head -c 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("{", "")


def test_sums_up_all_bounds_when_there_is_a_graph(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How many readings can be in memory at once, and where: windows, slots and holds, commits."""
    config.write_text(
        "node: {id: e, data: d}\nadapters: {m: {kind: simulated}}\n"
        "graphs: {t: [{from: m}, {buffer: 500}, {to: hq}]}\nuplinks: {hq: {peers: ['127.0.0.1:1']}}\n"
    )
    assert main(["check", "node.yaml"]) == 0
    assert "at most 7,548 readings (1,000 unsettled at the sources, 2,548 in graphs, 4,000" in capsys.readouterr().out


LIVE = """
node: {id: hall-3, data: d}
adapters:
  sim: {kind: simulated}
  plc:
    kind: modbus
    channel: {tcp: "127.0.0.1:1", timeout: 100ms}
    units: {pump-1: {every: 1s, points: {speed: {holding: 0}}}}
graphs: {telemetry: [{from: [sim, plc]}, {to_path: readings.jsonl}]}
"""


def test_live_check_asks_every_device_and_says_which_do_not_answer(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line an adapter; exit code 1 if one fails, 0 if all answer; the node's directory is free afterwards."""
    config.write_text(LIVE)
    assert main(["check", "--live", "node.yaml"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("node.yaml: ok: node hall-3: 2 adapters")
    assert "sim (simulated): ok: opened and closed" in lines
    (plc,) = [line for line in lines if line.startswith("plc (modbus): failed: ")]
    assert "127.0.0.1:1" in plc
    assert main(["check", "--live", "node.yaml", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is True
    assert [(one["adapter"], one["kind"], one["ok"]) for one in said["live"]] == [
        ("sim", "simulated", True),
        ("plc", "modbus", False),
    ]
    config.write_text(GOOD)
    assert main(["check", "--live", "node.yaml"]) == 0
    config.write_text(LIVE.replace("kind: modbus", "kind: modbos"))
    assert main(["check", "--live", "node.yaml", "--json"]) == 3
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["live"] is None


def test_live_check_does_not_take_devices_away_from_a_node_that_runs(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 5, and what to do instead."""
    config.write_text(LIVE)
    held = DataDir(Path("d"))
    try:
        assert main(["check", "--live", "node.yaml"]) == 5
    finally:
        held.close()
    assert "belongs to a node that runs" in (said := capsys.readouterr().err)
    assert "`rt-edge status`" in said


def test_live_check_ends_in_time_whatever_an_adapter_does(tmp_path: Path) -> None:
    """One that never answers is given up, and closed; one with a bug is told of; the others are not held up."""
    closed: list[str] = []

    class Silent(SimulatedAdapter):
        async def probe(self) -> ProbeResult:
            await asyncio.Event().wait()
            raise AssertionError

        async def close(self) -> None:
            closed.append(self.context.name)
            await super().close()

    class Wrong(SimulatedAdapter):
        async def probe(self) -> ProbeResult:
            raise ValueError("a bug")

    class Unmade(SimulatedAdapter):
        def __init__(self, settings: Any, context: AdapterContext) -> None:
            raise ValueError("another bug")

    settings: dict[str, Any] = {
        "devices": 1,
        "every": 0.0,
        "seed": 1,
        "amplitude_celsius": 10.0,
        "period": 60.0,
        "write_takes": 0.0,
    }
    settings["points"] = {"%map": {}}
    plan = NodePlan(
        NodeInfo("hall-3", str(tmp_path / "d")),
        {kind: AdapterPlan(kind, settings) for kind in ("silent", "wrong", "unmade", "simulated")},
    )
    registry = Registry.of({"silent": Silent, "wrong": Wrong, "unmade": Unmade, "simulated": SimulatedAdapter})
    lives = probe_all(plan, 0.05, registry)
    assert [(one.adapter, one.ok) for one in lives] == [
        ("silent", False),
        ("wrong", False),
        ("unmade", False),
        ("simulated", True),
    ]
    assert lives[0].message == "no answer within 0.05 s"
    assert lives[1].message == "ValueError: a bug (a bug in the adapter)"
    assert "silent" in closed
