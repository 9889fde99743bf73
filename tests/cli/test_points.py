"""What `read` and `write` print, their exit codes, and which node is meant; tests/e2e/test_commands.py goes to devices."""

from __future__ import annotations

import json
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from rt_edge.actors.errors import AskTimeout, NoNode
from rt_edge.cli import points
from rt_edge.cli.app import main
from rt_edge.cli.errors import ExitCode
from rt_edge.commands.command import Outcome


class Node:
    """Stands in for a running node: answers with what the test says, and remembers what it was asked."""

    def __init__(self, outcome):
        self.file = SimpleNamespace(node="hall-3")
        self.outcome, self.asked = outcome, []

    def read_point(self, point, node):
        self.asked.append((point, node))
        return self._answer()

    def write_point(self, point, command, node, wait, keyed):
        self.asked.append((point, node, command, wait, keyed))
        return self._answer()

    def _answer(self):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.fixture(name="node")
def _node(monkeypatch):
    node = Node(Outcome("k", "confirmed", True))

    @contextmanager
    def running(_where):
        yield node

    monkeypatch.setattr(points, "running_node", running)
    return node


@pytest.mark.parametrize(
    ("outcome", "code", "words"),
    [
        (Outcome("k", "confirmed", True, "", None, 3.0), 0, "plc/p is 5 (it was 3.0)\n"),
        (Outcome("k", "confirmed", True, "no answer; read back"), 0, "plc/p is 5: no answer; read back\n"),
        (Outcome("k", "sent", True), 0, "5 was sent to plc/p, which does not say whether it took it\n"),
        (
            Outcome("k", "accepted", True, "dry run: 5 would be written", None, 3),
            0,
            "plc/p: dry run: 5 would be written (it was 3)\n",
        ),
        (Outcome("k", "accepted", False), 0, "plc/p: accepted, key k\n"),
        (Outcome("k", "failed", True, "exception 4"), 1, "rt-edge: plc/p: failed: exception 4\n"),
        (Outcome("k", "expired", True, "not sent"), 1, "rt-edge: plc/p: expired: not sent\n"),
        (Outcome("k", "unknown", True, "silent"), 1, "rt-edge: plc/p: unknown whether it was carried out: silent\n"),
        (Outcome("k", "refused", True, "p takes 0 to 4"), 5, "rt-edge: refused: p takes 0 to 4\n"),
    ],
)
def test_write_says_what_became_of_it_with_its_exit_code(node, capsys, outcome, code, words):
    """A line on stdout where all is well, on stderr where it is not."""
    node.outcome = outcome
    assert main(["write", "hall-3", "plc/p", "5", "--key", "k"]) == code
    said = capsys.readouterr()
    assert (said.out, said.err) == ((words, "") if code == 0 else ("", words))


def test_write_hands_on_all_that_was_said(node, capsys):
    """Expiry, key, priority, dry run, wait; another node's id goes along, its own does not; JSON has the outcome."""
    node.outcome = Outcome("kk", "confirmed", True, value=b"\x01\xff")
    args = [
        "write",
        "edge-1",
        "plc/p",
        "5",
        "--expires",
        "500ms",
        "--key",
        "kk",
        "--priority",
        "--dry-run",
        "--no-wait",
        "--json",
    ]
    assert main(args) == 0
    ((point, other, command, wait, keyed),) = node.asked
    assert keyed
    assert (point, other, wait) == ("plc/p", "edge-1", False)
    assert (command.key, command.value, command.text, command.expires_s) == ("kk", "5", True, 0.5)
    assert (command.priority, command.dry_run, command.via) == (True, True, "cli")
    assert command.who
    said = json.loads(capsys.readouterr().out)
    assert (said["point"], said["state"], said["value"]) == ("plc/p", "confirmed", "01ff")
    main(["read", "hall-3", "plc/p"])
    assert node.asked[1] == ("plc/p", "")


@pytest.mark.parametrize(
    ("args", "value"),
    [
        (["-5"], "-5"),
        (["-.5e3", "--dry-run"], "-.5e3"),
        (["--dry-run", "-5."], "-5."),
        (["--key", "-7", "-5"], "-5"),
        (["--", "-5"], "-5"),
        (["5", "--key", "-7"], "5"),
    ],
)
def test_negative_value_is_no_option(node, args, value):
    """Wherever it stands, unless it is what an option takes."""
    assert main(["write", "hall-3", "plc/p", *args]) == 0
    assert node.asked[0][2].value == value


def test_option_that_is_none_is_a_usage_error(node):
    """Also one that begins with a digit, and two numbers."""
    for args in (["-5bar"], ["-5", "-6"], ["5", "--expire", "5s"]):
        assert main(["write", "hall-3", "plc/p", *args]) == ExitCode.USAGE
    assert not node.asked


def test_configuration_that_is_not_there_is_not_taken_for_a_node(node, capsys, monkeypatch):
    """Whatever RT_EDGE_DATA says; a name with dots is one."""
    monkeypatch.setenv("RT_EDGE_DATA", "/nowhere")
    assert main(["write", "hall.yaml", "plc/p", "5"]) == ExitCode.CONFIGURATION
    assert capsys.readouterr().err == "rt-edge: there is no configuration hall.yaml\n"
    assert main(["write", "hall.3", "plc/p", "5"]) == 0
    assert (node.asked[0][1], node.asked[0][4]) == ("hall.3", False)


@pytest.mark.parametrize("expires", ["5", "0s", "25h", "soon"])
def test_write_is_a_usage_error_when_the_expiry_is_none(node, expires):
    """Nothing is asked."""
    assert main(["write", "hall-3", "plc/p", "5", "--expires", expires]) == ExitCode.USAGE
    assert not node.asked


def test_write_is_unknown_when_the_answer_is_lost_and_unreachable_when_there_is_no_node(node, capsys):
    """The key is said, to ask again with; a node that is not there had nothing to lose."""
    node.outcome = NoNode("node hall-3 does not answer")
    node.outcome.__cause__ = AskTimeout("no answer")
    assert main(["write", "hall-3", "plc/p", "5", "--key", "mine"]) == ExitCode.FAILED
    assert "ask again with --key mine" in capsys.readouterr().err
    node.outcome = NoNode("nothing listens")
    assert main(["write", "hall-3", "plc/p", "5"]) == ExitCode.UNREACHABLE


@pytest.mark.parametrize(
    ("outcome", "code", "words"),
    [
        (Outcome("", "confirmed", True, value=4.5, unit="bar"), 0, "4.5 bar\n"),
        (Outcome("", "confirmed", True, value=True), 0, "true\n"),
        (Outcome("", "confirmed", True, value="a\nb"), 0, "a\\nb\n"),
        (Outcome("", "confirmed", True, value=b"\x01\xff"), 0, "01 ff\n"),
        (Outcome("", "failed", True, "silent"), 1, "rt-edge: plc/p: silent\n"),
        (Outcome("", "refused", True, "there is no point"), 5, "rt-edge: plc/p: there is no point\n"),
    ],
)
def test_read_prints_the_value_with_its_unit(node, capsys, outcome, code, words):
    """As a person reads it, control characters made visible."""
    node.outcome = outcome
    assert main(["read", "hall-3", "plc/p"]) == code
    said = capsys.readouterr()
    assert said.out + said.err == words
