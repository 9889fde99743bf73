"""One host: its channel, the order in which its resources are asked, and what happens when it is silent.

Each host has its own socket, queue and retransmissions: one that is dead takes nothing from the others. A host that does not
answer is left alone but for a ping, with full-jitter backoff from 1 s to 60 s.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from adapters.coap.resource import Resource
from adapters.coap.seam import BadAnswer, Channel, Unanswered
from rt_edge.sdk import AdapterContext
from rt_edge.sdk.backoff import Backoff
from rt_edge.sdk.presence import Presence


class Asker(Protocol):
    """What a host tells."""

    async def perform(self, resource: Resource, channel: Channel) -> None:
        """Ask for one resource.

        Raises:
            Unanswered: no answer.
            BadAnswer: it cannot be used.
        """
        ...

    def done(self, resource: Resource, problem: str) -> None:
        """It was asked for; `problem` is why in vain."""
        ...

    def host_is_up(self, host: Host) -> None:
        """It answers."""
        ...

    def host_is_down(self, host: Host, reason: str) -> None:
        """It does not."""
        ...


class Host:
    """One host.

    Args:
        name: in the configuration.
        address: for people.
        make: makes a channel to it.
        resources: its resources.
        asker: who is told.
        context: the runtime.
        in_flight: requests under way at a time.
        keepalive: seconds of silence after which it is pinged; 0: never.
    """

    def __init__(
        self,
        name: str,
        address: str,
        make: Callable[[], Channel],
        resources: list[Resource],
        asker: Asker,
        context: AdapterContext,
        in_flight: int,
        keepalive: float,
    ) -> None:
        self.name, self.address = name, address
        self.resources = resources
        self.state: Literal["closed", "connecting", "up", "down"] = "closed"
        self.span = Presence(context, f"{context.name}/{name}")
        self.said = False  # its silence stands in the log
        self._make = make
        self._asker = asker
        self._context = context
        self._most = in_flight
        self._keepalive = keepalive
        self._backoff = Backoff(context.random)
        self._channel: Channel | None = None
        self._queue: OrderedDict[Resource, None] = OrderedDict()  # each resource once
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy = 0
        self._timer: asyncio.TimerHandle | None = None
        self._heard = self._context.clock.monotonic()

    @property
    def channel(self) -> Channel | None:
        """The way to it; None while it is not there."""
        return self._channel if self.state == "up" else None

    def ask(self, resource: Resource) -> None:
        """Ask for `resource` in its turn."""
        if not resource.asked and self.state in ("up", "connecting"):
            resource.asked = True
            self._queue[resource] = None
            self._pump()

    async def connect(self) -> None:
        """Open the channel and see whether the host is there; `host_is_up` or `host_is_down` says it.

        Raises:
            Unanswered: it is not.
        """
        self._stop_timer()
        self.state = "connecting"
        channel = self._channel = self._make()
        try:
            await channel.open()
            await channel.ping()
        except Unanswered as problem:
            await self._fell_silent(channel, str(problem))
            raise
        if self._channel is channel:
            self.state = "up"
            self.heard()
            self._watch()
            self._asker.host_is_up(self)
            self._pump()

    def heard(self) -> None:
        """It gave a sign of life."""
        self._heard = self._context.clock.monotonic()

    async def close(self) -> None:
        """Let it go; returns when nothing is under way."""
        self.state = "closed"
        self._stop_timer()
        self._queue.clear()
        channel, self._channel = self._channel, None
        await self._end_tasks()
        for resource in self.resources:
            resource.forget()
        if channel is not None:
            await channel.close()

    # -- asking ------------------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        while self.state == "up" and self._queue and self._busy < self._most:
            resource, _ = self._queue.popitem(last=False)
            self._busy += 1
            self._spawn(self._ask(resource), f"coap {resource.source} {resource.name}")

    async def _ask(self, resource: Resource) -> None:
        channel = self._channel
        problem, silent = "", False
        try:
            if channel is not None:
                await self._asker.perform(resource, channel)
                self.heard()
        except Unanswered as error:
            problem, silent = str(error), not error.alive
        except BadAnswer as error:
            problem = str(error)
        finally:
            self._busy -= 1
            resource.asked = False
        if silent and channel is not None:
            await self._fell_silent(channel, problem)
        self._asker.done(resource, problem)
        self._pump()

    # -- silence -----------------------------------------------------------------------------------------------------------

    async def _fell_silent(self, channel: Channel, reason: str) -> None:
        if self._channel is not channel:
            return  # the first who noticed has done it
        self._channel = None
        was, self.state = self.state, "down"
        self._queue.clear()
        if was == "up":
            await self._end_tasks()
        for resource in self.resources:
            resource.forget()
        await channel.close()
        if self.state == "down":
            self._stop_timer()
            self._timer = asyncio.get_running_loop().call_later(self._backoff.failed(), self._retry)
            self._asker.host_is_down(self, reason)

    def _retry(self) -> None:
        self._timer = None
        self._spawn(self._reconnect(), f"coap {self.name} again")

    async def _reconnect(self) -> None:
        try:
            await self.connect()
        except Unanswered:
            return  # said by host_is_down; the next try is set

    def answers(self) -> None:
        """A Reading came: the next loss begins with short waits again."""
        self._backoff.failures = 0

    def _watch(self) -> None:
        """Ping it when it has been silent for long."""
        if self._keepalive:
            due = self._heard + self._keepalive - self._context.clock.monotonic()
            self._timer = asyncio.get_running_loop().call_later(max(due, self._keepalive / 10), self._look)

    def _look(self) -> None:
        self._timer = None
        if self._context.clock.monotonic() - self._heard < self._keepalive:
            self._watch()
        elif self._channel is not None:
            self._spawn(self._ping(self._channel), f"coap {self.name} ping")

    async def _ping(self, channel: Channel) -> None:
        try:
            await channel.ping()
        except Unanswered as problem:
            await self._fell_silent(channel, str(problem))
            return
        self.heard()
        if self.state == "up":
            self._watch()

    # -- tasks -------------------------------------------------------------------------------------------------------------

    def _spawn(self, work: Awaitable[None], name: str) -> None:
        task = asyncio.ensure_future(work)
        assert isinstance(task, asyncio.Task)
        task.set_name(name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._context.log("error", "a bug in the adapter ended a task", host=self.name, error=repr(error))
            self._context.lost(error if isinstance(error, Exception) else RuntimeError(repr(error)))

    async def _end_tasks(self) -> None:
        others = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
