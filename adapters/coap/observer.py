"""Observed resources: registration, its repetition before it is stale, what was overtaken on the way, and being refused."""

from __future__ import annotations

from typing import Protocol

from adapters.coap.observe import Freshness, refresh_after
from adapters.coap.resource import Resource
from adapters.coap.seam import Answer, BadAnswer, Channel, Told, Unanswered
from rt_edge.sdk import AdapterContext


class Owner(Protocol):
    """Who is told."""

    def answered(self, resource: Resource, answer: Answer) -> None:
        """An answer, or a notification, the newest so far."""
        ...

    def failed(self, resource: Resource, why: str) -> None:
        """It cannot be observed at the moment."""
        ...

    def heard(self, resource: Resource) -> None:
        """Its host gave a sign of life."""
        ...

    def arm(self, resource: Resource, due: float) -> None:
        """Ask for it again at `due`, monotonic seconds."""
        ...


class Observer:
    """Observes resources.

    Args:
        context: the runtime.
        longest: most seconds between two registrations.
        owner: who is told.
    """

    def __init__(self, context: AdapterContext, longest: float, owner: Owner) -> None:
        self._context = context
        self._longest = longest
        self._owner = owner

    async def end(self, resource: Resource) -> None:
        """Deregister it."""
        observing, resource.observing = resource.observing, None
        if observing is not None:
            await observing.cancel()
            self._context.count("deregistered")

    async def register(self, resource: Resource, channel: Channel) -> None:
        """Register it, or register it again.

        Raises:
            Unanswered: no answer.
            BadAnswer: it cannot be used.
        """
        if resource.observing is not None:
            answer = await resource.observing.refresh()
            self._context.count("refreshed")
            if not self._began_anew(resource, answer):
                return
            # What the host still has under way for this token carries the higher numbers of before: a new token tells it apart.
            await self.end(resource)
        answer, observing = await channel.observe(resource.target, lambda what: self._notified(resource, what))
        if observing is not None:
            resource.observing = observing
            self._context.count("registered")
            self._registered(resource, answer)
            return
        if answer.ok:
            resource.refused = True
            self._context.count("observe_refused")
            self._context.log("info", "is not observed by its host and is polled", source=resource.source, name=resource.name)
        self._owner.answered(resource, answer)
        resource.due = self._context.clock.monotonic() + resource.every
        self._owner.arm(resource, resource.due)

    def _began_anew(self, resource: Resource, answer: Answer) -> bool:
        """Takes the answer to a repeated registration; whether the host counts from the beginning again, as after a restart."""
        if not answer.direct or not answer.ok or answer.observe is None:
            self._notified(resource, answer)
            return False
        known = None if resource.last is None else resource.last[0]
        now = self._context.clock.monotonic()
        if known not in (None, answer.observe) and not resource.freshness.accepts(answer.observe, now):
            return True
        self._registered(resource, answer)
        return False

    def _registered(self, resource: Resource, answer: Answer) -> None:
        """An answer to a registration: what it says is the newest."""
        same = resource.last == (answer.observe, answer.payload)
        if answer.observe is None or not answer.ok:
            self._ended(resource)
        else:
            resource.freshness = Freshness()
            resource.freshness.accepts(answer.observe, self._context.clock.monotonic())
            self._arm_refresh(resource, answer)
        if not same or not answer.ok:
            self._owner.answered(resource, answer)

    def _notified(self, resource: Resource, what: Told) -> None:
        """A notification, in the order of arrival."""
        if isinstance(what, Unanswered):  # the registration that follows finds out whether the host is there
            self._ended(resource)
            self._owner.arm(resource, self._context.clock.monotonic())
            return
        self._owner.heard(resource)
        if isinstance(what, BadAnswer):
            self._ended(resource)
            self._owner.failed(resource, str(what))
            return
        self._context.count("notifications")
        if what.observe is None or not what.ok:
            self._ended(resource)
        elif not resource.freshness.accepts(what.observe, self._context.clock.monotonic()):
            self._context.count("notifications_overtaken")
            return
        else:
            self._arm_refresh(resource, what)
        self._owner.answered(resource, what)

    def _arm_refresh(self, resource: Resource, answer: Answer) -> None:
        resource.last = (answer.observe, answer.payload)
        wait = refresh_after(answer.max_age, self._longest, self._context.random)
        self._owner.arm(resource, self._context.clock.monotonic() + wait)

    def _ended(self, resource: Resource) -> None:
        """The host has ended it: registered again after a period, by the same way as at the beginning."""
        observing, resource.observing = resource.observing, None
        if observing is not None:
            observing.drop()
            self._context.count("observations_ended")
        self._owner.arm(resource, self._context.clock.monotonic() + resource.every)
