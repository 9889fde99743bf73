"""Commands from upstream, at the edge: taken from the link, asked at the adapter's island, answered on whatever link is there."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from functools import partial

import msgspec

from rt_edge.actors.command_messages import ReadPoint, WritePoint
from rt_edge.actors.island.ask_log import AskLog
from rt_edge.actors.island.questions import Questions
from rt_edge.commands.command import Command, Outcome
from rt_edge.data.errors import CodecError
from rt_edge.uplink.command_frames import SAID, CommandAsk, decode_ask, encode

log = logging.getLogger(__name__)


class UplinkCommands:
    """The door for commands of one uplink.

    Args:
        uplink: its name.
        allowed: whether upstream may command at all (`commands: true` at the uplink).
        questions: to the other members.
        asks: audit log of commands that come to no adapter.
        send: puts a frame on the link, if there is one: kind, number, data.
        counters: of the uplink.
    """

    def __init__(
        self,
        uplink: str,
        allowed: bool,
        questions: Questions,
        asks: AskLog,
        send: Callable[[str, int, bytes], None],
        counters: Counter[str],
    ) -> None:
        self._uplink, self._allowed = uplink, allowed
        self._questions, self._asks, self._send = questions, asks, send
        self._counters = counters

    def asked(self, peer: str, number: int, data: bytes) -> None:
        """Upstream node `peer` (of the certificate) asks something."""
        try:
            ask = decode_ask(data)
        except CodecError as error:
            self._counters["commands_garbled"] += 1
            log.warning("uplink %s: %s", self._uplink, error)
            return
        self._counters["commands_asked"] += 1

        def say(outcome: Outcome) -> None:
            self._send(SAID, number, encode(outcome))

        if not self._allowed:
            self._counters["commands_refused"] += 1
            why = f"uplink {self._uplink} takes no commands; say `commands: true` at the uplink"
            outcome = Outcome(ask.key, "refused", True, why)
            if ask.command is None:
                say(outcome)
            else:
                self._asks.ended(ask.point, self._from(peer, ask, ask.command), outcome, then=partial(say, outcome))
        elif ask.command is None:
            self._questions.ask(ReadPoint(0, "", ask.point, ask.key), say)
        else:
            body = msgspec.msgpack.encode(self._from(peer, ask, ask.command))
            self._questions.ask(WritePoint(0, "", ask.point, body, ask.wait, progress=True, again=ask.again), say)

    def _from(self, peer: str, ask: CommandAsk, command: Command) -> Command:
        """As the audit log will have it: the node is proved, the person is what that node says."""
        return msgspec.structs.replace(command, key=ask.key, via="uplink", where=f"{peer} by {self._uplink}")
