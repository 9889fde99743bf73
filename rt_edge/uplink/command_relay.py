"""CommandRelay: reads and commands of an upstream node for its edges, without I/O: what is sent when, while links come and go.

An ask waits for the edge's session, is sent, and sent again after each reconnection and every `AGAIN_S` until its end was said.
One that was never sent in its time is `expired`; one that was sent and of which no end was heard is `unknown` (the edge knows:
the same key asks again). It is in memory only: who asked is gone with this process, and the edge has the journal.

A command to a point is held until the edge has said a word of the one before it to the same point: from then on the order is in
the edge's journal. Without this, one that was lost on its way and is asked again would be carried out after its successor.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from rt_edge.commands.command import Command, Outcome
from rt_edge.data.clock import Clock
from rt_edge.data.errors import CodecError
from rt_edge.uplink.command_frames import CommandAsk, decode_said, encode

MAX_ASKS = 256
"""Asks that have not ended, of all edges together; one more is refused."""

AGAIN_S = 5.0
READ_S = 12.0
"""Time of a read, all in all."""

SETTLE_S = 70.0
"""Beyond its expiry a command that was sent may take so long to end; the edge gives up earlier, and says so."""

Send = Callable[[str, int, bytes], None]
Tell = Callable[[Outcome], None]


class _Asked:
    __slots__ = ("again", "ask", "deadline", "heard", "node", "over", "repeated", "sent", "tell")

    def __init__(self, node: str, ask: CommandAsk, tell: Tell, deadline: float, over: float) -> None:
        self.node, self.ask, self.tell = node, ask, tell
        self.deadline, self.over = deadline, over
        self.sent = self.repeated = self.heard = False
        self.again = 0.0

    def place(self) -> str:
        """Whose order it keeps; empty for what changes nothing."""
        if self.ask.command is None or self.ask.command.dry_run:
            return ""
        return f"{self.node} {self.ask.point.replace('.', '/')}"  # both spellings of a point


class CommandRelay:
    """What one ingress has asked its edges.

    Args:
        clock: time.
        send: puts a frame of kind `cmd.ask` on the link of a node, as (node, number, data).

    Attributes:
        counters: `asked`, `repeated`, `said`, `restarting`, `late`, `garbled`.
    """

    def __init__(self, clock: Clock, send: Send) -> None:
        self._clock, self._send = clock, send
        self._asks: dict[int, _Asked] = {}
        self._number = 0
        self._up: set[str] = set()
        self.counters: dict[str, int] = {}

    def read(self, node: str, point: str, key: str, tell: Tell) -> None:
        """Read a point of an edge; `tell` hears once."""
        until = self._clock.monotonic() + READ_S
        self._add(_Asked(node, CommandAsk(point, key, None, wait=True), tell, until, until))

    def write(self, node: str, point: str, command: Command, wait: bool, tell: Tell) -> None:
        """A command to a point of an edge; `tell` hears of its states, the last time of its end."""
        deadline = self._clock.monotonic() + command.expires_s
        over = deadline + SETTLE_S
        self._add(_Asked(node, CommandAsk(point, command.key, command, wait), tell, deadline, over))

    def _add(self, asked: _Asked) -> None:
        if len(self._asks) >= MAX_ASKS:
            asked.tell(Outcome(asked.ask.key, "refused", True, f"{MAX_ASKS} commands to other nodes wait already"))
            return
        self._number += 1
        self._asks[self._number] = asked
        self._count("asked")
        if asked.node in self._up:
            self._put_all(asked.node)

    def link_up(self, node: str) -> None:
        """The session of an edge is open."""
        self._up.add(node)
        self._put_all(node, again=True)

    def link_down(self, node: str) -> None:
        """It is not any more."""
        self._up.discard(node)

    def said(self, node: str, number: int, data: bytes) -> None:
        """An edge says what became of an ask; what it says of others' asks counts as nothing."""
        asked = self._asks.get(number)
        if asked is None or asked.node != node:
            self._count("late")
            return
        try:
            outcome = decode_said(data)
        except CodecError:
            self._count("garbled")
            return
        if asked.repeated and outcome.state == "failed" and not outcome.key:
            self._count("restarting")  # from one who does not know the command: its adapter is being started, and may have it
            return
        self._count("said")
        asked.heard = True
        if outcome.final or not asked.ask.wait:
            del self._asks[number]
        asked.tell(outcome)
        self._put_all(node)

    def tick(self) -> None:
        """Time has passed."""
        now = self._clock.monotonic()
        for number, asked in list(self._asks.items()):
            if not asked.sent and now >= asked.deadline:
                why = "has not answered the command before it" if asked.node in self._up else "is not connected"
                self._end(number, "expired", f"not sent: node {asked.node} {why}")
            elif now >= asked.over:
                where = "" if asked.node in self._up else ", which is not connected"
                self._end(number, "unknown", f"no answer from node {asked.node}{where}; ask again with --key {asked.ask.key}")
            elif asked.sent and now >= asked.again and asked.node in self._up:
                self._put(number, asked)
        for node in list(self._up):
            self._put_all(node)

    def next_time(self) -> float | None:
        """When `tick` has something to do at the latest."""
        return min((self._due(asked) for asked in self._asks.values()), default=None)

    def _due(self, asked: _Asked) -> float:
        if not asked.sent:
            return asked.deadline
        return min(asked.over, asked.again) if asked.node in self._up else asked.over

    def _put_all(self, node: str, again: bool = False) -> None:
        """Send what may go to a node now, in the order of asking; `again`: also what was sent before."""
        held: set[str] = set()
        for number, asked in list(self._asks.items()):
            if asked.node != node:
                continue
            place = asked.place()
            if place not in held and (again or not asked.sent):
                self._put(number, asked)
            if place and not asked.heard:
                held.add(place)

    def _put(self, number: int, asked: _Asked) -> None:
        now = self._clock.monotonic()
        ask = asked.ask
        if ask.command is not None:
            left = max(0.0, asked.deadline - now)
            if not asked.sent and left <= 0:
                return  # `tick` says that it has expired
            ask = msgspec.structs.replace(ask, command=msgspec.structs.replace(ask.command, expires_s=left))
        self._count("repeated" if asked.sent else "sent")
        asked.repeated = asked.sent and ask.command is not None
        asked.sent, asked.again = True, now + AGAIN_S
        self._send(asked.node, number, encode(ask))

    def _end(self, number: int, state: str, message: str) -> None:
        asked = self._asks.pop(number)
        read = asked.ask.command is None
        outcome = Outcome(asked.ask.key, "failed" if read else "expired" if state == "expired" else "unknown", True, message)
        asked.tell(outcome)

    def _count(self, name: str) -> None:
        self.counters[name] = self.counters.get(name, 0) + 1
