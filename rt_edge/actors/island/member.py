"""Member: one engine that can fail and be started again alone, with what belongs to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from random import Random

from rt_edge.actors.command_messages import ReadPoint, WritePoint, answer
from rt_edge.actors.island.asking_words import Reply
from rt_edge.actors.lifecycle import StateOf
from rt_edge.commands.command import Outcome
from rt_edge.data.clock import Clock
from rt_edge.data.errors import ConfigError, FatalAdapterError, IslandDied
from rt_edge.protocol.demand import UNBOUNDED
from rt_edge.sdk.backoff import Backoff
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.engine import Engine
from rt_edge.streams.host import AsyncioHost
from rt_edge.streams.seat import Seat
from rt_edge.streams.stuck import Stuck, watch
from rt_edge.streams.wire import Wire
from rt_edge.telemetry.status import GraphNodeStatus, MemberStatus, WaitStatus, WireStatus

log = logging.getLogger(__name__)

STILL_S = 4.0
"""Where nothing moves for so long, the status says who waits, and for what."""


class Member:
    """Base of all members: builds a blueprint, runs it, starts it again with backoff when it fails.

    Args:
        name: `graph/telemetry`.
        clock: time.
        random: jitter of the backoff.
    """

    state = StateOf()

    def __init__(self, name: str, clock: Clock, random: Random) -> None:
        self.name = name
        self.clock = clock
        self.error = ""
        self.restarts = 0
        self.engine: Engine | None = None
        self._backoff = Backoff(random)
        self._started = 0.0
        self._cancel_restart: Callable[[], None] | None = None
        self._preparing: asyncio.Task[None] | None = None
        self._still: Stuck | None = None
        self._watching: Callable[[], None] = lambda: None

    # -- for subclasses ----------------------------------------------------------------------------------------------

    def build(self) -> Blueprint:
        """The blueprint of one life.

        Raises:
            ConfigError, FatalAdapterError: it will never work; the member stays off.
        """
        raise NotImplementedError

    @property
    def prepared(self) -> bool:
        """Whether `prepare` has done its work; most members have nothing to prepare."""
        return True

    async def prepare(self) -> None:
        """What may take long before a life can begin (a damaged spool is mended), without holding up the island's loop.

        Raises:
            ConfigError, FatalAdapterError: it will never work; the member stays off.
        """

    def describe(self, status: MemberStatus) -> None:
        """Add to a status what only this kind of member has."""

    async def close(self) -> None:
        """Release what outlives an engine."""

    @property
    def unsettled(self) -> int:
        """Elements that this member's sources have emitted and that are not settled."""
        return 0

    def forward(self, ask: ReadPoint | WritePoint, reply: Reply) -> None:
        """The ingress: ask another node. Others have none to ask, and refuse."""
        reply(answer(ask.number, Outcome("", "refused", True, f"{self.name} has no other nodes")))

    def control(self, action: str) -> None:
        """Do what an operator or a demonstration asks; a member that does not know the action counts it as nothing."""

    @property
    def serves(self) -> bool:
        """Whether others still send to it when the sources have ended: then it ends with the ends."""
        return False

    def quiet(self) -> None:
        """Sources: emit nothing new; what is under way goes on."""

    # -- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin a life, on the running loop."""
        self._cancel_restart = None
        self._started = self.clock.monotonic()  # of this attempt: what fails while it is built has not lived
        if self.prepared:
            self._begin()
            return
        self.state, self.error = "starting", ""
        self._preparing = asyncio.get_running_loop().create_task(self._prepare_and_begin(), name=f"open {self.name}")

    async def _prepare_and_begin(self) -> None:
        try:
            await self.prepare()
        except Exception as error:  # noqa: BLE001  # as in `_begin`
            self._failed(error)
            return
        if self.state == "starting":
            self._begin()

    async def prepared_or_not(self) -> None:
        """Wait until nothing is being opened; for `close`."""
        if self._preparing is not None:
            await asyncio.wait([self._preparing])

    def _failed(self, error: Exception) -> None:
        """It could not be opened or built: off for good, or tried again."""
        if self.state != "stopped" and isinstance(error, (ConfigError, FatalAdapterError)):
            self.state, self.error = "failed", str(error)
            log.error("%s cannot run: %s", self.name, error)  # the message says it all; a traceback would not help
            return
        self._ended(error)

    def _begin(self) -> None:
        host = AsyncioHost(self.clock)
        try:
            engine = Engine(self.build(), host, self._ended)
        except Exception as error:  # noqa: BLE001  # one member's failure must not take the island down; it is tried again
            self._failed(error)
            return
        host.attach(engine)
        self.engine = engine
        self.state, self.error = "running", ""
        engine.start()
        self._watching()
        self._watching = watch(engine, host, STILL_S, self._stands_still)

    def _stands_still(self, stuck: Stuck | None) -> None:
        self._still = stuck

    def _ended(self, error: BaseException | None) -> None:
        if self.state == "stopped":
            return
        if error is None:
            self.state = "stopped"
            return
        self._backoff.lived(self.clock.monotonic() - self._started)
        delay = self._backoff.failed()
        self.state, self.error = "waiting", str(error) or repr(error)
        self.restarts += 1
        log.warning("%s failed and is started again in %.1f s: %s", self.name, delay, self.error)
        self._cancel_restart = AsyncioHost(self.clock).later(delay, self.start)

    def stop(self) -> None:
        """End this life; what is under way is failed, never dropped: a dropped element counts as settled, and its device would be
        told that it is safe."""
        self.state = "stopped"
        if self._cancel_restart is not None:
            self._cancel_restart()
        self._watching()
        if self.engine is not None:
            self.engine.stop(IslandDied(f"{self.name} has been stopped"))

    # -- status ------------------------------------------------------------------------------------------------------

    def status(self) -> MemberStatus:
        """A snapshot."""
        status = MemberStatus(self.name, self.state, self.error, self.restarts)
        if self.engine is not None:
            status.nodes = [_node_status(seat) for seat in self.engine.seats.values()]
            status.wires = [WireStatus(w.name, w.passed, w.chunks, _demand(w.demand), w.buffered) for w in self.engine.wires]
            sources = {seat.name for seat in self.engine.seats.values() if not seat.ins}
            if self._still is not None and self.state == "running":
                status.still_s = self.clock.monotonic() - self._still.since
                status.waits = [
                    WaitStatus(wait.node, wait.waits_for, wait.text, wait.node in sources) for wait in self._still.waits
                ]
        self.describe(status)
        return status


def _demand(n: int) -> int:
    return -1 if n >= UNBOUNDED else n


def _node_status(seat: Seat) -> GraphNodeStatus:
    outs: list[Wire] = seat.outs
    status = GraphNodeStatus(
        seat.name,
        seat.stage.kind or type(seat.stage).__name__,
        received=sum(w.passed for w in seat.ins),
        emitted=sum(w.passed for w in outs),
        demand=_demand(sum(w.demand for w in outs) if outs else sum(w.demand for w in seat.ins)),
        buffered=sum(w.buffered for w in outs),
        stopped=seat.stopped,
    )
    for name, count in seat.counters.items():
        if name == "errors":
            status.errors = count
        elif name.startswith("dropped_"):
            status.dropped[name.removeprefix("dropped_")] = count
        else:
            status.counters[name] = count
    return status
