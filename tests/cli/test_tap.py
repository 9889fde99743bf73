"""`rt-edge tap`: elements of a running node, filters and ends, names of wires, and that the stream does not feel it."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from rt_edge.actors.tap_messages import Tapped, TappedElement
from rt_edge.cli.app import main
from rt_edge.cli.tap import AWAY_S, Look, Place, Screen, find
from rt_edge.data.errors import RefusedError
from rt_edge.data.reading import Reading
from rt_edge.testkit.node_process import NodeProcess, wait_until

CONFIG = """
node: {id: tapped, data: data}
adapters:
  machine: {kind: simulated, devices: 2, every: 20ms}
graphs:
  telemetry:
    - from: machine
    - filter: temperature > -1000
    - set: {twice: temperature * 2}
    - to: kept
stores:
  kept: {kind: sqlite}
"""
WIRE = "filter.out>set.in"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    folder = tmp_path_factory.mktemp("tapped")
    (folder / "node.yaml").write_text(CONFIG)
    made = NodeProcess(folder / "node.yaml", folder / "data", folder / "log")
    made.start()
    try:
        wait_until(lambda: passed(made) > 0, 20, lambda: f"readings flow: {made.log()[-800:]}")
        yield made
    finally:
        assert made.stop() == 0


def passed(node: NodeProcess) -> int:
    """Elements over the wire so far."""
    members = [member for island in node.status().islands for member in island.members]
    return next((wire.passed for member in members for wire in member.wires if wire.name == WIRE), 0)


def test_elements_are_shown_as_json_when_a_part_of_the_name_is_given(
    node: NodeProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    """Five of them, with their fields; the last line counts."""
    assert main(["tap", "filter.out", "--data", str(node.data), "--count", "5", "--json"]) == 0
    said = capsys.readouterr()
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert len(rows) == 5
    assert {row["source"] for row in rows} <= {"machine/device-1", "machine/device-2"}
    assert all("temperature" in row["fields"] and "twice" not in row["fields"] for row in rows)
    assert "5 shown" in said.err
    assert "graph/telemetry:filter.out>set.in" in said.err


def test_only_wanted_ones_are_shown_when_there_is_a_condition(node: NodeProcess, capsys: pytest.CaptureFixture[str]) -> None:
    """None is, for a condition that never holds; it ends after its time with 0."""
    arguments = ["tap", WIRE, "--data", str(node.data), "--for", "300ms", "--where", "temperature > 1e6"]
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert " 0 shown" in said.err


def test_the_stream_does_not_feel_it_when_somebody_looks(node: NodeProcess) -> None:
    """Ctrl-C ends the look; the wire goes on, its demand is as before, and no tap is left open to be counted."""
    command = [sys.executable, "-m", "rt_edge.cli.app", "tap", WIRE, "--data", str(node.data)]
    look = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert look.stdout is not None
    try:
        first = look.stdout.readline()
        look.send_signal(signal.SIGINT)
        _, error = look.communicate(timeout=20)
    finally:
        look.kill()
        look.communicate()
    assert look.returncode == 0, error
    assert "machine/device-" in first
    assert "shown" in error
    before = passed(node)
    wait_until(lambda: passed(node) > before, 10, "readings flow on")


def test_wires_are_listed_when_none_is_named(node: NodeProcess, capsys: pytest.CaptureFixture[str]) -> None:
    """Of every member, with what has passed."""
    assert main(["tap", "--data", str(node.data), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert WIRE in {one["wire"] for one in listed if one["member"] == "graph/telemetry"}
    assert main(["tap", str(node.config)]) == 0
    assert WIRE in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nothing-like-it"], 5, "no wire has 'nothing-like-it' in its name"),
        (["out>"], 5, "wires have 'out>' in their name"),
        ([WIRE, "--where", "__import__('os')"], 2, "--where"),
        ([WIRE, "--for", "3"], 2, "is not a duration"),
    ],
)
def test_one_line_says_what_is_wrong_when_something_is(
    node: NodeProcess, arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With an exit code that means something."""
    assert main(["tap", *arguments, "--data", str(node.data)]) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_nobody_there_is_exit_code_4_when_no_node_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As of all commands that ask a node."""
    assert main(["tap", WIRE, "--data", str(tmp_path)]) == 4
    assert capsys.readouterr().err.count("\n") == 1


def test_an_exact_name_wins_when_others_have_it_in_theirs() -> None:
    """Also with its member; several that are alike are named."""
    wires = [Place("graph/a", "a.out>b.in"), Place("graph/a", "aa.out>b.in"), Place("graph/b", "x.out>y.in")]
    assert find("a.out>b.in", wires) == wires[0]
    assert find("graph/b:x.out>y.in", wires) == wires[2]
    assert find("Y.IN", wires) == wires[2]
    with pytest.raises(RefusedError, match="2 wires"):
        find("b.in", wires)
    with pytest.raises(RefusedError, match="no wire"):
        find("zzz", wires)


def test_elements_are_harmless_text_when_devices_choose_their_names() -> None:
    """Control characters of names and of objects do not reach a terminal."""
    out = io.StringIO()
    screen = Screen(out, False, 3, None)
    reading = Reading("a/\x1b[2J", 1, {"x\n": "\x07"}, "bad")
    screen.show(TappedElement(reading=msgspec.msgpack.encode(reading)))
    screen.show(TappedElement(text="object\x1b"))
    screen.show(TappedElement(text="third"))
    screen.show(TappedElement(text="one too many"))
    text = out.getvalue()
    assert "\x1b" not in text
    assert "\x07" not in text
    assert text.count("\n") == 3
    assert "(bad)" in text
    assert screen.full


def tapped(passed: int, dropped: int, *texts: str) -> Tapped:
    return Tapped(1, msgspec.msgpack.encode([TappedElement(text=text) for text in texts]), passed, dropped)


def test_look_goes_on_when_the_member_is_started_again() -> None:
    """Said once each way, counted over both lives; one that stays away is given up, one that never was there at once."""
    away = RefusedError("there is no running member 'graph/x'")
    answers: list[Tapped | RefusedError] = [
        tapped(3, 1, "a"),
        away,
        away,
        tapped(2, 0, "b"),
        tapped(1, 0, "c"),
        tapped(2, 0, "d"),
    ]

    def ask(_member: str, _wire: str, _tap: str, _most: int, close: bool = False) -> Tapped:
        answer = answers.pop(0)
        if isinstance(answer, RefusedError):
            raise answer
        assert close == (not answers)
        return answer

    out, notes = io.StringIO(), []
    look = Look(ask, Place("graph/x", "w"), Screen(out, False, None, None), notes.append)
    for now in range(5):
        look.look(float(now))
    look.end()
    assert out.getvalue() == "a\nb\nc\nd\n"
    assert (look.passed, look.dropped) == (3 + 2 + 2, 1)
    assert ["away" in note for note in notes] == [True, False]
    answers[:] = [away, away]
    look.look(10.0)
    with pytest.raises(RefusedError):
        look.look(10.0 + AWAY_S)
    answers[:] = [away]
    with pytest.raises(RefusedError):
        Look(ask, Place("graph/x", "w"), Screen(out, False, None, None), notes.append).look(0.0)


def test_counts_are_said_when_the_node_ends(tmp_path: Path) -> None:
    """Exit code 4, in plain words, with what was seen."""
    (tmp_path / "node.yaml").write_text(CONFIG)
    node = NodeProcess(tmp_path / "node.yaml", tmp_path / "data", tmp_path / "log")
    node.start()
    command = [sys.executable, "-m", "rt_edge.cli.app", "tap", WIRE, "--data", str(node.data)]
    look = None
    try:
        wait_until(lambda: passed(node) > 0, 20, "readings flow")
        look = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert look.stdout is not None
        assert look.stdout.readline()
    finally:
        assert node.stop() == 0
        assert look is not None
        try:
            _, error = look.communicate(timeout=20)
        finally:
            look.kill()
    assert look.returncode == 4
    assert "node tapped has ended, or does not answer; " in error
    assert "shown" in error
    assert "ActorAddr" not in error
