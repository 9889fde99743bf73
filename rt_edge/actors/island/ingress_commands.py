"""Reads and commands for edges, at the upstream node: a `CommandRelay` on the links of the ingress, with a timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import msgspec

from rt_edge.actors.command_messages import PointProgress, PointResult, ReadPoint, WritePoint
from rt_edge.actors.island.ask_log import AskLog
from rt_edge.actors.island.asking_words import teller
from rt_edge.actors.island.links import Token
from rt_edge.commands.command import Command, Outcome
from rt_edge.data.clock import Clock
from rt_edge.uplink.command_frames import ASK
from rt_edge.uplink.command_relay import CommandRelay

Reply = Callable[[PointProgress | PointResult], None]


class IngressCommands:
    """What this node asks its edges. All calls on the island's loop.

    Args:
        clock: time.
        put: puts a frame on a link: token, kind, number, data.
        known: whether a node may connect here at all.
        asks: audit log, where every command that is asked of an edge has a line when its asker has heard its end.

    Attributes:
        relay: the state machine.
    """

    def __init__(
        self, clock: Clock, put: Callable[[Token, str, int, bytes], None], known: Callable[[str], bool], asks: AskLog
    ) -> None:
        self._clock, self._put, self._known, self._asks = clock, put, known, asks
        self._tokens: dict[str, Token] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.relay = CommandRelay(clock, self._send)

    def _send(self, node: str, number: int, data: bytes) -> None:
        token = self._tokens.get(node)
        if token is not None:
            self._put(token, ASK, number, data)

    def forward(self, ask: ReadPoint | WritePoint, reply: Reply) -> None:
        """Ask the edge that `ask` names."""
        tell = teller(ask, reply)
        stranger = Outcome("", "refused", True, f"node {ask.node!r} is not one of those that may connect here")
        if isinstance(ask, ReadPoint):
            if self._known(ask.node):
                self.relay.read(ask.node, ask.point, ask.key, tell)
            else:
                tell(stranger)
        else:
            command = msgspec.msgpack.decode(ask.body, type=Command)
            if not (ask.again and self.relay.knows(ask.node, ask.point, command, ask.wait)):
                tell = self._logged(ask, command, tell)
            if self._known(ask.node):
                self.relay.write(ask.node, ask.point, command, ask.wait, tell, ask.again, ask.keyed)
            else:
                tell(stranger)
        self._set_timer()

    def _logged(self, ask: WritePoint, command: Command, tell: Callable[[Outcome], None]) -> Callable[[Outcome], None]:
        """`tell`, after a line in the audit log about the last word that comes of the command."""

        def log_and_tell(outcome: Outcome) -> None:
            if outcome.final or not ask.wait:
                self._asks.ended(ask.point, command, outcome, ask.node, partial(tell, outcome))
            else:
                tell(outcome)

        return log_and_tell

    def session_open(self, token: Token, version: int) -> None:
        """An edge's session is open on this link; `version` of commands that it says it knows, 0: none."""
        self._tokens[token[0]] = token
        self.relay.link_up(token[0], version)
        self._set_timer()

    def link_closed(self, token: Token) -> None:
        """A link is gone; it may not be the one of the edge's session."""
        if self._tokens.get(token[0]) == token:
            del self._tokens[token[0]]
            self.relay.link_down(token[0])
            self._set_timer()

    def said(self, token: Token, number: int, data: bytes) -> None:
        """An edge answers."""
        self.relay.said(token[0], number, data)
        self._set_timer()

    def counters(self) -> dict[str, int]:
        """Asks by what became of them, for the status."""
        return {f"commands_{name}": count for name, count in self.relay.counters.items()}

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self.relay.next_time()
        if at is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, at - self._clock.monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.relay.tick()
        self._set_timer()

    def close(self) -> None:
        """No more timers; who waits hears nothing more, and asks again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
