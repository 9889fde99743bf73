"""The unpickler of loopback sockets: an exact list of names, and nothing else (design 8).

Thespian pickles what two processes of one node say to each other. This module stands in for `pickle` at the module global
`TCPTransport.serializer`: `find_class` answers only for names on the list, by exact lookup, so no dotted name can walk to an
attribute. It does not bound the memory a hostile pickle may ask for before a name is looked up (a 9-byte pickle with a large
memo index allocates 2 GB), which is why sockets of other users are refused before a byte is read (`peer_user`), and why the
network has no pickle at all (`framing`).
"""

from __future__ import annotations

import importlib
import inspect
import io
import logging
import pickle
from collections import Counter
from typing import Any, TypeVar

from rt_edge.data import errors as error_tree
from rt_edge.data.errors import InternalError

_Class = TypeVar("_Class", bound=type)

_log = logging.getLogger("rt_edge.actors.serializer")

MAX_LOCAL_MESSAGE = 16 << 20
"""Bytes of the largest message accepted on a loopback socket."""

_LIFE = (
    # addresses
    "thespian.actors:ActorAddress",
    "thespian.system.transport.IPBase:TCPv4ActorAddress",
    "socket:AddressFamily",
    "socket:SocketKind",
    # ... whose members Python 3.11.0 to 3.11.3 (Debian 12 has 3.11.2) pickles by their global names
    "socket:AF_INET",
    "socket:SOCK_STREAM",
    # start of a system and of actors
    "thespian.system.messages.multiproc:EndpointConnected",
    "thespian.system.messages.multiproc:LoggerConnected",
    "thespian.system.messages.admin:QueryExists",
    "thespian.system.messages.admin:QueryAck",
    "thespian.system.messages.admin:PendingActor",
    "thespian.system.messages.admin:PendingActorResponse",
    # a life
    "thespian.actors:WakeupMessage",
    "thespian.actors:PoisonMessage",
    "thespian.actors:DeadEnvelope",
    "thespian.system.messages.admin:HandleDeadLetters",
    "logging:LogRecord",
    # the end
    "thespian.actors:ActorExitRequest",
    "thespian.actors:ChildActorExited",
    "thespian.system.messages.admin:SystemShutdown",
    "thespian.system.messages.admin:SystemShutdownCompleted",
    "thespian.system.logdirector:LoggerExitRequest",
)
"""Names of Thespian and the standard library that a node needs from start to end, as `module:class`."""


def _name(cls: type) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__


class AllowList:
    """Stands in for the module `pickle` inside Thespian's transport: `dumps` as it is, `loads` by the list.

    Attributes:
        refused: `module.name` -> how often it was refused in this process.
    """

    def __init__(self) -> None:
        self._allowed: dict[tuple[str, str], Any] = {}
        self.refused: Counter[str] = Counter()
        for entry in _LIFE:
            module, _, name = entry.partition(":")
            self._allowed[module, name] = getattr(importlib.import_module(module), name)
        for cls in vars(error_tree).values():
            if inspect.isclass(cls) and issubclass(cls, error_tree.RtEdgeError):
                self._allowed[_name(cls)] = cls

    def register(self, cls: type) -> None:
        """Let instances of `cls` through; it must be at the top of its module and must not do harm when constructed."""
        if "." in cls.__qualname__:
            raise InternalError(f"{cls.__qualname__} cannot be a message", "messages are classes at the top of a module")
        self._allowed[_name(cls)] = cls

    def names(self) -> frozenset[str]:
        """What is allowed now, as `module.name`."""
        return frozenset(f"{module}.{name}" for module, name in self._allowed)

    def find(self, module: str, name: str) -> Any:
        """The allowed class, or constant, of that exact name.

        Raises:
            pickle.UnpicklingError: the name is not on the list; counted and logged.
        """
        try:
            return self._allowed[module, name]
        except KeyError:
            self._count(f"{module}.{name}")
            raise pickle.UnpicklingError(f"refused {module}.{name}") from None

    def _count(self, what: str) -> None:
        if len(self.refused) >= 256 and what not in self.refused:
            what = "(others)"
        self.refused[what] += 1
        if self.refused[what] == 1:
            _log.warning("refused a message on a loopback socket: %.200s is not on the list", what)

    def loads(self, data: bytes) -> Any:
        """The object in `data`.

        Raises:
            pickle.UnpicklingError: a name that is not on the list, or not a pickle.
        """
        return _Unpickler(io.BytesIO(data), self).load()

    @staticmethod
    def dumps(message: object) -> bytes:
        """`message` as a pickle of protocol 5."""
        return pickle.dumps(message, 5)


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: io.BytesIO, allowed: AllowList) -> None:
        super().__init__(data)
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        return self._allowed.find(module, name)


ALLOWED = AllowList()
"""The list of this process; forked children inherit it as it stood at the fork."""


def register_message(cls: _Class) -> _Class:
    """Class decorator: instances of `cls` may be sent between the processes of a node.

    Register at import, so that sender and receiver agree; every class inside a message (nested structs) needs it too.
    """
    ALLOWED.register(cls)
    return cls
