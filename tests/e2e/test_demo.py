"""Goal: `rt-edge demo` shows what it claims, and leaves nothing behind. Method: the command as a user runs it, with a real
mosquitto and with the small broker, on pipes and on a terminal, interrupted at every stage."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path

import pytest

from rt_edge.cli.demo_parts.janitor import processes_of
from rt_edge.testkit.node_process import wait_until
from rt_edge.uplink.stores.query import StoreReader

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

DEMO = [sys.executable, "-m", "rt_edge.cli.app", "demo"]
STAGES = [
    "rt-edge demo: starting",
    "* broker: ",
    "* edge node and upstream node run",
    "* the uplink is cut",
    "* kill -9: edge uplink-hq",
]
DEVICES = {"broker/press-1", "broker/press-2", "broker/press-3", "line-1/pump-1", "line-1/pump-2", "meter/main", "balance/scale"}
DEVICES |= {"tank/north", "air/fridge", "air/door"}


def environment(folder: Path) -> dict[str, str]:
    """The demo makes its folder below `folder`, so that what it leaves can be seen."""
    return {**{k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}, "TMPDIR": str(folder), "TERM": "xterm"}


def nothing_left(folder: Path) -> bool:
    """No file below `folder`, and no process that has it in its environment or command line."""
    mark = str(folder).encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if mark in (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes():
                    return False
            except OSError:
                continue
    return not any(folder.iterdir())


@pytest.mark.parametrize("broker", ["mosquitto", "small"])
def test_nothing_is_lost_or_doubled_when_the_script_cuts_and_kills(tmp_path: Path, broker: str, mosquitto_path: Path) -> None:
    """The numbers agree, with mosquitto and with the small broker; then no process and no file is left."""
    where = environment(tmp_path) | {"PATH": f"{mosquitto_path.parent}:{os.environ['PATH']}"}
    command = [*DEMO, "--script", "--seconds", "5", "--broker", broker]
    done = subprocess.run(command, env=where, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    out = done.stdout
    assert (f"* broker: {'mosquitto 2.' if broker == 'mosquitto' else 'small broker'}") in out
    for stage in (*STAGES, "* the uplink is restored", "* kill -9: upstream ingress", "* edge uplink-hq is back"):
        assert stage in out, out
    published, filtered = re.search(r"^published +([\d,]+) .* ([\d,]+) are for the filter$", out, re.MULTILINE).groups()
    arrived = re.search(r"^arrived +([\d,]+)$", out, re.MULTILINE)[1]
    numbers = [int(text.replace(",", "")) for text in (published, filtered, arrived)]
    assert numbers[0] > 600
    assert numbers[2] == numbers[0] - numbers[1]
    assert re.search(r"^missing +0\ndoubled +0$", out, re.MULTILINE)
    assert out.endswith("verdict: nothing is lost, nothing is doubled\n")
    assert nothing_left(tmp_path)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder like `tmp_path`, in which the path of a D-Bus's socket has less than 108 bytes."""
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        yield Path(folder)


