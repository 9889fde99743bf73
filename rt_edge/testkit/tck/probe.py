"""What a white-box test of a subscriber is told (`WhiteboxProbe`), and by what it plays the subscriber's user (`Puppet`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Puppet(Protocol):
    """The user of a subscriber, as far as a test plays it."""

    def trigger_request(self, n: int) -> None:
        """Make the subscriber request `n` elements (it may request them one by one)."""
        ...

    def signal_cancel(self) -> None:
        """Make the subscriber cancel its subscription."""
        ...


class SubscriptionPuppet:
    """The puppet of a subscriber that does nothing of its own: it uses the subscription itself.

    Args:
        subscription: what the subscriber was given.
    """

    def __init__(self, subscription: Any) -> None:
        self._subscription = subscription

    def trigger_request(self, n: int) -> None:
        """Request."""
        self._subscription.request(n)

    def signal_cancel(self) -> None:
        """Cancel."""
        self._subscription.cancel()


class WhiteboxProbe:
    """The subscriber under test reports here what it was told.

    Args:
        ring: called after each report.

    Attributes:
        elements, errors, completions: what was reported, in order.
    """

    def __init__(self, ring: Callable[[], None] = lambda: None) -> None:
        self.elements: list[Any] = []
        self.errors: list[BaseException] = []
        self.completions = 0
        self._puppet: Puppet | None = None
        self._ring = ring

    @property
    def is_registered(self) -> bool:
        """Whether the subscriber has handed over its puppet."""
        return self._puppet is not None

    @property
    def puppet(self) -> Puppet:
        """The user of the subscriber."""
        assert self._puppet is not None, "the subscriber has not called register_on_subscribe"
        return self._puppet

    def register_on_subscribe(self, puppet: Puppet) -> None:
        """on_subscribe came; `puppet` works from now on. Another on_subscribe is not reported."""
        self._puppet = self._puppet or puppet
        self._ring()

    def register_on_next(self, element: Any) -> None:
        """on_next came."""
        self.elements.append(element)
        self._ring()

    def register_on_error(self, error: BaseException) -> None:
        """on_error came."""
        self.errors.append(error)
        self._ring()

    def register_on_complete(self) -> None:
        """on_complete came."""
        self.completions += 1
        self._ring()
