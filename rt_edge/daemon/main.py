"""The main process of a node (design 6, process tree): it starts the actor system, watches it, stops it in order.

The death of admin, logger or guardian ends the whole tree, and it is started again with backoff. Islands are the guardian's.
"""

from __future__ import annotations

import logging
import os
import select
import signal
from enum import Enum
from pathlib import Path
from random import SystemRandom

from rt_edge.actors.guardian import Guardian  # before any fork: children share its memory and find logging as it was
from rt_edge.actors.layout import lay_out
from rt_edge.actors.node_messages import REFUSED, Begin, Begun, NodeStopped, StopNode
from rt_edge.actors.process_tree import Member
from rt_edge.actors.stopping import longest
from rt_edge.actors.system import NodeSystem, start_node
from rt_edge.actors.transport.addresses import address_key
from rt_edge.daemon.data_dir import DataDir, NodeFile
from rt_edge.daemon.signals import SignalPipe, has_terminal
from rt_edge.data.clock import SystemClock
from rt_edge.data.errors import RtEdgeError
from rt_edge.sdk.backoff import Backoff
from rt_edge.settings.plan import NodePlan, encode_plan
from rt_edge.telemetry.notify import notify

log = logging.getLogger(__name__)

BEGIN_S = 20.0
PHASE_S = 5.0
"""Time limit of a phase of a stop, see `rt_edge.actors.stopping`; all of them together stay below the watchdog's 30 s."""


FEED_S = 5.0
"""While there is no tree, the main process feeds the watchdog at this interval."""


class End(Enum):
    """How a life of the tree ended."""

    STOPPED = "stopped"
    BROKEN_OFF = "broken off"
    DIED = "died"


class NodeDaemon:
    """Runs a plan until it is told to stop.

    Args:
        plan: what to run.
    """

    def __init__(self, plan: NodePlan) -> None:
        self._plan = plan
        self._clock = SystemClock()
        self._backoff = Backoff(SystemRandom(), first_s=0.5, last_s=30.0)
        self._ready = False
        self._refused = ""  # why the node shall not start
        self._terminal = has_terminal()
        self._signals: SignalPipe
        self._data: DataDir

    def run(self) -> int:
        """Returns the exit code: 0 after an ordered stop, 1 if an adapter with `startup: fail` could not be opened.

        Raises:
            ConfigError, RefusedError: the data directory cannot be used.
        """
        lay_out(self._plan)  # a plan that cannot run is refused here, not tried for ever
        self._data = DataDir(Path(self._plan.node.data))
        self._signals = SignalPipe()
        try:
            while True:
                began = self._clock.monotonic()
                end = self._life()
                if end is not End.DIED:
                    return 0 if end is End.STOPPED and not self._refused else 1
                self._backoff.lived(self._clock.monotonic() - began)
                delay = self._backoff.failed()
                log.error("the process tree has ended and is started again in %.1f s", delay)
                if self._wait_for_stop(delay):
                    return 0
        finally:
            self._data.close()
            self._signals.close(deaf=True)

    def _life(self) -> End:
        try:
            node = start_node()
        except Exception as error:  # whatever it was: it is tried again, later each time
            log.error("the actor system did not start: %s", error, exc_info=not isinstance(error, RtEdgeError))
            return End.DIED
        stopping = False
        try:
            guardian = node.create(Guardian)
            begun = node.ask(guardian, Begin(encode_plan(self._plan)), BEGIN_S, Begun)
            host, port = address_key(guardian)[:2]
            self._data.publish(NodeFile(self._plan.node.id, os.getpid(), node.port, (str(host), int(port)), self._listen()))
            log.info("node %s runs: %s", self._plan.node.id, ", ".join(begun.islands) or "nothing configured")
            stopping = self._watch(node)
            if stopping:
                notify("STOPPING=1")
                notify("WATCHDOG=1")  # here and before the shutdown: each has a time limit below the watchdog's
                stopped = node.ask(guardian, StopNode(PHASE_S), longest(PHASE_S) + 3, NodeStopped)
                for line in stopped.report:
                    log.info("%s", line)
                notify("WATCHDOG=1")
                node.stop()
                return End.STOPPED
        except Exception as error:  # Thespian raises its own kinds when a process of it dies under a call
            log.error("%s", error, exc_info=not isinstance(error, RtEdgeError))
        finally:
            self._data.withdraw()
            node.kill()
        # Told to stop means stop, in whatever state: what was not settled is still with its device, or on the disk.
        return End.BROKEN_OFF if stopping else End.DIED

    def _listen(self) -> str:
        return str(self._plan.ingress.listen) if self._plan.ingress is not None else ""

    def _watch(self, node: NodeSystem) -> bool:
        """Wait until the node is to stop (True) or one of the vital processes ends (False)."""
        while True:
            poll = select.poll()
            poll.register(self._signals.fileno(), select.POLLIN)
            for fd in node.tree.filenos():
                poll.register(fd, select.POLLIN)
            self._tell(node.tree.reports())
            if self._refused:
                log.error("the node does not start: %s", self._refused)
                return True
            poll.poll()
            if self._stop_asked():
                return True
            gone = node.tree.wait_exit(0.0, _vital)
            if gone is not None:
                log.error("%s has ended", gone)
                return False

    def _tell(self, reports: list[str]) -> None:
        """Pass the guardian's reports on to the service manager, whose watchdog so watches this process too. Not before others
        can find the node: who waits for READY=1 may ask it at once."""
        for state in reports:
            if state.startswith(REFUSED):
                self._refused = self._refused or state.removeprefix(REFUSED)
                continue
            self._ready = self._ready or state == "READY=1"
            if state != "WATCHDOG=1" or self._ready:
                notify(state)

    def _stop_asked(self) -> bool:
        taken = self._signals.take()
        if signal.SIGHUP in taken and self._terminal and not has_terminal():
            # Nobody could stop it with Ctrl-C any more, and it would keep its ports: a closed window is an end.
            log.warning("the terminal is gone: the node stops (nohup rt-edge run FILE & keeps it, systemd does it better)")
            return True
        if signal.SIGHUP in taken:
            log.warning("reload is not supported in this version: restart the node to apply a changed configuration")
        return bool(taken - {signal.SIGHUP})

    def _wait_for_stop(self, seconds: float) -> bool:
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0:
            if self._ready:
                notify("WATCHDOG=1")  # there is no guardian to do it
            select.select([self._signals.fileno()], [], [], min(left, FEED_S))
            if self._stop_asked():
                return True
        return False


def _vital(member: Member) -> bool:
    return member.role in ("admin", "logger") or member.name == "guardian"
