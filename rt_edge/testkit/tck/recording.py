"""Doubles that note everything: a subscriber that is told what to do, a subscription that watches its subscriber, a publisher."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from rt_edge.protocol.demand import UNBOUNDED, Demand
from rt_edge.protocol.roles import Subscriber, Subscription

log = logging.getLogger(__name__)

MOST = 100_000
"""Signals a double takes; more is a runaway."""


class RecordingSubscriber:
    """Keeps all signals, and does in them what a test says.

    Attributes:
        signals: what came, in order: ("subscribe", subscription), ("next", element), ("error", error), ("complete", None).
        violations: what a publisher did that no publisher may.
        depth: deepest nesting of signals; 1 if none came inside another.
    """

    def __init__(
        self,
        on_subscribe: Callable[[Subscription], None] = lambda _: None,
        on_next: Callable[[RecordingSubscriber, Any], None] = lambda _subscriber, _element: None,
    ) -> None:
        self.signals: list[tuple[str, Any]] = []
        self.violations: list[str] = []
        self.depth = 0
        self._nested = 0
        self._inside: int | None = None
        self._in_subscribe = on_subscribe
        self._in_next = on_next

    # -- signals ----------------------------------------------------------------------------------------------------------

    def on_subscribe(self, subscription: Subscription) -> None:
        """Note it."""
        self._note("subscribe", subscription, lambda: self._in_subscribe(subscription))

    def on_next(self, element: Any) -> None:
        """Note it."""
        self._note("next", element, lambda: self._in_next(self, element))

    def on_error(self, error: BaseException) -> None:
        """Note it."""
        self._note("error", error, lambda: None)

    def on_complete(self) -> None:
        """Note it."""
        self._note("complete", None, lambda: None)

    def _note(self, kind: str, what: Any, act: Callable[[], None]) -> None:
        me = threading.get_ident()
        if self._inside not in (None, me):
            self.violations.append(f"rule 1.3: {kind} came while another signal was being handled in another thread")
        if kind == "subscribe" and self.signals:
            self.violations.append(
                "rule 2.12: on_subscribe came again" if self._of("subscribe") else "rule 1.9: late on_subscribe"
            )
        if kind != "subscribe" and not self._of("subscribe"):
            self.violations.append(f"rule 1.9: {kind} came before on_subscribe")
        if self.is_over:
            self.violations.append(f"rule 1.7: {kind} came after the last signal")
        if len(self.signals) >= MOST:
            raise OverflowError(f"more than {MOST} signals")
        self.signals.append((kind, what))
        outer, self._inside = self._inside, me
        self._nested += 1
        self.depth = max(self.depth, self._nested)
        try:
            act()
        finally:
            self._inside = outer
            self._nested -= 1

    # -- for tests ----------------------------------------------------------------------------------------------------------

    def _of(self, kind: str) -> list[Any]:
        return [what for name, what in self.signals if name == kind]

    @property
    def subscription(self) -> Subscription:
        """The one it was given."""
        found = self._of("subscribe")
        assert found, "rule 1.9: on_subscribe did not come"
        subscription = found[0]
        assert isinstance(subscription, Subscription), f"rule 1.9: {subscription!r} is no Subscription"
        return subscription

    @property
    def elements(self) -> list[Any]:
        """What came by on_next."""
        return self._of("next")

    @property
    def errors(self) -> list[BaseException]:
        """What came by on_error."""
        return self._of("error")

    @property
    def completed(self) -> bool:
        """Whether on_complete came."""
        return bool(self._of("complete"))

    @property
    def is_over(self) -> bool:
        """Whether the last signal came."""
        return self.completed or bool(self.errors)


class RecordingSubscription:
    """A subscription that a test hands to a subscriber; knows what was asked for, and whether it was well done.

    Attributes:
        demand: what was asked for, less what `take` took.
        requests: every n.
        cancels: how often it was cancelled.
        calls: every call with the id of its thread: ("request" | "cancel", thread).
        violations: what a subscriber did that no subscriber may.
        threads: where calls may come from, if the test says so (rule 2.7).
        closed: set by a test when the last signal was sent: no call may follow (rule 2.4).
        forbidden: set by a test while no call may be made (rule 2.3).
    """

    def __init__(self) -> None:
        self.demand = Demand()
        self.requests: list[int] = []
        self.cancels = 0
        self.calls: list[tuple[str, int]] = []
        self.violations: list[str] = []
        self.closed = False
        self.forbidden = ""
        self.threads: set[int] = set()

    def request(self, n: int) -> None:
        """Note it."""
        self._note("request")
        self.requests.append(n)
        try:
            self.demand.add(n)
        except ValueError as error:
            self.violations.append(str(error))

    def cancel(self) -> None:
        """Note it."""
        self._note("cancel")
        self.cancels += 1

    def _note(self, call: str) -> None:
        if self.threads and threading.get_ident() not in self.threads:
            self.violations.append(f"rule 2.7: {call} from a thread in which nobody has signalled: it may overlap another call")
        if self.forbidden:
            self.violations.append(f"rule 2.3: {call} from inside {self.forbidden}")
        elif self.closed:
            self.violations.append(f"rule 2.4: {call} after the last signal")
        self.calls.append((call, threading.get_ident()))


class ListPublisher:
    """A publisher of a list that signals from inside `request`, without recursion: the plainest that keeps the rules.

    Args:
        items: the elements.
        error: the stream ends with it after the elements, instead of completing.
    """

    def __init__(self, items: Sequence[Any], error: BaseException | None = None) -> None:
        self.items = items
        self.error = error
        self._active: dict[int, ListSubscription] = {}

    def subscribe(self, subscriber: Subscriber[Any]) -> None:
        """Start a stream.

        Raises:
            TypeError: None (rule 1.9).
        """
        if subscriber is None:
            raise TypeError("rule 1.9: the subscriber is None")
        active = self._active.get(id(subscriber))
        if active is not None:
            active.end(ValueError("rule 1.10: this subscriber has subscribed already"))
            return
        subscription = ListSubscription(self, subscriber)
        self._active[id(subscriber)] = subscription
        subscription.begin()

    def forget(self, subscription: ListSubscription) -> None:
        """It has ended."""
        self._active = {key: active for key, active in self._active.items() if active is not subscription}


class ListSubscription:
    """One stream of a `ListPublisher`."""

    def __init__(self, publisher: ListPublisher, subscriber: Subscriber[Any]) -> None:
        self._publisher = publisher
        self._subscriber: Subscriber[Any] | None = subscriber
        self._place = 0
        self._demand = Demand()
        self._busy = True

    def begin(self) -> None:
        """Signal on_subscribe, then what was asked for in it; an empty stream ends at once."""
        if self._subscriber is not None:
            self._subscriber.on_subscribe(self)
        self._busy = False
        self._drain()

    def request(self, n: int) -> None:
        """More is wanted."""
        if self._subscriber is None:
            return
        try:
            self._demand.add(n)
        except ValueError as error:
            self.end(error)
        else:
            self._drain()

    def cancel(self) -> None:
        """No more is wanted."""
        self._subscriber = None
        self._publisher.forget(self)

    def end(self, error: BaseException | None) -> None:
        """The last signal."""
        subscriber = self._subscriber
        self.cancel()
        if subscriber is not None and error is not None:
            subscriber.on_error(error)
        elif subscriber is not None:
            subscriber.on_complete()

    def _drain(self) -> None:
        if self._busy:
            return
        self._busy = True
        items = self._publisher.items
        while self._subscriber is not None and self._demand and self._place < len(items):
            self._demand.take()
            self._place += 1
            try:
                self._subscriber.on_next(items[self._place - 1])
            except Exception:
                log.exception("a subscriber broke rule 2.13; its subscription is cancelled")
                self.cancel()
        self._busy = False
        if self._subscriber is not None and self._place == len(items):
            self.end(self._publisher.error)


LARGE = UNBOUNDED
"""What a test requests when it wants everything."""
