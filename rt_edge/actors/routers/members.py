"""What a router knows of its routees, and of the messages that it has not finished with."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Protocol

from rt_edge.actors.lifecycle import StateOf
from rt_edge.actors.routers.messages import RouteeInfo
from rt_edge.streams.routing.asking import Asking
from rt_edge.streams.routing.routee import Routee


class Surroundings(Protocol):
    """What the core of a router asks of the actor around it."""

    def send(self, target: Any, message: Any) -> None:
        """Send; at least once, in any order, or never if the target is dead."""
        ...

    def now(self) -> float:
        """Monotonic time."""
        ...

    def after(self, seconds: float, function: Callable[..., object], *args: object) -> Callable[[], None]:
        """Call later; returns what cancels it."""
        ...

    def key(self, address: Any) -> Hashable:
        """The same for the same actor, as long as it is no child of this one."""
        ...

    def same(self, one: Any, other: Any) -> bool:
        """Whether two addresses are those of one actor."""
        ...

    def create(self) -> Any:
        """A new routee of a pool: its address."""
        ...

    def end(self, address: Any) -> None:
        """Let a routee of a pool end."""
        ...


class Job:
    """A message on its way to one routee, or to several in turn.

    Attributes:
        question: what is asked, if somebody waits for an answer.
        teller: who hears when it is dropped; None: nobody.
        only: name of the routee that it is for; empty: any.
        tried: names of those that had it.
    """

    __slots__ = ("key", "only", "operation", "payload", "question", "teller", "tried")

    def __init__(
        self, payload: Any, key: str, operation: str = "", teller: Any = None, question: Question | None = None, only: str = ""
    ) -> None:
        self.payload = payload
        self.key = key
        self.operation = operation
        self.teller = teller
        self.question = question
        self.only = only
        self.tried: set[str] = set()


class Question:
    """What somebody waits for an answer to."""

    __slots__ = ("asker", "asking", "cancel", "cancel_tick", "job", "operation", "over")

    def __init__(self, asker: Any, operation: str) -> None:
        self.asker = asker
        self.operation = operation
        self.asking: Asking | None = None
        self.job: Job | None = None
        self.cancel: Callable[[], None] = _nothing
        self.cancel_tick: Callable[[], None] = _nothing
        self.over = False


class Member:
    """A routee.

    Args:
        name: stable, also over restarts.
        address: of its actor; None while it is being started again.
        window: messages it may have.
        queue: messages that may wait for it.
    """

    state = StateOf()

    def __init__(self, name: str, address: Any, window: int, queue: int) -> None:
        self.name = name
        self.address = address
        self.window = window
        self.jobs: dict[int, tuple[Job, float]] = {}  # with the time it was sent
        self.queue: deque[Job] = deque(maxlen=queue + 1)  # one too many is there until the overflow has decided
        self.routee = Routee(name)
        self.state = "running"
        self.handled = self.failed = 0
        self.starts = 1
        self.began = 0.0
        self.failures = 0

    @property
    def room(self) -> int:
        """Messages that can be sent to it now."""
        return self.window - len(self.jobs) if self.state != "waiting" else 0

    def look(self) -> Routee:
        """As strategies see it."""
        self.routee.credit = max(0, self.room - len(self.queue))
        self.routee.load = len(self.jobs) + len(self.queue)
        return self.routee

    def info(self, priority: int) -> RouteeInfo:
        """As others see it."""
        counts = (len(self.jobs), len(self.queue), self.handled, self.failed, self.starts)
        return RouteeInfo(self.name, self.state, *counts, priority)


def _nothing() -> None:
    """There is nothing to cancel."""
