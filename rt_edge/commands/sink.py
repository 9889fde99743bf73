"""CommandSink: the end of a graph at which each Reading becomes a command to one point."""

from __future__ import annotations

import hashlib
from collections import deque
from functools import partial
from typing import Any, ClassVar, Protocol

import msgspec

from rt_edge.commands.command import Command, Outcome
from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import IslandDied
from rt_edge.data.ids import new_incarnation
from rt_edge.data.receipt import Mark, Origin
from rt_edge.data.weave import identities
from rt_edge.streams.stage import IN, Inlet, Outlet, ReceiptUse, Stage, StageLogic

WINDOW = 4
"""Commands of one graph that wait or are under way: few, since what is behind them is newer."""

DONE = ("confirmed", "sent")


class CommandTarget(msgspec.Struct, frozen=True):
    """Where the Readings of a graph go.

    Attributes:
        point: as the adapter names it.
        field: of the Readings, whose value is written.
        expires_s, priority: of each command.
        graph: its name, for keys and for the audit log.
    """

    point: str
    field: str
    expires_s: float
    priority: bool
    graph: str


class Door(Protocol):
    """Where commands are taken."""

    def write(self, point: str, command: Command, tell: Any) -> None:
        """Take a command; `tell` hears of each of its states."""
        ...


class CommandSink(Stage, frozen=True, kw_only=True):
    """Readings as commands to one point, in order. A Reading is settled when the end of its command is known: stored where it was
    confirmed (or sent, where nobody can say more), else dropped with the reason `command_failed`, `command_expired`,
    `command_unknown` or `command_refused`; without the field, `no_field`. One that comes again is the same command.

    Emits when: -
    Backpressures when: a few commands have not ended.
    Completes when: upstream completes and all commands have ended.
    Cancels when: never by itself.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.END

    door: Any
    target: CommandTarget

    @property
    def label(self) -> str:
        """The point."""
        return f"command-{self.target.graph}"

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """None."""
        return ()

    def create_logic(self) -> StageLogic:
        """One life of the sink."""
        return _Logic(self.door, self.target)


class _Logic(StageLogic):
    def __init__(self, door: Door, target: CommandTarget) -> None:
        self._door, self._target = door, target
        self._life = new_incarnation()
        self._made = 0
        self._under_way: deque[Chunk] = deque(maxlen=WINDOW)
        self._finishing = False

    def on_start(self) -> None:
        self.request(IN, WINDOW)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        for index, (origin, mark) in enumerate(list(identities(chunk))):
            piece = chunk.take([index])
            value = piece.items[0].fields.get(self._target.field)
            if value is None:
                self.ctx.count("dropped_no_field")
                piece.drop("no_field")
                self.request(IN, 1)
                continue
            target = self._target
            command = Command(
                self._key(origin, mark),
                target.point,
                value,
                target.expires_s,
                target.priority,
                via="graph",
                who=piece.items[0].source,
                where=target.graph,
            )
            self._under_way.append(piece)
            self._door.write(target.point, command, self.ctx.callback(partial(self._told, piece)))

    def _key(self, origin: Origin | None, mark: Mark | None) -> str:
        """The same element, emitted again, is the same command."""
        self._made += 1
        whose = (origin.name, origin.incarnation, repr(mark)) if origin is not None else (self._life, str(self._made))
        digest = hashlib.blake2b("\0".join((self._target.point, *whose)).encode(), digest_size=12).hexdigest()
        return f"{self._target.graph}:{digest}"

    def _told(self, piece: Chunk, outcome: Outcome) -> None:
        if not outcome.final or piece not in self._under_way:
            return
        self._under_way.remove(piece)
        self.ctx.count(f"commands_{outcome.state}")
        if outcome.state in DONE:
            piece.settle()
        else:
            self.ctx.count(f"dropped_command_{outcome.state}")
            piece.drop(f"command_{outcome.state}")
        self.request(IN, 1)
        self._finish()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._finishing = True
        self._finish()

    def on_stop(self, error: BaseException | None) -> None:
        for piece in self._under_way:  # it comes again under the same key, and is answered with what became of it
            piece.fail(error or IslandDied(f"{self.ctx.name} stopped before the end of a command was known"))
        self._under_way.clear()

    def _finish(self) -> None:
        if self._finishing and not self._under_way:
            self.complete_stage()
