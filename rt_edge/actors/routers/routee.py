"""RouteeActor: the base of actors behind a router."""

from __future__ import annotations

import logging
from typing import Any

from thespian.actors import ActorAddress

from rt_edge.actors.base import BaseActor
from rt_edge.actors.routers.messages import Work, Worked

log = logging.getLogger(__name__)

ROUTERS_MOST = 64
"""Routers that one routee can work for at a time; of more, the one it heard of longest ago is forgotten."""


class Done:
    """What a routee has had of one router: every message once, however often it comes."""

    __slots__ = ("answers", "floor")

    def __init__(self) -> None:
        self.floor = 0
        self.answers: dict[int, Worked | None] = {}

    def is_new(self, work: Work) -> bool:
        """Whether it was not had before; what the router has finished with is forgotten."""
        if work.floor > self.floor:
            self.floor = work.floor
            for number in [number for number in self.answers if number < work.floor]:
                del self.answers[number]
        if work.number < self.floor or work.number in self.answers:
            return False
        self.answers[work.number] = None
        return True


class RouteeActor(BaseActor):
    """Override `work`. Every message is worked on once, and answered; what `work` raises is the answer then, and logged."""

    def __init__(self) -> None:
        super().__init__()
        self._done: dict[str, Done] = {}

    def work(self, payload: Any) -> Any:
        """What to do with a message; the result is the answer to a question."""
        raise NotImplementedError

    def on_Work(self, message: Work, sender: ActorAddress) -> None:
        """From a router."""
        done = self._done.get(message.router)
        if done is None:
            if len(self._done) >= ROUTERS_MOST:
                del self._done[next(iter(self._done))]
            done = self._done[message.router] = Done()
        if not done.is_new(message):
            self.counters["repeated"] += 1
            answer = done.answers.get(message.number)
            if answer is not None:
                self.send(sender, answer)
            return
        try:
            answer = Worked(message.router, message.number, self.work(message.payload))
        except Exception as error:
            self.counters["failed"] += 1
            log.warning("%s failed at a message", self.name, exc_info=error)
            answer = Worked(message.router, message.number, None, f"{type(error).__name__}: {error}"[:1000])
        done.answers[message.number] = answer
        self.send(sender, answer)
