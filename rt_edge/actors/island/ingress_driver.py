"""IngressDriver: carries out what the delivery protocol's `Receiver` asks: frames on links, sessions and commits in the store."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from typing import Any

from rt_edge.actors.island.ask_log import AskLog
from rt_edge.actors.island.ingress_commands import IngressCommands
from rt_edge.actors.island.links import FrameArrived, LinkClosed, LinkEvent, LinkOpened, Links, Token
from rt_edge.data.clock import Clock
from rt_edge.data.errors import BufferOverflow, RtEdgeError
from rt_edge.sdk.backoff import Backoff
from rt_edge.settings.plan import IngressPlan
from rt_edge.uplink import effects
from rt_edge.uplink.command_frames import SAID
from rt_edge.uplink.effects import Peer, ReceiverEffect
from rt_edge.uplink.frames import COMMANDS, EDGE_KINDS, Welcome, kind_of
from rt_edge.uplink.receiver import Receiver
from rt_edge.uplink.stores.sqlite import SqliteStore

log = logging.getLogger(__name__)
REFUSED_MAX = 1000
"""Most nodes whose refusal is said in the log, once each."""

WELCOME = kind_of(Welcome)


class IngressDriver:
    """One ingress, on the island's loop; the store is used in a thread of its own.

    Args:
        node: id of this node.
        plan: where to listen, certificates, which nodes.
        store: opened; used by nobody else from now on.
        links: to other nodes.
        clock: time.
        random: jitter of the next try to listen.
        asks: audit log of the commands that go to edges.

    Attributes:
        port: that is listened on; 0 before.
        error: why it does not listen.
        counters: reports by code.
        commands: what this node asks its edges.
    """

    def __init__(
        self, node: str, plan: IngressPlan, store: SqliteStore, links: Links, clock: Clock, random: Random, asks: AskLog
    ) -> None:
        self._plan = plan
        self._store = store
        self._links = links
        self._clock = clock
        self._receiver = Receiver(node, store.store_id, lambda: secrets.randbits(63))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._timer: asyncio.TimerHandle | None = None
        self._again: asyncio.TimerHandle | None = None
        self._backoff = Backoff(random, first_s=1.0, last_s=30.0)
        self._said = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._tokens: set[Token] = set()
        self._closed = False
        self.port = 0
        self.error: RtEdgeError | None = None
        self.stored_records = 0
        self.stored_readings = 0
        self.counters: Counter[str] = Counter()
        self._refused: set[str] = set()
        allow = plan.allow
        self.commands = IngressCommands(clock, self._put, lambda node: not allow or node in allow, asks)
        self.on_listening: Callable[[], None] | None = None

    def start(self) -> None:
        """Listen."""
        self._links.listen(self._plan.listen, self._plan.tls, {"edge": EDGE_KINDS | {SAID}}, self._event, self._listening)

    def _listening(self, port: int, error: RtEdgeError | None) -> None:
        self.port, self.error = port, error
        if error is None:
            log.info("ingress listens on %s, port %d", self._plan.listen.host, port)
        elif not self._closed:
            delay = self._backoff.failed()
            log.log(
                logging.DEBUG if str(error) == self._said else logging.ERROR,
                "ingress does not listen, next try in %.1f s: %s",
                delay,
                error,
            )
            self._said = str(error)
            self._again = asyncio.get_running_loop().call_later(delay, self.start)
        if self.on_listening is not None:
            self.on_listening()

    def sessions(self) -> list[str]:
        """Who is connected, and how far the session is."""
        return [f"{peer.node} ({stage.value})" for peer, stage in self._receiver.sessions().values()]

    def delivery(self) -> dict[str, int]:
        """Counters of the delivery since the start, over all sessions."""
        stats = self._receiver.stats
        return {
            "sessions": stats.sessions,
            "received_records": stats.records,
            "received_bytes": stats.bytes,
            "repeated_records": stats.repeated_records,
            "out_of_order": stats.out_of_order,
            "commits": stats.commits,
            "commit_failures": stats.commit_failures,
            "refused": stats.refused,
            "superseded": stats.superseded,
        }

    def _event(self, event: LinkEvent) -> None:
        now = self._clock.monotonic()
        if isinstance(event, FrameArrived) and event.kind == SAID:
            self.commands.said(event.token, event.number, event.body)
        elif isinstance(event, FrameArrived):
            self._do(self._receiver.frame(now, event.token, event.kind, event.number, event.body))
        elif isinstance(event, LinkOpened):
            if self._plan.allow and event.peer not in self._plan.allow:
                self.counters["not-allowed"] += 1
                if event.peer not in self._refused and len(self._refused) < REFUSED_MAX:
                    self._refused.add(event.peer)
                    log.warning("%s is refused: it is not in ingress.allow (said once)", event.peer)
                self._links.close(event.token, f"{event.peer} is not in the list of nodes that may connect")
                return
            self._tokens.add(event.token)
            self._do(self._receiver.link_up(now, event.token, Peer(event.peer, event.role)))
        elif isinstance(event, LinkClosed):
            self._tokens.discard(event.token)
            self.commands.link_closed(event.token)
            self._do(self._receiver.link_down(now, event.token, event.reason))

    # -- effects -----------------------------------------------------------------------------------------------------

    def _do(self, todo: Sequence[ReceiverEffect]) -> None:
        for effect in todo:
            if isinstance(effect, effects.SendTo):
                self._send(effect)
            elif isinstance(effect, effects.Commit):
                self._spawn(self._commit(effect), effect.address)
            elif isinstance(effect, effects.OpenSession):
                self._spawn(self._open_session(effect), effect.address)
            elif isinstance(effect, effects.ReadStored):
                self._spawn(self._read(effect), effect.address)
            elif isinstance(effect, effects.SetTimer):
                self._set_timer(effect.at)
            elif isinstance(effect, effects.CloseLink):
                self.counters[effect.code] += 1
                log.info("ingress closes the link of %s: %s", effect.address, effect.reason)
                self._links.close(effect.address, effect.reason)  # type: ignore[arg-type]  # the token we gave
            else:
                self.counters[effect.code] += 1
                log.info("ingress: %s", effect.message)

    def _send(self, effect: effects.SendTo) -> None:
        self._put(effect.address, effect.kind, effect.number, effect.data)  # type: ignore[arg-type]  # our token
        if effect.kind == WELCOME:
            version = self._receiver.features(effect.address).get(COMMANDS, 0)
            self.commands.session_open(effect.address, version)  # type: ignore[arg-type]  # as above

    def _put(self, token: Token, kind: str, number: int, data: bytes) -> None:
        try:
            self._links.send(token, kind, number, data)
        except BufferOverflow as error:
            self.counters["overflow"] += 1
            log.warning("ingress: %s", error)

    async def _run(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    async def _commit(self, effect: effects.Commit) -> None:
        try:
            position = await self._run(
                self._store.commit, effect.lane, effect.session, effect.first, effect.batch, effect.checksum
            )
        except RtEdgeError as error:
            self.counters["commit-failed"] += 1
            self._do(self._receiver.commit_failed(self._clock.monotonic(), effect.address, effect.lane, error))
            return
        self.stored_records += len(effect.batch)
        self.stored_readings += sum(record.count for record in effect.batch)
        self._do(self._receiver.committed(self._clock.monotonic(), effect.address, effect.lane, position))

    async def _open_session(self, effect: effects.OpenSession) -> None:
        now = self._clock.monotonic
        try:
            position, checksum = await self._run(self._open_now, effect)
        except RtEdgeError as error:
            self._do(self._receiver.open_failed(now(), effect.address, effect.lane, error))
            return
        self._do(self._receiver.session_opened(now(), effect.address, effect.lane, position, checksum))

    def _open_now(self, effect: effects.OpenSession) -> tuple[int, int | None]:
        position = self._store.open_session(effect.lane, effect.session)
        return position, self._store.checksum(effect.lane)

    async def _read(self, effect: effects.ReadStored) -> None:
        try:
            records = await self._run(self._store.read, effect.lane, effect.first, effect.last, effect.max_bytes)
        except RtEdgeError as error:
            log.error("ingress cannot read what is stored of %s: %s", effect.lane, error)
            records = None
        self._do(self._receiver.stored_read(self._clock.monotonic(), effect.address, effect.lane, records))

    def _set_timer(self, at: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if at is not None and not self._closed:
            delay = max(0.0, at - self._clock.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._do(self._receiver.tick(self._clock.monotonic()))

    def _spawn(self, work: Coroutine[Any, Any, None], address: object) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(partial(self._finished, address))

    def _finished(self, address: object, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.counters["errors"] += 1
            log.error("ingress: a step of the delivery failed", exc_info=error)
            # The session waits for an answer that will not come; a fresh one starts from what is durable.
            self._links.close(address, "internal error")  # type: ignore[arg-type]  # the token we gave

    async def close(self) -> None:
        """End all links, finish what is under way, close the store."""
        self._closed = True
        self.commands.close()
        for handle in (self._timer, self._again):
            if handle is not None:
                handle.cancel()
        for token in list(self._tokens):
            self._links.close(token, "this node stops")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        await self._run(self._store.close)
        self._thread.shutdown()
