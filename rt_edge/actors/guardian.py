"""Guardian: starts the islands of a node, starts a dead one again with backoff, and ends all in order (design 6).

It has no threads, no SQLite and no protocol library of its own: it forks.
"""

from __future__ import annotations

import logging
import os
from random import SystemRandom

import msgspec
from thespian.actors import ActorAddress, ActorExitRequest, ChildActorExited

from rt_edge import __version__
from rt_edge.actors.base import BaseActor, Timer
from rt_edge.actors.command_messages import ReadPoint, TurnedAway, WritePoint, answer
from rt_edge.actors.command_routing import route
from rt_edge.actors.island_actor import IslandActor
from rt_edge.actors.layout import lay_out
from rt_edge.actors.lifecycle import StateOf
from rt_edge.actors.logs import restore_logging
from rt_edge.actors.messages import HandlerFailed, Ping, Pong
from rt_edge.actors.node_messages import (
    Begin,
    Begun,
    Control,
    Controlled,
    GetStatus,
    Launch,
    Launched,
    NodeStopped,
    Peers,
    PhaseDone,
    Status,
    StopNode,
    StopPhase,
)
from rt_edge.actors.readiness import Readiness
from rt_edge.actors.stopping import NodeStop
from rt_edge.actors.tap_messages import Tap, Tapped
from rt_edge.actors.transport.messages import SendFailed
from rt_edge.commands.command import Outcome
from rt_edge.data.clock import SystemClock
from rt_edge.data.errors import RefusedError
from rt_edge.sdk.backoff import Backoff
from rt_edge.settings.plan import NodePlan, decode_plan
from rt_edge.telemetry.log import configure
from rt_edge.telemetry.status import IslandStatus, NodeStatus, encode

log = logging.getLogger(__name__)

PULSE_S = 5.0
"""Every island is asked whether both its loops turn at this interval; if all answered, the watchdog is fed."""

STATUS_S = 1.0
"""An island that has not answered by then is shown without its members."""

UNANSWERED = 3
"""An island that did not answer so many pulses is killed, and started again: soon enough for the watchdog of the whole node."""

START_S = 60.0
"""An island that has not said that it runs by then is killed, and started again."""

BACKOFF_S = 30.0
"""Longest wait before an island is started again."""


class _Island:
    """One island as its guardian sees it."""

    state = StateOf()

    def __init__(self, name: str, last_s: float) -> None:
        self.name = name
        self.address: ActorAddress | None = None
        self.state = "starting"
        self.error = ""
        self.pid = 0
        self.starts = 0
        self.missed = 0
        self.began = 0.0
        self.backoff = Backoff(SystemRandom(), first_s=0.2, last_s=last_s)


class _Question:
    """A status that is being collected."""

    def __init__(self, asker: ActorAddress, number: int, waiting: set[str], timer: Timer) -> None:
        self.asker = asker
        self.number = number
        self.waiting = waiting
        self.timer = timer
        self.answers: dict[str, IslandStatus] = {}


