"""Starting the actor system of a node, and talking to it from outside."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, Self, TypeVar

from thespian.actors import ActorAddress, ActorSystem, InvalidActorAddress, PoisonMessage
from thespian.system.multiprocTCPBase import ActorSystemBase
from thespian.system.transport.IPBase import TCPv4ActorAddress

from rt_edge.actors.errors import AskTimeout, NoNode
from rt_edge.actors.messages import Ping, Pong
from rt_edge.actors.process_tree import ProcessTree
from rt_edge.actors.transport.node_transport import NodeTransport
from rt_edge.actors.transport.peer_user import PROC_TCP, listener_owner
from rt_edge.actors.transport.setup import LOOPBACK, prepare
from rt_edge.data.clock import Clock, SystemClock
from rt_edge.data.errors import RefusedError

_log = logging.getLogger("rt_edge.actors.system")
_Reply = TypeVar("_Reply")
_START_S = 10.0
_EARLY_S = 0.05  # Thespian gives None for a dead target and for a timeout: what comes earlier is a dead target


class NodeSystemBase(ActorSystemBase):  # type: ignore[misc]
    """Thespian's multi-process TCP base on our transport; children inherit it by fork."""

    transportType = NodeTransport  # noqa: N815 - Thespian reads it


class ClientSystemBase(NodeSystemBase):
    """The base of an outside process: it finds the node or fails, and never becomes one."""

    def _startAdmin(self, *_: Any) -> None:
        raise NoNode("nothing listens at the node's port", "is the node running?")

    def _verifyAdminRunning(self) -> bool:
        if not super()._verifyAdminRunning():
            raise NoNode("what listens at the node's port does not answer as a node", "is the node stopping?")
        return True


def hold_port() -> socket.socket:
    """A socket bound to a free loopback port, which the kernel gives to nobody else while it is open.

    Thespian wants a number, and binds it itself. Both sockets have SO_REUSEADDR and this one does not listen, so the admin
    can bind beside it; a port chosen by the kernel for somebody else (bind to 0, or connect) avoids one that is held.
    """
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((LOOPBACK, 0))
    return held


class Endpoint:
    """Talking to the actors of a system from outside; shared by the node's main process and by clients.

    Attributes:
        port: of the admin, on loopback.
    """

    def __init__(self, system: Any, port: int, clock: Clock | None = None) -> None:
        self._system = system
        self._clock = clock or SystemClock()
        self.port = port

    def tell(self, target: ActorAddress, message: object) -> None:
        """Send; returns when the transmit has ended.

        Raises:
            NoNode: it could not be sent.
        """
        try:
            self._system.tell(target, message)
        except Exception as error:
            raise NoNode(f"the message {type(message).__name__} was not delivered: {error}") from error

    def ask(self, target: ActorAddress, message: object, timeout: float, expect: type[_Reply]) -> _Reply:
        """Send and wait for an answer of a class, on an endpoint of this call's own, so that no late answer to another
        question can come in between.

        Args:
            target: whom to ask.
            message: the question.
            timeout: seconds, for all of it.
            expect: class of the answer; others are passed over.

        Raises:
            AskTimeout: no such answer in time.
            NoNode: the target does not exist (any more).
            RefusedError: the other side could not handle the message.
        """
        until = self._clock.monotonic() + timeout
        with self._channel() as channel:
            answer = channel.ask(target, message, timeout)
            if answer is None and until - self._clock.monotonic() > _EARLY_S:
                raise NoNode(f"{type(message).__name__} could not be delivered to {target}")
            while not isinstance(answer, expect):
                if isinstance(answer, PoisonMessage):
                    raise RefusedError(f"{type(message).__name__} was returned: {str(answer.details)[-300:]}")
                left = until - self._clock.monotonic()
                if left <= 0:
                    raise AskTimeout(f"no answer to {type(message).__name__} within {timeout:g} s")
                answer = channel.listen(left)
            return answer

    @contextmanager
    def _channel(self) -> Iterator[Any]:
        """An endpoint for one call; Thespian's own context manager does not close it when the call raises."""
        manager = self._system.private()
        channel = manager.__enter__()
        try:
            yield channel
        finally:
            manager.__exit__(None, None, None)

    def ping(self, target: ActorAddress, timeout: float) -> Pong:
        """Ask an actor whether its loops turn.

        Raises:
            AskTimeout: they do not.
        """
        return self.ask(target, Ping(0), timeout, Pong)


