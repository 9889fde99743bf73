"""SubscriberBlackboxVerification: what chapter 2 of the specification demands of a subscriber, seen from its publisher."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

import pytest

from rt_edge.protocol.roles import Subscriber
from rt_edge.testkit.tck.facts import decline
from rt_edge.testkit.tck.recording import RecordingSubscription


class SubscriberBlackboxVerification:
    """Subclass it as `Test...` and override `create_subscriber`; `trigger_request` and `stop` where it needs them.

    Attributes:
        declined: test -> why it makes no sense for this subscriber.
    """

    declined: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls) -> None:
        """Take out what is declined."""
        super().__init_subclass__()
        decline(cls, cls.__dict__.get("declined", {}))

    # -- to be overridden -------------------------------------------------------------------------------------------------

    def create_subscriber(self) -> Subscriber[Any]:
        """A fresh subscriber that takes at least 3 elements."""
        raise NotImplementedError

    def create_element(self, index: int) -> Any:
        """An element that it takes; not None."""
        return index

    def trigger_request(self, subscriber: Subscriber[Any]) -> None:
        """Make it ask for elements, if it does not by itself."""

    def stop(self, subscriber: Subscriber[Any]) -> None:
        """Make it need no more elements; decline the two tests that use this if it cannot be."""
        raise NotImplementedError

    def settle(self) -> None:
        """Bring to its end all that is under way."""

    # -- tools ------------------------------------------------------------------------------------------------------------

    def subscribed(self) -> tuple[Subscriber[Any], RecordingSubscription]:
        """A subscriber with a subscription, nothing asked for by us."""
        subscriber, subscription = self.create_subscriber(), RecordingSubscription()
        subscriber.on_subscribe(subscription)
        self.settle()
        return subscriber, subscription

    def asking(self) -> tuple[Subscriber[Any], RecordingSubscription]:
        """A subscriber that has asked for elements."""
        subscriber, subscription = self.subscribed()
        self.trigger_request(subscriber)
        self.settle()
        assert subscription.demand, "rule 2.1: nothing was requested"
        return subscriber, subscription

    def send(self, subscriber: Subscriber[Any], subscription: RecordingSubscription, index: int = 0) -> None:
        """One element that was asked for."""
        subscription.demand.take()
        subscriber.on_next(self.create_element(index))
        self.settle()

    def check(self, subscription: RecordingSubscription, cancels: int = 0) -> None:
        """Nothing forbidden was called, and so many cancels came."""
        assert not subscription.violations, subscription.violations
        assert subscription.cancels == cancels, f"{subscription.cancels} cancels came, not {cancels}"

    # -- chapter 2 ----------------------------------------------------------------------------------------------------------

    def test_required_exercise_the_whole_way(self) -> None:
        """on_subscribe, 3 elements as asked for, on_complete: nothing is raised, nothing forbidden called."""
        subscriber, subscription = self.asking()
        for index in range(3):
            if not subscription.demand:
                self.trigger_request(subscriber)
                self.settle()
            self.send(subscriber, subscription, index)
        subscription.closed = True
        subscriber.on_complete()
        self.settle()
        self.check(subscription)

    def test_required_spec_2_01_demand_is_signalled_by_request(self) -> None:
        """Once it can, it asks, for a positive number of elements."""
        _, subscription = self.asking()
        assert all(n > 0 for n in subscription.requests), subscription.requests
        self.check(subscription)

    def test_required_spec_2_03_on_complete_calls_nothing(self) -> None:
        """Inside on_complete no method of the subscription is called."""
        subscriber, subscription = self.asking()
        subscription.forbidden = "on_complete"
        subscriber.on_complete()
        self.check(subscription)

    def test_required_spec_2_03_on_error_calls_nothing(self) -> None:
        """Inside on_error no method of the subscription is called."""
        subscriber, subscription = self.asking()
        subscription.forbidden = "on_error"
        subscriber.on_error(ValueError("a test"))
        self.check(subscription)

    @pytest.mark.parametrize("error", [None, ValueError("a test")])
    def test_required_spec_2_04_subscription_counts_as_cancelled_after_the_last_signal(self, error: BaseException | None) -> None:
        """After on_complete or on_error neither request nor cancel is called any more."""
        subscriber, subscription = self.asking()
        subscription.closed = True
        if error is None:
            subscriber.on_complete()
        else:
            subscriber.on_error(error)
        self.settle()
        self.trigger_request(subscriber)
        self.settle()
        self.check(subscription)

    def test_required_spec_2_05_second_subscription_is_cancelled(self) -> None:
        """A subscription that comes while one is active is cancelled once, and nothing is asked of it; the first goes on."""
        subscriber, first = self.asking()
        second = RecordingSubscription()
        subscriber.on_subscribe(second)
        self.settle()
        self.check(second, cancels=1)
        assert not second.requests, "rule 2.5: elements were asked of the second subscription"
        self.send(subscriber, first)
        self.check(first)

    def test_required_spec_2_06_subscription_is_cancelled_when_no_longer_needed(self) -> None:
        """When it needs no more, its publisher sees exactly one cancel, and no request after it."""
        subscriber, subscription = self.asking()
        self.stop(subscriber)
        self.settle()
        self.check(subscription, cancels=1)
        assert subscription.calls[-1][0] == "cancel", f"rule 3.6: {subscription.calls[-1][0]} after cancel"

    def test_required_spec_2_07_calls_are_made_where_signals_come(self) -> None:
        """No call to the subscription comes from a thread of the subscriber's own that could overlap another call."""
        subscriber, subscription = self.subscribed()
        subscription.threads = {threading.get_ident()}
        self.trigger_request(subscriber)
        self.settle()
        for index in range(3):
            if subscription.demand:
                self.send(subscriber, subscription, index)
        self.check(subscription)

    def test_required_spec_2_08_elements_after_cancel_are_coped_with(self) -> None:
        """Elements that were under way when it cancelled raise nothing and call nothing."""
        subscriber, subscription = self.asking()
        self.stop(subscriber)
        self.settle()
        before = len(subscription.calls)
        subscriber.on_next(self.create_element(0))
        self.settle()
        assert len(subscription.calls) == before, f"called after cancel: {subscription.calls[before:]}"

    def test_required_spec_2_09_on_complete_after_request_is_coped_with(self) -> None:
        """on_complete after a request returns normally."""
        subscriber, subscription = self.asking()
        subscriber.on_complete()
        self.settle()
        self.check(subscription)

    def test_required_spec_2_09_on_complete_without_request_is_coped_with(self) -> None:
        """on_complete at once after on_subscribe returns normally."""
        subscriber, subscription = self.create_subscriber(), RecordingSubscription()
        subscriber.on_subscribe(subscription)
        subscriber.on_complete()
        self.settle()
        assert subscription.cancels == 0

    def test_required_spec_2_10_on_error_after_request_is_coped_with(self) -> None:
        """on_error after a request returns normally."""
        subscriber, subscription = self.asking()
        subscriber.on_error(ValueError("a test"))
        self.settle()
        self.check(subscription)

    def test_required_spec_2_10_on_error_without_request_is_coped_with(self) -> None:
        """on_error at once after on_subscribe returns normally."""
        subscriber, subscription = self.create_subscriber(), RecordingSubscription()
        subscriber.on_subscribe(subscription)
        subscriber.on_error(ValueError("a test"))
        self.settle()
        assert subscription.cancels == 0

    def test_required_spec_2_13_on_subscribe_of_none_raises_type_error(self) -> None:
        """on_subscribe(None) raises to its caller."""
        with pytest.raises(TypeError):
            self.create_subscriber().on_subscribe(None)  # type: ignore[arg-type]

    def test_required_spec_2_13_on_next_of_none_raises_type_error(self) -> None:
        """on_next(None) raises to its caller."""
        subscriber, _ = self.asking()
        with pytest.raises(TypeError):
            subscriber.on_next(None)

    def test_required_spec_2_13_on_error_of_none_raises_type_error(self) -> None:
        """on_error(None) raises to its caller."""
        subscriber, _ = self.asking()
        with pytest.raises(TypeError):
            subscriber.on_error(None)  # type: ignore[arg-type]
