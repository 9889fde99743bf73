"""PublisherVerification: what chapters 1 and 3 of the specification demand of a publisher and its subscriptions."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from rt_edge.testkit.tck.recording import LARGE, RecordingSubscriber
from rt_edge.testkit.tck.subscription import SubscriptionVerification


class PublisherVerification(SubscriptionVerification):
    """Subclass it as `Test...` and override `create_publisher`, and `settle` where something is under way."""

    # -- chapter 1 ----------------------------------------------------------------------------------------------------------

    def test_required_create_publisher_makes_exactly_as_many_elements_as_asked(self) -> None:
        """The publisher under test does what the other tests rely on: 0, 1 and 3 elements and the end."""
        for n in (0, 1, 3):
            subscriber = self.subscribe(self.create_publisher(n))
            self.request(subscriber, LARGE)
            self.check(subscriber, n, "complete")

    def test_required_spec_1_01_elements_come_only_as_requested(self) -> None:
        """Nothing comes before a request; then 1, then 1 and 2 more, and not one beyond."""
        subscriber = self.subscribe(self.create_publisher(6))
        self.check(subscriber, 0)
        for n, total in ((1, 1), (1, 2), (2, 4)):
            self.request(subscriber, n)
            self.check(subscriber, total)
        subscriber.subscription.cancel()

    def test_required_spec_1_02_fewer_elements_than_requested_end_the_stream(self) -> None:
        """A publisher with 3 elements that is asked for 10 signals 3 and completes."""
        subscriber = self.subscribe(self.create_publisher(3))
        self.request(subscriber, 10)
        self.check(subscriber, 3, "complete")

    def test_required_spec_1_03_signals_are_serial(self) -> None:
        """No signal of any kind comes inside another one deeper than `recursion`, though each asks for more."""
        subscriber = RecordingSubscriber(
            on_subscribe=lambda subscription: subscription.request(1), on_next=lambda it, _: it.subscription.request(2)
        )
        self.subscribe(self.create_publisher(10), subscriber)
        assert subscriber.depth <= self.recursion, f"rule 1.3: signals were nested {subscriber.depth} deep"
        self.check(subscriber, 10, "complete")

    def test_optional_spec_1_04_failure_is_signalled(self) -> None:
        """A publisher that fails says so by on_error, after on_subscribe and without a request."""
        subscriber = self.subscribe(self.create_failed_publisher())
        self.check(subscriber, 0, "error")

    def test_required_spec_1_05_finite_stream_completes(self) -> None:
        """After the last of 3 elements that are asked for one by one comes on_complete, with the next request at the latest."""
        subscriber = self.subscribe(self.create_publisher(3))
        for total in (1, 2, 3):
            self.check(subscriber, total - 1)
            self.request(subscriber, 1)
        self.request(subscriber, 1)
        self.check(subscriber, 3, "complete")

    def test_optional_spec_1_05_empty_stream_completes_without_request(self) -> None:
        """A stream without elements completes, though nothing was asked for."""
        subscriber = self.subscribe(self.create_publisher(0))
        self.check(subscriber, 0, "complete")

    def test_required_spec_1_06_subscription_is_cancelled_after_the_last_signal(self) -> None:
        """After on_complete, request and cancel do nothing, and the publisher has let go of the subscriber."""
        publisher = self.create_publisher(1)
        subscriber = self.subscribe(publisher)
        self.request(subscriber, 2)
        self.check(subscriber, 1, "complete")
        subscription = subscriber.subscription
        subscription.request(0)
        subscription.request(5)
        subscription.cancel()
        self.settle()
        self.check(subscriber, 1, "complete")
        alive = weakref.ref(subscriber)
        del subscriber
        gc.collect()
        assert alive() is None, "rule 1.6: the subscriber is still held after on_complete"
        assert subscription is not None
        assert publisher is not None

    def test_required_spec_1_07_nothing_follows_on_complete(self) -> None:
        """Further requests after on_complete bring nothing."""
        subscriber = self.subscribe(self.create_publisher(1))
        self.request(subscriber, 10)
        self.check(subscriber, 1, "complete")
        self.request(subscriber, 10)
        self.check(subscriber, 1, "complete")

    def test_required_spec_1_07_nothing_follows_on_error(self) -> None:
        """After an on_error that a wrong request has brought about, nothing comes."""
        subscriber = self.subscribe(self.create_publisher(5))
        self.request(subscriber, -1)
        self.check(subscriber, 0, "error")
        self.request(subscriber, 5)
        self.check(subscriber, 0, "error")

    def test_required_spec_1_08_signals_stop_after_a_cancel_at_any_place(self) -> None:
        """Cancelled from inside its k-th element, a subscriber gets no further signal, for every k."""
        for k in range(1, 6):

            def on_next(it: RecordingSubscriber, _element: Any, k: int = k) -> None:
                if len(it.elements) == k:
                    it.subscription.cancel()

            subscriber = self.subscribe(self.create_publisher(5), RecordingSubscriber(on_next=on_next))
            self.request(subscriber, LARGE)
            self.check(subscriber, k)

    def test_required_spec_1_09_none_as_subscriber_raises_type_error(self) -> None:
        """subscribe(None) raises to its caller."""
        with pytest.raises(TypeError):
            self.create_publisher(1).subscribe(None)  # type: ignore[arg-type]

    def test_required_spec_1_09_on_subscribe_comes_first(self) -> None:
        """The first signal is on_subscribe, and subscribe returns normally."""
        subscriber = self.subscribe(self.create_publisher(1))
        assert subscriber.signals, "rule 1.9: on_subscribe did not come"
        assert subscriber.signals[0][0] == "subscribe"
        self.check(subscriber, 0)

    def test_optional_spec_1_09_refusal_is_on_error_after_on_subscribe(self) -> None:
        """A publisher that cannot serve signals on_subscribe, then on_error."""
        subscriber = self.subscribe(self.create_failed_publisher())
        assert [kind for kind, _ in subscriber.signals] == ["subscribe", "error"]

    def test_optional_spec_1_10_second_subscribe_of_a_subscriber_gives_no_second_stream(self) -> None:
        """A subscriber that subscribes again gets no second on_subscribe; its stream may end by on_error."""
        publisher = self.create_publisher(3)
        subscriber = self.subscribe(publisher)
        self.subscribe(publisher, subscriber)
        self.request(subscriber, 10)
        assert not subscriber.violations, subscriber.violations
        assert len(subscriber.elements) in {0, 3}

    def test_optional_spec_1_11_several_subscribers_are_served(self) -> None:
        """Three subscribers all get elements, each at its own demand, up to the end."""
        publisher = self.create_publisher(3)
        subscribers = [self.subscribe(publisher) for _ in range(3)]
        self.request(subscribers[0], 1)
        assert len(subscribers[0].elements) <= 1
        for subscriber in subscribers:
            self.request(subscriber, LARGE)
        for subscriber in subscribers:
            self.check(subscriber, 3, "complete")

    def test_optional_spec_1_11_multicast_gives_the_same_sequence_one_by_one(self) -> None:
        """Three subscribers that ask in turn for one element get the same elements in the same order."""
        publisher = self.create_publisher(5)
        subscribers = [self.subscribe(publisher) for _ in range(3)]
        for _ in range(6):
            for subscriber in subscribers:
                self.request(subscriber, 1)
        self._same(subscribers)

    def test_optional_spec_1_11_multicast_gives_the_same_sequence_asked_upfront(self) -> None:
        """Three subscribers that ask for all at once get the same elements in the same order, and the end."""
        publisher = self.create_publisher(5)
        subscribers = [self.subscribe(publisher) for _ in range(3)]
        for subscriber in subscribers:
            self.request(subscriber, 6)
        self._same(subscribers)

    def _same(self, subscribers: list[RecordingSubscriber]) -> None:
        for subscriber in subscribers:
            self.check(subscriber, 5, "complete")
            assert subscriber.elements == subscribers[0].elements

    # -- chapter 2, of its publishers ---------------------------------------------------------------------------------------

    def test_required_spec_2_13_subscriber_that_raises_is_cancelled(self) -> None:
        """What on_next raises reaches nobody: request and the run go on, and no signal follows."""

        def on_next(_it: RecordingSubscriber, _element: Any) -> None:
            raise RuntimeError("a broken subscriber")

        subscriber = self.subscribe(self.create_publisher(5), RecordingSubscriber(on_next=on_next))
        self.request(subscriber, 5)
        self.check(subscriber, 1)

    def test_required_spec_2_12_on_subscribe_comes_once(self) -> None:
        """A whole stream has one on_subscribe."""
        subscriber = self.subscribe(self.create_publisher(2))
        self.request(subscriber, 5)
        assert [kind for kind, _ in subscriber.signals].count("subscribe") == 1, "rule 2.12: on_subscribe came again"
