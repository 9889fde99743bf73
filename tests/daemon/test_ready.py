"""Goal: READY=1 and WATCHDOG=1 say what a service manager takes them for. Method: `rt-edge run` with an adapter that is held
at its launch by the test, and a socket in the place of systemd's."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from rt_edge.daemon.client import NoNode
from rt_edge.data.clock import SystemClock
from rt_edge.testkit.node_process import NodeProcess, wait_until

pytestmark = pytest.mark.timeout(90)

CONFIG = """
node: {{id: n-1, data: {data}}}
adapters:
  plc: {{kind: held, pipe: {pipe}}}
  sim: {{kind: simulated}}
graphs:
  g: [{{from: sim}}, {{to: main}}]
stores: {{main: {{kind: sqlite, path: store/main.db}}}}
"""
OTHERS = {"adapter-sim", "graph-g", "store-main"}
PULSE_S = 0.2
CLOCK = SystemClock()


class Gate:
    """The other end of the adapter's pipe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)

    def say(self, word: str) -> None:
        """Have the launch that waits, or the next one, do this."""
        descriptor = -1

        def taken() -> bool:
            nonlocal descriptor
            try:
                descriptor = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # nobody reads yet
                return False
            return True

        wait_until(taken, 20, "the adapter's island is launched")
        os.write(descriptor, word.encode())
        os.close(descriptor)


class Manager:
    """What a service manager hears."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(str(path))
        self.said: list[str] = []

    def heard(self, start: str) -> list[str]:
        """All lines said so far that begin with `start`."""
        while True:
            try:
                self.said += self._sock.recv(4096, socket.MSG_DONTWAIT).decode().split("\n")
            except BlockingIOError:
                return [line for line in self.said if line.startswith(start)]

    def close(self) -> None:
        """Hear no more."""
        self._sock.close()


@pytest.fixture
def manager(tmp_path):
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


@pytest.fixture
def gate(tmp_path):
    return Gate(tmp_path / "pipe")


@pytest.fixture
def node(tmp_path, gate, manager):
    site = tmp_path / "site" / "held-1.dist-info"
    site.mkdir(parents=True)
    (site / "METADATA").write_text("Metadata-Version: 2.1\nName: held\nVersion: 1\n")
    (site / "entry_points.txt").write_text("[rt_edge.adapters]\nheld = tests.daemon.held:HeldAdapter\n")
    config = tmp_path / "node.yaml"
    config.write_text(CONFIG.format(data=tmp_path / "data", pipe=gate.path))
    environment = {
        "PYTHONPATH": f"{site.parent}:{Path(__file__).resolve().parents[2]}",
        "NOTIFY_SOCKET": str(manager.path),
        "RT_EDGE_PULSE_S": str(PULSE_S),
        "RT_EDGE_BACKOFF_S": "0.2",
    }
    made = NodeProcess(config, tmp_path / "data", tmp_path / "log", environment)
    made.start()
    yield made
    if made.alive:
        made.kill()


def others_run(node: NodeProcess) -> bool:
    return set(node.pids()) >= OTHERS


def up_for(node: NodeProcess) -> float:
    status = node.status()
    return status.at - status.started


def test_ready_and_watchdog_are_not_said_when_an_island_is_still_on_its_way(node, gate, manager):
    """Three of four islands run, pulses go by, and nobody is told that the node is ready; with the fourth it is."""
    wait_until(lambda: others_run(node), 20, node.log)
    wait_until(lambda: up_for(node) > 4 * PULSE_S, 20, node.log)
    wait_until(lambda: manager.heard("STATUS=3 of 4"), 20, node.log)
    assert manager.heard("READY=") == []
    assert manager.heard("WATCHDOG=") == []
    gate.say("run")
    wait_until(lambda: manager.heard("READY=1"), 20, node.log)
    assert manager.said[manager.said.index("READY=1") - 1] == "STATUS=4 of 4 islands run"
    wait_until(lambda: manager.heard("WATCHDOG=1"), 20, node.log)
    assert node.status().node == "n-1"
    assert node.stop() == 0
    assert len(manager.heard("READY=1")) == 1


@pytest.mark.parametrize(("word", "reason"), [("raise", "OSError: the device is dead"), ("exit", "has ended")])
def test_ready_is_said_when_the_first_launch_of_an_island_failed(node, gate, manager, word, reason):
    """It is ready with three of four, says which one is missing and why, and says so too when that one has come up."""
    gate.say(word)
    wait_until(lambda: manager.heard("READY=1"), 20, node.log)
    status = manager.said[manager.said.index("READY=1") - 1]
    assert status.startswith(f"STATUS=3 of 4 islands run; adapter-plc: {reason}")
    gate.say("run")
    wait_until(lambda: manager.heard("STATUS=4 of 4 islands run"), 20, node.log)
    assert node.stop() == 0


def test_the_watchdog_is_fed_while_an_island_starts_when_it_is_a_later_life_of_the_tree(node, gate, manager):
    """After the death of the guardian the service manager's watchdog is waiting already: a slow device must not make it bite."""
    gate.say("run")
    wait_until(lambda: manager.heard("READY=1"), 20, node.log)
    guardian = node.pids()["guardian"]
    os.kill(guardian, signal.SIGKILL)
    wait_until(lambda: lives_again(node, guardian), 20, node.log)
    manager.heard("")
    manager.said.clear()
    wait_until(lambda: len(manager.heard("WATCHDOG=1")) >= 3, 20, node.log)
    assert manager.heard("READY=1") == []
    gate.say("run")
    wait_until(lambda: manager.heard("READY=1"), 20, node.log)
    assert node.stop() == 0


def lives_again(node: NodeProcess, guardian: int) -> bool:
    try:
        return others_run(node) and node.pids()["guardian"] != guardian
    except NoNode:  # between two lives nobody answers
        return False


def test_the_watchdog_is_not_fed_while_the_main_process_does_not_turn(node, gate, manager):
    """The guardian's word goes through the main process: one that hangs is not covered up by islands that are well."""
    gate.say("run")
    wait_until(lambda: len(manager.heard("WATCHDOG=1")) >= 2, 20, node.log)
    os.kill(node.pid, signal.SIGSTOP)
    wait_until(lambda: Path(f"/proc/{node.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", 10, node.log)
    manager.heard("")
    manager.said.clear()
    began = CLOCK.monotonic()
    wait_until(lambda: CLOCK.monotonic() - began > 5 * PULSE_S, 20, node.log)
    assert manager.heard("") == []
    os.kill(node.pid, signal.SIGCONT)
    wait_until(lambda: manager.heard("WATCHDOG=1"), 20, node.log)
    assert node.stop() == 0
