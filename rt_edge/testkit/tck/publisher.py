"""PublisherVerification: what chapter 1 of the specification demands of a publisher; its bases have the other chapters."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import pytest

from rt_edge.testkit.tck.bench import needs
from rt_edge.testkit.tck.multicast import MulticastVerification
from rt_edge.testkit.tck.permissions import PermissionVerification
from rt_edge.testkit.tck.recording import LARGE, RecordingSubscriber
from rt_edge.testkit.tck.schedule import ScheduleVerification
from rt_edge.testkit.tck.subscription import SubscriptionVerification


class PublisherVerification(
    SubscriptionVerification, PermissionVerification, MulticastVerification, ScheduleVerification, abstract=True
):
    """Subclass it as `Test...` and override `create_publisher`; `settle` where nothing runs by itself; set the knobs."""

    @needs(elements=1, completion=True)
    def test_required_create_publisher1_must_produce_a_stream_of_exactly1_element(self) -> None:
        """The publisher does what the other tests rely on: one element, and the end."""
        subscriber = self.subscribe(self.create_publisher(1))
        self.request(subscriber, 1)
        self.until(lambda: len(subscriber.elements) == 1, "the element did not come")
        self.request(subscriber, 1)
        self.comes(subscriber, 1, "complete")

    @needs(elements=3, completion=True)
    def test_required_create_publisher3_must_produce_a_stream_of_exactly3_elements(self) -> None:
        """Three elements, asked for in one go with more than there are, and the end."""
        subscriber = self.subscribe(self.create_publisher(3))
        self.request(subscriber, LARGE)
        self.comes(subscriber, 3, "complete")
        self.stays(subscriber, 3, "complete")

    def test_required_validate_max_elements_from_publisher(self) -> None:
        """The knob says a number of elements."""
        most = self.max_elements_from_publisher
        assert isinstance(most, int), f"max_elements_from_publisher is {most!r}"
        assert most >= 0, f"max_elements_from_publisher is {most}"

    def test_required_validate_bounded_depth_of_on_next_and_request_recursion(self) -> None:
        """The knob says a depth of at least 1."""
        depth = self.bounded_depth_of_on_next_and_request_recursion
        assert depth >= 1, f"bounded_depth_of_on_next_and_request_recursion is {depth}"

    @needs(elements=5)
    def test_required_spec101_subscription_request_must_result_in_the_correct_number_of_produced_elements(self) -> None:
        """Of 5 elements nothing comes before a request; then 1, then 1 and 2 more, and not one beyond."""
        subscriber = self.subscribe(self.create_publisher(5))
        self.stays(subscriber, 0)
        self.request(subscriber, 1)
        self.comes(subscriber, 1)
        self.stays(subscriber, 1)
        self.request(subscriber, 1)
        self.request(subscriber, 2)
        self.comes(subscriber, 4)
        self.stays(subscriber, 4)
        self.cancel(subscriber)

    @needs(elements=3, completion=True)
    def test_required_spec102_may_signal_less_than_requested_and_terminate_subscription(self) -> None:
        """A publisher with 3 elements that is asked for 10 signals 3 and completes."""
        subscriber = self.subscribe(self.create_publisher(3))
        self.request(subscriber, 10)
        self.comes(subscriber, 3, "complete")

    @needs(elements=10, completion=True, repeated=True)
    def test_stochastic_spec103_must_signal_on_methods_sequentially(self) -> None:
        """In many runs of 10 elements, each asked for in the one before, no signal overlaps another of another thread."""
        pause = threading.Event()

        def ask_again(it: RecordingSubscriber, _element: Any) -> None:
            it.subscription.request(1)
            if not self.env.by_hand:
                pause.wait(0.0005)  # whoever signals from two threads has the time to

        for _ in range(self.stochastic_runs):
            subscriber = self.subscriber(lambda subscription: subscription.request(1), ask_again)
            self.subscribe(self.create_publisher(10), subscriber)
            self.until(lambda it=subscriber: it.is_over, "rule 1.5: the stream did not end")  # type: ignore[misc]
            self.comes(subscriber, 10, "complete")

    @needs(failure=True)
    def test_optional_spec104_must_signal_on_error_when_fails(self) -> None:
        """A publisher that fails says so by one on_error, with an exception, and without a request."""
        subscriber = self.subscribe(self.create_failed_publisher())
        self.comes(subscriber, 0, "error")
        self.stays(subscriber, 0, "error")
        assert len(subscriber.errors) == 1

    @needs(elements=3, completion=True)
    def test_required_spec105_must_signal_on_complete_when_finite_stream_terminates(self) -> None:
        """After the last of 3 elements that are asked for one by one comes on_complete, with the next request at the latest."""
        subscriber = self.subscribe(self.create_publisher(3))
        for total in (1, 2):
            self.request(subscriber, 1)
            self.comes(subscriber, total)
        self.request(subscriber, 1)
        self.request(subscriber, 1)
        self.comes(subscriber, 3, "complete")

    @needs(completion=True)
    def test_optional_spec105_empty_stream_must_terminate_by_signalling_on_complete(self) -> None:
        """A stream without elements completes when one is asked for."""
        subscriber = self.subscribe(self.create_publisher(0))
        self.request(subscriber, 1)
        self.comes(subscriber, 0, "complete")

    @needs(completion=True)
    def test_optional_spec105_empty_stream_completes_without_a_request(self) -> None:
        """A stream without elements completes, though nothing was asked for."""
        subscriber = self.subscribe(self.create_publisher(0))
        self.comes(subscriber, 0, "complete")

    @needs(elements=1, completion=True)
    def test_untested_spec106_must_consider_subscription_cancelled_after_on_error_or_on_complete_has_been_called(self) -> None:
        """After either end request and cancel do nothing, nothing of the stream is left, and the subscriber is let go."""
        for wrong in (False, True):
            publisher = self.create_publisher(1)
            subscriber = self.subscribe(publisher)
            self.request(subscriber, -1 if wrong else 2)
            total, end = (0, "error") if wrong else (1, "complete")
            self.comes(subscriber, total, end)
            subscription = subscriber.subscription
            for n in (5, 0, -1):
                subscription.request(n)
            subscription.cancel()
            self.stays(subscriber, total, end)
            self.check_idle()
            alive = weakref.ref(subscriber)
            del subscriber
            self.is_dropped(alive, "1.6")
            del publisher

    @needs(elements=1, completion=True)
    def test_required_spec107_must_not_emit_further_signals_once_on_complete_has_been_signalled(self) -> None:
        """1 element of 10 that are asked for, completion; 10 more are asked for: silence."""
        subscriber = self.subscribe(self.create_publisher(1))
        self.request(subscriber, 10)
        self.comes(subscriber, 1, "complete")
        self.request(subscriber, 10)
        self.stays(subscriber, 1, "complete")

    @needs(elements=5)
    def test_untested_spec107_must_not_emit_further_signals_once_on_error_has_been_signalled(self) -> None:
        """After an on_error that a wrong request has brought about, nothing comes."""
        subscriber = self.subscribe(self.create_publisher(5))
        self.request(subscriber, -1)
        self.comes(subscriber, 0, "error")
        self.request(subscriber, 5)
        self.stays(subscriber, 0, "error")

    @needs(elements=1)
    def test_untested_spec109_subscribe_should_not_throw_non_fatal_throwable(self) -> None:
        """subscribe returns normally, though on_subscribe raises; such a subscriber hears nothing more."""

        def broken(_: Any) -> None:
            raise RuntimeError("a broken subscriber")

        subscriber = self.subscriber(on_subscribe=broken)
        publisher = self.create_publisher(1)
        try:
            publisher.subscribe(subscriber)
        except Exception as error:
            raise AssertionError(f"rule 1.9: subscribe raised {error!r}") from error
        self.until(lambda: bool(subscriber.signals), "rule 1.9: on_subscribe did not come")
        self.env.quiet()
        assert [kind for kind, _ in subscriber.signals] == ["subscribe"], f"rule 2.13: {subscriber.signals}"

    def test_required_spec109_subscribe_throw_npe_on_null_subscriber(self) -> None:
        """subscribe(None) raises TypeError to its caller."""
        with pytest.raises(TypeError):
            self.create_publisher(0).subscribe(None)  # type: ignore[arg-type]

    def test_required_spec109_must_issue_on_subscribe_for_non_null_subscriber(self) -> None:
        """The first signal is on_subscribe, with a subscription."""
        subscriber = self.subscribe(self.create_publisher(0))
        self.env.quiet()
        assert not subscriber.violations, subscriber.violations
        assert subscriber.subscription is subscriber.signals[0][1]
        self.cancel(subscriber)

    @needs(failure=True)
    def test_required_spec109_may_reject_calls_to_subscribe_if_publisher_is_unable_or_unwilling_to_serve_them_rejection_must_trigger_on_error_after_on_subscribe(  # noqa: E501
        self,
    ) -> None:
        """A publisher that cannot serve signals on_subscribe, then on_error."""
        subscriber = self.subscribe(self.create_failed_publisher())
        self.until(lambda: subscriber.is_over, "rule 1.9: no on_error came")
        assert [kind for kind, _ in subscriber.signals] == ["subscribe", "error"]

    @needs(elements=3)
    def test_untested_spec110_reject_a_subscription_request_if_the_same_subscriber_subscribes_twice(self) -> None:
        """A subscriber that subscribes again gets no second stream: no second on_subscribe, or one that on_error follows."""
        publisher = self.create_publisher(3)
        subscriber = self.subscribe(publisher)
        publisher.subscribe(subscriber)
        self.env.quiet()
        self.request(subscriber, 3)
        self.env.quiet()
        kinds = [kind for kind, _ in subscriber.signals]
        assert len(subscriber.elements) <= 3, "rule 1.10: the subscriber got two streams"
        if kinds.count("subscribe") > 1:
            assert "error" in kinds, "rule 2.12: on_subscribe came again and was no refusal"
        if kinds.count("subscribe") > 1:
            self.facts["1.10"] = "a second subscribe gets a second on_subscribe, then on_error"
        elif "error" in kinds:
            self.facts["1.10"] = "a second subscribe ends the stream that is there with on_error"
        else:
            self.facts["1.10"] = "a second subscribe is passed over"
        if not subscriber.is_over:
            self.cancel(subscriber)

    @needs(elements=2)
    def test_untested_spec212_must_not_call_on_subscribe_more_than_once_based_on_object_equality(self) -> None:
        """A whole stream has one on_subscribe."""
        subscriber = self.subscribe(self.create_publisher(2))
        self.request(subscriber, 5)
        self.until(lambda: len(subscriber.elements) >= 2, "2 elements did not come")
        self.env.quiet()
        kinds = [kind for kind, _ in subscriber.signals]
        assert kinds.count("subscribe") == 1, "rule 2.12: on_subscribe came again"
        if not subscriber.is_over:
            self.cancel(subscriber)

    @needs(elements=5)
    def test_untested_spec213_subscriber_that_raises_is_treated_as_cancelled(self) -> None:
        """What on_next raises does not come out of request, and no signal follows."""

        def broken(_it: RecordingSubscriber, _element: Any) -> None:
            raise RuntimeError("a broken subscriber")

        subscriber = self.subscribe(self.create_publisher(5), self.subscriber(on_next=broken))
        try:
            self.request(subscriber, 5)
        except RuntimeError as error:
            raise AssertionError("rule 3.16: what a subscriber raised came out of request") from error
        self.comes(subscriber, 1)
        self.stays(subscriber, 1)