class Guardian(BaseActor):
    """One per node; created by the main process."""

    name = "guardian"

    def __init__(self) -> None:
        super().__init__()
        restore_logging()
        self._clock = SystemClock()
        self._started = self._clock.monotonic()
        self._plan: NodePlan | None = None
        self._encoded = b""
        self._islands: dict[str, _Island] = {}
        self._questions: dict[int, _Question] = {}
        self._number = 0
        self._told = 0
        self._pulse = 0
        self._pulse_s = _seconds("RT_EDGE_PULSE_S", PULSE_S)
        self._readiness = Readiness((), self._report_state)
        self._stop_order: NodeStop | None = None
        self._ending = False

    # -- start -------------------------------------------------------------------------------------------------------

    def on_Begin(self, message: Begin, sender: ActorAddress) -> None:
        """Run a plan."""
        if self._plan is None:
            self._encoded = message.plan
            self._plan = decode_plan(message.plan)
            configure(self._plan.telemetry.log_level, self._plan.telemetry.log_format)
            islands = lay_out(self._plan).islands
            self._readiness = Readiness(islands, self._report_state)
            self._readiness.begin()
            for name in islands:
                self._islands[name] = _Island(name, _seconds("RT_EDGE_BACKOFF_S", BACKOFF_S))
                self._start(self._islands[name])
            self.after(self._pulse_s, self._beat)
        self.send(sender, Begun(tuple(self._islands)))

    def _start(self, island: _Island) -> None:
        if self._stop_order is not None or self._ending:
            return
        island.starts += 1
        island.missed = 0
        island.state = "starting"
        island.began = self._clock.monotonic()
        address = island.address = self.createActor(IslandActor)
        self.send(address, Launch(island.name, self._encoded, island.starts > 1))
        self.after(START_S, self._not_launched, island, island.starts)

    def _not_launched(self, island: _Island, start: int) -> None:
        if island.starts == start and island.state == "starting" and island.address is not None:
            log.error("island %s did not come up within %g s and is ended", island.name, START_S)
            self._readiness.fails(island.name, f"did not come up within {START_S:g} s")
            self.send(island.address, ActorExitRequest())

    def on_Launched(self, message: Launched, sender: ActorAddress) -> None:
        """An island runs, or could not be built."""
        island = self._islands.get(message.island)
        if island is None:
            return
        if self._stop_order is not None:  # too late: it has missed phases of the stop, and nothing of it is on its way
            self.send(sender, ActorExitRequest())
            return
        island.pid = message.pid
        island.address = sender
        island.error = message.error
        island.state = "failed" if message.error else "running"
        if message.error:
            log.error("island %s could not be started: %s", island.name, message.error)
            self._readiness.fails(island.name, message.error)
            self._kill(island)
        else:
            self._readiness.runs(island.name)
        self._tell_peers(island.name)

    def _tell_peers(self, fresh: str) -> None:
        addresses = {i.name: i.address for i in self._islands.values() if i.address is not None and i.pid}
        self._told += 1
        for island in self._islands.values():
            if island.pid and island.address is not None:
                self.send(island.address, Peers(addresses, self._told, fresh))

    # -- death -------------------------------------------------------------------------------------------------------

    def on_ChildActorExited(self, message: ChildActorExited, sender: ActorAddress) -> None:
        """An island has ended: start it again, later each time."""
        for island in self._islands.values():
            if island.address is not None and island.address == message.childAddress:
                self._ended(island)
                return

    def _ended(self, island: _Island) -> None:
        island.address = None
        island.pid = 0
        if self._ending:
            return
        if self._stop_order is not None:
            self._stop_order.gone(island.name)
            return
        island.backoff.lived(self._clock.monotonic() - island.began)
        delay = island.backoff.failed()
        island.state = "waiting"
        log.warning("island %s has ended and is started again in %.1f s", island.name, delay)
        self._readiness.fails(island.name, island.error or "has ended, is started again")
        self.after(delay, self._start, island)

    def on_SendFailed(self, message: SendFailed, sender: ActorAddress) -> None:
        """An island does not read; its end is told by `ChildActorExited`, its silence by the pulse."""

    def on_HandlerFailed(self, message: HandlerFailed, sender: ActorAddress) -> None:
        """A handler of an island raised; its own log has the traceback."""
        log.error("%s failed at %s (%d times): %s", message.actor, message.message, message.count, message.error)

    def on_stop(self) -> None:
        """The system shuts down: its islands end with it, and are not started again."""
        self._ending = True

    # -- pulse -------------------------------------------------------------------------------------------------------

    def _beat(self) -> None:
        alive = all(island.missed == 0 for island in self._islands.values() if island.pid)
        if alive:  # an island on its way up has START_S, and is not waited for here
            self._report_state("WATCHDOG=1")
        self._pulse += 1
        for island in self._islands.values():
            if not island.pid or island.address is None:
                continue
            island.missed += 1
            if island.missed > UNANSWERED:
                log.error("island %s has not answered for %.0f s and is killed", island.name, island.missed * self._pulse_s)
                self._kill(island)
            else:
                self.send(island.address, Ping(self._pulse))
        self.after(self._pulse_s, self._beat)

    def _report_state(self, state: str) -> None:
        """By way of the main process: if that does not turn, the service manager must not hear that all is well."""
        lifeline = self.transport.lifeline
        if lifeline is not None:
            lifeline.report(state)

    def _kill(self, island: _Island) -> None:
        if island.pid:
            try:
                os.kill(island.pid, 9)
            except ProcessLookupError:
                log.debug("island %s had ended already", island.name)

    def on_Pong(self, message: Pong, sender: ActorAddress) -> None:
        """Both loops of an island turn."""
        for island in self._islands.values():
            if island.address is not None and island.address == sender:
                island.missed = 0

    # -- status ------------------------------------------------------------------------------------------------------

    def on_GetStatus(self, message: GetStatus, sender: ActorAddress) -> None:
        """Collect the statuses of all islands, for a second at most."""
        self._number += 1
        number = self._number
        asked = {i.name for i in self._islands.values() if i.pid and i.address is not None}
        question = _Question(sender, message.number, asked, self.after(STATUS_S, self._answer, number))
        self._questions[number] = question
        for name in asked:
            address = self._islands[name].address
            if address is not None:
                self.send(address, GetStatus(number))
        if not asked:
            self._answer(number)

    def on_Status(self, message: Status, sender: ActorAddress) -> None:
        """One island's part."""
        question = self._questions.get(message.number)
        if question is None:
            return
        status = msgspec.msgpack.decode(message.body, type=IslandStatus)
        question.answers[status.name] = status
        question.waiting.discard(status.name)
        if not question.waiting:
            self._answer(message.number)

    def _answer(self, number: int) -> None:
        question = self._questions.pop(number, None)
        if question is None or self._plan is None:
            return
        question.timer.cancel()
        node = NodeStatus(self._plan.node.id, __version__, os.getpid(), self._clock.monotonic(), self._started, [])
        for island in self._islands.values():
            status = question.answers.get(island.name) or IslandStatus(island.name, island.pid, island.state, island.error)
            status.starts = island.starts
            node.islands.append(status)
        self.send(question.asker, Status(question.number, encode(node)))

    # -- control -----------------------------------------------------------------------------------------------------

    def on_Control(self, message: Control, sender: ActorAddress) -> None:
        """Pass an operator's or a demo's command on to the island of a member."""
        plan = self._plan
        islands = lay_out(plan).islands if plan is not None else {}
        for name, members in islands.items():
            island = self._islands.get(name)
            if message.member in members and island is not None and island.address is not None and island.pid:
                self.send(island.address, message)
                self.send(sender, Controlled())
                return
        self.send(sender, Controlled(f"there is no running member {message.member!r}"))

    def on_ReadPoint(self, message: ReadPoint, sender: ActorAddress) -> None:
        """Pass it on to the island of the adapter, which answers who asked."""
        self._pass_on(message, sender)

    def on_WritePoint(self, message: WritePoint, sender: ActorAddress) -> None:
        """As `on_ReadPoint`."""
        self._pass_on(message, sender)

    def _pass_on(self, ask: ReadPoint | WritePoint, sender: ActorAddress) -> None:
        if self._plan is None:
            return
        asker = ask.asker or sender
        try:
            name, member, passed = route(self._plan, ask)
        except RefusedError as error:
            self._turn_away(ask, asker, Outcome("", "refused", True, str(error)))
            return
        island = self._islands.get(name)
        if island is None or island.address is None or not island.pid or self._stop_order is not None:
            why = "the node is stopping" if self._stop_order is not None else f"{member} is not running"
            self._turn_away(ask, asker, Outcome("", "failed", True, f"not sent: {why}"))
            return
        self.send(island.address, msgspec.structs.replace(passed, asker=asker))

    def _turn_away(self, ask: ReadPoint | WritePoint, asker: ActorAddress, outcome: Outcome) -> None:
        """Answer; of a command an island writes the line of the audit log first, since there is no disk here."""
        said = answer(ask.number, outcome)
        if isinstance(ask, WritePoint) and not ask.again:
            for island in self._islands.values() if self._stop_order is None else ():
                if island.address is not None and island.pid:
                    self.send(island.address, TurnedAway(ask.number, ask.node, ask.point, ask.body, said.body, asker))
                    return
            log.warning("a command to %s is not in the audit log, as no island runs: %s", ask.point[:200], outcome.message)
        self.send(asker, said)

    def on_Tap(self, message: Tap, sender: ActorAddress) -> None:
        """Pass it on to the island of the member, which answers who asked."""
        asker = message.asker or sender
        layout = lay_out(self._plan).islands if self._plan is not None else {}
        for name, members in layout.items():
            island = self._islands.get(name)
            if message.member in members and island is not None and island.address is not None and island.pid:
                self.send(island.address, msgspec.structs.replace(message, asker=asker))
                return
        self.send(asker, Tapped(message.number, error=f"there is no running member {message.member!r}"))

    # -- stop --------------------------------------------------------------------------------------------------------

    def on_StopNode(self, message: StopNode, sender: ActorAddress) -> None:
        """End sources, graphs, spools, uplinks; each phase has its time limit."""
        if self._stop_order is not None:
            return
        layout = lay_out(self._plan).islands if self._plan is not None else {}
        running = {i.name: layout[i.name] for i in self._islands.values() if i.pid and i.address is not None}
        self._stop_order = NodeStop(
            running,
            message.seconds,
            self._tell_island,
            self._clock.monotonic,
            lambda seconds, call: self.after(seconds, call).cancel,
            lambda report: self.send(sender, NodeStopped(report)),
        )
        self._stop_order.begin()

    def _tell_island(self, name: str, message: StopPhase) -> None:
        address = self._islands[name].address
        if address is not None:
            self.send(address, message)

    def on_PhaseDone(self, message: PhaseDone, sender: ActorAddress) -> None:
        """One island has ended its part of the phase."""
        if self._stop_order is not None:
            self._stop_order.done(message)


def _seconds(name: str, default: float) -> float:
    """A time from the environment, for tests; what is not a positive number is the default."""
    try:
        seconds = float(os.environ.get(name, ""))
    except ValueError:
        return default
    return seconds if seconds > 0 else default
