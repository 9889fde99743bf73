"""SubscriberWhiteboxVerification: chapter 2 of the specification, of a subscriber that tells a probe what it was told."""

from __future__ import annotations

from typing import Any

from rt_edge.protocol.roles import Subscriber
from rt_edge.testkit.tck.probe import WhiteboxProbe
from rt_edge.testkit.tck.subscriber_bench import SubscriberBench, UnderTest


class SubscriberWhiteboxVerification(SubscriberBench, abstract=True):
    """Subclass it as `Test...` and override `create_subscriber`."""

    def create_subscriber(self, probe: WhiteboxProbe) -> Subscriber[Any]:
        """A fresh subscriber that reports to `probe`: in on_subscribe its puppet, after that each signal."""
        raise NotImplementedError

    # -- how it is made and played ----------------------------------------------------------------------------------------

    def make(self) -> Subscriber[Any]:
        """A subscriber with a probe."""
        self.probe = WhiteboxProbe(self.env.ring)
        subscriber = self.create_subscriber(self.probe)
        self.env.settle()
        return subscriber

    def under_test(self, overlap: float = 0.0) -> UnderTest:
        """As `SubscriberBench.under_test`, with the probe that it reports to."""
        tested = super().under_test(overlap)
        tested.probe = self.probe
        return tested

    def has_begun(self, tested: UnderTest) -> None:
        """It has to register."""
        probe = self.probe_of(tested)
        self.until(lambda: probe.is_registered, "the subscriber has not called register_on_subscribe")

    def probe_of(self, tested: UnderTest) -> WhiteboxProbe:
        """The probe of a subscriber."""
        assert tested.probe is not None
        return tested.probe

    def make_it_ask(self, tested: UnderTest, n: int) -> None:
        """By its puppet."""
        self.probe_of(tested).puppet.trigger_request(n)

    def make_it_stop(self, tested: UnderTest) -> None:
        """By its puppet."""
        self.probe_of(tested).puppet.signal_cancel()

    def saw(self, tested: UnderTest, elements: int) -> None:
        """The probe was told of so many elements, those that were sent, in order."""
        probe = self.probe_of(tested)
        self.until(lambda: len(probe.elements) >= elements, f"{len(probe.elements)} elements were reported, not {elements}")
        wanted = [self.create_element(index) for index in range(elements)]
        assert probe.elements == wanted, f"reported were {probe.elements}, sent were {wanted}"

    # -- required ---------------------------------------------------------------------------------------------------------

    def test_required_exercise_whitebox_happy_path(self) -> None:
        """Asked to, it requests; it reports 2 elements; asked to, it cancels."""
        tested = self.subscribed()
        tested.ask(2)
        tested.send()
        self.saw(tested, 1)
        tested.send()
        self.saw(tested, 2)
        tested.stop()
        tested.check(cancels=1)

    def test_required_spec201_must_signal_demand_via_subscription_request(self) -> None:
        """Nothing comes without a request: asked to, it requests, for a positive number of elements."""
        tested = self.asking()
        assert all(n > 0 for n in tested.subscription.requests), tested.subscription.requests
        tested.send()
        self.saw(tested, 1)
        tested.check()

    def test_required_spec203_must_not_call_methods_on_subscription_or_publisher_in_on_complete(self) -> None:
        """Inside on_complete no method of the subscription is called."""
        self.calls_nothing_in(None)

    def test_required_spec203_must_not_call_methods_on_subscription_or_publisher_in_on_error(self) -> None:
        """Inside on_error no method of the subscription is called."""
        self.calls_nothing_in(ValueError("a test"))

    def test_required_spec205_must_call_subscription_cancel_if_it_already_has_an_subscription_and_receives_another_on_subscribe_signal(  # noqa: E501
        self,
    ) -> None:
        """A subscription that comes while one is active is cancelled once; the first goes on."""
        self.cancels_second()

    def test_required_spec208_must_be_prepared_to_receive_on_next_signals_after_having_called_subscription_cancel(self) -> None:
        """Elements that were under way when it cancelled raise nothing and call nothing."""
        self.copes_after_cancel()

    def test_required_spec209_must_be_prepared_to_receive_an_on_complete_signal_with_preceding_request_call(self) -> None:
        """on_complete after a request returns normally and is reported once."""
        probe = self.probe_of(self.copes_with_end(None, asked=True))
        self.until(lambda: probe.completions == 1, "rule 2.9: on_complete was not reported")

    def test_required_spec209_must_be_prepared_to_receive_an_on_complete_signal_without_preceding_request_call(self) -> None:
        """on_complete at once after on_subscribe returns normally and is reported once."""
        probe = self.probe_of(self.copes_with_end(None, asked=False))
        self.until(lambda: probe.completions == 1, "rule 2.9: on_complete was not reported")

    def test_required_spec210_must_be_prepared_to_receive_an_on_error_signal_with_preceding_request_call(self) -> None:
        """on_error after a request returns normally and is reported, as the same error."""
        self._reports_error(asked=True)

    def test_required_spec210_must_be_prepared_to_receive_an_on_error_signal_without_preceding_request_call(self) -> None:
        """on_error at once after on_subscribe returns normally and is reported, as the same error."""
        self._reports_error(asked=False)

    def _reports_error(self, asked: bool) -> None:
        error = ValueError("a test")
        probe = self.probe_of(self.copes_with_end(error, asked))
        self.until(lambda: bool(probe.errors), "rule 2.10: on_error was not reported")
        assert probe.errors == [error], f"rule 2.10: reported were {probe.errors}"

    def test_required_spec213_on_subscribe_must_throw_null_pointer_exception_when_parameters_are_null(self) -> None:
        """on_subscribe(None) raises TypeError to its caller."""
        self.refuses_none(self.make().on_subscribe)

    def test_required_spec213_on_next_must_throw_null_pointer_exception_when_parameters_are_null(self) -> None:
        """on_next(None) raises TypeError to its caller."""
        self.refuses_none(self.asking().subscriber.on_next)

    def test_required_spec213_on_error_must_throw_null_pointer_exception_when_parameters_are_null(self) -> None:
        """on_error(None) raises TypeError to its caller."""
        self.refuses_none(self.asking().subscriber.on_error)

    def test_required_spec308_request_must_register_given_number_elements_to_be_produced(self) -> None:
        """Asked for 2 elements and for 3, it requests 5 in all, and takes 5."""
        tested = self.subscribed()
        for total in (2, 5):
            self.make_it_ask(tested, total - tested.sent)
            while tested.sent < total:
                asked = sum(tested.subscription.requests)
                self.until(
                    lambda: bool(tested.subscription.demand), f"rule 3.8: asked for {total} elements, it requested {asked}"
                )
                tested.send()
            self.saw(tested, total)
        tested.check()

    # -- what the kit for the JVM leaves untested -------------------------------------------------------------------------

    def test_untested_spec202_should_asynchronously_dispatch(self) -> None:
        """on_next gives its caller back soon."""
        self.is_quick()

    def test_untested_spec204_must_consider_the_subscription_as_cancelled_in_after_recieving_on_complete_or_on_error(
        self,
    ) -> None:
        """After on_complete or on_error neither request nor cancel is called, whatever its user wants."""
        self.is_over_after(None)
        self.is_over_after(ValueError("a test"))

    def test_untested_spec206_must_call_subscription_cancel_if_it_is_no_longer_valid(self) -> None:
        """When it needs no more, its publisher sees exactly one cancel."""
        self.cancels_when_done()

    def test_untested_spec207_must_ensure_all_calls_on_its_subscription_take_place_from_the_same_thread_or_take_care_of_synchronization(  # noqa: E501
        self,
    ) -> None:
        """No call to the subscription overlaps another."""
        self.calls_are_serial()

    def test_untested_spec211_must_make_sure_that_all_calls_on_its_methods_happen_before_the_processing_of_the_respective_events(
        self,
    ) -> None:
        """Signals that come each from another thread are reported whole and in order."""
        self.saw(self.takes_signals_of_any_thread(), 3)

    def test_untested_spec212_must_not_call_on_subscribe_more_than_once_based_on_object_equality_spec_violation(self) -> None:
        """The same subscription once more raises nothing, and nothing is asked for twice."""
        self.same_subscription_again()

    def test_untested_spec213_failing_on_signal_invocation(self) -> None:
        """No signal of a whole stream raises, and one after its end neither."""
        tested = self.asking(2)
        try:
            tested.send(2)
            tested.end(ValueError("a test"))
            tested.subscriber.on_next(self.create_element(2))
            tested.subscriber.on_complete()
        except Exception as raised:
            raise AssertionError(f"rule 2.13: a signal raised {raised!r}") from raised
        self.env.quiet()
        probe = self.probe_of(tested)
        assert (len(probe.errors), probe.completions) == (1, 0), "rule 2.13: a second last signal was reported"

    def test_untested_spec301_must_not_be_called_outside_subscriber_context(self) -> None:
        """A subscription is called for its own subscriber only."""
        self.stays_with_its_own()
