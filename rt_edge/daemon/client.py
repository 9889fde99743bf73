"""Asking a running node from another process of the same user: the CLI and the window go through here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from rt_edge.actors.command_messages import PointResult, ReadPoint, WritePoint
from rt_edge.actors.errors import AskTimeout, NoNode
from rt_edge.actors.node_messages import Control, Controlled, GetStatus, Status
from rt_edge.actors.system import NodeClient, actor_at, attach
from rt_edge.actors.tap_messages import Tap, Tapped
from rt_edge.commands.command import Command, Outcome
from rt_edge.daemon.data_dir import NodeFile, read_node_file
from rt_edge.data.clock import Clock, SystemClock
from rt_edge.data.errors import RefusedError
from rt_edge.telemetry.status import NodeStatus

__all__ = ["NoNode", "RunningNode", "connect"]

ASK_S = 3.0

READ_S = 15.0
"""A point that was not read by then is not waited for; the node gives up earlier, and says so."""

WRITE_S = 75.0
"""A command is waited for so long beyond its expiry: the node gives up earlier, and says so."""

AGAIN_S = 5.0
"""A command of which nothing was heard for so long is asked for again, under the same key."""

STARTING_S = 1.0
"""Whoever has the command is being started: it is asked again after this."""

GRACE_S = 5.0
"""Beyond the expiry of the command, whoever has it is not waited for any longer than this while it does not run."""


class RunningNode:
    """A node that runs on this host.

    Args:
        file: what it has published.
        client: the way to it.
        clock, pause: time, and how it is let pass.

    Attributes:
        file: what it has published.
    """

    def __init__(
        self, file: NodeFile, client: NodeClient, clock: Clock | None = None, pause: Callable[[float], object] | None = None
    ) -> None:
        self.file = file
        self._client = client
        self._clock = clock or SystemClock()
        self._pause = pause or threading.Event().wait
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
        self, point: str, command: Command, node: str = "", wait: bool = True, timeout: float | None = None, keyed: bool = False
    ) -> Outcome:
        """Have a command carried out by the running node, through its own arbitration.

        Asked again every `AGAIN_S` under its key, since a process of the node that dies takes the answer along, not the command.

        Args:
            point: as for `read_point`.
            command: its `point` is not looked at.
            wait: for its end; else until it is written down.
            timeout: seconds; default: until the node must have given it up.
            keyed: its key was not made for this call: it may have been asked before.

        Raises:
            NoNode: no answer in time: what became of the command is not known; ask again with the same key.
        """
        begun = self._clock.monotonic()
        limit = timeout or (command.expires_s + WRITE_S if wait else ASK_S + READ_S)
        passed = 0.0
        while True:
            left = msgspec.structs.replace(command, expires_s=max(0.0, command.expires_s - passed))
            ask = WritePoint(0, node, point, msgspec.msgpack.encode(left), wait, again=passed > 0, keyed=keyed)
            said: Outcome | None = None
            try:
                said = self._point(ask, min(AGAIN_S, limit - passed))
            except NoNode as error:
                ended = not isinstance(error.__cause__, AskTimeout)
                if ended and not passed:
                    raise  # nothing was asked
                if ended:
                    raise NoNode(f"node {self.file.node} has ended meanwhile", error.hint) from AskTimeout(error.message)
            if said is not None and (not (passed or keyed) or said.key or said.state != "failed"):
                return said
            if said is not None:  # from one who does not know the command: who may have it is being started
                if passed >= command.expires_s + GRACE_S:
                    raise NoNode(f"node {self.file.node} says: {said.message}", "see its log") from AskTimeout(said.message)
                self._pause(STARTING_S)
            passed = self._clock.monotonic() - begun
            if passed >= limit:
                raise NoNode(f"node {self.file.node} has not said it within {limit:g} s", "see its log") from AskTimeout("late")

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
