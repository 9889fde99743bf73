"""A stream in one actor that asks a router in another: `AsksRouters` makes what the stage `ask` takes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

from thespian.actors import ActorAddress

from rt_edge.actors.base import BaseActor
from rt_edge.actors.loop_thread import LoopThread
from rt_edge.actors.routers.messages import RouteAnswer, RouteAsk
from rt_edge.data.errors import BufferOverflow, ConfigError, StreamError
from rt_edge.streams.routing.asked import Told
from rt_edge.streams.routing.asking import NoAnswer

GRACE_S = 1.0
"""The router says in time that there is no answer; after so much longer it is believed to be dead."""


class RouterAsked:
    """`rt_edge.streams.routing.asked.Asked` by messages; all calls on the loop of the actor.

    The router's room is not known here, so it is a window of its own: questions that may be open. What is more than its routees
    can take waits in the router, in a queue that should be no shorter.

    Args:
        loop: of the actor.
        send: hands a message to the router, on the actor's thread.
        prefix: first part of the numbers of questions: one of this actor's own.
        window: questions open at a time.
        timeout: seconds for an answer, enforced by the router.
    """

    def __init__(self, loop: LoopThread, send: Callable[[Any], object], prefix: str, window: int, timeout: float) -> None:
        if window < 1 or not timeout > 0:
            raise ConfigError("a window is at least 1, and an answer takes more than 0 s")
        self._loop = loop
        self._send = send
        self._prefix = prefix
        self._window = window
        self._timeout = timeout
        self._numbers = itertools.count(1)
        self._open: dict[str, tuple[Told, Callable[[], None]]] = {}
        self._listeners: dict[int, Callable[[], None]] = {}

    def credit(self) -> int:
        """What is left of the window."""
        return self._window - len(self._open)

    def ask(self, question: Any, told: Told) -> Callable[[], None]:
        """By `RouteAsk`."""
        operation = f"{self._prefix}/{next(self._numbers)}"
        late = NoAnswer(f"the router has said nothing within {self._timeout + GRACE_S:g} s")
        timer = self._loop.loop.call_later(self._timeout + GRACE_S, self._told, operation, None, late)
        self._open[operation] = told, timer.cancel
        try:
            self._loop.to_actor(partial(self._send, RouteAsk(question, operation, self._timeout)))
        except BufferOverflow as error:
            self._told(operation, None, error)
        return partial(self._give_up, operation)

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """At each answer."""
        number = next(self._numbers)
        self._listeners[number] = changed
        return lambda: self._listeners.pop(number, None) and None

    def answered(self, message: RouteAnswer) -> None:
        """From the router; a repetition is passed over."""
        self._told(message.operation, message.payload, StreamError(message.error) if message.error else None)

    def _told(self, operation: str, answer: Any, error: BaseException | None) -> None:
        told, cancel = self._open.pop(operation, (None, None))
        if told is None or cancel is None:
            return
        cancel()
        told(answer, error)
        self._changed()

    def _give_up(self, operation: str) -> None:
        _, cancel = self._open.pop(operation, (None, None))
        if cancel is not None:
            cancel()
            self._changed()

    def _changed(self) -> None:
        for changed in list(self._listeners.values()):
            changed()


class AsksRouters(BaseActor):
    """Mixin of actors with a loop whose streams ask routers."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: dict[str, RouterAsked] = {}

    def asked(self, router: ActorAddress, window: int = 16, timeout: float = 5.0) -> RouterAsked:
        """What `Flow.ask` takes, for that router; to be called on the actor's thread, after `start_loop`.

        Raises:
            ConfigError: a window or a time that makes no sense.
        """
        prefix = f"s{len(self._asked) + 1}"
        asked = self._asked[prefix] = RouterAsked(self.loop, partial(self.send, router), prefix, window, timeout)
        return asked

    def on_RouteAnswer(self, message: RouteAnswer, sender: ActorAddress) -> None:
        """To the stream that asked."""
        asked = self._asked.get(message.operation.partition("/")[0])
        if asked is not None:
            self.loop.to_loop(asked.answered, message)
