"""CommandOffice: carries out what a desk wants done: journal and audit log in a thread of its own, the adapter on the loop."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from rt_edge.commands.audit import AuditLog
from rt_edge.commands.command import Command, Outcome, Row
from rt_edge.commands.desk import Desk, DeskLimits
from rt_edge.commands.effects import Audit, Look, Save, Send, Tell
from rt_edge.commands.journal import CommandJournal
from rt_edge.commands.reads import PointReader
from rt_edge.data.clock import Clock
from rt_edge.data.errors import RtEdgeError
from rt_edge.data.ids import boot_id
from rt_edge.data.reading import Value
from rt_edge.sdk.adapter import DeviceAdapter, WriteResult
from rt_edge.sdk.points import PointInfo

log = logging.getLogger(__name__)

MAX_ASKS = 256
"""Commands that wait while the journal is being opened; one more is refused."""

MAX_LISTENERS = 16
"""Askers that wait for the end of one command; of one more the oldest makes room: who asks again counts each time."""

CLOSE_S = 3.0
"""What is under way at a stop may end within this; then it stays in doubt."""

Listener = Callable[[Outcome], None]


class CommandOffice:
    """Reads and commands of one adapter, on its island's loop.

    Args:
        name: of the adapter.
        points: what can be asked for.
        folder: for journal and audit log; made when the first command comes.
        clock: time.
        limits: bounds of the desk.

    Attributes:
        desk: the state machine.
        problem: why commands cannot be taken, in words.
    """

    def __init__(
        self, name: str, points: Mapping[str, PointInfo], folder: Path, clock: Clock, limits: DeskLimits | None = None
    ) -> None:
        self.name = name
        self.points = points
        self.problem = ""
        self._folder = folder
        self._clock = clock
        self._limits = limits or DeskLimits()
        self.desk = Desk(points, clock, boot_id(), self._limits)
        self._audit = AuditLog(folder / f"{name}.audit.jsonl", name)
        self._journal: CommandJournal | None = None
        self._reader = PointReader(name, points)
        self._opening: asyncio.Task[None] | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._listeners: dict[str, list[Listener]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._unsaved: dict[str, Row] = {}
        self._lines: list[tuple[Row, str]] = []
        self._told_next: list[Callable[[], None]] = []
        self._saving = False
        self._asks: deque[tuple[Command, Listener]] = deque(maxlen=MAX_ASKS)
        self._taking = False
        self._closed = False

    # -- the adapter -------------------------------------------------------------------------------------------------

    def connected(self, adapter: DeviceAdapter | None, why: str = "") -> None:
        """`adapter` is open now; None: it is not (any more), and why."""
        self._reader.adapter = adapter
        self.desk.connected(adapter is not None, why)
        self._run()

    def start(self) -> None:
        """Clear up what an earlier life of the node left in doubt."""
        if (self._folder / f"{self.name}.db").exists():
            self._open_soon()

    # -- what is asked -----------------------------------------------------------------------------------------------

    def submit(self, command: Command, tell: Listener) -> None:
        """A command; `tell` hears of every state it gets into, the last time with a final one.

        One that was asked before is told where it is now, as soon as it is written down, and what follows.
        """
        if len(self._asks) >= MAX_ASKS:
            outcome = self.desk.turn_away(command, "refused", f"{MAX_ASKS} commands wait for the journal already")
            self._told_next.append(partial(self._say, tell, outcome))
            self._run()
            return
        self._asks.append((command, tell))
        self._take_soon()

    def _take_soon(self) -> None:
        if not self._taking:
            self._taking = True
            self._spawn(self._take_all())

    async def _take_all(self) -> None:
        """In the order of arrival, whatever the opening of the journal takes: one task, as several would wake up in any order."""
        try:
            if self._journal is None:
                self._open_soon()
                if self._opening is not None:
                    await asyncio.wait([self._opening])
            while self._asks:
                self._take(*self._asks.popleft())
        finally:
            self._taking = False

    def _take(self, command: Command, tell: Listener) -> None:
        if self._journal is None:
            why = f"not sent: commands cannot be written down: {self.problem}"
            outcome = self.desk.turn_away(command, "failed", why)
        else:
            outcome = self.desk.submit(command)
        if outcome.final:
            self._told_next.append(partial(self._say, tell, outcome))  # after the line about it, if it is a new one
        else:
            listeners = self._listeners.setdefault(command.key, [])
            if len(listeners) >= MAX_LISTENERS:
                del listeners[0]  # most likely one that has asked again since
            listeners.append(tell)
            if self.desk.can_say(command.key):  # asked again
                self._say(tell, outcome)
        self._run()

    def read(self, point: str, key: str, tell: Listener) -> None:
        """Read a point now; `tell` hears once: `confirmed` with a value, or why not."""
        if why := self._reader.refusal(point):
            tell(Outcome(key, "refused", True, why))
        else:
            self._spawn(self._reader.answer(point, key, tell))

    # -- effects -----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Do what the desk wants done, until it wants nothing more."""
        while effects := self.desk.take():
            for effect in effects:
                match effect:
                    case Save(row):
                        self._unsaved.pop(row.command.key, None)  # to its place in the order
                        self._unsaved[row.command.key] = row
                    case Look(key, point):
                        self._spawn(self._look(key, point))
                    case Send(key, point, value):
                        self._spawn(self._send(key, point, value))
                    case Tell(outcome):
                        self._tell(outcome)
                    case Audit(row, note):
                        self._lines.append((row, note))
        if self._closed and self._thread is None:
            self._write_lines(self._take_lines())  # the node is stopping: no thread is begun any more
            self._tell_next()
        elif (self._unsaved or self._lines or self._told_next) and not self._saving:
            self._saving = True
            self._spawn(self._save())
        self._set_timer()

    def _tell(self, outcome: Outcome) -> None:
        listeners = self._listeners.get(outcome.key, ())
        if outcome.final:
            self._listeners.pop(outcome.key, None)
        for tell in listeners:
            self._say(tell, outcome)

    def _say(self, tell: Listener, outcome: Outcome) -> None:
        """What goes wrong at an asker is its own affair."""
        try:
            tell(outcome)
        except Exception:
            log.exception("who asked for a command of %s cannot be told", self.name)

    async def _save(self) -> None:
        """Lines of the audit log first: a command whose end is in the journal has its line, whenever the node is killed."""
        try:
            while self._unsaved or self._lines or self._told_next:
                rows, self._unsaved = list(self._unsaved.values()), {}
                told, self._told_next = self._told_next, []
                error = ""
                try:
                    if self._lines:
                        await self._in_thread(self._write_lines, self._take_lines())
                    if rows:
                        assert self._journal is not None
                        await self._in_thread(self._journal.save, rows)
                except Exception as raised:  # noqa: BLE001  # whatever it was: what is not written down is not sent, and who asked is told
                    error = raised.message if isinstance(raised, RtEdgeError) else f"{type(raised).__name__}: {raised}"
                    log.error("commands of %s cannot be written down: %s", self.name, error)
                for tell in told:
                    tell()
                for row in rows:
                    self.desk.saved(row.command.key, row.phase, error)
                self._run()
        finally:
            self._saving = False

    async def _look(self, key: str, point: str) -> None:
        value, why = await self._reader.read(point)
        self.desk.looked(key, value, why)
        self._run()

    async def _send(self, key: str, point: str, value: Value) -> None:
        adapter = self._reader.adapter
        if adapter is None:  # it went between two calls: nothing was sent
            result = WriteResult("failed", "the adapter is not connected")
        else:
            try:
                result = await adapter.write(point, value, key)
            except Exception as error:
                log.exception("adapter %s raised while writing; it must answer instead", self.name)
                result = WriteResult("sent", f"{type(error).__name__}: {error}")
        self.desk.written(key, result)
        self._run()

    def _take_lines(self) -> list[tuple[Row, str]]:
        lines, self._lines = self._lines, []
        return lines

    def _write_lines(self, lines: list[tuple[Row, str]]) -> None:
        for row, note in lines:
            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._audit.write(row, note)
            except Exception as error:  # noqa: BLE001  # a log that cannot be written stops no command
                log.error("a line of the audit log of %s cannot be written: %s: %s", self.name, type(error).__name__, error)

    def _tell_next(self) -> None:
        told, self._told_next = self._told_next, []
        for tell in told:
            tell()

    # -- the journal -------------------------------------------------------------------------------------------------

    def _open_soon(self) -> None:
        if self._opening is None and not self._closed:
            self._opening = self._spawn(self._open())

    async def _open(self) -> None:
        try:
            journal = await self._in_thread(self._open_now)
        except (RtEdgeError, OSError) as error:
            self.problem = str(error)
            log.error("commands of %s cannot be taken: %s", self.name, self.problem)
            self._opening = None  # the next command tries again
            return
        self.problem = ""
        if journal.problem:
            log.error("%s", journal.problem)
        self._journal = journal
        rows, journal.rows = journal.rows, []
        self.desk.restore(rows)
        self._run()

    def _open_now(self) -> CommandJournal:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return CommandJournal(self._folder / f"{self.name}.db", self._clock, self._limits.keep, self._limits.keep_s)

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"commands-{self.name}"[:15])
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    # -- time and the end --------------------------------------------------------------------------------------------

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self.desk.next_time()
        if at is not None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, at - self._clock.monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.desk.tick()
        self._run()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=f"commands of {self.name}")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a step of a command of %s failed", self.name, exc_info=error)

    def abandon(self) -> None:
        """Stop as a process that dies does: nothing is finished, nothing more is written; for tests."""
        self._closed = True
        for task in list(self._tasks):
            task.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    async def close(self) -> None:
        """Begin nothing more, let end what is under way, close the journal. What waits stays in it for the next start."""
        self._closed, self.problem = True, "the node is stopping"
        self.desk.close()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=CLOSE_S)
        if self._timer is not None:
            self._timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))
        if self._journal is not None:
            await self._in_thread(self._journal.close)
            self._journal = None
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None
