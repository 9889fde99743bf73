"""Every private name of Thespian 4.0.1 that rt_edge uses, checked at start (design 8: "fail at start when missing").

A seam is checked where Thespian itself uses it: a method by its parameters, a field or a module global by the function that
reads it, so that a renamed one is found even though nothing else would fail.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

from rt_edge.data.errors import InternalError

VERSION = "4.0.1"

_TCP = "thespian.system.transport.TCPTransport"
_ASYNC = "thespian.system.transport.asyncTransportBase"
_BASE = "thespian.system.transport"
_MANAGER = "thespian.system.actorManager"
_SYSTEM = "thespian.system.systemBase"
_PROC = "thespian.system.multiprocCommon"


class Seam(NamedTuple):
    """One name of Thespian.

    Attributes:
        module: where it is.
        path: class and attribute, or function, dotted.
        params: the parameters it must have, in order; None: any.
        reads: names that the code of this function must use.
    """

    module: str
    path: str
    params: tuple[str, ...] | None = None
    reads: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For people: `module.path`."""
        return f"{self.module}.{self.path}"


SEAMS = (
    # overridden by NodeTransport
    Seam(_TCP, "TCPTransport.__init__", ("self", "initType", "args"), ("bindArgs", "_incomingSockets", "_incomingEnvelopes")),
    Seam(_TCP, "TCPTransport.external_transport_clone", ("self",), ("ExternalTransportCopy", "_adminAddr", "txOnly")),
    Seam(_TCP, "TCPTransport.childResetFileNumList", ("self",)),
    Seam(_TCP, "TCPTransport.close", ("self",), ("_incomingSockets", "_transmitIntents")),
    Seam(_TCP, "TCPTransport._acceptNewIncoming", ("self",), ("_incomingSockets", "TCPIncomingPersistent", "_check_indicators")),
    Seam(_TCP, "TCPTransport._scheduleTransmitActual", ("self", "intent", "has_exclusive_flag")),
    Seam(_TCP, "TCPTransport._check_XMIT_4_done", ("self", "intent", "rcv"), ("ackbuf",)),
    Seam(_TCP, "TCPTransport._finishIntent", ("self", "intent", "status"), ("_finished_intents",)),
    Seam(_TCP, "TCPTransport.serializer", ("self", "intent"), ("toSendBuffer",)),
    Seam(
        _TCP,
        "TCPTransport._handlePossibleIncoming",
        ("self", "incomingSocket", "fileno", "closed", "has_exclusive_flag"),
        ("_handleReadableIncoming", "delay"),
    ),
    Seam(
        _TCP,
        "TCPTransport._processReceivedEnvelope",
        ("self", "envelope", "has_exclusive_flag"),
        ("_incomingEnvelopes",),
    ),
    Seam(
        _TCP,
        "TCPTransport._runWithExpiry",
        ("self", "incomingHandler"),
        ("_incomingSockets", "_incomingEnvelopes", "backoffPause", "delay", "_watches", "_handlePossibleIncoming", "tx_done"),
    ),
    Seam(_TCP, "TCPTransport.new_socket", ("self", "op", "args", "kw")),
    Seam(_TCP, "TCPTransport._check_indicators", ("self",)),
    Seam(_TCP, "IdleSocket.close", ("self",), ("socket",)),
    Seam(_TCP, "TCPTransport.set_watch", ("self", "watchlist"), ("_watches",)),
    Seam(_TCP, "TCPTransport.prepEndpoint", ("self", "assignedLocalAddr", "capabilities"), ("TCPEndpoint", "_adminAddr")),
    Seam(_TCP, "TCPIncomingPersistent", ("rmtAddr", "baseSock", "rcvBuf")),
    Seam(_TCP, "TCPIncoming_Common.remainingSize", ("self",)),
    Seam(_TCP, "TCPEndpoint.addrInst"),
    # replaced module globals, checked at the code that reads them
    Seam(_TCP, "TCPIncoming_Common.__init__", None, ("serializer", "loads")),
    Seam(_TCP, "TCPTransport._next_XMIT_3", None, ("serializer", "loads")),
    Seam("thespian.system.transport.IPBase", "IPActorAddress.bindArgs", None, ("bindname",)),
    Seam(_ASYNC, "asyncTransportBase._canSendNow", ("self",), ("MAX_PENDING_TRANSMITS",)),
    Seam(_BASE, "TransmitIntent.__init__", None, ("DEFAULT_MAX_TRANSMIT_PERIOD",)),
    Seam("thespian.system.systemCommon", "systemCommonBase.__init__", None, ("RATE_THROTTLE",)),
    Seam("thespian.system.utilis", "thesplog_control", ("baseLevel", "useLogging", "tmpFileMaxSize")),
    Seam(_BASE, "TransmitIntent.identify", ("self",)),
    Seam(_BASE, "ReceiveEnvelope.identify", ("self",)),
    # called by the base actor
    Seam(_BASE, "TransmitIntent.tx_done", ("self", "status")),
    Seam("thespian.system.systemCommon", "systemCommonBase._send_intent", ("self", "intent", "curtime")),
    Seam("thespian.system.addressManager", "ActorAddressManager.exportAddr", ("self", "anAddress")),
    Seam("thespian.system.addressManager", "ActorLocalAddress.__str__", None, ("addressManager", "addressInstanceNum")),
    Seam("thespian.actors", "Actor.send", None, ("_myRef",)),
    Seam("thespian.actors", "ActorSystem.private", None, ("_systemBase",)),
    Seam("thespian.actors", "ActorSystem.shutdown", None, ("_systemBase",)),
    Seam(_MANAGER, "ActorManager._handleOneMessage", None, ("receiveMessage", "set_watch", "filenos")),
    # the system's base
    Seam(_SYSTEM, "systemBase.__init__", ("self", "system", "logDefs"), ("probeAdmin", "_startAdmin", "_verifyAdminRunning")),
    Seam(_SYSTEM, "systemBase._verifyAdminRunning", ("self",)),
    Seam(_PROC, "multiprocessCommon._startAdmin", ("self", "adminAddr", "addrOfStarter", "capabilities", "logDefs")),
    Seam(_PROC, "multiprocessCommon.__init__", None, ("transportType",)),
    Seam(_PROC, "startAdmin", None, ("setsid", "fork")),
    Seam(_PROC, "startChild", None, ("ThespianLogForwarder", "set_signal_handler")),
    Seam("thespian.system.multiprocTCPBase", "ActorSystemBase.transportType"),
)