def test_stdout_is_json_alone_when_asked_for_and_the_folder_stays_when_kept(short_path: Path) -> None:
    """--json puts the lines for people on stderr; --keep leaves configurations, logs, spool and store, and no process. Readings
    of each kind of device are in that store."""
    command = [*DEMO, "--json", "--keep", "--seconds", "5", "--broker", "small"]
    done = subprocess.run(command, env=environment(short_path), capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    first, *rest = done.stdout.splitlines()
    assert json.loads(first)["good"] is True
    (folder,) = short_path.iterdir()
    assert rest == [f"kept: {folder}"]
    assert {"edge.yaml", "upstream.yaml", "edge.log", "pki", "edge", "up"} <= {path.name for path in folder.iterdir()}
    assert folder.stat().st_mode & 0o777 == 0o700
    with StoreReader(folder / "up/store/main.db") as reader:
        arrived = {row.reading.source for row in reader.rows() if row.reading is not None}
    assert arrived == DEVICES
    assert processes_of(folder) == []
    checked = subprocess.run(
        [*DEMO[:3], "check", str(folder / "edge.yaml")], capture_output=True, text=True, timeout=60, check=False
    )
    assert (checked.returncode, checked.stdout.count("warning")) == (0, 0), checked.stdout


ENDS = [
    *((signal.SIGINT, stage) for stage in STAGES),
    (signal.SIGTERM, STAGES[2]),
    (signal.SIGKILL, STAGES[1]),
    (signal.SIGKILL, STAGES[3]),
]


@pytest.mark.parametrize(("number", "stage"), ENDS)
def test_nothing_is_left_when_it_is_interrupted(tmp_path: Path, stage: str, number: signal.Signals) -> None:
    """Ctrl-C, kill and kill -9 at any stage leave no process and no file; the first two say so in one line."""
    command = [*DEMO, "--script", "--seconds", "2", "--broker", "small", "--messages-per-second", "50"]
    process = subprocess.Popen(command, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        guard = threading.Timer(60, process.kill)
        guard.start()
        try:
            assert any(stage in line for line in iter(process.stdout.readline, ""))
            process.send_signal(number)
            process.stdout.read()
            said = process.stderr.read()
            code = process.wait(30)
        finally:
            guard.cancel()
            process.kill()
            process.wait()
    if number is signal.SIGKILL:
        wait_until(lambda: nothing_left(tmp_path), 20, lambda: str(list(tmp_path.iterdir())))
    else:
        assert (code, said) == (130, "rt-edge: interrupted; everything is stopped and removed\n")
        assert nothing_left(tmp_path)


class Terminal:
    """The demo on a terminal of 80 by 24."""

    def __init__(self, folder: Path) -> None:
        self.master, self._slave = pty.openpty()
        ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(self._slave)
        self.seen = ""
        self.process = subprocess.Popen(
            [*DEMO, "--broker", "small"],
            env=environment(folder),
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
        )

    def press(self, key: str) -> None:
        os.write(self.master, key.encode())

    def until(self, text: str, within: float = 30.0) -> None:
        """Until the screen has said `text`."""
        wait_until(lambda: text in self._look(), within, lambda: self.seen[-3000:])

    def _look(self) -> str:
        while select.select([self.master], [], [], 0)[0]:
            self.seen += os.read(self.master, 65536).decode(errors="replace")
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.seen)

    def ended(self) -> bool:
        self._look()
        return self.process.poll() is not None

    def settings(self) -> list[object]:
        return termios.tcgetattr(self._slave)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self._slave)


def test_keys_cut_kill_and_restore_when_it_is_on_a_terminal(tmp_path: Path) -> None:
    """c, k, r and q do what the last line says; at the end there is a verdict, and the terminal is as it was."""
    terminal = Terminal(tmp_path)
    try:
        terminal.until("arrived upstream", 10.0)  # first rows within 10 s
        terminal.until("the uplink's session is open")
        terminal.until(" k  kill -9 a process ")  # the last of 24 lines
        terminal.press("c")
        terminal.until("uplink CUT: readings stay on the edge's disk")
        terminal.press("r")
        terminal.until("the uplink is restored")
        terminal.press("k")
        terminal.until("kill -9: ")
        terminal.press("q")
        wait_until(terminal.ended, 60, lambda: terminal.seen[-3000:])
        terminal.until("verdict: nothing is lost, nothing is doubled")
        assert terminal.process.returncode == 0
        assert terminal.settings() == terminal.before
        assert nothing_left(tmp_path)
    finally:
        terminal.close()


def test_the_terminal_is_as_it_was_when_ctrl_c_is_pressed(tmp_path: Path) -> None:
    """Ctrl-C on the screen ends it at once, without a traceback, and puts the terminal back."""
    terminal = Terminal(tmp_path)
    try:
        terminal.until("arrived upstream", 10.0)
        os.killpg(terminal.process.pid, signal.SIGINT)  # what the terminal does at Ctrl-C
        wait_until(terminal.ended, 20, lambda: terminal.seen[-3000:])
        terminal.until("interrupted; everything is stopped and removed")
        assert terminal.process.returncode == 130
        assert "Traceback" not in terminal.seen
        assert terminal.settings() == terminal.before
        assert nothing_left(tmp_path)
    finally:
        terminal.close()


def test_a_folder_is_not_shared_when_two_demos_run() -> None:
    """A process belongs to a demo by the whole name of its folder, not by the beginning of it."""
    folder = Path(tempfile.gettempdir()) / "rt-edge-demo-of-nobody"
    process = subprocess.Popen([sys.executable, "-c", "input()", f"{folder}-2/x"], stdin=subprocess.PIPE)
    mine = subprocess.Popen([sys.executable, "-c", "input()", f"{folder}/x"], stdin=subprocess.PIPE)
    try:
        wait_until(lambda: processes_of(folder) == [mine.pid], 10, lambda: str(processes_of(folder)))
    finally:
        for one in (process, mine):
            assert one.stdin is not None
            one.stdin.close()
            one.kill()
            one.wait()
