"""Pool: the part of a router that owns its routees: starts dead ones again, with backoff, and follows the pressure."""

from __future__ import annotations

from random import Random

from rt_edge.actors.routers.core import RouterCore
from rt_edge.actors.routers.members import Member, Surroundings
from rt_edge.actors.routers.settings import RouterSettings
from rt_edge.sdk.backoff import Backoff

FIRST_S = 0.1
LAST_S = 30.0
"""Bounds of the wait before a dead routee is started again."""


class Pool:
    """Keeps as many routees as there should be.

    Args:
        core: the router.
        settings: with the size, and the resizer.
        around: creates and ends actors.
        random: of the backoff.
        base: first part of the routees' names.
    """

    def __init__(self, core: RouterCore, settings: RouterSettings, around: Surroundings, random: Random, base: str) -> None:
        self._core = core
        self._settings = settings
        self._around = around
        self._random = random
        self._base = base
        self._backoffs: dict[str, Backoff] = {}
        self._stopped = False

    @property
    def size(self) -> int:
        """Routees there are or will be, without those that leave."""
        return sum(member.state != "leaving" for member in self._core.members.values())

    def start(self) -> None:
        """Create the first."""
        self.resize(self._settings.size)
        if self._settings.resizer is not None:
            self._around.after(self._settings.resizer.every, self._look)

    def resize(self, size: int) -> None:
        """Create some, or let the least busy ones leave when they have finished; within the resizer's bounds."""
        if self._stopped:
            return
        resizer = self._settings.resizer
        if resizer is not None:
            size = min(resizer.most, max(resizer.least, size))
        size = min(1024, max(1, size))
        while self.size < size:
            self._core.add(self._around.create(), self._free_name())
        while self.size > size:
            staying = [member for member in self._core.members.values() if member.state != "leaving"]
            least = min(staying, key=lambda member: (member.state == "running", len(member.jobs) + len(member.queue)))
            self._core.remove(least.name)

    def died(self, member: Member) -> None:
        """A routee has ended: start it again, later each time, unless it was to leave."""
        if self._stopped or member.name not in self._core.members:
            return
        backoff = self._backoffs.setdefault(member.name, Backoff(self._random, FIRST_S, LAST_S))
        backoff.lived(self._around.now() - member.began)
        self._around.after(backoff.failed(), self._start_again, member)

    def stop(self) -> None:
        """Let all leave, and start none again."""
        self._stopped = True
        self._core.stop_all()

    def _start_again(self, member: Member) -> None:
        if self._stopped or self._core.members.get(member.name) is not member or member.state != "waiting":
            return
        self._core.revived(member, self._around.create())

    def _look(self) -> None:
        resizer = self._settings.resizer
        if self._stopped or resizer is None:
            return
        members = [member for member in self._core.members.values() if member.state == "running"]
        busy = sum(member.room <= 0 for member in members)
        waiting = len(self._core.waiting) + sum(len(member.queue) for member in members)
        self.resize(resizer.size(self.size, busy, waiting))
        self._around.after(resizer.every, self._look)

    def _free_name(self) -> str:
        number = 1
        while f"{self._base}-{number}" in self._core.members:
            number += 1
        return f"{self._base}-{number}"
