"""IdentityProcessorVerification: a processor that passes on what it gets, under both contracts and chapter 4."""

from __future__ import annotations

from typing import Any

from rt_edge.protocol.roles import Processor, Publisher, Subscriber
from rt_edge.testkit.tck.publisher import PublisherVerification
from rt_edge.testkit.tck.recording import LARGE, ListPublisher, RecordingSubscriber, RecordingSubscription
from rt_edge.testkit.tck.subscriber import SubscriberBlackboxVerification


class IdentityProcessorVerification(PublisherVerification):
    """Subclass it as `Test...` and override `create_identity_processor`.

    Here it is tested as a publisher, behind a `ListPublisher`, and as what it is; `IdentityProcessorAsSubscriberVerification` has
    the subscriber's tests, in front of a subscriber that asks for everything.
    """

    def create_identity_processor(self) -> Processor[Any, Any]:
        """A fresh processor that passes on its elements unchanged and in order."""
        raise NotImplementedError

    def create_publisher(self, elements: int) -> Publisher[Any]:
        """The processor behind a list."""
        processor = self.create_identity_processor()
        ListPublisher(range(elements)).subscribe(processor)
        self.settle()
        return processor

    def create_failed_publisher(self) -> Publisher[Any]:
        """The processor behind a failure."""
        processor = self.create_identity_processor()
        ListPublisher([], ValueError("a test")).subscribe(processor)
        self.settle()
        return processor

    def between(self) -> tuple[Processor[Any, Any], RecordingSubscription, RecordingSubscriber]:
        """The processor between a subscription and a subscriber that a test holds."""
        processor, subscription = self.create_identity_processor(), RecordingSubscription()
        processor.on_subscribe(subscription)
        return processor, subscription, self.subscribe(processor)

    def test_required_spec_4_01_processor_keeps_both_contracts(self) -> None:
        """Elements pass in order, one for one with the demand, and so does the end."""
        processor, subscription, subscriber = self.between()
        self.check(subscriber, 0)
        for total in range(1, 6):
            self.request(subscriber, 1)
            assert subscription.demand, "rule 2.1: demand from downstream is not passed on"
            subscription.demand.take()
            processor.on_next(total)
            self.settle()
            self.check(subscriber, total)
        subscription.closed = True
        processor.on_complete()
        self.settle()
        self.check(subscriber, 5, "complete")
        assert subscriber.elements == [1, 2, 3, 4, 5]
        assert not subscription.violations, subscription.violations

    def test_required_spec_4_02_upstream_error_is_passed_on_at_once(self) -> None:
        """on_error reaches downstream without any demand, as the same error."""
        processor, _, subscriber = self.between()
        error = ValueError("a test")
        processor.on_error(error)
        self.settle()
        self.check(subscriber, 0, "error")
        assert subscriber.errors == [error]

    def test_required_requests_made_before_upstream_came_are_passed_on(self) -> None:
        """What downstream asked for long before there was an upstream is asked of it when it comes."""
        processor, subscription = self.create_identity_processor(), RecordingSubscription()
        subscriber = self.subscribe(processor)
        self.request(subscriber, 2)
        processor.on_subscribe(subscription)
        self.settle()
        assert subscription.demand, "the demand of before was forgotten"
        subscription.demand.take()
        processor.on_next("late")
        self.settle()
        self.check(subscriber, 1)

    def test_required_cancel_of_downstream_cancels_upstream(self) -> None:
        """When its subscriber cancels, it cancels its own subscription, once."""
        _, subscription, subscriber = self.between()
        self.request(subscriber, 2)
        subscriber.subscription.cancel()
        self.settle()
        assert subscription.cancels == 1, f"{subscription.cancels} cancels came upstream"
        assert not subscription.violations, subscription.violations


class IdentityProcessorAsSubscriberVerification(SubscriberBlackboxVerification):
    """The subscriber's tests of a processor: subclass it beside `IdentityProcessorVerification`, with the same method."""

    def create_identity_processor(self) -> Processor[Any, Any]:
        """A fresh processor that passes on its elements unchanged and in order."""
        raise NotImplementedError

    def create_subscriber(self) -> Subscriber[Any]:
        """The processor in front of a subscriber that asks for everything."""
        processor = self.create_identity_processor()
        self.downstream = RecordingSubscriber(on_subscribe=lambda subscription: subscription.request(LARGE))
        processor.subscribe(self.downstream)
        self.settle()
        return processor

    def stop(self, subscriber: Subscriber[Any]) -> None:
        """Downstream cancels."""
        self.downstream.subscription.cancel()
