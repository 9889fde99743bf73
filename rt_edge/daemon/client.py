"""Asking a running node from another process of the same user: the CLI and the window go through here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from rt_edge.actors.command_messages import PointResult, ReadPoint, WritePoint
from rt_edge.actors.errors import NoNode
from rt_edge.actors.node_messages import Control, Controlled, GetStatus, Status
from rt_edge.actors.system import NodeClient, actor_at, attach
from rt_edge.actors.tap_messages import Tap, Tapped
from rt_edge.commands.command import Command, Outcome
from rt_edge.daemon.data_dir import NodeFile, read_node_file
from rt_edge.data.errors import RefusedError
from rt_edge.telemetry.status import NodeStatus

__all__ = ["NoNode", "RunningNode", "connect"]

ASK_S = 3.0

READ_S = 15.0
"""A point that was not read by then is not waited for; the node gives up earlier, and says so."""

WRITE_S = 75.0
"""A command is waited for so long beyond its expiry: the node gives up earlier, and says so."""


class RunningNode:
    """A node that runs on this host.

    Attributes:
        file: what it has published.
    """

    def __init__(self, file: NodeFile, client: NodeClient) -> None:
        self.file = file
        self._client = client
        self._guardian = actor_at(file.guardian)

    def status(self, timeout: float = ASK_S) -> NodeStatus:
        """A snapshot.

        Raises:
            NoNode: no answer in time.
        """
        try:
            answer = self._client.ask(self._guardian, GetStatus(), timeout, Status)
        except NoNode as error:
            raise NoNode(f"node {self.file.node} does not answer: {error.message}", "see its log") from error
        return msgspec.msgpack.decode(answer.body, type=NodeStatus)

    def control(self, action: str, member: str, timeout: float = ASK_S) -> None:
        """Have `action` done by `member`.

        Raises:
            RefusedError: there is no such member.
            NoNode: no answer in time.
        """
        try:
            answer = self._client.ask(self._guardian, Control(action, member), timeout, Controlled)
        except NoNode as error:
            raise NoNode(f"node {self.file.node} does not answer: {error.message}", "see its log") from error
        if answer.error:
            raise RefusedError(answer.error)

    def read_point(self, point: str, node: str = "", timeout: float = READ_S) -> Outcome:
        """What a point holds now, read by the running node.

        Args:
            point: `plc/pump-1/setpoint`.
            node: another node, connected to this one; empty: this one.

        Raises:
            NoNode: no answer in time.
        """
        return self._point(ReadPoint(0, node, point), timeout)

    def write_point(
        self, point: str, command: Command, node: str = "", wait: bool = True, timeout: float | None = None
    ) -> Outcome:
        """Have a command carried out by the running node, through its own arbitration.

        Args:
            point: as for `read_point`.
            command: its `point` is not looked at.
            wait: for its end; else until it is written down.
            timeout: seconds; default: until the node must have given it up.

        Raises:
            NoNode: no answer in time: what became of the command is not known; ask again with the same key.
        """
        ask = WritePoint(0, node, point, msgspec.msgpack.encode(command), wait)
        return self._point(ask, timeout or (command.expires_s + WRITE_S if wait else ASK_S + READ_S))

    def tap(self, member: str, wire: str, tap: str, most: int = 256, close: bool = False, timeout: float = ASK_S) -> Tapped:
        """What has passed a wire since the last look; the first look opens the tap.

        Args:
            member: `graph/telemetry`.
            wire: its name, as in `status`.
            tap: names the look; the caller's choice, the same for all looks through one tap.
            most: elements kept between two looks.
            close: the last look.

        Raises:
            RefusedError: there is no such member or wire, or too many look already.
            NoNode: no answer in time.
        """
        try:
            answer = self._client.ask(self._guardian, Tap(0, member, wire, tap, most, close), timeout, Tapped)
        except NoNode as error:
            raise NoNode(f"node {self.file.node} does not answer: {error.message}", "see its log") from error
        if answer.error:
            raise RefusedError(answer.error)
        return answer

    def _point(self, ask: ReadPoint | WritePoint, timeout: float) -> Outcome:
        try:
            said = self._client.ask(self._guardian, ask, timeout, PointResult)
        except NoNode as error:
            raise NoNode(f"node {self.file.node} does not answer: {error.message}", "see its log") from error
        return msgspec.msgpack.decode(said.body, type=Outcome)


@contextmanager
def connect(data: Path) -> Iterator[RunningNode]:
    """The node that runs on the data directory `data`.

    Raises:
        NoNode: none does, or it cannot be reached.
    """
    try:
        file = read_node_file(data)
    except RefusedError as error:
        raise NoNode(error.message, error.hint) from error
    with ExitStack() as stack:
        try:
            client = stack.enter_context(attach(file.port))
        except NoNode as error:
            raise NoNode(f"node {file.node} is not reachable: {error.message}", "is it stopping?") from error
        yield RunningNode(file, client)
