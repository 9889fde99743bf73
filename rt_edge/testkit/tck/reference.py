"""The plainest implementations that keep all rules: a publisher of a list, and what helps to write others by hand."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from rt_edge.data.errors import SpecViolation
from rt_edge.protocol.demand import Demand
from rt_edge.protocol.roles import Subscriber
from rt_edge.protocol.rules import check_subscriber, signal_complete, signal_error, signal_next, signal_subscribe

log = logging.getLogger(__name__)


class ListPublisher:
    """A publisher of a list that signals from inside `request`, without recursion. For one thread.

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
            TypeError: None, or no subscriber (rule 1.9).
        """
        check_subscriber(subscriber)
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
        subscriber = self._subscriber
        if subscriber is not None:
            try:
                signal_subscribe(subscriber, self)
            except SpecViolation as broken:
                self._blame(broken)
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
        if subscriber is None:
            return
        try:
            if error is not None:
                signal_error(subscriber, error)
            else:
                signal_complete(subscriber)
        except SpecViolation as broken:
            self._blame(broken)

    def _drain(self) -> None:
        if self._busy:
            return
        self._busy = True
        items = self._publisher.items
        while self._subscriber is not None and self._demand and self._place < len(items):
            self._demand.take()
            self._place += 1
            try:
                signal_next(self._subscriber, items[self._place - 1])
            except SpecViolation as broken:
                self._blame(broken)
        self._busy = False
        if self._subscriber is not None and self._place == len(items):
            self.end(self._publisher.error)

    def _blame(self, broken: SpecViolation) -> None:
        log.error("a subscriber broke %s; its subscription is cancelled", broken, exc_info=broken.__cause__)
        self.cancel()
