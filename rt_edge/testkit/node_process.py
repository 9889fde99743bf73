"""NodeProcess: a whole node as a user runs it, `rt-edge run CONFIG`, with its processes at hand for tests and demonstrations."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rt_edge.daemon.client import NoNode, RunningNode, connect
from rt_edge.daemon.data_dir import NODE_FILE
from rt_edge.data.clock import SystemClock
from rt_edge.data.errors import InternalError
from rt_edge.telemetry.status import MemberStatus, NodeStatus

START_S = 20.0
STOP_S = 30.0
LOOK_S = 0.05


def wait_until(condition: Callable[[], bool], within: float, what: str | Callable[[], str]) -> None:
    """Look at `condition` every 50 ms until it holds.

    Raises:
        InternalError: it did not hold within so many seconds; `what` says which.
    """
    clock = SystemClock()
    until = clock.monotonic() + within
    pause = threading.Event()
    while not condition():
        if clock.monotonic() > until:
            raise InternalError(f"not within {within:g} s: {what if isinstance(what, str) else what()}")
        pause.wait(LOOK_S)


class NodeProcess:
    """One node.

    Args:
        config: its configuration file.
        data: its data directory, as in the configuration.
        log: file that its output is appended to.
        environment: added to this process's.
    """

    def __init__(self, config: Path, data: Path, log: Path, environment: dict[str, str] | None = None) -> None:
        self.config = config
        self.data = data
        self.log_file = log
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the main process."""
        return self._process.pid if self._process is not None else 0

    @property
    def alive(self) -> bool:
        """Whether the main process runs."""
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """All it said so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def start(self, wait: bool = True) -> None:
        """Start it; returns when it has published where it is (`wait`)."""
        command = [sys.executable, "-m", "rt_edge.cli.app", "run", str(self.config), "--data", str(self.data)]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own program
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment, start_new_session=True
            )
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Until `run/node.json` is of this main process."""
        wait_until(self._published, START_S, lambda: f"{self.config.name} runs; its log ends with: {self.log()[-800:]}")

    def _published(self) -> bool:
        if not self.alive:
            raise InternalError(f"{self.config.name} ended: {self.log()[-800:]}")
        try:
            return f'"pid": {self.pid}' in (self.data / NODE_FILE).read_text()
        except FileNotFoundError:
            return False

    def ask(self, question: Callable[[RunningNode], Any]) -> Any:
        """What the running node answers.

        Raises:
            NoNode: it does not.
        """
        with connect(self.data) as node:
            return question(node)

    def status(self) -> NodeStatus:
        """Its status.

        Raises:
            NoNode: it does not answer.
        """
        status: NodeStatus = self.ask(lambda node: node.status())
        return status

    def member(self, name: str) -> MemberStatus | None:
        """The status of one member; None while it or the node is away."""
        try:
            status = self.status()
        except NoNode:
            return None
        return next((m for island in status.islands for m in island.members if m.name == name), None)

    def pids(self) -> dict[str, int]:
        """Processes by name: `main`, `guardian` and the islands that run."""
        status = self.status()
        return {"main": self.pid, "guardian": status.pid, **{i.name: i.pid for i in status.islands if i.pid}}

    def family(self) -> set[int]:
        """The main process and all processes below it, by /proc."""
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                parents[int(entry.name)] = int(fields[1])
        family = {self.pid}
        while True:
            more = {pid for pid, parent in parents.items() if parent in family} - family
            if not more:
                return family
            family |= more

    def kill(self, name: str = "main") -> None:
        """SIGKILL one of its processes, by name."""
        os.kill(self.pids()[name] if name != "main" else self.pid, signal.SIGKILL)
        if name == "main" and self._process is not None:
            self._process.wait(STOP_S)

    def wait_end(self) -> int:
        """Wait until the main process has ended, however long; returns its exit code."""
        return self._process.wait() if self._process is not None else 0

    def stop(self) -> int:
        """SIGTERM, and wait; returns the exit code. SIGKILL, and an error, if it does not end."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise InternalError(f"{self.config.name} did not stop within {STOP_S:g} s: {self.log()[-800:]}") from None
