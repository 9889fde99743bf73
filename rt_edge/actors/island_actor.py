"""IslandActor: an island as an actor: messages on the main thread, everything else on the loop's thread (design 6)."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from thespian.actors import ActorAddress
from thespian.system.transport import TransmitIntent

from rt_edge.actors.base import BaseActor
from rt_edge.actors.command_messages import PointProgress, PointResult, ReadPoint, TurnedAway, WritePoint
from rt_edge.actors.island.asking import ask_member, turned_away
from rt_edge.actors.island.neighbours import Neighbours
from rt_edge.actors.island.runtime import IslandRuntime
from rt_edge.actors.island_links import ActorLinks
from rt_edge.actors.logs import restore_logging
from rt_edge.actors.node_messages import (
    REFUSED,
    Control,
    GetStatus,
    Launch,
    Launched,
    Peers,
    PhaseDone,
    Signals,
    Status,
    StopPhase,
)
from rt_edge.actors.tap_messages import Tap, Tapped
from rt_edge.actors.transport.addresses import address_key
from rt_edge.actors.transport.messages import Frame, LinkDown, LinkUp, SendFailed
from rt_edge.data.errors import BufferOverflow
from rt_edge.settings.plan import NodePlan, decode_plan
from rt_edge.telemetry.log import configure
from rt_edge.telemetry.status import IslandStatus, encode

Dispatch = Callable[[str, bytes], bool]
"""Takes a batch for an island; returns whether it has gone (otherwise the post office is told when it has)."""

QUEUE = 8192
"""Hand-overs that may wait between the two threads."""


def _port(address: ActorAddress) -> int:
    """The port of an actor on loopback, by which its island is reached directly; 0: it is not known."""
    port = address_key(address)[-1]
    return port if isinstance(port, int) else 0


class IslandActor(BaseActor):
    """Hosts an `IslandRuntime`."""

    name = "island"

    def __init__(self) -> None:
        super().__init__()
        self._island = ""
        self._peers: dict[str, ActorAddress] = {}
        self._peers_number = 0
        self._under_way: dict[str, ActorAddress] = {}
        self._runtime: IslandRuntime | None = None
        self._links: ActorLinks | None = None
        self._neighbours: Neighbours | None = None
        self._error = ""
        self._again = False

    # -- from the guardian -------------------------------------------------------------------------------------------

    def on_Launch(self, message: Launch, sender: ActorAddress) -> None:
        """Become this island."""
        if self._island:
            return  # delivery is at least once
        self._island = self.name = message.island
        self._again = message.again
        self.guardian = sender
        plan = decode_plan(message.plan)
        restore_logging()
        configure(plan.telemetry.log_level, plan.telemetry.log_format)
        if self.transport.lifeline is not None:
            self.transport.lifeline.announce("actor", self.name)
        loop = self.start_loop(limit=QUEUE)
        links = self._links = ActorLinks(loop, self.transport, plan.node.id)

        node, port = str(address_key(sender)), _port(self.myAddress) if self.transport.direct else 0

        def dispatch(island: str, data: bytes) -> bool:  # of this loop: the actor lets go of it before it has ended
            written = self._neighbours.send(island, data) if self._neighbours is not None else None
            if written is None:
                loop.to_actor(partial(self._send_batch, island, data))
            return bool(written)

        def build() -> None:
            try:
                runtime = self.make_runtime(plan, message.island, dispatch, links)
                if port:
                    neighbours = self._neighbours = Neighbours(node, runtime.office.receive, runtime.office.sent)
                    neighbours.listen(port)
                runtime.questions.send = lambda question: loop.to_actor(partial(self.send, sender, question))
                runtime.start()
            except Exception as error:  # told to the guardian, which starts the island again with backoff
                self._error = f"{type(error).__name__}: {error}"
                loop.to_actor(partial(self.send, sender, Launched(message.island, os.getpid(), self._error)))
                raise
            self._runtime = runtime
            loop.to_actor(partial(self.send, sender, Launched(message.island, os.getpid())))

        loop.to_loop(build)

    def make_runtime(self, plan: NodePlan, island: str, dispatch: Dispatch, links: ActorLinks) -> IslandRuntime:
        """What runs in this island; a benchmark has something else."""
        return IslandRuntime(plan, island, dispatch, links, again=self._again, refused=self._refused)

    def _refused(self, why: str) -> None:
        """Called in the loop: the node shall not start."""
        lifeline = self.transport.lifeline
        if lifeline is not None:
            self.loop.to_actor(partial(lifeline.report, f"{REFUSED}{why}"))

    def on_Peers(self, message: Peers, sender: ActorAddress) -> None:
        """Where the other islands are; a wire to one that is new, or was started again, begins at once, not at a resend."""
        if message.number < self._peers_number:
            return  # overtaken by a later one, or sent again: it would take away islands that were started meanwhile
        self._peers_number = message.number
        new = [name for name, address in message.addresses.items() if self._peers.get(name) != address and name != self._island]
        self._peers = dict(message.addresses)
        runtime = self._runtime
        if self._neighbours is not None:
            self.loop.to_loop(self._neighbours.peers, {name: _port(self._peers[name]) for name in new})
        if runtime is not None:
            for name in new:
                self.loop.to_loop(runtime.office.reachable, name)

    def on_StopPhase(self, message: StopPhase, sender: ActorAddress) -> None:
        """End a part; answered when it has ended."""
        runtime = self._runtime
        if runtime is None:
            self.send(sender, PhaseDone(self._island, message.phase, 0))
            return
        loop = self.loop

        async def stop() -> None:
            left = await runtime.stop_phase(message.phase, message.seconds)
            loop.to_actor(partial(self.send, sender, PhaseDone(self._island, message.phase, left)))

        loop.to_loop(lambda: self._keep(loop.loop.create_task(stop())))

    def _keep(self, task: Any) -> None:
        self._stopping = task  # a task without a reference may be collected

    def on_GetStatus(self, message: GetStatus, sender: ActorAddress) -> None:
        """A snapshot, taken on the loop."""
        loop = self.loop

        def answer() -> None:
            runtime = self._runtime
            status = IslandStatus(self._island, os.getpid(), "running" if runtime else "starting", self._error)
            if runtime is not None:
                status.members = runtime.status()
                status.post = {
                    **runtime.office.counters,
                    "direct": self._neighbours.reached if self._neighbours is not None else 0,
                }
            loop.to_actor(partial(self.send, sender, Status(message.number, encode(status))))

        loop.to_loop(answer)

    def on_Control(self, message: Control, sender: ActorAddress) -> None:
        """A command for one of the members."""
        runtime = self._runtime
        member = runtime.members.get(message.member) if runtime is not None else None
        if member is not None:
            self.loop.to_loop(member.control, message.action)

    def on_ReadPoint(self, message: ReadPoint, sender: ActorAddress) -> None:
        """A point of an adapter of this island; the asker is answered directly."""
        self._at_point(message)

    def on_WritePoint(self, message: WritePoint, sender: ActorAddress) -> None:
        """As `on_ReadPoint`."""
        self._at_point(message)

    def _at_point(self, ask: ReadPoint | WritePoint) -> None:
        loop, asker = self.loop, ask.asker

        def reply(said: PointProgress | PointResult) -> None:
            if asker is not None:
                loop.to_actor(partial(self.send, asker, said))

        loop.to_loop(ask_member, self._runtime, ask, reply)

    def on_TurnedAway(self, message: TurnedAway, sender: ActorAddress) -> None:
        """A command that comes to no adapter: logged here, then answered."""
        loop, asker = self.loop, message.asker
        reply = lambda said: loop.to_actor(partial(self.send, asker, said))  # noqa: E731
        loop.to_loop(turned_away, self._runtime, message, reply)

    def on_PointResult(self, message: PointResult, sender: ActorAddress) -> None:
        """An answer to a question of one of the members."""
        if self._runtime is not None:
            self.loop.to_loop(self._runtime.questions.answered, message)

    def on_PointProgress(self, message: PointProgress, sender: ActorAddress) -> None:
        """Not the last word on one."""
        if self._runtime is not None:
            self.loop.to_loop(self._runtime.questions.answered, message)

    def on_Tap(self, message: Tap, sender: ActorAddress) -> None:
        """A look at a wire; the asker is answered directly."""
        loop, asker = self.loop, message.asker or sender

        def look() -> None:
            runtime = self._runtime
            starting = Tapped(message.number, error="the island is starting")
            answer = starting if runtime is None else runtime.taps.look(message)
            loop.to_actor(partial(self.send, asker, answer))

        loop.to_loop(look)

    # -- signals -----------------------------------------------------------------------------------------------------

    def on_Signals(self, message: Signals, sender: ActorAddress) -> None:
        """A batch from another island."""
        runtime = self._runtime
        if runtime is not None:
            self.loop.to_loop(runtime.office.receive, message.data)

    def _send_batch(self, island: str, data: bytes) -> None:
        peer = self._peers.get(island)
        if peer is None:
            self._batch_done(island)
            return
        self._under_way[island] = peer
        try:
            self.send(peer, Signals(data))
        except BufferOverflow:  # the ends of the wires say it again
            self._batch_to_done(peer)

    def _batch_done(self, island: str) -> None:
        runtime, loop = self._runtime, self._loop
        if runtime is not None and loop is not None:  # a transmit may end after this actor's loop
            loop.tell_loop(runtime.office.sent, island)  # one a batch: without it the wire would wait for ever

    def _sent(self, key: Any, result: Any, intent: TransmitIntent) -> None:
        super()._sent(key, result, intent)
        if isinstance(intent.message, Signals):
            self._guarded("sent", partial(self._batch_to_done, intent.targetAddr))

    def _not_sent(self, key: Any, result: Any, intent: TransmitIntent) -> None:
        super()._not_sent(key, result, intent)
        if isinstance(intent.message, Signals):
            self._guarded("not sent", partial(self._batch_to_done, intent.targetAddr))

    def _batch_to_done(self, address: ActorAddress) -> None:
        # By the address it went to: meanwhile the island may have another one.
        for island in [name for name, peer in self._under_way.items() if peer == address]:
            del self._under_way[island]
            self._batch_done(island)

    def on_SendFailed(self, message: SendFailed, sender: ActorAddress) -> None:
        """The ends of the wires say it again."""

    # -- links -------------------------------------------------------------------------------------------------------

    def on_LinkUp(self, message: LinkUp, sender: ActorAddress) -> None:
        """A link to another node."""
        if self._links is not None:
            self._links.up(message, sender)

    def on_LinkDown(self, message: LinkDown, sender: ActorAddress) -> None:
        """It is gone."""
        if self._links is not None:
            self._links.down(message, sender)

    def on_Frame(self, message: Frame, sender: ActorAddress) -> None:
        """A frame from another node."""
        if self._links is not None:
            self._links.frame(message, sender)
