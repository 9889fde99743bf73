"""What the tests of publishers share: the publisher under test, subscribing, asking, checking."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.protocol.roles import Publisher
from rt_edge.testkit.tck.facts import decline
from rt_edge.testkit.tck.recording import RecordingSubscriber


class PublisherBench:
    """A publisher under test.

    Attributes:
        declined: test -> why it makes no sense for this publisher.
        recursion: deepest nesting of on_next that is allowed (rule 3.3).
    """

    declined: ClassVar[dict[str, str]] = {}
    recursion: ClassVar[int] = 1

    def __init_subclass__(cls) -> None:
        """Take out what is declined."""
        super().__init_subclass__()
        decline(cls, cls.__dict__.get("declined", {}))

    # -- to be overridden -------------------------------------------------------------------------------------------------

    def create_publisher(self, elements: int) -> Publisher[Any]:
        """A fresh publisher of exactly so many elements, then on_complete."""
        raise NotImplementedError

    def create_failed_publisher(self) -> Publisher[Any]:
        """A publisher whose streams fail without an element; decline its two tests if there is none."""
        raise NotImplementedError

    def settle(self) -> None:
        """Bring to its end all that is under way."""

    # -- tools ------------------------------------------------------------------------------------------------------------

    def subscribe(self, publisher: Publisher[Any], subscriber: RecordingSubscriber | None = None) -> RecordingSubscriber:
        """A subscriber whose on_subscribe has come."""
        subscriber = subscriber or RecordingSubscriber()
        publisher.subscribe(subscriber)
        self.settle()
        return subscriber

    def request(self, subscriber: RecordingSubscriber, n: Any) -> None:
        """Ask, and let happen what follows."""
        subscriber.subscription.request(n)
        self.settle()

    def check(self, subscriber: RecordingSubscriber, elements: int, end: str = "") -> None:
        """So many elements have come, this end ("", "complete" or "error"), and nothing forbidden."""
        assert not subscriber.violations, subscriber.violations
        assert len(subscriber.elements) == elements, f"{len(subscriber.elements)} elements came, not {elements}"
        came = "complete" if subscriber.completed else "error" if subscriber.errors else ""
        assert came == end, f"the stream's end is {came or 'open'!r} ({subscriber.errors}), not {end or 'open'!r}"
