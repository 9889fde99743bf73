"""UplinkDriver: carries out what the delivery protocol's `Sender` asks: frames on the link, reads and writes of the spool."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any

from rt_edge.actors.island.links import FrameArrived, LinkClosed, LinkEvent, LinkOpened, Links, Token
from rt_edge.data.clock import Clock
from rt_edge.data.errors import BufferOverflow, RtEdgeError
from rt_edge.data.ids import new_epoch, new_incarnation
from rt_edge.data.record import LaneId
from rt_edge.sdk.address import Address
from rt_edge.sdk.backoff import Backoff
from rt_edge.settings.plan import UplinkPlan
from rt_edge.spool.worker import SpoolWorker
from rt_edge.uplink import effects
from rt_edge.uplink.command_frames import ASK
from rt_edge.uplink.effects import LaneState, Peer, SenderEffect
from rt_edge.uplink.frames import INGRESS_KINDS
from rt_edge.uplink.parameters import SenderParameters
from rt_edge.uplink.reconcile import note
from rt_edge.uplink.sender import Sender

log = logging.getLogger(__name__)

Write = effects.Confirm | effects.SentThrough | effects.StoreKnown


class UplinkDriver:
    """One uplink's delivery, on the island's loop.

    Args:
        name: of the uplink.
        node: id of this node.
        host: equal in two processes only if the spool's lock keeps them from living at the same time.
        plan: peers, window, certificates.
        worker: the spool and its thread.
        links: to other nodes.
        clock: time.
        random: jitter of redials.

    Attributes:
        link: `down`, `dialling`, `open`; `cut` while a command keeps it down.
        peer: address of the peer that is used or tried.
        counters: reports by code, redials.
        on_ask: told of frames with commands: the peer of the certificate, their number and data.
    """

    def __init__(
        self, name: str, node: str, host: str, plan: UplinkPlan, worker: SpoolWorker, links: Links, clock: Clock, random: Random
    ) -> None:
        self._name = name
        self._plan = plan
        self._worker = worker
        self._links = links
        self._clock = clock
        self._backoff = Backoff(random, first_s=0.5, last_s=30.0)
        parameters = SenderParameters(window=plan.window)
        self._sender = Sender(node, new_incarnation(), host, new_epoch, lambda: secrets.randbits(63), parameters)
        self._token: Token | None = None
        self._peer_index = 0
        self._opened = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._redial: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._not_before = 0.0
        self._why = ""
        self.link = "down"
        self.reason = ""
        self.counters: Counter[str] = Counter()
        self.on_ask: Callable[[str, int, bytes], None] | None = None
        worker.on_appended.append(self._appended)

    @property
    def peer(self) -> Address:
        """The peer in use, or tried next."""
        return self._plan.peers[self._peer_index % len(self._plan.peers)]

    @property
    def session_open(self) -> bool:
        """Whether the handshake with upstream is done."""
        return self._sender.is_up

    def delivery(self) -> dict[str, int]:
        """Counters of the delivery since the start, and what is under way in this session."""
        stats = self._sender.stats
        under_way, records = self._sender.in_flight()
        return {
            "sessions": stats.sessions,
            "sent_records": stats.records,
            "sent_bytes": stats.bytes,
            "resent_records": stats.resent_records,
            "resent_bytes": stats.resent_bytes,
            "unconfirmed_records": records,
            "unconfirmed_bytes": under_way,
        }

    # -- the link ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Dial."""
        self._dial()

    def cut(self) -> None:
        """Keep the link down until `restore`; for demonstrations and tests."""
        if self._redial is not None:
            self._redial.cancel()
        if self._token is not None:
            self._links.close(self._token, "cut by command")
        self.link = "cut"

    def restore(self) -> None:
        """Dial again."""
        if self.link == "cut":
            self.link = "down"
            self._dial()

    def _dial(self) -> None:
        self._redial = None
        if self._closed or self.link in ("cut", "open", "dialling"):
            return
        self.link = "dialling"
        self._links.dial(self.peer, self._plan.tls, {"upstream": INGRESS_KINDS | {ASK}}, self._event)

    def _event(self, event: LinkEvent) -> None:
        now = self._clock.monotonic()
        if isinstance(event, FrameArrived):
            if event.token != self._token:
                return
            if event.kind == ASK:
                if self.on_ask is not None:
                    self.on_ask(event.token[0], event.number, event.body)
            else:
                self._do(self._sender.frame(now, event.kind, event.number, event.body))
        elif isinstance(event, LinkOpened):
            self._open(event)
        elif self._token is None or event.token == self._token:
            self._down(event, now)

    def _open(self, event: LinkOpened) -> None:
        if self._closed or self.link == "cut" or self._token is not None:
            self._links.close(event.token, "not wanted any more")
            return
        self._token = event.token
        self.link = "open"
        self._opened = self._clock.monotonic()
        log.info("uplink %s is connected to %s (%s)", self._name, event.peer, self.peer)
        peer = Peer(event.peer, event.role)

        async def begin() -> None:
            store, lanes = await self._worker.run(self._known)
            if self._token == event.token:
                self._do(self._sender.link_up(self._clock.monotonic(), peer, store, lanes))
                self._spawn(self._offer())  # what was committed since `lanes` was read

        self._spawn(begin())

    def _down(self, event: LinkClosed, now: float) -> None:
        was_open, had_session = self._token is not None, self.session_open
        self._token = None
        self._do(self._sender.link_down(now, event.reason))
        if self.link == "cut" or self._closed:
            return
        if was_open:
            self._backoff.lived(now - self._opened)
        reason, self._why = self._why or event.reason, ""  # what the protocol said tells more than how the link ended
        if was_open and not had_session and reason == "closed by the peer":
            reason = f"{reason} before the session began: its log says why (is this node in its ingress.allow?)"
        first = self.reason != reason
        self.link, self.reason = "down", reason
        delay = max(self._backoff.failed(), self._not_before - now)
        self.counters["redials"] += 1
        (log.warning if first else log.debug)("uplink %s has no link, next try in %.1f s: %s", self._name, delay, reason)
        self._peer_index += 1
        self._redial = asyncio.get_running_loop().call_later(delay, self._dial)

    # -- the spool ---------------------------------------------------------------------------------------------------

    def _known(self) -> tuple[str, list[LaneState]]:
        spool = self._worker.spool
        return spool.store_id, self._states()

    def _states(self) -> list[LaneState]:
        return [LaneState(lane.id, lane.last, lane.confirmed, lane.checksum) for lane in self._worker.spool.lanes()]

    def _appended(self, _lane: LaneId, _last: int) -> None:
        if self._token is not None:  # during the handshake too: the sender keeps it for later
            self._spawn(self._offer())

    async def _offer(self) -> None:
        states = await self._worker.run(self._states)
        self._do(self._sender.offer(self._clock.monotonic(), states))

    # -- effects -----------------------------------------------------------------------------------------------------

    def _do(self, todo: Sequence[SenderEffect]) -> None:
        for effect in todo:
            if isinstance(effect, effects.Send):
                self._send(effect)
            elif isinstance(effect, effects.WantRead):
                self._spawn(self._read(effect))
            elif isinstance(effect, effects.SetTimer):
                self._set_timer(effect.at)
            elif isinstance(effect, effects.Close):
                self._close_link(effect)
            elif isinstance(effect, effects.Report):
                self.counters[effect.code] += 1
                log.info("uplink %s: %s", self._name, effect.message)
            elif isinstance(effect, effects.NewEpoch):
                self._spawn(self._renumber(effect))
            else:
                self._spawn(self._write(effect))

    def _send(self, effect: effects.Send) -> None:
        self.put(effect.kind, effect.number, effect.data)

    def put(self, kind: str, number: int, data: bytes) -> None:
        """Put a frame on the link, if there is one."""
        if self._token is None:
            return
        try:
            self._links.send(self._token, kind, number, data)
        except BufferOverflow as error:
            self.counters["overflow"] += 1
            log.warning("uplink %s: %s", self._name, error)

    def _close_link(self, effect: effects.Close) -> None:
        self.counters[effect.code] += 1
        log.warning("uplink %s closes its link: %s", self._name, effect.reason)
        self._why = effect.reason
        self._not_before = self._clock.monotonic() + effect.retry_after
        if self._token is not None:
            self._links.close(self._token, effect.reason)

    def _set_timer(self, at: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if at is not None and not self._closed:
            delay = max(0.0, at - self._clock.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._do(self._sender.tick(self._clock.monotonic()))

    async def _read(self, want: effects.WantRead) -> None:
        try:
            records = await self._worker.run(self._worker.spool.read, want.lane, want.after, want.max_bytes, want.max_records)
        except RtEdgeError as error:
            log.error("uplink %s cannot read its spool: %s", self._name, error)
            self._do(self._sender.read_failed(self._clock.monotonic(), want.lane, want.request, error))
            return
        self._do(self._sender.read_done(self._clock.monotonic(), want.lane, want.request, records))

    async def _renumber(self, effect: effects.NewEpoch) -> None:
        try:
            state = await self._worker.run(self._renumber_now, effect)
        except RtEdgeError as error:
            self._do(self._sender.renumber_failed(self._clock.monotonic(), effect.lane, error))
            return
        self._do(self._sender.renumbered(self._clock.monotonic(), effect.lane, state))

    def _renumber_now(self, effect: effects.NewEpoch) -> LaneState:
        now = self._clock.wall_ns()
        gap = note(str(effect.lane), effect.reason, now)
        lane = self._worker.spool.renumber(effect.lane, effect.epoch, gap, effect.stored)
        return LaneState(lane.id, lane.last, lane.confirmed, lane.checksum)

    async def _write(self, effect: Write) -> None:
        try:
            await self._worker.run(self._write_now, effect)
        except RtEdgeError as error:
            self.counters["spool-errors"] += 1
            log.error("uplink %s: %s", self._name, error)

    def _write_now(self, effect: Write) -> None:
        spool = self._worker.spool
        if isinstance(effect, effects.Confirm):
            spool.confirm(effect.lane, effect.number, effect.checksum)
        elif isinstance(effect, effects.SentThrough):
            spool.sent_through(effect.lane, effect.number)
        else:
            spool.remember_store(effect.store)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.counters["errors"] += 1
            log.error("uplink %s: a step of the delivery failed", self._name, exc_info=error)
            if self._token is not None:  # a fresh session starts from what is durable
                self._links.close(self._token, f"internal error: {error}")

    # -- end ---------------------------------------------------------------------------------------------------------

    async def close(self, drain: Callable[[], bool], seconds: float) -> None:
        """Give what is in the spool `seconds` to be confirmed if the link is up, then close the link."""
        until = self._clock.monotonic() + seconds
        while self._sender.is_up and not drain() and self._clock.monotonic() < until:  # noqa: ASYNC110  # only while a node stops
            await asyncio.sleep(0.02)  # only while a node stops
        self._closed = True
        self._worker.on_appended.remove(self._appended)
        for handle in (self._timer, self._redial):
            if handle is not None:
                handle.cancel()
        if self._token is not None:
            self._links.close(self._token, "this node stops")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
