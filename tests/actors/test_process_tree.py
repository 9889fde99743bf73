"""SIGKILL of any process of a node leaves no orphan and no listening port."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from rt_edge.actors.transport import lifeline
from rt_edge.actors.transport.peer_user import listener_owner

PROGRAM = Path(__file__).parent / "node_program.py"


class Running:
    """A node in its own process, with a pidfd of each of its processes."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, str(PROGRAM)], stdout=subprocess.PIPE, text=True)
        told = json.loads(self.process.stdout.readline())
        self.members = {(role, name): pid for role, name, pid in told["members"]}
        self.ports = told["ports"]
        self.pidfds = {key: os.pidfd_open(pid) for key, pid in self.members.items()}

    def kill(self, name):
        [key] = [key for key in self.members if name in key]
        os.kill(self.members[key], signal.SIGKILL)

    def gone_within(self, seconds, names=None):
        """Which of the processes are still there after `seconds`."""
        left = {key: fd for key, fd in self.pidfds.items() if names is None or key[1] in names}
        until = time.monotonic() + seconds
        while left and (wait := until - time.monotonic()) > 0:
            poll = select.poll()
            for fd in left.values():
                poll.register(fd, select.POLLIN)
            ended = {fd for fd, _ in poll.poll(wait * 1000)}
            left = {key: fd for key, fd in left.items() if fd not in ended}
        return set(left)

    def listening(self):
        table = Path("/proc/net/tcp").read_bytes()
        return [port for port in self.ports if listener_owner(table, port) is not None]

    def close(self):
        for fd in self.pidfds.values():
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            os.close(fd)
        self.process.communicate(timeout=10)


@pytest.fixture
def running():
    made = Running()
    yield made
    made.close()


@pytest.mark.parametrize("name", ["main", "admin", "logger"])
def test_whole_tree_ends_when_one_of_its_heads_is_killed(running, name):
    """Main, admin or logger killed: within 2 s every process has ended, and admin's and ingress's ports are free."""
    assert len(running.members) == 9
    assert len(running.listening()) == 2
    running.kill(name)
    assert running.gone_within(2) == set()
    assert running.listening() == []


def test_main_is_the_parent_of_the_admin_when_that_has_forked_twice(running):
    """Main is the subreaper of its tree: the admin, whose parent has exited, is its child, and main reaps it."""
    status = Path(f"/proc/{running.members['admin', '-']}/status").read_text()
    [parent] = [int(line.split()[1]) for line in status.splitlines() if line.startswith("PPid:")]
    assert parent == next(pid for (role, _), pid in running.members.items() if role == "main")


def test_children_end_and_others_stay_when_an_actor_is_killed(running):
    """A killed actor takes its children along, and nobody else."""
    running.kill("Parent")
    assert running.gone_within(2, ["Parent", "Echo"]) == set()
    assert {name for _, name in running.gone_within(0.3)} == {"main", "-", "other", "Looper", "Ingress"}


def test_port_is_free_when_the_ingress_is_killed(running):
    """The configured port of an ingress that was killed can be bound again at once."""
    running.kill("Ingress")
    assert running.gone_within(2, ["Ingress"]) == set()
    assert running.listening() == running.ports[:1]


def test_tree_ends_when_the_main_process_is_killed_while_an_actor_is_stuck(running):
    """A stopped actor and a stopped logger cannot keep the tree alive."""
    for name in ("Looper", "logger"):
        [pid] = [pid for key, pid in running.members.items() if name in key]
        os.kill(pid, signal.SIGSTOP)
    running.kill("main")
    assert running.gone_within(2) == set()


def marked(mark):
    """Processes whose environment holds the mark."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if mark in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
    return found


@pytest.mark.parametrize("delay", [0.15, 0.2, 0.25, 0.3, 0.4, 0.6])
def test_nothing_is_left_when_the_main_process_is_killed_while_it_starts(delay):
    """SIGKILL at any moment of the start leaves no process."""
    mark = f"RT_EDGE_TEST_MARK={os.getpid()}-{delay}"
    environment = {**os.environ, **dict([mark.split("=")])}
    process = subprocess.Popen([sys.executable, str(PROGRAM)], stdout=subprocess.PIPE, env=environment)
    with suppress(subprocess.TimeoutExpired):
        process.wait(delay)
    process.kill()
    process.communicate(timeout=10)
    pidfds = []
    for pid in marked(mark.encode()):
        with suppress(ProcessLookupError):
            pidfds.append(os.pidfd_open(pid))
    until = time.monotonic() + 2
    for fd in pidfds:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        assert poll.poll(max(0.0, until - time.monotonic()) * 1000)
        os.close(fd)
    assert [pid for pid in marked(mark.encode()) if Path(f"/proc/{pid}/cmdline").read_bytes()] == []


def test_actor_stays_when_it_gets_a_polite_signal(running):
    """SIGTERM and SIGINT are the main process's business."""
    for (role, _), pid in running.members.items():
        if role == "actor":
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGINT)
    assert len(running.gone_within(0.3)) == len(running.members)


def test_the_first_process_of_a_container_reaps_without_asking_to(monkeypatch):
    """It has all orphans anyway; an emulator of user programs does not know the question, and no node would start on it."""
    asked: list[int] = []
    monkeypatch.setattr(lifeline, "_prctl", lambda option, _: asked.append(option))
    lifeline.become_subreaper()
    assert asked == [lifeline._PR_SET_CHILD_SUBREAPER]
    monkeypatch.setattr(lifeline.os, "getpid", lambda: 1)
    lifeline.become_subreaper()
    assert len(asked) == 1
