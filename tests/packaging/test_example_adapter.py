"""The adapter of docs/adapters.md: the page is its files; its wheel is installed beside rt-edge, found, checked, run, tested."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rt_edge.testkit.node_process import NodeProcess, wait_until
from tests.packaging.test_wheel import build

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "adapters.md"
EXAMPLE = ROOT / "docs" / "examples" / "rt-edge-weigher"
BLOCK = re.compile(r"^(?:A node for it, )?`([\w./-]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> dict[str, str]:
    """File -> its text on the page."""
    return dict(BLOCK.findall(PAGE.read_text()))


def test_page_shows_the_files_of_the_example_when_they_change() -> None:
    """Each file of the example is on the page to the letter; what else is there is node.yaml."""
    paths = [path for path in EXAMPLE.rglob("*") if path.suffix in (".py", ".toml", ".yaml", ".md")]
    files = {str(path.relative_to(EXAMPLE)): path.read_text() for path in paths}
    shown = blocks()
    assert "kind: weigher" in shown.pop("node.yaml")
    assert shown == files


@pytest.fixture(scope="module", name="installed")
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel of the example in it, as pip installs it; no network."""
    folder = tmp_path_factory.mktemp("weigher")
    source = folder / "source"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
    wheel = build(source, "wheel", folder / "dist")
    target = folder / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return target


def environment(installed: Path) -> dict[str, str]:
    """Where Python finds the example."""
    return {**os.environ, "PYTHONPATH": str(installed)}


def rt_edge(installed: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """`rt-edge` with the example installed."""
    command = [sys.executable, "-m", "rt_edge.cli.app", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment(installed), timeout=60, check=False)


def test_kind_is_listed_and_keeps_the_rules_when_its_wheel_is_installed(installed: Path) -> None:
    """By its entry point alone: with its capability, from its package; and --check finds nothing to say."""
    (weigher,) = (kind for kind in json.loads(rt_edge(installed, "adapters", "--json").stdout) if kind["kind"] == "weigher")
    assert weigher["package"] == "rt-edge-weigher"
    assert weigher["installed"] is True
    assert {key: weigher["capability"][key] for key in ("delivery", "backpressure", "writable")} == {
        "delivery": "polled",
        "backpressure": "native",
        "writable": True,
    }
    checked = rt_edge(installed, "adapters", "--check", "weigher")
    assert (checked.returncode, checked.stdout) == (0, "ok: weigher\n"), checked.stdout + checked.stderr


@pytest.fixture(name="port")
def _port(installed: Path) -> Iterator[int]:
    """The port of a weigher in a process of its own."""
    command = [sys.executable, str(EXAMPLE / "tests" / "device.py"), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as device:
        assert device.stdout is not None
        try:
            yield int(device.stdout.readline())
        finally:
            device.kill()


def test_readings_are_stored_when_a_node_runs_the_adapter(installed: Path, port: int, tmp_path: Path) -> None:
    """The configuration of the page is checked and run; a wrong setting is an error with its place."""
    text = blocks()["node.yaml"].replace("127.0.0.1:4001", f"127.0.0.1:{port}")
    config = tmp_path / "node.yaml"
    config.write_text(text.replace("every:", "evry:"))
    wrong = rt_edge(installed, "check", config)
    assert wrong.returncode == 3
    assert "node.yaml:3:" in wrong.stdout
    assert "unknown key 'evry' (did you mean 'every'?)" in wrong.stdout
    config.write_text(text)
    checked = rt_edge(installed, "check", config)
    assert checked.returncode == 0, checked.stdout
    node = NodeProcess(config, tmp_path / "data", tmp_path / "log", {"PYTHONPATH": str(installed)})
    node.start()
    try:

        def stored() -> bool:
            member = node.member("adapter/scale")
            return member is not None and member.adapter is not None and member.adapter.counters.get("polls_ok", 0) >= 5

        wait_until(stored, 20, node.log)
    finally:
        assert node.stop() == 0
    rows = rt_edge(installed, "store", tmp_path / "data", "--json")
    assert rows.returncode == 0, rows.stderr
    assert "scale/weight" in rows.stdout


def test_its_contract_suite_passes_when_the_wheel_is_tested(installed: Path, tmp_path: Path) -> None:
    """As its author runs it, against what was installed and not against the source."""
    tests = shutil.copytree(EXAMPLE / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "--rootdir",
        str(tests),
        str(tests),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(installed), cwd=tmp_path, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 40
