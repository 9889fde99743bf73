"""Messages of routers. Delivery is at least once and in any order, so every one can be taken twice.

A payload is plain data (text, numbers, bytes, lists, mappings) or an instance of a class that was registered as a message.
"""

from __future__ import annotations

from typing import Any

import msgspec
from thespian.actors import ActorAddress

from rt_edge.actors.transport.serializer import register_message


@register_message
class RouteTell(msgspec.Struct, frozen=True):
    """To a router: pass this on.

    Attributes:
        payload: for the routee.
        operation: makes a repetition known as such; with it, the sender hears of a tell that is dropped (`RouteAnswer`).
        key: for consistent hashing; empty: the payload is its own key.
    """

    payload: Any
    operation: str = ""
    key: str = ""


@register_message
class RouteAsk(msgspec.Struct, frozen=True):
    """To a router: pass this on, and send me the answer. Answered by one `RouteAnswer`, in time.

    Attributes:
        payload: for the routees.
        operation: the asker's number of this question; a repetition of it is the same question.
        timeout: seconds; enforced by the router.
        key: for consistent hashing; empty: the payload is its own key.
    """

    payload: Any
    operation: str
    timeout: float = 5.0
    key: str = ""


@register_message
class RouteAnswer(msgspec.Struct, frozen=True):
    """Answer to `RouteAsk`, or why there is none.

    Attributes:
        operation: of the question.
        payload: what the routee answered.
        error: empty, or what went wrong.
        code: of the error, as in `rt_edge.data.errors`.
    """

    operation: str
    payload: Any = None
    error: str = ""
    code: str = ""


@register_message
class Broadcast(msgspec.Struct, frozen=True):
    """To a router: pass this on to all routees, whatever the strategy.

    Attributes:
        payload: for the routees.
        operation: makes a repetition known as such.
    """

    payload: Any
    operation: str = ""


@register_message
class GetRoutees(msgspec.Struct, frozen=True):
    """To a router. Answered by `Routees`."""

    number: int = 0


@register_message
class RouteeInfo(msgspec.Struct, frozen=True):
    """One routee.

    Attributes:
        name: stable, also over restarts.
        state: `running`, `waiting` (to be started again) or `leaving`.
        outstanding: messages that it has and has not finished.
        waiting: messages that wait for it alone.
        handled: messages that it has finished.
        failed: of these, those in which it raised.
        starts: how often it was started; 1 in a group.
        priority: its priority.
    """

    name: str
    state: str
    outstanding: int
    waiting: int
    handled: int
    failed: int
    starts: int
    priority: int


@register_message
class Routees(msgspec.Struct, frozen=True):
    """Answer to `GetRoutees`.

    Attributes:
        number: of the question.
        strategy: its name.
        routees: in the order of their coming.
        waiting: messages that wait for any routee.
        counters: of the router: `tells`, `asks`, `answered`, `failed`, `dropped_<reason>`, `repeated`, `deaths`, ...
    """

    number: int
    strategy: str
    routees: tuple[RouteeInfo, ...]
    waiting: int
    counters: dict[str, int]


@register_message
class AddRoutee(msgspec.Struct, frozen=True):
    """To a group: pass on to this one, too.

    Attributes:
        address: an actor that understands `Work`: a `RouteeActor`.
        name: empty: one is made.
        where: content: the condition, an expression; empty: it gets everything.
        priority: priority: its priority.
    """

    address: ActorAddress
    name: str = ""
    where: str = ""
    priority: int = 1


@register_message
class RemoveRoutee(msgspec.Struct, frozen=True):
    """To a router: let it finish what it has, and give it no more. A pool ends it then."""

    name: str


@register_message
class Subscribe(msgspec.Struct, frozen=True):
    """To a group: add the sender, as `AddRoutee`. Answered by `Subscribed`."""

    name: str = ""
    where: str = ""
    priority: int = 1


@register_message
class Subscribed(msgspec.Struct, frozen=True):
    """Answer to `Subscribe` and `AddRoutee`: under this name, or why not."""

    name: str
    error: str = ""


@register_message
class Unsubscribe(msgspec.Struct, frozen=True):
    """To a group: remove the sender."""


@register_message
class AdjustPoolSize(msgspec.Struct, frozen=True):
    """To a pool: so many more (or fewer) routees, within the bounds of its resizer.

    Attributes:
        change: how many.
        operation: makes a repetition known as such.
    """

    change: int
    operation: str


@register_message
class SetPriority(msgspec.Struct, frozen=True):
    """To a router with the strategy `priority`."""

    name: str
    priority: int


@register_message
class SetDropPolicy(msgspec.Struct, frozen=True):
    """To a router: what happens to a message too many from now on: `drop_new`, `drop_head`, `drop_tail` or `drop_buffer`.
    Answered by `DropPolicyOf`."""

    overflow: str


@register_message
class GetDropPolicy(msgspec.Struct, frozen=True):
    """To a router. Answered by `DropPolicyOf`."""


@register_message
class DropPolicyOf(msgspec.Struct, frozen=True):
    """Answer to `SetDropPolicy` and `GetDropPolicy`: what counts now, and why it was not changed."""

    overflow: str
    error: str = ""


@register_message
class StopRoutees(msgspec.Struct, frozen=True):
    """To a router: remove all; what waits is dropped, questions fail."""


@register_message
class Work(msgspec.Struct, frozen=True):
    """Router to routee.

    Attributes:
        router: incarnation of the router.
        number: counts what this router sent.
        floor: everything below it is finished: a repetition of it is old.
        payload: what to work on.
    """

    router: str
    number: int
    floor: int
    payload: Any


@register_message
class Worked(msgspec.Struct, frozen=True):
    """Routee to router: finished; send more.

    Attributes:
        router: as in `Work`.
        number: as in `Work`.
        payload: the answer.
        error: empty, or what was raised.
    """

    router: str
    number: int
    payload: Any = None
    error: str = ""
