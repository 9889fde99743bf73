"""The four roles of Reactive Streams 1.0.4, as typing protocols with the specification's signatures in snake_case.

They are structural: whoever has the methods plays the role, nothing has to be inherited. Elements are any objects but None
(rule 2.13). No method may raise, except TypeError for a None argument (rules 1.9, 2.13); `rt_edge.protocol.rules` has the rules
by number.
"""

from __future__ import annotations

from typing import Protocol, TypeVar, runtime_checkable

T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


@runtime_checkable
class Subscription(Protocol):
    """The link between one subscriber and one publisher; used by that subscriber only (rule 3.1), serially (rule 2.7)."""

    def request(self, n: int) -> None:
        """Ask for `n` > 0 more elements; demand adds up and saturates at 2^63-1, which is unbounded (rules 3.8, 3.9, 3.17)."""
        ...

    def cancel(self) -> None:
        """Stop the stream, eventually; may be called any number of times (rules 3.5, 3.7, 3.12)."""
        ...


@runtime_checkable
class Subscriber(Protocol[T_contra]):
    """Receives signals in the order: on_subscribe on_next* (on_error | on_complete)?, one at a time (rule 1.3)."""

    def on_subscribe(self, subscription: Subscription) -> None:
        """First signal; no element comes before `subscription.request` was called (rules 1.9, 2.1, 2.12)."""
        ...

    def on_next(self, element: T_contra) -> None:
        """One element that was asked for (rule 1.1)."""
        ...

    def on_error(self, error: BaseException) -> None:
        """The stream failed; nothing follows (rules 1.4, 1.7)."""
        ...

    def on_complete(self) -> None:
        """The stream ended well; nothing follows (rules 1.5, 1.7)."""
        ...


@runtime_checkable
class Publisher(Protocol[T_co]):
    """Provides elements on demand to whoever subscribes."""

    def subscribe(self, subscriber: Subscriber[T_co]) -> None:
        """Start a stream to `subscriber`; a refusal is on_subscribe followed by on_error (rule 1.9)."""
        ...


@runtime_checkable
class Processor(Subscriber[T_contra], Publisher[T_co], Protocol[T_contra, T_co]):
    """A step of processing: subscriber and publisher, bound by both contracts (rule 4.1)."""
