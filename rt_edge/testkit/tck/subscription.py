"""SubscriptionVerification: what chapter 3 of the specification demands of a publisher's subscriptions."""

from __future__ import annotations

import gc
import random
import weakref
from collections.abc import Callable
from typing import Any

from rt_edge.protocol.demand import UNBOUNDED
from rt_edge.protocol.roles import Subscription
from rt_edge.testkit.tck.bench import needs
from rt_edge.testkit.tck.publisher_bench import PublisherBench
from rt_edge.testkit.tck.recording import LARGE, RecordingSubscriber

NO_NUMBERS = (True, 1.0, "1")
"""What is no demand, though some of it could be counted with."""

LONG = 1200
"""Elements of a stream that would overflow Python's stack if each of them made it deeper."""


def _ask_one(it: RecordingSubscriber, _element: Any) -> None:
    it.subscription.request(1)


def _more_than(had: int, subscriber: RecordingSubscriber) -> Callable[[], bool]:
    return lambda: len(subscriber.elements) > had


class SubscriptionVerification(PublisherBench, abstract=True):
    """The part of `PublisherVerification` that is about subscriptions."""

    # -- demand -----------------------------------------------------------------------------------------------------------

    @needs(elements=3, completion=True)
    def test_required_spec302_must_allow_synchronous_request_calls_from_on_next_and_on_subscribe(self) -> None:
        """A stream that is asked for from inside its signals runs to its end."""
        subscriber = self.subscriber(lambda subscription: subscription.request(1), _ask_one)
        self.subscribe(self.create_publisher(3), subscriber)
        self.comes(subscriber, 3, "complete")

    def test_required_spec303_must_not_allow_unbounded_recursion(self) -> None:
        """One element more than the bound, each of which asks for the next: on_next never nests deeper than the bound."""
        bound = self.bounded_depth_of_on_next_and_request_recursion
        elements = min(bound + 1, self.max_elements_from_publisher)
        self._not_deeper(elements, bound)

    @needs(elements=LONG)
    def test_required_spec303_long_stream_does_not_deepen_the_stack(self) -> None:
        """1,200 elements, each of which asks for the next, never nest deeper than allowed."""
        self._not_deeper(LONG, self.bounded_depth_of_on_next_and_request_recursion)

    def _not_deeper(self, elements: int, bound: int) -> None:
        def ask(it: RecordingSubscriber, _element: Any) -> None:
            if len(it.signals) <= elements:
                it.subscription.request(1)

        subscriber = self.subscribe(self.create_publisher(elements), self.subscriber(on_next=ask))
        if not subscriber.is_over:
            self.request(subscriber, 1)
        while (had := len(subscriber.elements)) < elements:  # the time-out is of one signal, not of all
            self.until(_more_than(had, subscriber), f"{elements} elements did not come, but {had}")
        assert len(subscriber.elements) == elements, f"rule 1.1: {len(subscriber.elements)} elements came of {elements}"
        assert subscriber.depth <= bound, f"rule 3.3: on_next was nested {subscriber.depth} deep"
        assert not subscriber.violations, subscriber.violations
        if not subscriber.is_over:
            self.cancel(subscriber)

    @needs(elements=8)
    def test_required_spec308_requests_add_up(self) -> None:
        """Requests of 2 and 3 before anything can happen are worth 5 elements."""
        subscriber = self.subscribe(self.create_publisher(8))
        subscriber.subscription.request(2)
        subscriber.subscription.request(3)
        self.env.settle()
        self.comes(subscriber, 5)
        self.stays(subscriber, 5)
        self.cancel(subscriber)

    @needs(elements=3)
    def test_untested_spec304_request_should_not_perform_heavy_computations(self) -> None:
        """request gives its caller back soon, before the first element and between others."""
        subscriber = self.subscribe(self.create_publisher(3))
        self.is_prompt(lambda: subscriber.subscription.request(1), "3.4", "request")
        self.env.quiet()
        assert not subscriber.violations, subscriber.violations
        self.cancel(subscriber)

    @needs(elements=3)
    def test_untested_spec316_request_must_not_throw_exception_and_must_on_error_the_subscriber(self) -> None:
        """request raises nothing in any state: from another thread, inside signals, after the end and a cancel; for any n."""
        raised: list[BaseException] = []

        def ask(it: RecordingSubscriber, n: Any) -> None:
            try:
                it.subscription.request(n)
            except Exception as error:  # noqa: BLE001  # what it raises is what the test is about
                raised.append(error)

        for values in ((1, 1, LARGE, 1, 0), (0, 1), (1, -1, "x"), ("x", 1), (UNBOUNDED, UNBOUNDED)):
            subscriber = self.subscriber(on_next=lambda it, _: ask(it, 1))
            self.subscribe(self.create_publisher(3), subscriber)
            for n in values:
                self.env.elsewhere(lambda it=subscriber, n=n: ask(it, n))  # type: ignore[misc]
                self.env.settle()
            self.until(lambda it=subscriber: it.is_over or len(it.elements) >= 3, "the stream did not go on")  # type: ignore[misc]
            assert not subscriber.violations, subscriber.violations
            subscriber.subscription.cancel()
            ask(subscriber, -1)
        assert not raised, f"rule 3.16: request raised {raised}"

    # -- wrong demand -----------------------------------------------------------------------------------------------------

    def _refused(self, n: Any) -> BaseException:
        most = min(5, self.max_elements_from_publisher)
        subscriber = self.subscribe(self.create_publisher(most))
        self.request(subscriber, n)
        self.until(lambda: subscriber.is_over, f"rule 3.9: request({n!r}) was not answered by on_error")
        self.comes(subscriber, 0, "error")
        error = subscriber.errors[0]
        assert isinstance(error, ValueError), f"rule 3.9: {error!r} is no ValueError"
        self.stays(subscriber, 0, "error")
        return error

    @needs(elements=1)
    def test_required_spec309_request_zero_must_signal_illegal_argument_exception(self) -> None:
        """request(0) returns normally, and on_error brings a ValueError."""
        self._refused(0)

    @needs(elements=1)
    def test_required_spec309_request_negative_number_must_signal_illegal_argument_exception(self) -> None:
        """request of a negative number, a random one too, returns normally, and on_error brings a ValueError."""
        for n in (-1, -random.randint(2, 2**63)):  # noqa: S311  # any number will do
            self._refused(n)

    @needs(elements=1)
    def test_required_spec309_request_of_no_integer_must_signal_value_error(self) -> None:
        """bool, float and str are no demand: on_error brings a ValueError."""
        for n in NO_NUMBERS:
            self._refused(n)

    @needs(elements=1)
    def test_optional_spec309_request_negative_number_may_signal_illegal_argument_exception_with_specific_message(self) -> None:
        """The error's text has the number of the rule and says what is wrong."""
        text = str(self._refused(-7))
        said = ("non-positive subscription request", "negative subscription request")
        assert "3.9" in text, f"rule 3.9: {text!r} does not name it"
        assert any(words in text for words in said), f"rule 3.9: {text!r} does not say what is wrong"

    # -- cancel -----------------------------------------------------------------------------------------------------------

    @needs(elements=3)
    def test_untested_spec305_cancel_must_not_synchronously_perform_heavy_computation(self) -> None:
        """cancel gives its caller back soon, the first time and again, and from another thread too."""
        subscribers = [self.subscribe(self.create_publisher(3)) for _ in range(3)]
        waiting = [it.subscription for it in subscribers]
        self.is_prompt(lambda: waiting.pop().cancel(), "3.5", "cancel")
        self.is_prompt(lambda: self.env.elsewhere(subscribers[0].subscription.cancel), "3.5", "a repeated cancel")
        for subscriber in subscribers:
            self.stays(subscriber, 0)

    @needs(elements=3)
    def test_required_spec306_after_subscription_is_cancelled_request_must_be_nops(self) -> None:
        """Requests after a cancel, wrong ones too, bring no signal."""
        subscriber = self.subscribe(self.create_publisher(3))
        self.request(subscriber, 1)
        self.comes(subscriber, 1)
        self.cancel(subscriber)
        for n in (1, 3, 0, -1):
            self.request(subscriber, n)
        self.stays(subscriber, 1)

    @needs(elements=1)
    def test_required_spec307_after_subscription_is_cancelled_additional_cancelations_must_be_nops(self) -> None:
        """The second and third cancel change nothing."""
        subscriber = self.subscribe(self.create_publisher(1))
        for _ in range(3):
            self.cancel(subscriber)
        self.stays(subscriber, 0)

    @needs(elements=20)
    def test_required_spec312_cancel_must_make_the_publisher_to_eventually_stop_signaling(self) -> None:
        """Of 20 elements, 10 and 5 asked for, cancelled after the first: never more than 15 come, and in the end none."""
        subscriber = self.subscriber(on_next=lambda it, _: it.subscription.cancel())
        self.subscribe(self.create_publisher(20), subscriber)
        self.request(subscriber, 10)
        self.request(subscriber, 5)
        self.until(lambda: len(subscriber.elements) >= 1, "no element came")
        self.env.quiet()
        came = len(subscriber.signals)
        self.env.quiet()
        assert came <= 1 + 15, (
            f"rule 3.12: {came - 1} signals came though 15 elements were asked for, and the first was cancelled"
        )
        self.request(subscriber, 3)
        self.env.quiet()
        assert len(subscriber.signals) == came, f"rule 3.12: long after the cancel came {subscriber.signals[came:]}"
        assert not subscriber.violations, subscriber.violations
        if self.env.by_hand:
            assert came <= 2, f"rule 3.12: driven by hand, {came - 2} signals came after a cancel in the first element"

    @needs(elements=3)
    def test_required_spec313_cancel_must_make_the_publisher_eventually_drop_all_references_to_the_subscriber(self) -> None:
        """After a cancel nothing holds the subscriber, though publisher and subscription live on."""
        publisher = self.create_publisher(3)
        subscriber = self.subscribe(publisher)
        self.request(subscriber, 1)
        self.comes(subscriber, 1)
        subscription = subscriber.subscription
        subscription.cancel()
        self.env.settle()
        alive = weakref.ref(subscriber)
        del subscriber
        self.is_dropped(alive, "3.13")
        self.check_idle()
        del subscription, publisher

    @needs(elements=3, completion=True)
    def test_optional_spec313_references_are_dropped_without_the_garbage_collector(self) -> None:
        """After a cancel, and after the end, nothing holds the subscriber, though no garbage is collected."""
        was_on = gc.isenabled()
        gc.disable()
        try:
            for ends in (False, True):
                publisher = self.create_publisher(3)
                subscriber = self.subscribe(publisher)
                self.request(subscriber, LARGE if ends else 1)
                self.comes(subscriber, 3 if ends else 1, "complete" if ends else "")
                subscriber.subscription.cancel()
                self.env.quiet()
                alive = weakref.ref(subscriber)
                del subscriber
                what = "its end" if ends else "a cancel"
                assert alive() is None, f"rule 3.13: only the garbage collector would drop the subscriber after {what}"
                del publisher
        finally:
            if was_on:
                gc.enable()

    @needs(elements=3)
    def test_untested_spec315_cancel_must_not_throw_exception_and_must_signal_on_error(self) -> None:
        """cancel raises nothing in any state: before, inside and after signals, from another thread, twice, after the end."""
        raised: list[BaseException] = []

        def cancel(it: RecordingSubscriber) -> None:
            for _ in range(2):
                try:
                    it.subscription.cancel()
                except Exception as error:  # noqa: BLE001  # what it raises is what the test is about
                    raised.append(error)

        inside = self.subscribe(self.create_publisher(3), self.subscriber(on_next=lambda it, _: cancel(it)))
        self.request(inside, 3)
        self.until(lambda: bool(inside.elements), "no element came")
        first = self.subscribe(self.create_publisher(3))
        self.env.elsewhere(lambda: cancel(first))
        wrong = self.subscribe(self.create_publisher(3))
        self.request(wrong, -1)
        self.comes(wrong, 0, "error")
        self.env.quiet()
        for subscriber in (inside, first, wrong):
            cancel(subscriber)
        self.stays(first, 0)
        assert not raised, f"rule 3.15: cancel raised {raised}"

    # -- very much demand -------------------------------------------------------------------------------------------------

    @needs(elements=3, completion=True)
    def test_required_spec317_must_support_a_pending_element_count_up_to_long_max_value(self) -> None:
        """Demand of 2^63-1 brings all elements and no error."""
        self._brings_all(UNBOUNDED)

    @needs(elements=3, completion=True)
    def test_required_spec317_must_support_a_cumulative_pending_element_count_up_to_long_max_value(self) -> None:
        """Twice the half of 2^63-1, and one, bring all elements and no error."""
        self._brings_all(UNBOUNDED // 2, UNBOUNDED // 2, 1)

    @needs(elements=3, completion=True)
    def test_required_spec317_demand_beyond_long_max_value_is_unbounded(self) -> None:
        """Demand beyond 2^63-1, at once or in sum, brings all elements and no error."""
        self._brings_all(2**63)
        self._brings_all(2**64, 2**64)

    def _brings_all(self, *requests: int) -> None:
        def ask(subscription: Subscription) -> None:
            for n in requests:
                subscription.request(n)

        for inside in (False, True):  # inside on_subscribe nothing can be sent yet: there it adds up
            subscriber = self.subscribe(self.create_publisher(3), self.subscriber(ask if inside else lambda _: None))
            if not inside:
                ask(subscriber.subscription)
            self.env.settle()
            self.comes(subscriber, 3, "complete")

    @needs(elements=10)
    def test_required_spec317_must_not_signal_on_error_when_pending_above_long_max_value(self) -> None:
        """2^63-2 asked for from inside each of 10 elements brings no error."""

        def ask(it: RecordingSubscriber, _element: Any) -> None:
            if len(it.elements) < 10:
                it.subscription.request(UNBOUNDED - 1)
            else:
                it.subscription.cancel()

        subscriber = self.subscribe(
            self.create_publisher(11 if self.max_elements_from_publisher > 10 else 10), self.subscriber(on_next=ask)
        )
        self.request(subscriber, 1)
        self.until(lambda: len(subscriber.elements) >= 10, f"rule 3.17: only {len(subscriber.elements)} of 10 elements came")
        self.env.quiet()
        assert not subscriber.errors, f"rule 3.17: the stream ended with {subscriber.errors}"
        assert not subscriber.violations, subscriber.violations
