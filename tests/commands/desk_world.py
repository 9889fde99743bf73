"""A desk with a journal, an adapter and a device of its own, under hand-wound time and a seed; it can be killed at any moment."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec

from rt_edge.commands.command import Command, Outcome, Row
from rt_edge.commands.desk import Desk, DeskLimits
from rt_edge.commands.effects import Audit, Look, Save, Send, Tell
from rt_edge.sdk import PointInfo, WriteResult
from rt_edge.testkit.simulated_time import SimulatedTime

POINTS = {
    "a": PointInfo(kind="int", writable=True, min=0, max=10**9),
    "b": PointInfo(kind="int", writable=True),
    "blind": PointInfo(kind="int", writable=True, readable=False),
    "fixed": PointInfo(kind="int"),
}


Later = Callable[[float, Callable[[], None]], None]


class DeskWorld:
    """Everything around a desk.

    Attributes:
        disk: rows that are durable, by number.
        device: point -> value. wire: (point, value, key) of every write that reached it, in order.
        told: key -> states told, in order. ends: key -> the final outcome.
        audit: lines of the log.
    """

    def __init__(self, seed: int = 0, limits: DeskLimits | None = None, save_s: float = 0.001, write_s: float = 0.01) -> None:
        self.random = Random(seed)
        self.time = SimulatedTime()
        self.limits = limits
        self.save_s, self.write_s = save_s, write_s
        self.disk: dict[int, Row] = {}
        self.device = {"a": 0, "b": 0, "blind": 0}
        self.wire: list[tuple[str, object, str]] = []
        self.told: dict[str, list[str]] = {}
        self.ends: dict[str, Outcome] = {}
        self.audit: list[Row] = []
        self.late: list[str] = []
        self.answer = lambda point, value: WriteResult("confirmed")
        self.readable = True
        self.life = 0
        self.boot = "boot-1"
        self.desk: Desk
        self.start()

    def start(self, is_open: bool = True) -> None:
        """A new life on what is on the disk."""
        self.life += 1
        self.desk = Desk(POINTS, self.time, self.boot, self.limits)
        self._disk_free = self.time.now
        rows = [msgspec.msgpack.decode(msgspec.msgpack.encode(self.disk[n]), type=Row) for n in sorted(self.disk)]
        self.desk.restore(rows)
        self.desk.connected(is_open)
        self.run()

    def kill(self) -> None:
        """This process is gone; what it had sent may still reach the device."""
        self.life += 1

    def ask(self, point: str, value: int, key: str, **more) -> Outcome:
        outcome = self.desk.submit(Command(key, point, value, **more))
        if outcome.final:
            self.ends.setdefault(key, outcome)
        self.run()
        return outcome

    def run(self) -> None:
        """Do what the desk wants done, each thing some time later."""
        life, desk = self.life, self.desk

        def later(delay, call):
            def act():
                if self.life == life:
                    call()
                    self.run()

            self.time.call_later(delay, act)

        for effect in desk.take():
            match effect:
                case Save(row):
                    self._save(later, row)
                case Look(key, point):
                    later(self.random.uniform(0, 2 * self.write_s), lambda key=key, point=point: self._look(desk, key, point))
                case Send():
                    self._send(later, effect)
                case Tell(outcome):
                    self._tell(outcome)
                case Audit(row):
                    self.audit.append(msgspec.structs.replace(row))
        at = desk.next_time()
        if at is not None:
            later(max(0.0, at - self.time.now), desk.tick)

    def _save(self, later: Later, row: Row) -> None:
        desk = self.desk
        self._disk_free = max(self._disk_free, self.time.now) + self.random.uniform(0, 2 * self.save_s)

        def save() -> None:
            self.disk[row.number] = row
            desk.saved(row.command.key, row.phase)

        later(self._disk_free - self.time.now, save)

    def _send(self, later: Later, send: Send) -> None:
        desk = self.desk
        (row,) = [r for r in self.disk.values() if r.command.key == send.key and r.phase == "sending"]  # its intent is durable
        self.late += [send.key] if self.time.now > row.deadline else []
        # the bytes are on their way whatever becomes of the process
        self.time.call_later(self.random.uniform(0, self.write_s), lambda: self._arrive(send))
        later(self.write_s, lambda: desk.written(send.key, self.answer(send.point, send.value)))

    def _tell(self, outcome: Outcome) -> None:
        self.told.setdefault(outcome.key, []).append(outcome.state)
        if outcome.final:
            assert outcome.key not in self.ends or self.ends[outcome.key].state == outcome.state
            self.ends[outcome.key] = outcome

    def _arrive(self, send: Send) -> None:
        self.wire.append((send.point, send.value, send.key))
        self.device[send.point] = send.value

    def _look(self, desk: Desk, key: str, point: str) -> None:
        if self.readable:
            desk.looked(key, self.device[point])
        else:
            desk.looked(key, None, "it is silent")

    def until(self, seconds: float) -> None:
        """Let time pass."""
        self.time.run_until(self.time.now + seconds)
