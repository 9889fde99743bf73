"""Doubles that note everything: a subscriber that is told what to do, and a subscription that watches its subscriber."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rt_edge.protocol.demand import UNBOUNDED, Demand
from rt_edge.protocol.roles import Subscription

MOST = 100_000
"""Signals a double takes; more is a runaway."""

LARGE = UNBOUNDED
"""What a test requests when it wants everything."""


def _nothing() -> None:
    """Nobody waits."""


class RecordingSubscriber:
    """Keeps all signals, and does in them what a test says.

    Args:
        on_subscribe: called with the subscription.
        on_next: called with this and the element.
        ring: called after each signal, from the thread that it came in.

    Attributes:
        signals: what came, in order: ("subscribe", subscription), ("next", element), ("error", error), ("complete", None).
        violations: what a publisher did that no publisher may.
        depth: deepest nesting of on_next in on_next; 1 if none came inside another.
        is_over: whether the last signal came.
    """

    def __init__(
        self,
        on_subscribe: Callable[[Subscription], None] = lambda _: None,
        on_next: Callable[[RecordingSubscriber, Any], None] = lambda _subscriber, _element: None,
        ring: Callable[[], None] = _nothing,
    ) -> None:
        self.signals: list[tuple[str, Any]] = []
        self.violations: list[str] = []
        self.depth = 0
        self.is_over = False
        self._subscribed = False
        self._nested = 0
        self._inside: int | None = None
        self._in_subscribe = on_subscribe
        self._in_next = on_next
        self._ring = ring

    # -- signals ----------------------------------------------------------------------------------------------------------

    def on_subscribe(self, subscription: Subscription) -> None:
        """Note it."""
        self._note("subscribe", subscription, lambda: self._in_subscribe(subscription))

    def on_next(self, element: Any) -> None:
        """Note it."""
        self._nested += 1
        self.depth = max(self.depth, self._nested)
        try:
            self._note("next", element, lambda: self._in_next(self, element))
        finally:
            self._nested -= 1

    def on_error(self, error: Any) -> None:
        """Note it."""
        if not isinstance(error, BaseException):
            self.violations.append(f"rule 2.13: on_error came with {error!r}, which is no exception")
        self._note("error", error, _nothing)

    def on_complete(self) -> None:
        """Note it."""
        self._note("complete", None, _nothing)

    def _note(self, kind: str, what: Any, act: Callable[[], None]) -> None:
        me = threading.get_ident()
        if self._inside not in (None, me):
            self.violations.append(f"rule 1.3: {kind} came while another signal was being handled in another thread")
        if kind == "subscribe" and self.signals:
            self.violations.append("rule 2.12: on_subscribe came again" if self._subscribed else "rule 1.9: late on_subscribe")
        if kind != "subscribe" and not self._subscribed:
            self.violations.append(f"rule 1.9: {kind} came before on_subscribe")
        if kind == "next" and what is None:
            self.violations.append("rule 2.13: on_next came with None")
        if self.is_over:
            self.violations.append(f"rule 1.7: {kind} came after the last signal")
        if len(self.signals) >= MOST:
            raise OverflowError(f"more than {MOST} signals")
        self.signals.append((kind, what))
        self._subscribed = self._subscribed or kind == "subscribe"
        self.is_over = self.is_over or kind in {"complete", "error"}
        outer, self._inside = self._inside, me
        try:
            act()
        finally:
            self._inside = outer
            self._ring()

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
    def end(self) -> str:
        """How it ended: "complete", "error", or "" if it has not."""
        return "complete" if self.completed else "error" if self.errors else ""


class RecordingSubscription:
    """A subscription that a test hands to a subscriber; knows what was asked for, and whether it was well done.

    Args:
        ring: called after each call, from the thread that made it.
        overlap: seconds for which each call is held up, so that one that overlaps it is seen (rule 2.7); 0: not at all.

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

    def __init__(self, ring: Callable[[], None] = _nothing, overlap: float = 0.0) -> None:
        self.demand = Demand()
        self.requests: list[int] = []
        self.cancels = 0
        self.calls: list[tuple[str, int]] = []
        self.violations: list[str] = []
        self.closed = False
        self.forbidden = ""
        self.threads: set[int] = set()
        self._ring = ring
        self._overlap = overlap
        self._inside: int | None = None
        self._entered = threading.Event()

    def request(self, n: int) -> None:
        """Note it."""
        self._note("request")
        self.requests.append(n)
        try:
            self.demand.add(n)
        except ValueError as error:
            self.violations.append(str(error))
        self._ring()

    def cancel(self) -> None:
        """Note it."""
        self._note("cancel")
        self.cancels += 1
        self._ring()

    def _note(self, call: str) -> None:
        me = threading.get_ident()
        if self.threads and me not in self.threads:
            self.violations.append(f"rule 2.7: {call} from a thread in which nobody has signalled: it may overlap another call")
        if self._inside not in (None, me):
            self.violations.append(f"rule 2.7: {call} came while another call was under way in another thread")
            self._entered.set()
        elif self._overlap:
            self._inside = me
            self._entered.wait(self._overlap)
            self._inside = None
        if self.forbidden:
            self.violations.append(f"rule 2.3: {call} from inside {self.forbidden}")
        elif self.closed:
            self.violations.append(f"rule 2.4: {call} after the last signal")
        self.calls.append((call, me))
