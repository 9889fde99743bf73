"""The asking side: demand becomes polls and observations; what hosts say becomes Readings, never more than were asked for."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from functools import partial
from typing import Any

from adapters.coap.address import host_address
from adapters.coap.host import Host
from adapters.coap.observer import Observer
from adapters.coap.reader import Reader
from adapters.coap.resource import Resource
from adapters.coap.seam import Channel, MakeChannel, Tuning, Unanswered
from adapters.coap.security import Keyring
from adapters.coap.writing import Points
from rt_edge.sdk import AdapterContext, TransientError
from rt_edge.sdk.seen import Seen

AT_ONCE = 32
"""Hosts that are looked for at a time."""
SPREAD_S = 2.0
"""First polls are spread over this time, or over their period if that is shorter."""
GOODBYE_S = 1.0
"""Longest time for giving up observations at closing."""


class Client(Reader):
    """Hosts and their resources. Kept over reconnects, and with it the demand and what is known of each silence.

    Args:
        settings: a `CoapSettings`, or an object with its attributes.
        context: the runtime.
        make: makes a channel to a host.
        keyring: tells keys.
    """

    def __init__(self, settings: Any, context: AdapterContext, make: MakeChannel, keyring: Keyring) -> None:
        super().__init__(context)
        self._hold: float = settings.hold
        self._observer = Observer(context, settings.refresh, self)
        tuning = Tuning(settings.ack_timeout, settings.retransmits, settings.timeout, settings.max_payload)
        for name, host in settings.hosts.items():
            tags = dict(host.tags)
            resources = [Resource(name, each, one, tags, context) for each, one in host.resources.items()]
            address = host_address(host.url)
            channel = partial(make, address.host, address.port, tuning, partial(keyring.for_channel, name, host))
            limits = (settings.in_flight_requests, settings.keepalive)
            self._hosts[name] = Host(name, str(address), channel, resources, self, context, *limits)
        self.points = Points(settings, self._hosts, context)
        self._seen = Seen(context)
        for source, wall in self._seen.load().items():  # what was not read between that life and this one will be a gap
            _, _, name = source.partition("/")
            if name in self._hosts:
                self._hosts[name].span.remember(wall)
        self._starved: OrderedDict[Resource, None] = OrderedDict()  # resources whose slot came without demand
        self._lost = False
        self._paused = True
        self._pause_timer: asyncio.TimerHandle | None = None
        self._background: set[asyncio.Task[None]] = set()

    # -- life --------------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Find the hosts; one that answers is enough.

        Raises:
            TransientError: none does.
        """
        if self._open:
            return
        gate = asyncio.Semaphore(AT_ONCE)

        async def connect(host: Host) -> None:
            async with gate:
                await host.connect()

        self._lost = True  # what is not there yet is no loss
        tasks = {asyncio.create_task(connect(host), name=f"coap {name}") for name, host in self._hosts.items()}
        reason = ""
        try:
            waiting = set(tasks)
            while waiting and not any(host.state == "up" for host in self._hosts.values()):
                ended, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                reason = next((str(error) for task in ended if (error := task.exception()) is not None), reason)
        except BaseException:
            await self._end(tasks)
            await self.close()
            raise
        if not any(host.state == "up" for host in self._hosts.values()):
            await self.close()
            first = next(iter(self._hosts.values()))
            many = "" if len(self._hosts) == 1 else f", nor does any other of {len(self._hosts)} hosts"
            raise TransientError(f"{first.address} does not answer ({reason}){many}", "is the address right, is the device on?")
        self._background = tasks
        for task in tasks:
            task.add_done_callback(lambda done: None if done.cancelled() else done.exception())  # said by host_is_down
        self._open, self._lost = True, False
        if self._demand.any:
            self._resume()
        for host in self._hosts.values():
            if host.state == "up":
                self._begin(host)

    async def close(self) -> None:
        """Give up observations, in good order if there is time; returns when nothing is under way."""
        was, self._open = self._open, False
        self._stop_pause()
        self._paused = True
        await self._end(self._background)
        self._background = set()
        hosts = list(self._hosts.values())
        observing = [r.observing for host in hosts if host.state == "up" for r in host.resources if r.observing is not None]
        if observing:
            cancels = [asyncio.create_task(one.cancel(), name="coap deregister") for one in observing]
            await asyncio.wait(cancels, timeout=GOODBYE_S)
            await self._end(set(cancels))
        await asyncio.gather(*(host.close() for host in hosts))
        self._starved.clear()
        for host in hosts:
            for resource in host.resources:
                self._demand.release(resource)
        self._seen.save()
        if was:
            now, wall = self._now()
            for host in hosts:
                host.span.silent("disconnected", now, wall)

    @staticmethod
    async def _end(tasks: set[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def probe(self) -> dict[str, str]:
        """What each host says to a ping: host -> `answers`, or why not; who asks closes afterwards."""
        found: dict[str, str] = {}
        for name, host in self._hosts.items():
            try:
                await host.connect()
                found[name] = "answers"
            except Unanswered as problem:
                found[name] = str(problem)
        return found

    # -- demand ------------------------------------------------------------------------------------------------------------

    def demand(self, n: int) -> None:
        """`n` more Readings may be emitted."""
        self._demand.add(n)
        if self._open:
            self._stop_pause()
            self._resume()
            self._pump_soon()

    def settled(self, through: int) -> None:
        """The first `through` Readings are stored."""
        self._seen.settled(through)

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            _, wall = self._now()
            for host in self._hosts.values():
                host.span.wanted(wall)
                for resource in host.resources:
                    if resource.pushes:
                        host.ask(resource)
        while self._starved and self._demand.free > 0:
            resource, _ = self._starved.popitem(last=False)
            self._poll(resource)

    def _no_demand(self) -> None:
        """Nothing was asked for, long enough: observations end at the hosts."""
        self._pause_timer = None
        self._paused = True
        now, wall = self._now()
        for host in self._hosts.values():
            if host.state == "up":
                host.span.silent("no_demand", now, wall)
            for resource in host.resources:
                if resource.observing is not None:
                    resource.disarm()
                    host.ask(resource)

    def _stop_pause(self) -> None:
        if self._pause_timer is not None:
            self._pause_timer.cancel()
            self._pause_timer = None

    def _emitted(self, source: str, received: int) -> None:
        self._seen.emitted(source, received)

    def _spent(self) -> None:
        if self._pause_timer is None and not self._paused:
            self._pause_timer = asyncio.get_running_loop().call_later(self._hold, self._no_demand)

    # -- slots -------------------------------------------------------------------------------------------------------------

    def _begin(self, host: Host) -> None:
        """A host is there: observe and poll it."""
        now, _ = self._now()
        for resource in host.resources:
            if resource.pushes:
                if not self._paused:
                    host.ask(resource)
            else:
                resource.due = now + self._context.random.uniform(0, min(SPREAD_S, resource.every))
                self.arm(resource, resource.due)

    def arm(self, resource: Resource, due: float) -> None:
        """Its next slot, or its next registration, is at `due`, monotonic seconds."""
        resource.disarm()
        slot = self._again if resource.pushes else self._slot
        delay = max(0.0, due - self._context.clock.monotonic())
        resource.timer = asyncio.get_running_loop().call_later(delay, slot, resource)

    def _again(self, resource: Resource) -> None:
        """An observation is to be registered again."""
        resource.timer = None
        if not self._paused:
            self._hosts[resource.host].ask(resource)

    def _slot(self, resource: Resource) -> None:
        """A slot of a polled resource has come; slots that were missed are not made up for."""
        resource.timer = None
        now, wall = self._now()
        missed = max(0, int((now - resource.due) // resource.every))
        resource.due += resource.every * (missed + 1)
        if missed:
            self._context.count("slots_missed", missed)
        self.arm(resource, resource.due)
        if resource.asked or resource.waiting:
            self._context.count("polls_late")
        elif self._demand.free <= 0:
            self._context.count("polls_skipped")
            self._starved[resource] = None
            resource.skipped += 1
            if resource.skipped == 2:
                self._hosts[resource.host].span.silent("no_demand", now, wall)
        else:
            self._poll(resource)

    def _poll(self, resource: Resource) -> None:
        host = self._hosts[resource.host]
        if host.state == "up" and not resource.asked:
            self._starved.pop(resource, None)
            resource.skipped = 0
            self._demand.reserve(resource)
            host.ask(resource)

    # -- from hosts --------------------------------------------------------------------------------------------------------

    async def perform(self, resource: Resource, channel: Channel) -> None:
        """See `host.Asker`."""
        if not resource.pushes:
            known = resource.known
            answer = await channel.get(resource.target, b"" if known is None else known.etag)
            if answer.code == "2.03" and known is not None:
                self._context.count("validated")
                answer = known._replace(max_age=answer.max_age)
            resource.keep(answer)
            self.answered(resource, answer)
        elif self._paused:
            await self._observer.end(resource)
        else:
            await self._observer.register(resource, channel)

    def heard(self, resource: Resource) -> None:
        """See `observer.Owner`."""
        self._hosts[resource.host].heard()

    def done(self, resource: Resource, problem: str) -> None:
        """See `host.Asker`."""
        self._demand.release(resource)
        if problem and self._hosts[resource.host].state == "up":
            self.failed(resource, problem)
            if resource.pushes and not self._paused:  # registered anew: a registration nobody answered may not be there
                if resource.observing is not None:
                    resource.observing.drop()
                    resource.observing = None
                self.arm(resource, self._context.clock.monotonic() + resource.every)
        elif resource.pushes and resource.observing is None and not self._paused and resource.timer is None:
            self._hosts[resource.host].ask(resource)  # demand returned while it was given up
        if self._open and self._starved and self._demand.free > 0:
            self._resume()

    def host_is_up(self, host: Host) -> None:
        """See `host.Asker`."""
        if host.said:
            host.said = False
            self._context.log("info", "host answers again", host=host.name, address=host.address)
        if self._open:
            self._begin(host)
        self._gauge()

    def host_is_down(self, host: Host, reason: str) -> None:
        """See `host.Asker`."""
        now, wall = self._now()
        for resource in host.resources:
            self._starved.pop(resource, None)
            self._demand.release(resource)
        host.span.silent("timeout", now, wall)
        self._gauge()
        if not self._open:
            return
        if all(other.state in ("down", "closed") for other in self._hosts.values()):
            if not self._lost:
                self._lost = True
                self._context.lost(TransientError(f"{host.address} does not answer ({reason})"))
        elif not host.said:
            host.said = True
            self._context.count("hosts_lost")
            self._context.log("warning", "host does not answer", host=host.name, address=host.address, why=reason)

    def _gauge(self) -> None:
        self._context.gauge("hosts_up", float(sum(host.state == "up" for host in self._hosts.values())))
