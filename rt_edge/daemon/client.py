"""Asking a running node from another process of the same user: the CLI and the window go through here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from rt_edge.actors.errors import NoNode
from rt_edge.actors.node_messages import Control, Controlled, GetStatus, Status
from rt_edge.actors.system import NodeClient, actor_at, attach
from rt_edge.daemon.data_dir import NodeFile, read_node_file
from rt_edge.data.errors import RefusedError
from rt_edge.telemetry.status import NodeStatus

__all__ = ["NoNode", "RunningNode", "connect"]

ASK_S = 3.0


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
