"""CommandRelay: reads and commands of an upstream node for its edges, without I/O: what is sent when, while links come and go.

An ask waits for the edge's session, is sent, and sent again after each reconnection and every `AGAIN_S` until its end was said.
One that was never sent in its time is `expired`; one that was sent and of which no end was heard is `unknown` (the edge knows:
the same key asks again), as soon as its time is over and the edge is not connected, or has not said a word of it for a while.
It is in memory only, and the edge has the journal. Who asked asks again when this process has died; one that this process does
not know then may have been sent by the one before.

An edge that does not say in its Hello that it takes commands is older than they are, and would close its link: it is not asked.

A command to a point is held until the edge has said a word of the one before it to the same point: from then on the order is in
the edge's journal. Without this, one that was lost on its way and is asked again would be carried out after its successor.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from rt_edge.commands.command import Command, Outcome, State
from rt_edge.data.clock import Clock
from rt_edge.data.errors import CodecError
from rt_edge.uplink.command_frames import CommandAsk, decode_said, encode

MAX_ASKS = 256
"""Asks that have not ended, of all edges together; one more is refused."""

AGAIN_S = 5.0
READ_S = 12.0
"""Time of a read, all in all."""

GRACE_S = 3.0
"""A link that is gone, or a word that is due, is waited for so long once the time of a command is over."""

SETTLE_S = 70.0
"""Beyond its expiry a command that was sent may take so long to end; the edge gives up earlier, and says so."""

MAX_LISTENERS = 16
"""Askers of one command; of one more the oldest makes room: who asks again counts each time."""

Send = Callable[[str, int, bytes], None]
Tell = Callable[[Outcome], None]


class _Asked:
    """An ask that has not ended.

    Attributes:
        maybe: it was asked before, of a process that is gone, and may have been sent.
        word: when something of the edge was due or came last: the link came up, it was sent, a state of it was said.
        said: the last of its states.
    """

    __slots__ = (
        "again", "ask", "deadline", "heard", "listeners", "maybe", "node", "over", "repeated", "said", "sent", "word"
    )  # fmt: skip

    def __init__(self, node: str, ask: CommandAsk, tell: Tell, now: float, deadline: float, over: float) -> None:
        self.node, self.ask, self.listeners = node, ask, [tell]
        self.deadline, self.over = deadline, over
        self.sent = self.repeated = self.heard = False
        self.maybe = False
        self.again, self.word = 0.0, now
        self.said: Outcome | None = None

    def tell(self, outcome: Outcome) -> None:
        """All who asked for it."""
        self.said = outcome
        for tell in self.listeners:
            tell(outcome)

    def is_same(self, node: str, ask: CommandAsk) -> bool:
        """Whether `ask` is this one, asked again."""
        mine, other = self.ask.command, ask.command
        if mine is None or other is None or (self.node, self.ask.key, self.ask.point) != (node, ask.key, ask.point):
            return False
        return (mine.value, mine.dry_run, self.ask.wait) == (other.value, other.dry_run, ask.wait)

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
        self._old: set[str] = set()
        self.counters: dict[str, int] = {}

    def read(self, node: str, point: str, key: str, tell: Tell) -> None:
        """Read a point of an edge; `tell` hears once."""
        now = self._clock.monotonic()
        self._add(_Asked(node, CommandAsk(point, key, None, wait=True), tell, now, now + READ_S, now + READ_S))

    def write(
        self, node: str, point: str, command: Command, wait: bool, tell: Tell, again: bool = False, keyed: bool = False
    ) -> None:
        """A command to a point of an edge; `tell` hears of its states, the last time of its end.

        Args:
            again: its asker has asked it before, here or of an earlier process.
            keyed: it may have been asked before by others.
        """
        ask = CommandAsk(point, command.key, command, wait, again)
        same = self._same(node, ask)
        if same is not None:
            same.listeners = [*same.listeners, tell][-MAX_LISTENERS:]
            if same.said is not None:
                tell(same.said)
            return
        now = self._clock.monotonic()
        deadline = now + command.expires_s
        asked = _Asked(node, ask, tell, now, deadline, deadline + SETTLE_S)
        asked.maybe = again or keyed
        self._add(asked)

    def knows(self, node: str, point: str, command: Command, wait: bool) -> bool:
        """Whether this is a command that was asked here and has not ended."""
        return self._same(node, CommandAsk(point, command.key, command, wait)) is not None

    def _same(self, node: str, ask: CommandAsk) -> _Asked | None:
        return next((asked for asked in self._asks.values() if asked.is_same(node, ask)), None)

    def _add(self, asked: _Asked) -> None:
        if asked.node in self._old:
            asked.tell(Outcome(asked.ask.key, "refused", True, _too_old(asked.node)))
            return
        if len(self._asks) >= MAX_ASKS:
            asked.tell(Outcome(asked.ask.key, "refused", True, f"{MAX_ASKS} commands to other nodes wait already"))
            return
        self._number += 1
        self._asks[self._number] = asked
        self._count("asked")
        if asked.node in self._up:
            self._put_all(asked.node)

    def link_up(self, node: str, version: int = 1) -> None:
        """The session of an edge is open; `version` of commands that it knows, 0: none."""
        if version < 1:
            self._old.add(node)
            for number, asked in list(self._asks.items()):
                if asked.node == node:
                    went = asked.ask.command is not None and (asked.sent or asked.maybe)
                    self._end(number, "unknown" if went else "refused", _too_old(node))
            return
        self._up.add(node)
        for asked in self._asks.values():
            if asked.node == node:
                asked.word = self._clock.monotonic()
        self._put_all(node, again=True)

    def link_down(self, node: str) -> None:
        """It is not any more."""
        self._up.discard(node)
        self._old.discard(node)
        for asked in self._asks.values():
            if asked.node == node:
                asked.word = self._clock.monotonic()

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
        asked.heard, asked.word = True, self._clock.monotonic()
        if outcome.final or not asked.ask.wait:
            del self._asks[number]
        asked.tell(outcome)
        self._put_all(node)

    def tick(self) -> None:
        """Time has passed."""
        now = self._clock.monotonic()
        for number, asked in list(self._asks.items()):
            if not (asked.sent or asked.maybe) and now >= asked.deadline:
                why = "has not answered the command before it" if asked.node in self._up else "is not connected"
                self._end(number, "expired", f"not sent: node {asked.node} {why}")
            elif now >= self._over(asked):
                self._end(number, "unknown", self._why(asked))
            elif asked.sent and now >= asked.again and asked.node in self._up:
                self._put(number, asked)
        for node in list(self._up):
            self._put_all(node)

    def next_time(self) -> float | None:
        """When `tick` has something to do at the latest."""
        return min((self._due(asked) for asked in self._asks.values()), default=None)

    def _why(self, asked: _Asked) -> str:
        if asked.node not in self._up:
            why = f"node {asked.node} is not connected"
        elif asked.said is not None:
            why = f"node {asked.node} does not say its end (it was {asked.said.state})"
        else:
            why = f"no answer from node {asked.node}"
        return f"{why}; ask again with --key {asked.ask.key}"

    def _over(self, asked: _Asked) -> float:
        """When it is given up if nothing happens: its time is over and the edge has been away, or silent, too long."""
        if asked.ask.command is None:
            return asked.over
        silent = asked.word + AGAIN_S if asked.node in self._up else asked.word
        return min(asked.over, max(asked.deadline, silent) + GRACE_S)

    def _due(self, asked: _Asked) -> float:
        if not (asked.sent or asked.maybe):
            return asked.deadline
        over = self._over(asked)
        return min(over, asked.again) if asked.sent and asked.node in self._up else over

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
            if not (asked.sent or asked.maybe) and left <= 0:
                return  # `tick` says that it has expired
            again = asked.sent or ask.again
            ask = msgspec.structs.replace(ask, command=msgspec.structs.replace(ask.command, expires_s=left), again=again)
        if not asked.sent:
            asked.word = now
        self._count("repeated" if asked.sent else "sent")
        asked.repeated = (asked.sent or asked.maybe) and ask.command is not None
        asked.sent, asked.again = True, now + AGAIN_S
        self._send(asked.node, number, encode(ask))

    def _end(self, number: int, state: State, message: str) -> None:
        asked = self._asks.pop(number)
        if asked.ask.command is None and state != "refused":
            state = "failed"
        asked.tell(Outcome(asked.ask.key, state, True, message))

    def _count(self, name: str) -> None:
        self.counters[name] = self.counters.get(name, 0) + 1


def _too_old(node: str) -> str:
    return f"node {node} runs a version of rt-edge that takes no commands from upstream; update it there"
