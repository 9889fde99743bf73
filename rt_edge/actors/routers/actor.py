"""RouterActor: a router as an actor."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from random import SystemRandom
from typing import Any, ClassVar, get_args
from uuid import uuid4

import msgspec
from thespian.actors import ActorAddress, ActorExitRequest, ChildActorExited

from rt_edge.actors.base import BaseActor
from rt_edge.actors.routers.core import RouterCore
from rt_edge.actors.routers.messages import (
    AddRoutee,
    AdjustPoolSize,
    Broadcast,
    DropPolicyOf,
    GetDropPolicy,
    GetRoutees,
    RemoveRoutee,
    RouteAsk,
    RouteTell,
    SetDropPolicy,
    SetPriority,
    StopRoutees,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Worked,
)
from rt_edge.actors.routers.pool import Pool
from rt_edge.actors.routers.settings import Overflow, RouterSettings
from rt_edge.actors.transport.addresses import address_key
from rt_edge.actors.transport.messages import SendFailed
from rt_edge.data.clock import SystemClock
from rt_edge.data.errors import ConfigError, RtEdgeError


class RouterActor(BaseActor):
    """Subclass it and set what it is:

        class Workers(RouterActor):
            settings = RouterSettings(strategy="balancing", size=4)
            routee_class = Worker

    With a `size` it is a pool of `routee_class`, which is created when the first message comes; without, it is a group, and
    routees come by `AddRoutee` and `Subscribe`. A router has no second thread: it creates actors.

    Attributes:
        settings: how it routes.
        routee_class: of a pool: a `RouteeActor`.
    """

    settings: ClassVar[RouterSettings] = RouterSettings()
    routee_class: ClassVar[type[BaseActor] | None] = None

    def __init__(self) -> None:
        super().__init__()
        self._clock = SystemClock()
        self._random = SystemRandom()
        self.core = RouterCore(self.settings, self, uuid4().hex, self._random)
        self.pool: Pool | None = None
        self._operations: dict[str, None] = {}

    # -- for the core --------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Monotonic time."""
        return self._clock.monotonic()

    def after(self, seconds: float, function: Callable[..., object], *args: object) -> Any:
        """As of the base; returns what cancels it."""
        return super().after(seconds, function, *args).cancel

    def key(self, address: ActorAddress) -> Hashable:
        """The same for the same actor."""
        return address_key(address)

    def same(self, one: ActorAddress, other: ActorAddress) -> bool:
        """Whether two addresses are those of one actor; Thespian knows both addresses of a child."""
        return bool(one == other)

    def create(self) -> ActorAddress:
        """A routee of the pool."""
        if self.routee_class is None:
            raise ConfigError(f"{self.name} is a pool and has no routee_class")
        return self.createActor(self.routee_class)

    def end(self, address: ActorAddress) -> None:
        """Let a routee of the pool end."""
        self.send(address, ActorExitRequest())

    # -- messages ------------------------------------------------------------------------------------------------------

    def _ready(self) -> RouterCore:
        if self.pool is None and self.settings.size:
            self.pool = Pool(self.core, self.settings, self, self._random, self.name)
            self.pool.start()
        return self.core

    def on_RouteTell(self, message: RouteTell, sender: ActorAddress) -> None:
        """Pass it on."""
        self._ready().tell(message.payload, sender, message.operation, message.key)

    def on_RouteAsk(self, message: RouteAsk, sender: ActorAddress) -> None:
        """Pass it on, and answer in time."""
        self._ready().ask(message.payload, sender, message.operation, message.timeout, message.key)

    def on_Broadcast(self, message: Broadcast, sender: ActorAddress) -> None:
        """Pass it on to all."""
        self._ready().broadcast(message.payload, sender, message.operation)

    def on_Worked(self, message: Worked, sender: ActorAddress) -> None:
        """A routee has room."""
        self.core.worked(message)

    def on_GetRoutees(self, message: GetRoutees, sender: ActorAddress) -> None:
        """Say who is there, and how they are."""
        self.send(sender, self._ready().routees(message.number))

    def on_AddRoutee(self, message: AddRoutee, sender: ActorAddress) -> None:
        """One more of a group."""
        self._join(message.address, message.name, message.where, message.priority, sender)

    def on_Subscribe(self, message: Subscribe, sender: ActorAddress) -> None:
        """The sender, too."""
        self._join(sender, message.name, message.where, message.priority, sender)

    def _join(self, address: ActorAddress, name: str, where: str, priority: int, asker: ActorAddress) -> None:
        try:
            if self.settings.size:
                raise ConfigError(f"{self.name} is a pool", "its size is changed by AdjustPoolSize")
            self.send(asker, Subscribed(self.core.add(address, name, where, priority)))
        except RtEdgeError as error:
            self.send(asker, Subscribed(name, str(error)))

    def on_Unsubscribe(self, message: Unsubscribe, sender: ActorAddress) -> None:
        """Not the sender any more."""
        member = self.core.find(sender)
        if member is not None:
            self.core.remove(member.name)

    def on_RemoveRoutee(self, message: RemoveRoutee, sender: ActorAddress) -> None:
        """Not this one any more."""
        self.core.remove(message.name)

    def on_AdjustPoolSize(self, message: AdjustPoolSize, sender: ActorAddress) -> None:
        """More, or fewer."""
        self._ready()
        if self.pool is None or message.operation in self._operations:
            return
        if len(self._operations) >= 1024:
            del self._operations[next(iter(self._operations))]
        self._operations[message.operation] = None
        self.pool.resize(self.pool.size + message.change)

    def on_SetPriority(self, message: SetPriority, sender: ActorAddress) -> None:
        """From the next message on."""
        self.core.priorities.set(message.name, message.priority)

    def on_SetDropPolicy(self, message: SetDropPolicy, sender: ActorAddress) -> None:
        """From the next message too many on."""
        try:
            self.core.overflow = msgspec.convert(message.overflow, Overflow)
        except msgspec.ValidationError:
            known = ", ".join(get_args(Overflow))
            self.send(
                sender, DropPolicyOf(self.core.overflow, f"there is no drop policy {message.overflow!r}, there are {known}")
            )
            return
        self.send(sender, DropPolicyOf(self.core.overflow))

    def on_GetDropPolicy(self, message: GetDropPolicy, sender: ActorAddress) -> None:
        """Say what counts."""
        self.send(sender, DropPolicyOf(self.core.overflow))

    def on_StopRoutees(self, message: StopRoutees, sender: ActorAddress) -> None:
        """All of them."""
        if self.pool is not None:
            self.pool.stop()
        else:
            self.core.stop_all()

    # -- deaths --------------------------------------------------------------------------------------------------------

    def on_ChildActorExited(self, message: ChildActorExited, sender: ActorAddress) -> None:
        """A routee of the pool has ended."""
        member = self.core.died(message.childAddress)
        if member is not None and self.pool is not None:
            self.pool.died(member)

    def on_SendFailed(self, message: SendFailed, sender: ActorAddress) -> None:
        """A routee of a group is dead: nobody else tells of it. Of a pool's own, `ChildActorExited` does."""
        if message.dead and not self.settings.size:
            self.core.died(sender)

    def on_stop(self) -> None:
        """The routees of a pool are its children and end with it."""
        if self.pool is not None:
            self.pool.stop()
