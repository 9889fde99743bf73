"""IdentityProcessorVerification: a processor that passes on what it gets, under both contracts and chapter 4."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.protocol.roles import Processor, Publisher, Subscriber
from rt_edge.testkit.tck.bench import needs
from rt_edge.testkit.tck.probe import SubscriptionPuppet, WhiteboxProbe
from rt_edge.testkit.tck.publisher import PublisherVerification
from rt_edge.testkit.tck.recording import LARGE, RecordingSubscriber, RecordingSubscription
from rt_edge.testkit.tck.reference import ListPublisher
from rt_edge.testkit.tck.subscriber import SubscriberBlackboxVerification
from rt_edge.testkit.tck.subscriber_bench import UnderTest
from rt_edge.testkit.tck.whitebox import SubscriberWhiteboxVerification

BUFFER_SIZE = 16
"""Elements that a processor is asked to buffer, where nothing else is said."""


class IdentityProcessorVerification(PublisherVerification, SubscriberWhiteboxVerification, abstract=True):
    """Subclass it as `Test...` and override `create_identity_processor`.

    It has every test of `PublisherVerification` (the processor behind a helper publisher), every one of
    `SubscriberWhiteboxVerification` (the processor in front of a subscriber that reports) and its own.

    Attributes:
        processor_buffer_size: given to `create_identity_processor`.
    """

    processor_buffer_size: ClassVar[int] = BUFFER_SIZE

    # -- to be overridden -------------------------------------------------------------------------------------------------

    def create_identity_processor(self, buffer_size: int) -> Processor[Any, Any]:
        """A fresh processor that passes on its elements unchanged and in order; it may hold up to `buffer_size` of them."""
        raise NotImplementedError

    def create_helper_publisher(self, elements: int) -> Publisher[Any]:
        """What feeds the processor when it is tested as a publisher: by default a list, signalled from inside `request`."""
        return ListPublisher([self.create_element(index) for index in range(elements)])

    # -- how it plays both parts ------------------------------------------------------------------------------------------

    def processor(self) -> Processor[Any, Any]:
        """A fresh one."""
        processor = self.create_identity_processor(self.processor_buffer_size)
        self.env.settle()
        return processor

    def create_publisher(self, elements: int) -> Publisher[Any]:
        """The processor behind the helper publisher."""
        processor = self.processor()
        self.create_helper_publisher(elements).subscribe(processor)
        self.env.settle()
        return processor

    def create_failed_publisher(self) -> Publisher[Any]:
        """The processor behind a failure."""
        processor = self.processor()
        ListPublisher([], ValueError("a test")).subscribe(processor)
        self.env.settle()
        return processor

    def create_subscriber(self, probe: WhiteboxProbe) -> Subscriber[Any]:
        """The processor in front of a subscriber that reports to `probe`."""
        processor = self.processor()
        processor.subscribe(_Reporting(probe))
        self.env.settle()
        return processor

    def between(self) -> tuple[Processor[Any, Any], RecordingSubscription, RecordingSubscriber]:
        """The processor between a subscription and a subscriber that a test holds."""
        processor, subscription = self.processor(), RecordingSubscription(self.env.ring)
        processor.on_subscribe(subscription)
        return processor, subscription, self.subscribe(processor)

    def feed(self, processor: Processor[Any, Any], subscription: RecordingSubscription, index: int) -> Any:
        """One element from upstream, once it is asked for; returns it."""
        self.until(lambda: bool(subscription.demand), "rule 2.1: demand from downstream is not passed on")
        subscription.demand.take()
        element = self.create_element(index)
        processor.on_next(element)
        self.env.settle()
        return element

    # -- its own tests ----------------------------------------------------------------------------------------------------

    @needs(subscribers=2)
    def test_required_spec104_must_call_on_error_on_all_its_subscribers_if_it_encounters_a_non_recoverable_error(self) -> None:
        """Two subscribers, one of which has an element already, both get the error of upstream: the same object."""
        processor, subscription, first = self.between()
        second = self.subscribe(processor)
        self.request(first, 1)
        if self.does_coordinated_emission:
            self.request(second, 1)
        self.feed(processor, subscription, 0)
        self.until(lambda: len(first.elements) == 1, "the element did not come")
        error = ValueError("a test")
        processor.on_error(error)
        for subscriber in (first, second):
            self.until(lambda it=subscriber: it.is_over, "rule 1.4: a subscriber was not told of the error")  # type: ignore[misc]
            assert subscriber.errors == [error], f"rule 1.4: {subscriber.errors} came, not the error of upstream"
            assert not subscriber.violations, subscriber.violations

    def test_required_spec402_must_immediately_pass_on_on_error_events_received_from_its_upstream_to_its_downstream(self) -> None:
        """on_error reaches downstream without any demand, as the same object."""
        processor, _, subscriber = self.between()
        error = ValueError("a test")
        processor.on_error(error)
        self.comes(subscriber, 0, "error")
        assert subscriber.errors[0] is error, f"rule 4.2: {subscriber.errors[0]!r} came, not the error of upstream"

    @needs(subscribers=2)
    def test_required_must_request_from_upstream_for_elements_that_have_been_requested_long_ago(self) -> None:
        """One subscriber has asked for 20 elements, and goes on getting them when another comes that asks for one."""
        processor, subscription, first = self.between()
        self.request(first, 20)
        for index in range(2):
            self.feed(processor, subscription, index)
            self.until(lambda n=index: len(first.elements) == n + 1, "an element did not come")  # type: ignore[misc]
        second = self.subscribe(processor)
        if self.does_coordinated_emission:
            self.request(second, 1)
        element = self.feed(processor, subscription, 2)
        self.until(lambda: len(first.elements) == 3, "the first subscriber waits for the second, which has not asked")
        self.request(second, 1)
        self.until(lambda: second.elements == [element], f"the second subscriber got {second.elements}")
        processor.on_complete()
        for subscriber, elements in ((first, 3), (second, 1)):
            self.comes(subscriber, elements, "complete")

    def test_required_spec401_processor_keeps_both_contracts(self) -> None:
        """Elements pass in order, one for one with the demand, and so does the end."""
        processor, subscription, subscriber = self.between()
        self.stays(subscriber, 0)
        passed = []
        for total in range(1, 6):
            self.request(subscriber, 1)
            passed.append(self.feed(processor, subscription, total - 1))
            self.comes(subscriber, total)
        subscription.closed = True
        processor.on_complete()
        self.env.settle()
        if not subscriber.is_over:
            self.request(subscriber, 1)  # who is lazy has to be asked before it knows that nothing is left
        self.comes(subscriber, 5, "complete")
        assert subscriber.elements == passed, f"rule 4.1: {passed} became {subscriber.elements}"
        assert not subscription.violations, subscription.violations

    def test_required_must_request_from_upstream_what_was_requested_before_it_came(self) -> None:
        """What downstream asked for long before there was an upstream is asked of it when it comes."""
        processor, subscription = self.processor(), RecordingSubscription(self.env.ring)
        subscriber = self.subscribe(processor)
        self.request(subscriber, 2)
        processor.on_subscribe(subscription)
        self.env.settle()
        self.feed(processor, subscription, 0)
        self.comes(subscriber, 1)
        self.cancel(subscriber)

    def test_required_must_cancel_its_upstream_subscription_if_its_last_downstream_subscription_has_been_cancelled(self) -> None:
        """When its subscriber cancels, it cancels its own subscription, once."""
        _, subscription, subscriber = self.between()
        self.request(subscriber, 2)
        self.cancel(subscriber)
        self.until(lambda: subscription.cancels > 0, "upstream was not cancelled with the last subscriber")
        self.env.quiet()
        assert subscription.cancels == 1, f"{subscription.cancels} cancels came upstream"
        assert not subscription.violations, subscription.violations

    def test_required_must_request_no_more_of_upstream_than_it_can_hold(self) -> None:
        """With a demand that has no end downstream, what is asked of upstream at a time is bounded, or has no end either."""
        processor, subscription, subscriber = self.between()
        for index in range(3):
            self.request(subscriber, 1)
            self.feed(processor, subscription, index)
        self.comes(subscriber, 3)
        self.env.quiet()
        held = subscription.demand.open
        bound = self.max_requested_ahead
        assert held <= bound, f"rule 2.1: {held} elements are asked for that nobody downstream has requested, more than {bound}"
        self.cancel(subscriber)

    max_requested_ahead: ClassVar[int] = 1024
    """Elements that may be asked of upstream, or held, though nobody downstream has requested them."""


class IdentityProcessorAsSubscriberVerification(SubscriberBlackboxVerification, abstract=True):
    """The black-box tests of a processor: subclass it beside `IdentityProcessorVerification`, with the same method."""

    def create_identity_processor(self, buffer_size: int) -> Processor[Any, Any]:
        """A fresh processor that passes on its elements unchanged and in order."""
        raise NotImplementedError

    def create_subscriber(self) -> Subscriber[Any]:
        """The processor in front of a subscriber that asks for everything."""
        processor = self.create_identity_processor(BUFFER_SIZE)
        self._downstream = RecordingSubscriber(on_subscribe=lambda subscription: subscription.request(LARGE))
        processor.subscribe(self._downstream)
        self.env.settle()
        return processor

    def under_test(self, overlap: float = 0.0) -> UnderTest:
        """With the subscriber behind it."""
        tested = super().under_test(overlap)
        tested.downstream = self._downstream
        return tested

    def make_it_stop(self, tested: UnderTest) -> None:
        """Downstream cancels."""
        tested.downstream.subscription.cancel()

    def stop(self, subscriber: Subscriber[Any]) -> None:
        """Downstream cancels; see `make_it_stop`."""
        self._downstream.subscription.cancel()


class _Reporting:
    """A subscriber that reports all it gets to a probe, and asks for what its puppet is told."""

    def __init__(self, probe: WhiteboxProbe) -> None:
        self._probe = probe

    def on_subscribe(self, subscription: Any) -> None:
        self._probe.register_on_subscribe(SubscriptionPuppet(subscription))

    def on_next(self, element: Any) -> None:
        self._probe.register_on_next(element)

    def on_error(self, error: BaseException) -> None:
        self._probe.register_on_error(error)

    def on_complete(self) -> None:
        self._probe.register_on_complete()