class NodeSystem(Endpoint):
    """The actor system of a node, owned by its main process.

    Attributes:
        tree: its processes.
    """

    def __init__(self, system: Any, port: int, tree: ProcessTree, held: socket.socket, clock: Clock) -> None:
        super().__init__(system, port, clock)
        self.tree = tree
        self._held = held
        self._running = True

    def create(self, actor_class: type | str) -> ActorAddress:
        """Create a top-level actor (the guardian; everything else is the guardian's to create).

        Args:
            actor_class: the class, or `module.Class`.
        """
        return self._system.createActor(actor_class)

    def stop(self) -> None:
        """Ask all actors to exit, then make sure that no process and no socket is left; a second call does nothing.

        Thespian asks for at most 10 seconds; what has not gone by then is killed.
        """
        if not self._running:
            return
        try:
            self._system.shutdown()
        except Exception as error:  # noqa: BLE001 - the admin may be dead: the tree ends what is left
            _log.warning("the actor system did not end by itself: %s", error)
        self.kill()

    def kill(self) -> None:
        """End everything at once; a second call does nothing."""
        if not self._running:
            return
        self._running = False
        self.tree.close()
        self._close()

    def _close(self) -> None:
        self._held.close()
        base = self._system._systemBase  # noqa: SLF001 - None after `shutdown`, which closes it
        if base is not None:
            base.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def start_node(
    *, transport: type[NodeTransport] = NodeTransport, thesplog: Path | None = None, clock: Clock | None = None
) -> NodeSystem:
    """Start admin and logger, and return when they run. The calling process is the node's main process from now on.

    Args:
        transport: the class for all processes of the system.
        thesplog: file for Thespian's internal log; None: it is discarded.
        clock: for time limits.

    Raises:
        InternalError: Thespian is not as expected, or the admin did not come up.
        NoNode: another user's process took the port.
    """
    prepare(thesplog)
    clock = clock or SystemClock()
    tree = ProcessTree(clock)
    held = hold_port()
    port = int(held.getsockname()[1])
    previous = NodeTransport.lifeline
    NodeTransport.lifeline = tree.lifeline
    base = type("NodeSystemBase", (NodeSystemBase,), {"transportType": transport})
    try:
        system = _open(base, port)
        admin = tree.wait_for("admin", _START_S)
        tree.wait_for("logger", _START_S)
        with suppress(ChildProcessError):
            os.waitpid(os.getsid(admin.pid), 0)  # the process between us and the admin; it led the session and has ended
        _check_owner(port)
    except BaseException:
        tree.close()
        held.close()
        raise
    finally:
        NodeTransport.lifeline = previous
    return NodeSystem(system, port, tree, held, clock)


def _open(base: type[NodeSystemBase], port: int) -> Any:
    capabilities = {"Admin Port": port, "Process Startup Method": "fork"}
    holder = SimpleNamespace(capabilities=capabilities, systemAddress=ActorAddress("/ActorSys"))
    before = NodeTransport.newest
    try:
        return ActorSystem(base(holder), capabilities=holder.capabilities, transientUnique=True)
    except BaseException as error:
        if NodeTransport.newest is not before and NodeTransport.newest is not None:
            NodeTransport.newest.close()  # the base opened it before it failed, and nobody else knows it
        if not isinstance(error, InvalidActorAddress):
            raise
        raise NoNode(f"the system at port {port} is not usable: {error}") from error


def _check_owner(port: int) -> None:
    user = listener_owner(PROC_TCP.read_bytes(), port)
    if user is None:
        raise NoNode(f"nothing listens at port {port}", "is the node running?")
    if user != os.geteuid() and os.geteuid() != 0:
        raise NoNode(f"the node at port {port} belongs to user {user}", "it talks to its own user and to root only")


class NodeClient(Endpoint):
    """A node seen from an outside process of the same user (CLI, window)."""

    def close(self) -> None:
        """Close this endpoint; the node goes on."""
        self._system._systemBase.transport.close()  # noqa: SLF001 - `shutdown` would end the node


@contextmanager
def attach(port: int, clock: Clock | None = None) -> Iterator[NodeClient]:
    """Attach to a running node.

    Args:
        port: its admin's port, from `run/node.json`.
        clock: for time limits.

    Raises:
        NoNode: no node is there, or it belongs to somebody else.
    """
    prepare()
    _check_owner(port)
    with closing(NodeClient(_open(ClientSystemBase, port), port, clock)) as client:
        yield client


def actor_at(host_port: tuple[str, int]) -> ActorAddress:
    """The address of an actor by its loopback socket, as `address_key` gives it; for clients that read it from a file."""
    return ActorAddress(TCPv4ActorAddress(host_port[0], host_port[1], external=True))
