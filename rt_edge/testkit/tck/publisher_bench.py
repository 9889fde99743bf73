"""What the tests of publishers share: the publisher under test, its knobs, subscribing, asking, checking."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any, ClassVar

from rt_edge.protocol.demand import UNBOUNDED
from rt_edge.protocol.roles import Publisher, Subscription
from rt_edge.testkit.tck.bench import Verification
from rt_edge.testkit.tck.recording import RecordingSubscriber


class PublisherBench(Verification, abstract=True):
    """A publisher under test.

    Attributes:
        max_elements_from_publisher: most elements that it can be made to have; UNBOUNDED (2^63-1): it never completes.
        bounded_depth_of_on_next_and_request_recursion: deepest nesting of on_next that is allowed (rule 3.3).
        max_supported_subscribers: how many it serves at a time.
        does_coordinated_emission: whether an element comes only when every subscriber has asked.
        stochastic_runs: repetitions of the tests that look for overlapping signals; 0 leaves them out.
    """

    max_elements_from_publisher: ClassVar[int] = UNBOUNDED - 1
    bounded_depth_of_on_next_and_request_recursion: ClassVar[int] = 1
    max_supported_subscribers: ClassVar[int] = UNBOUNDED
    does_coordinated_emission: ClassVar[bool] = False
    stochastic_runs: ClassVar[int] = 100

    @classmethod
    def reason_against(cls, **needed: Any) -> str:
        """Elements, completion, subscribers, a failing publisher, repetitions."""
        most = cls.max_elements_from_publisher
        elements = needed.get("elements", 0)
        if elements > max(0, most):
            return f"needs {elements} elements, max_elements_from_publisher is {most}"
        if needed.get("completion") and most >= UNBOUNDED:
            return "needs a publisher that completes, max_elements_from_publisher says that it never does"
        if needed.get("subscribers", 0) > cls.max_supported_subscribers:
            return f"needs {needed['subscribers']} subscribers, max_supported_subscribers is {cls.max_supported_subscribers}"
        create: Any = cls.create_failed_publisher
        if needed.get("failure") and (create is None or create is PublisherBench.create_failed_publisher):
            return "needs a publisher that fails, create_failed_publisher makes none"
        if needed.get("repeated") and not cls.stochastic_runs:
            return "stochastic_runs is 0"
        return super().reason_against(**needed)

    # -- to be overridden -------------------------------------------------------------------------------------------------

    def create_publisher(self, elements: int) -> Publisher[Any]:
        """A fresh publisher of exactly so many elements, then on_complete."""
        raise NotImplementedError

    def create_failed_publisher(self) -> Publisher[Any]:
        """A publisher whose streams fail without an element. Without an override, or set to None, its tests are left out."""
        raise NotImplementedError

    # -- tools ------------------------------------------------------------------------------------------------------------

    def subscriber(
        self,
        on_subscribe: Callable[[Subscription], None] = lambda _: None,
        on_next: Callable[[RecordingSubscriber, Any], None] = lambda _subscriber, _element: None,
    ) -> RecordingSubscriber:
        """A double of this test's environment."""
        return RecordingSubscriber(on_subscribe, on_next, self.env.ring)

    def subscribe(self, publisher: Publisher[Any], subscriber: RecordingSubscriber | None = None) -> RecordingSubscriber:
        """A subscriber whose on_subscribe has come."""
        it = subscriber or self.subscriber()
        publisher.subscribe(it)
        self.until(lambda: bool(it.signals), "rule 1.9: on_subscribe did not come")
        self.env.settle()
        return it

    def request(self, subscriber: RecordingSubscriber, n: Any) -> None:
        """Ask, and do what can be done at once."""
        subscriber.subscription.request(n)
        self.env.settle()

    def cancel(self, subscriber: RecordingSubscriber) -> None:
        """Cancel, and do what can be done at once."""
        subscriber.subscription.cancel()
        self.env.settle()

    def comes(self, subscriber: RecordingSubscriber, elements: int, end: str = "") -> None:
        """So many elements come, and this end ("", "complete" or "error"), and nothing forbidden."""
        self.env.until(lambda: len(subscriber.elements) >= elements and subscriber.is_over == bool(end))
        self._exactly(subscriber, elements, end)

    def stays(self, subscriber: RecordingSubscriber, elements: int, end: str = "") -> None:
        """No more than so many elements come, and this end, however long one waits."""
        self.env.quiet()
        self._exactly(subscriber, elements, end)

    def _exactly(self, subscriber: RecordingSubscriber, elements: int, end: str) -> None:
        assert not subscriber.violations, subscriber.violations
        came = len(subscriber.elements)
        assert came == elements, f"{came} elements came, not {elements} (its end: {subscriber.end or 'open'} {subscriber.errors})"
        assert subscriber.end == end, (
            f"the stream's end is {subscriber.end or 'open'!r} {subscriber.errors}, not {end or 'open'!r}"
        )

    def is_dropped(self, alive: weakref.ref[Any], rule: str) -> None:
        """Nothing holds the subscriber any more, if need be after some time and a collection of garbage."""
        for _ in range(2 if self.env.by_hand else 10):
            if alive() is None:
                return
            gc.collect()
            self.env.quiet()
        if alive() is None:
            return
        raise AssertionError(
            f"rule {rule}: the subscriber is still held: by {[type(r).__name__ for r in gc.get_referrers(alive())]}"
        )
