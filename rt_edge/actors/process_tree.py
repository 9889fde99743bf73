"""The processes of a node, as its main process sees them (design 6, "Process tree")."""

from __future__ import annotations

import os
import select
import signal
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType

from rt_edge.actors.transport.lifeline import REPORT, Lifeline, become_subreaper
from rt_edge.data.clock import Clock, SystemClock
from rt_edge.data.errors import InternalError

REPORTS = 64
"""Reports that may wait; the newest are kept."""


class Member:
    """One process: number, role (`admin`, `logger`, `actor`), name, and a handle that cannot mean another process."""

    __slots__ = ("name", "pid", "pidfd", "role")

    def __init__(self, pid: int, role: str, name: str, pidfd: int) -> None:
        self.pid = pid
        self.role = role
        self.name = name
        self.pidfd = pidfd

    def __repr__(self) -> str:
        return f"{self.role} {self.name} ({self.pid})"


class ProcessTree:
    """Knows every process of one actor system by its pidfd, tells when one ends, and ends them all.

    Make it before the system starts: it makes this process a child subreaper and the lifeline that the others inherit.
    A process is a member from its announcement on; between two announcements of one process its name may change.

    Args:
        clock: for deadlines.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        become_subreaper()
        self.lifeline = Lifeline()
        self._clock = clock or SystemClock()
        self._members: dict[int, Member] = {}
        self._poll = select.poll()
        self._poll.register(self.lifeline.roll_fileno(), select.POLLIN)
        self._by_fd: dict[int, Member] = {}
        self._reports: deque[str] = deque(maxlen=REPORTS)
        self._closed = False

    def refresh(self) -> None:
        """Take in who has announced itself."""
        for role, pid, name in self.lifeline.roll():
            if role == REPORT:
                self._reports.append(name)
                continue
            known = self._members.get(pid)
            if known is not None:
                known.name = name
                continue
            try:
                pidfd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue  # came and went
            member = self._members[pid] = Member(pid, role, name, pidfd)
            self._by_fd[pidfd] = member
            self._poll.register(pidfd, select.POLLIN)

    def reports(self) -> list[str]:
        """What the guardian has for the service manager, since the last call (`rt_edge.telemetry.notify`)."""
        self.refresh()
        reports = list(self._reports)
        self._reports.clear()
        return reports

    @property
    def members(self) -> Mapping[int, Member]:
        """Process id -> member, as far as announced and not known to have ended."""
        self.refresh()
        return MappingProxyType(self._members)

    def find(self, name: str) -> list[Member]:
        """Members whose role or name is `name`."""
        return [member for member in self.members.values() if name in (member.role, member.name)]

    def wait_for(self, name: str, timeout: float) -> Member:
        """The first member whose role or name is `name`, as soon as it has announced itself.

        Raises:
            InternalError: not within `timeout` seconds.
        """
        until = self._clock.monotonic() + timeout
        while not (found := self.find(name)):
            left = until - self._clock.monotonic()
            if left <= 0:
                raise InternalError(f"no process of the name {name} came up within {timeout:g} s")
            roll = select.poll()
            roll.register(self.lifeline.roll_fileno(), select.POLLIN)
            roll.poll(left * 1000)
        return found[0]

    def wait_exit(self, timeout: float, wanted: Callable[[Member], bool] = lambda _: True) -> Member | None:
        """The next member that has ended and is `wanted`, or None after `timeout` seconds. It is reaped and forgotten."""
        until = self._clock.monotonic() + timeout
        while True:
            self.refresh()
            left = max(0.0, until - self._clock.monotonic())
            for fd, _ in self._poll.poll(left * 1000):
                member = self._by_fd.get(fd)
                if member is None:
                    continue
                self._forget(member)
                if wanted(member):
                    return member
            if left <= 0:
                return None

    def filenos(self) -> list[int]:
        """What becomes readable when a member ends or announces itself; for a loop of the caller's own."""
        self.refresh()
        return [self.lifeline.roll_fileno(), *self._by_fd]

    def _forget(self, member: Member) -> None:
        self._poll.unregister(member.pidfd)
        self._by_fd.pop(member.pidfd, None)
        self._members.pop(member.pid, None)
        with suppress(ChildProcessError):  # not ours to reap: its parent lives
            os.waitid(os.P_PIDFD, member.pidfd, os.WEXITED | os.WNOHANG)
        os.close(member.pidfd)

    def kill(self, name: str, sig: int = signal.SIGKILL) -> int:
        """Signal every member whose role or name is `name`; returns how many."""
        found = self.find(name)
        for member in found:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(member.pidfd, sig)
        return len(found)

    def end(self, timeout: float = 5.0) -> list[Member]:
        """SIGKILL the admin, whose end takes all others along, then whoever is left, and wait until all are gone.

        Returns:
            Who was not gone after `timeout` seconds (a process in an uninterruptible sleep).
        """
        until = self._clock.monotonic() + timeout
        self.kill("admin")
        while self.members and self._clock.monotonic() < until:
            for member in list(self._members.values()):
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(member.pidfd, signal.SIGKILL)
            self.wait_exit(min(0.1, max(0.0, until - self._clock.monotonic())))
        return list(self._members.values())

    def close(self) -> None:
        """End all, and let the lifeline go."""
        if self._closed:
            return
        self._closed = True
        self.end()
        for member in list(self._members.values()):
            self._forget(member)
        self.lifeline.close()
