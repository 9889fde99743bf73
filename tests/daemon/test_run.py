"""Goal: the main process says what a service manager needs to know. Method: `rt-edge run` as a process, and a socket in the
place of systemd's."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys

import pytest

from rt_edge.testkit.node_process import NodeProcess, wait_until

pytestmark = pytest.mark.timeout(90)

CONFIG = """
node: {{id: n-1, data: {data}}}
stores: {{main: {{kind: sqlite, path: store/main.db}}}}
ingress: {{listen: "127.0.0.1:0", store: main}}
"""


@pytest.fixture
def node(tmp_path):
    config = tmp_path / "node.yaml"
    config.write_text(CONFIG.format(data=tmp_path / "data"))
    made = NodeProcess(config, tmp_path / "data", tmp_path / "log")
    yield made
    if made.alive:
        made.kill()


@pytest.fixture
def systemd(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(20)
        yield sock


def heard(sock: socket.socket, wanted: str) -> list[str]:
    """What is said until `wanted` is, line by line."""
    said: list[str] = []
    while wanted not in said:
        said += sock.recv(4096).decode().split("\n")
    return said


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """`rt-edge run`, to its end."""
    command = [sys.executable, "-m", "rt_edge.cli.app", "run", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_ready_watchdog_and_stopping_are_said_when_a_service_manager_listens(tmp_path, node, systemd):
    """READY=1 once it runs, WATCHDOG=1 while both loops of all islands turn, STOPPING=1 at the stop."""
    node._environment |= {"NOTIFY_SOCKET": str(tmp_path / "notify"), "RT_EDGE_PULSE_S": "0.2"}
    node.start()
    assert heard(systemd, "READY=1")[-2:] == ["STATUS=1 of 1 islands run", "READY=1"]
    assert set(heard(systemd, "WATCHDOG=1")) == {"WATCHDOG=1"}
    os.kill(node.pids()["ingress"], signal.SIGSTOP)
    wait_until(lambda: "has not answered" in node.log(), 20, node.log)
    heard(systemd, "WATCHDOG=1")  # of the island's next life
    node.stop()
    assert "STOPPING=1" in heard(systemd, "STOPPING=1")


def test_the_watchdog_is_not_fed_while_an_island_is_stopped(tmp_path, node, systemd):
    """An island that does not turn is not covered up."""
    node._environment |= {"NOTIFY_SOCKET": str(tmp_path / "notify"), "RT_EDGE_PULSE_S": "0.5"}
    node.start()
    heard(systemd, "WATCHDOG=1")
    heard(systemd, "WATCHDOG=1")
    os.kill(node.pids()["ingress"], signal.SIGSTOP)
    systemd.settimeout(1.4)  # two pulses and a half; the island is killed after four
    systemd.recv(4096)  # of a pulse that was under way
    with pytest.raises(TimeoutError):
        heard(systemd, "WATCHDOG=1")
    node.stop()


def test_the_second_node_of_a_data_directory_is_refused_with_exit_code_5(node):
    """One line, the holder named, and the first one untouched."""
    node.start()
    done = run(node.config)
    assert done.returncode == 5
    assert f"process {node.pid}" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert node.status().node == "n-1"
    assert node.stop() == 0


@pytest.mark.parametrize("content", [None, "node: [", "node: {id: n-1}\nnonsense: 1\n", b"\xff\xfe\x00"])
def test_a_configuration_that_cannot_be_read_is_exit_code_3(tmp_path, content):
    """Missing, broken, wrong or no text at all: exit code 3, a line that names the file, no traceback."""
    config = tmp_path / "bad.yaml"
    if content is not None:
        config.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = run(config, "--data", tmp_path / "data")
    assert done.returncode == 3, done.stderr
    assert "bad.yaml" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("island", ["each", "all"])
def test_an_adapter_that_has_to_be_there_and_is_not_ends_the_node_with_exit_code_1(tmp_path, island):
    """`startup: fail`: the node stops in order, and its last words say which adapter, and why."""
    config = tmp_path / "node.yaml"
    config.write_text(
        f"""
node: {{id: n-1, data: {tmp_path}/data}}
island: {island}
adapters:
  scale: {{kind: serial, startup: fail, port: {tmp_path}/no-such-port, framing: {{kind: delimiter}}, listen: {{}}}}
  pulse: {{kind: simulated, startup: fail}}
graphs: {{g: [{{from: [scale, pulse]}}, {{to: main}}]}}
stores: {{main: {{kind: sqlite}}}}
"""
    )
    done = run(config)
    assert done.returncode == 1, done.stderr
    assert "the node does not start: adapter/scale:" in done.stderr
    assert "no-such-port is not there" in done.stderr
    assert "Traceback" not in done.stderr


def test_stores_are_in_the_directory_of_the_command_line_when_it_names_one(tmp_path, node):
    """`--data` moves the whole node; nothing is written where the configuration says."""
    other = tmp_path / "other"
    moved = NodeProcess(node.config, other, tmp_path / "log2")
    moved.start()
    wait_until((other / "store" / "main.db").exists, 10, moved.log)
    assert not (tmp_path / "data").exists()
    assert moved.stop() == 0


def test_sighup_leaves_the_node_running_and_says_what_to_do(node):
    """Reload is not there yet: one line says so."""
    node.start()
    os.kill(node.pid, signal.SIGHUP)
    wait_until(lambda: "reload is not supported" in node.log(), 10, node.log)
    assert node.alive
    assert node.stop() == 0


@pytest.mark.parametrize("nohup", [False, True])
def test_a_terminal_that_is_closed_ends_the_node_unless_nohup_says_otherwise(node, tmp_path, nohup):
    """A window that is closed leaves no node behind that nobody sees and that keeps its ports."""
    master, slave = pty.openpty()
    begin = "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    begin += "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" if nohup else ""
    begin += "os.execv(sys.executable, [sys.executable, '-m', 'rt_edge.cli.app', 'run', sys.argv[1]])"
    with (tmp_path / "log").open("ab") as log:
        command = [sys.executable, "-c", begin, str(node.config)]
        process = subprocess.Popen(command, stdin=slave, stdout=log, stderr=log, start_new_session=True)
    os.close(slave)
    try:
        wait_until(lambda: "node n-1 runs" in node.log(), 20, node.log)
        os.close(master)
        if nohup:
            os.kill(process.pid, signal.SIGTERM)
        assert process.wait(20) == 0
        assert ("the terminal is gone" in node.log()) is not nohup
    finally:
        process.kill()
        process.wait()


def test_a_data_directory_that_cannot_be_made_is_exit_code_3(tmp_path):
    """A file in the way of the directory is a matter of configuration."""
    (tmp_path / "file").write_text("")
    config = tmp_path / "node.yaml"
    config.write_text(CONFIG.format(data=tmp_path / "file" / "data"))
    done = run(config)
    assert done.returncode == 3, done.stderr
    assert "cannot be used" in done.stderr
