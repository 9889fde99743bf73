"""SubscriptionVerification: what chapter 3 of the specification demands of a publisher's subscriptions."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from rt_edge.protocol.demand import UNBOUNDED
from rt_edge.testkit.tck.publisher_bench import PublisherBench
from rt_edge.testkit.tck.recording import LARGE, RecordingSubscriber


class SubscriptionVerification(PublisherBench):
    """The part of `PublisherVerification` that is about subscriptions."""

    # -- chapter 3 ----------------------------------------------------------------------------------------------------------

    def test_required_spec_3_02_request_is_allowed_in_on_subscribe_and_on_next(self) -> None:
        """A stream that is asked for from inside its signals runs to its end."""
        subscriber = RecordingSubscriber(
            on_subscribe=lambda subscription: subscription.request(1), on_next=lambda it, _: it.subscription.request(1)
        )
        self.subscribe(self.create_publisher(5), subscriber)
        self.check(subscriber, 5, "complete")

    def test_required_spec_3_03_recursion_is_bounded(self) -> None:
        """1,200 elements, each of which asks for the next, never nest deeper than allowed."""
        subscriber = RecordingSubscriber(on_next=lambda it, _: it.subscription.request(1))
        self.subscribe(self.create_publisher(1200), subscriber)
        self.request(subscriber, 1)
        assert subscriber.depth <= self.recursion, f"rule 3.3: on_next was nested {subscriber.depth} deep"
        self.check(subscriber, 1200, "complete")

    def test_required_spec_3_05_cancel_is_idempotent_and_returns_in_every_state(self) -> None:
        """cancel returns None before the first request, from inside signals, and again and again."""
        for k in range(3):
            subscriber = self.subscribe(self.create_publisher(5))
            if k:
                self.request(subscriber, k)
            for _ in range(3):
                subscriber.subscription.cancel()
            self.settle()
            self.check(subscriber, k)
        inside = RecordingSubscriber(on_subscribe=lambda subscription: subscription.cancel())
        self.subscribe(self.create_publisher(5), inside)
        self.check(inside, 0)

    def test_required_spec_3_06_request_after_cancel_does_nothing(self) -> None:
        """Requests after a cancel, wrong ones too, bring no signal."""
        subscriber = self.subscribe(self.create_publisher(5))
        self.request(subscriber, 1)
        subscriber.subscription.cancel()
        for n in (1, 3, 0, -1):
            self.request(subscriber, n)
        self.check(subscriber, 1)

    def test_required_spec_3_07_cancel_after_cancel_does_nothing(self) -> None:
        """The second and third cancel change nothing, for others neither."""
        subscriber = self.subscribe(self.create_publisher(2))
        for _ in range(3):
            subscriber.subscription.cancel()
            self.settle()
        self.check(subscriber, 0)

    def test_required_spec_3_08_requests_add_up(self) -> None:
        """Requests of 2 and 3 before anything can happen are worth 5 elements."""
        subscriber = self.subscribe(self.create_publisher(8))
        subscriber.subscription.request(2)
        subscriber.subscription.request(3)
        self.settle()
        self.check(subscriber, 5)

    @pytest.mark.parametrize("n", [0, -1, -(2**63), True, 1.0, "1"])
    def test_required_spec_3_09_request_of_no_positive_integer_is_on_error(self, n: Any) -> None:
        """request(n) returns normally, and on_error brings a ValueError; bool, float and str are no integers."""
        subscriber = self.subscribe(self.create_publisher(5))
        self.request(subscriber, n)
        self.check(subscriber, 0, "error")
        assert isinstance(subscriber.errors[0], ValueError), f"rule 3.9: {subscriber.errors[0]!r} is no ValueError"

    def test_optional_spec_3_09_error_names_the_rule(self) -> None:
        """The error's text has the number of the rule and the words `non-positive`."""
        subscriber = self.subscribe(self.create_publisher(5))
        self.request(subscriber, -7)
        text = str(subscriber.errors)
        assert "3.9" in text
        assert "non-positive" in text

    def test_required_spec_3_12_cancel_stops_the_publisher(self) -> None:
        """Of 20 elements, with 15 asked for and a cancel after the first, at most 15 come, and none after the cancel."""
        subscriber = RecordingSubscriber(on_next=lambda it, _: it.subscription.cancel())
        self.subscribe(self.create_publisher(20), subscriber)
        subscriber.subscription.request(10)
        subscriber.subscription.request(5)
        self.settle()
        self.check(subscriber, 1)

    def test_required_spec_3_13_cancel_drops_the_references_to_the_subscriber(self) -> None:
        """After a cancel nothing holds the subscriber, though publisher and subscription live on."""
        publisher = self.create_publisher(5)
        subscriber = self.subscribe(publisher)
        self.request(subscriber, 1)
        subscription = subscriber.subscription
        subscription.cancel()
        self.settle()
        alive = weakref.ref(subscriber)
        del subscriber
        gc.collect()
        assert alive() is None, "rule 3.13: the subscriber is still held"
        assert publisher is not None

    def test_required_spec_3_15_cancel_returns_normally_when_repeated_inside_signals(self) -> None:
        """cancel raises nothing, also twice from inside on_next and after the end."""
        raised: list[Exception] = []

        def on_next(it: RecordingSubscriber, _element: Any) -> None:
            for _ in range(2):
                try:
                    it.subscription.cancel()
                except Exception as error:  # noqa: BLE001  # what it raises is what the test is about
                    raised.append(error)

        subscriber = self.subscribe(self.create_publisher(3), RecordingSubscriber(on_next=on_next))
        self.request(subscriber, 3)
        subscriber.subscription.cancel()
        self.settle()
        assert not raised, f"rule 3.15: cancel raised {raised}"
        self.check(subscriber, 1)

    def test_required_spec_3_16_request_returns_normally_in_every_state(self) -> None:
        """request raises nothing: before, during and after the stream, whatever the number."""
        raised: list[Exception] = []

        def ask(it: RecordingSubscriber, n: Any) -> None:
            try:
                it.subscription.request(n)
            except Exception as error:  # noqa: BLE001  # what it raises is what the test is about
                raised.append(error)
            self.settle()

        for values in ((1, 1, LARGE, 1, 0), (0, 1), (1, -1, "x")):
            subscriber = self.subscribe(self.create_publisher(3))
            for n in values:
                ask(subscriber, n)
            assert not subscriber.violations, subscriber.violations
        assert not raised, f"rule 3.16: request raised {raised}"

    @pytest.mark.parametrize("requests", [(UNBOUNDED,), (2**62, 2**62 - 1, 1), (2**63,), (2**64, 2**64)])
    def test_required_spec_3_17_demand_up_to_the_limit_and_above_is_unbounded(self, requests: tuple[int, ...]) -> None:
        """Demand of 2^63-1 at once, in sum, or beyond brings all elements and no error."""
        subscriber = self.subscribe(self.create_publisher(3))
        for n in requests:
            subscriber.subscription.request(n)
        self.settle()
        self.check(subscriber, 3, "complete")

    def test_required_spec_3_17_demand_above_the_limit_in_on_next_is_no_error(self) -> None:
        """2^63-2 asked for from inside each of 10 elements brings no error."""
        subscriber = RecordingSubscriber(on_next=lambda it, _: it.subscription.request(UNBOUNDED - 1))
        self.subscribe(self.create_publisher(10), subscriber)
        self.request(subscriber, 1)
        self.check(subscriber, 10, "complete")
