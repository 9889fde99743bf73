"""AskLog: commands that come to no adapter's desk, or leave for another node, in the audit log of the node itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rt_edge.commands.command import Command, Outcome, Row

if TYPE_CHECKING:
    from rt_edge.commands.audit import AuditLog
    from rt_edge.data.clock import Clock

log = logging.getLogger(__name__)

FOLDER = "commands"
FILE = "audit.jsonl"
"""In that folder; those of adapters are `NAME.audit.jsonl`."""

MAX_LINES = 256
"""Lines on their way to the disk; of one more only the node's log has something."""


class AskLog:
    """One for each who writes to it; several may, from several processes. All calls on the island's loop.

    Args:
        data: the node's data directory.
        clock: time.
    """

    def __init__(self, data: Path, clock: Clock) -> None:
        self._folder, self._clock = data / FOLDER, clock
        self._audit: AuditLog | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def ended(
        self, point: str, command: Command, outcome: Outcome, node: str = "", then: Callable[[], None] | None = None
    ) -> None:
        """Write a line.

        Args:
            point: with its adapter, as it was asked for.
            command: what was asked.
            outcome: what its asker is told.
            node: another node that it was for.
            then: called when the line is on the disk, or cannot be written.
        """
        if len(self._tasks) >= MAX_LINES:
            log.error("the audit log is behind: a command to %s by %s (%s) is not in it", point, command.who, outcome.state)
            if then is not None:
                then()
            return
        now = self._clock.wall_ns()
        command = msgspec.structs.replace(command, point=point)
        row = Row(0, command, "ended", outcome.state, outcome.message, outcome.value, outcome.old, now, now, "", 0.0)
        task = asyncio.get_running_loop().create_task(self._write(row, node, then), name="audit log")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self, row: Row, node: str, then: Callable[[], None] | None) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._write_now, row, node)
        except OSError as error:
            log.error("the audit log %s cannot be written: %s", self._folder / FILE, error)
        if then is not None:
            then()

    def _write_now(self, row: Row, node: str) -> None:
        if self._audit is None:
            from rt_edge.commands.audit import AuditLog

            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._audit = AuditLog(self._folder / FILE, "")
        self._audit.write(row, node=node)

    async def close(self) -> None:
        """What is on its way gets to the disk."""
        if self._tasks:
            await asyncio.wait(set(self._tasks))
