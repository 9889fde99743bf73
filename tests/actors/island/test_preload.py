"""Goal: an idle node is small: what islands need is imported once, before the fork, and what nobody needs not at all. Method: a
process that preloads a plan as the main process does, then runs the plan's islands in itself, and says what was imported when."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from rt_edge.actors.island import preload
from rt_edge.sdk import DeviceAdapter
from rt_edge.sdk.registry import Registry
from rt_edge.settings.plan import AdapterPlan, Code, NodeInfo, NodePlan

CONFIG = """
node: {id: n-1, data: DATA}
island: all
adapters:
  broker:
    kind: mqtt
    url: mqtt://127.0.0.1:9
    subscribe: [{filter: plant/+/telemetry, qos: 1, codec: json}]
  plc:
    kind: modbus
    channel: {tcp: "127.0.0.1:9"}
    units: {pump: {unit: 1, every: 1s, points: {pressure: {holding: 100, type: float32}}}}
  sim: {kind: simulated, devices: 1, every: 10ms}
graphs:
  telemetry: [{from: [broker, plc, sim]}, {filter: count > -1}, {set: {twice: count * 2}}, {to: hq}]
  kept: [{from: sim}, {to: main}]
uplinks: {hq: {peers: ["127.0.0.1:9"]}}
stores: {main: {kind: sqlite, path: store/main.db}}
"""

PROGRAM = """
import asyncio, json, sys
from pathlib import Path
import rt_edge.cli.app
rt_edge.cli.app._import_plain("rt_edge.cli.run")
from rt_edge.actors.island.preload import preload
from rt_edge.settings.launch import read_result

class NoLinks:
    def dial(self, address, tls, kinds, on_event): pass
    def close(self, *arguments): pass

result = read_result(Path(sys.argv[1]))
preload(result.plan, result.code)
before = set(sys.modules)

async def run():
    from rt_edge.actors.island.runtime import IslandRuntime
    runtime = IslandRuntime(result.plan, "all", lambda island, data: False, NoLinks())
    runtime.start()
    async with asyncio.timeout(20):
        for name in ("broker", "plc"):
            while not runtime.members["adapter/" + name].status().adapter.error:
                await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.01)
        while not runtime.members["uplink/hq"].status().uplink or not runtime.members["uplink/hq"].status().uplink.readings:
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.01)
    for phase in ("sources", "graphs", "spools", "uplinks"):
        await runtime.stop_phase(phase, 2.0)

asyncio.run(run())
print(json.dumps([sorted(before), sorted(set(sys.modules) - before)]))
"""

TEXT_CODECS = {"encodings.ascii", "encodings.idna", "stringprep", "unicodedata"}


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """What was in memory before the islands ran, and what came after."""
    return ran(tmp_path_factory.mktemp("preload"), CONFIG, PROGRAM)


def ran(folder, config, program):
    """What was in memory before the islands ran, and what came after."""
    (folder / "node.yaml").write_text(config.replace("DATA", str(folder / "data")))
    command = [sys.executable, "-c", program, str(folder / "node.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return [set(found) for found in json.loads(done.stdout)]


def test_nothing_is_imported_after_the_fork_when_islands_run(modules):
    """Adapters that tried to connect, a graph, a spool and a store: all their modules were there before (but codecs of text)."""
    assert modules[1] - TEXT_CODECS == set()


def test_protocol_libraries_are_there_before_the_fork_when_the_plan_names_them(modules):
    """The test above would also pass if nothing had run."""
    assert {"paho.mqtt.client", "serial", "sqlite3", "adapters.modbus.bus"} <= modules[0]


def test_nobody_has_what_no_one_needs_when_a_node_runs(modules):
    """Each of these is up to 1 MiB; what was installed is found by the child that checks the configuration."""
    unwanted = {"importlib.metadata", "email", "http", "urllib.request", "difflib", "argparse", "typing_extensions"}
    unwanted |= {"pydantic", "ruamel", "typer", "rich"}
    assert (modules[0] | modules[1]) & unwanted == set()


def test_paho_is_never_imported_when_all_mqtt_adapters_take_the_fast_client(tmp_path):
    """Not before the fork and not after it; all else of the adapter is there before, as with paho."""
    before, after = ran(tmp_path, CONFIG.replace("kind: mqtt", "kind: mqtt\n    client: fast"), PROGRAM)
    assert not [name for name in before | after if name.partition(".")[0] == "paho"]
    assert "adapters.mqtt.fast" in before
    assert after - TEXT_CODECS == set()


class Broken(DeviceAdapter):
    """Its library is not what it was."""

    @classmethod
    def preload(cls, settings):
        raise ImportError("no such name in the library")


def test_a_node_starts_when_an_adapter_cannot_be_preloaded(tmp_path, monkeypatch, caplog):
    """The adapter says it again when it opens; the others run. Two of a kind say it once."""
    monkeypatch.setattr(preload, "registry", lambda: Registry.of({"broken": Broken}))
    monkeypatch.setattr(preload.gc, "freeze", lambda: None)
    plan = NodePlan(NodeInfo("n", str(tmp_path)), {name: AdapterPlan("broken", {}) for name in "bc"})
    preload.preload(plan, Code())
    assert "adapter kind broken" in caplog.text
    assert caplog.text.count("no such name in the library") == 1