def check_seam(seam: Seam) -> None:
    """Raise `InternalError`, naming the seam, when Thespian is not as rt_edge needs it there."""
    try:
        found: Any = importlib.import_module(seam.module)
        for part in seam.path.split("."):
            found = inspect.getattr_static(found, part)
    except (ImportError, AttributeError):
        raise _missing(seam, "it is not there") from None
    if isinstance(found, property):
        found = found.fget
    if isinstance(found, staticmethod):
        found = found.__func__
    found = inspect.unwrap(found) if callable(found) else found
    if seam.params is not None and (params := tuple(inspect.signature(found).parameters)) != seam.params:
        raise _missing(seam, f"its parameters are {params}, not {seam.params}")
    if seam.reads:
        names = _names(found)
        for read in seam.reads:
            if read not in names:
                raise _missing(seam, f"it does not use `{read}`")


def _names(function: Any) -> frozenset[str]:
    """Names and strings in the code of a function and of the lambdas and comprehensions in it."""
    found: set[str] = set()
    todo = [function.__code__] if isinstance(function, FunctionType) else []
    while todo:
        code = todo.pop()
        found.update(code.co_names)
        todo += [const for const in code.co_consts if inspect.iscode(const)]
        found.update(const for const in code.co_consts if isinstance(const, str))
    return frozenset(found)


def _missing(seam: Seam, why: str) -> InternalError:
    return InternalError(f"the seam {seam.name} of Thespian is missing: {why}", f"rt_edge needs thespian=={VERSION}")


def installed_version() -> str:
    """Of the Thespian that is imported: its metadata's folder beside it says so (importlib.metadata brings email and csv, 1 MiB
    in a node, and is asked only where there is no such folder)."""
    thespian = importlib.import_module("thespian")
    beside = Path(str(thespian.__file__)).parent.parent
    found = [path.name.removeprefix("thespian-").removesuffix(".dist-info") for path in beside.glob("thespian-*.dist-info")]
    if len(found) == 1:
        return found[0]
    from importlib import metadata

    return metadata.version("thespian")


def check_seams() -> None:
    """Check version and seams.

    Raises:
        InternalError: naming the first seam that is missing, or the version found.
    """
    found = installed_version()
    if found != VERSION:
        raise InternalError(f"Thespian {found} is installed", f"rt_edge needs thespian=={VERSION}")
    for seam in SEAMS:
        check_seam(seam)
