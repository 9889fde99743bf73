"""SupervisedNode: a node under something that does what systemd does: a main process that has ended is started again."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

from rt_edge.daemon.client import NoNode
from rt_edge.telemetry.status import NodeStatus
from rt_edge.testkit.node_process import NodeProcess

RESTART_S = 0.2
"""As `RestartSec=`."""


class SupervisedNode:
    """One node, and a thread that starts its main process again.

    Args:
        config, data, log, environment: as of `NodeProcess`.

    Attributes:
        node: the process; the same object over restarts.
        restarts: how often the main process was started again.
    """

    def __init__(self, config: Path, data: Path, log: Path, environment: dict[str, str] | None = None) -> None:
        self.node = NodeProcess(config, data, log, environment)
        self.restarts = 0
        self._stopping = threading.Event()
        self._away = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the node and its supervisor; returns when the node has published where it is."""
        self.node.start()
        self._thread = threading.Thread(target=self._supervise, name=f"supervisor of {self.node.config.stem}", daemon=True)
        self._thread.start()

    def _supervise(self) -> None:
        while not self._stopping.is_set():
            self.node.wait_end()
            while self._away.is_set() and not self._stopping.is_set():
                self._stopping.wait(0.05)
            if self._stopping.wait(RESTART_S):
                return
            self.node.start(wait=False)
            self.restarts += 1

    def leave(self) -> None:
        """SIGKILL the main process, and do not start it again until `come_back`."""
        self._away.set()
        self.kill("main")

    def come_back(self) -> None:
        """Start it again."""
        self._away.clear()

    def stop(self) -> int:
        """End the supervisor, then the node, in order; returns its exit code."""
        self._stopping.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            code = self.node.stop()
            self._thread.join(10.0)
            # It may have been between the end of one and the start of the next.
            return self.node.stop() if self.node.alive else code
        return self.node.stop()

    # -- processes ---------------------------------------------------------------------------------------------------

    def status(self) -> NodeStatus | None:
        """Its status; None while it does not answer."""
        try:
            return self.node.status()
        except NoNode:
            return None

    def running(self) -> bool:
        """Whether every island runs and every adapter is open."""
        status = self.status()
        return status is not None and all(
            island.pid and island.members and all(m.adapter is None or m.adapter.state == "open" for m in island.members)
            for island in status.islands
        )

    def processes(self) -> dict[str, int]:
        """Name -> process, as far as they run: `main`, `admin`, `logger`, `guardian` and the islands."""
        status = self.status()
        if status is None:
            return {}
        found = {"main": self.node.pid, "guardian": status.pid, **{i.name: i.pid for i in status.islands if i.pid}}
        parents = process_parents()
        admin = parents.get(status.pid, 0)
        if parents.get(admin) == self.node.pid:
            found["admin"] = admin
            others = [pid for pid, parent in parents.items() if parent == admin and pid != status.pid]
            if len(others) == 1:
                found["logger"] = others[0]
        return found

    def kill(self, name: str) -> bool:
        """SIGKILL one of its processes; whether it was there."""
        pid = self.node.pid if name == "main" else self.processes().get(name, 0)
        return self.signal(pid, signal.SIGKILL)

    @staticmethod
    def signal(pid: int, number: signal.Signals) -> bool:
        """Signal a process, if it is there."""
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
                return True
        return False


def process_parents() -> dict[int, int]:
    """Process -> parent, of all processes."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    return parents


def processes_of(config: Path) -> list[int]:
    """All processes of all lives of the node that was started with `config`; a zombie runs no more."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if str(config).encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def proportional_set_size(pids: set[int]) -> int:
    """Sum of PSS over processes, bytes; those that are gone count nothing."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total
